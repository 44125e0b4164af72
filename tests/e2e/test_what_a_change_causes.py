"""Something was changed and is deployed: what has to begin anew does, and nothing else notices.

That nothing changes where nothing was changed is in test_second_deploy.py, and what a setting causes in
test_changed_setting.py.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .airflow import airflow
from .checkout import Checkout
from .containers import containers, health, ids
from .gated import all_of, edit, edit_dag, edit_src, gated_run
from .machine import Machine
from .running import begun

COMPOSE_FILE = "templates/stack/docker-compose.yaml.j2"
AT_ONCE = "[env, --chdir=/opt/airflow, airflow, api-server]"
AFTER_HALF_A_MINUTE = "[sh, -c, sleep 30 && exec env --chdir=/opt/airflow airflow api-server]"
ROOM_FOR_THE_NEXT = {"Remove old releases", "Remove unused images"}
AIRFLOW_SERVICES = {"airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}


@pytest.fixture(scope="module")
def machine(bookworm: Machine) -> Iterator[Machine]:
    """Use a machine for the tests below; the unmodified project is on it again after them."""
    yield bookworm
    bookworm.as_deployed()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project, with a DAG of one's own."""
    found = Checkout(tmp_path / "clone")
    edit(found, "first")
    return found


def changes(machine: Machine, checkout: Checkout) -> set[str]:
    """Deploy; gives the names of the operations that changed something."""
    said = json.loads(machine.deploy("--json", checkout=checkout.path).stdout)
    return {found["name"].split(" | ")[-1] for found in said["results"]["operations"] if found["success"]}


def restarted(machine: Machine, before: dict[str, tuple[str, str]]) -> set[str]:
    """Return the services whose containers are others than before, or were started again."""
    now = ids(machine)
    return {name for name in before.keys() | now.keys() if before.get(name) != now.get(name)}


@pytest.mark.parametrize(
    ("edit_one", "told"),
    [
        (edit_dag, all_of("first") | {"dag": "second"}),
        (edit_src, all_of("second") | {"dag": "first"}),
    ],
    ids=["dags", "src"],
)
def test_edited_code_runs_with_nothing_restarted(
    machine: Machine, checkout: Checkout, edit_one: Callable[[Checkout, str], None], told: dict[str, str]
) -> None:
    """`dags/` or `src/` is uploaded and switched to: later runs have it, and no container notices."""
    machine.deploy(checkout=checkout.path)
    before = ids(machine)
    edit_one(checkout, "second")
    assert changes(machine, checkout) - ROOM_FOR_THE_NEXT == {
        "Upload the release",
        "Import the DAGs of the release",
        "Switch to the release",
        "Start the services and wait until they are healthy",
    }
    assert restarted(machine, before) == set()
    with airflow(machine) as api, gated_run(machine, api) as run:
        run.open_gate()
        assert run.wait_for_end() == "success"
        assert (run.told("wait"), run.told("follow")) == (told, told)


def test_a_changed_image_replaces_airflow_and_kills_no_task(machine: Machine, checkout: Checkout) -> None:
    """Airflow's services are made anew, the database is not, and a task that runs comes to its end.

    The one after it begins before the webserver, which takes its time, is back, and waits for that.
    """
    machine.deploy(checkout=checkout.path)
    before = ids(machine)
    checkout.append("files/images/Dockerfile", "LABEL edition=second\n")
    checkout.replace(COMPOSE_FILE, AT_ONCE, AFTER_HALF_A_MINUTE)
    with airflow(machine) as api, gated_run(machine, api) as run:
        with begun(machine, "deploy.py", checkout=checkout.path) as deploy:
            deploy.wait_for("Draining the scheduler: 1 task may finish")
            assert restarted(machine, before) == set()
            run.open_gate()
            deploy.succeed()
        assert run.wait_for_end() == "success"
        assert (run.outcome("wait"), run.times_begun()) == (("success", 1), 1)
        assert run.outcome("follow") == ("success", 1)
    assert restarted(machine, before) == AIRFLOW_SERVICES
    labels = {name: found["Config"]["Labels"].get("edition") for name, found in containers(machine).items()}
    assert labels == dict.fromkeys(AIRFLOW_SERVICES, "second") | {"postgres-airflow": None}
    assert set(health(machine).values()) == {"healthy"}


@pytest.mark.parametrize(
    ("by_hand", "service"),
    [
        ("docker stop", "airflow-scheduler"),
        ("docker rm --force", "airflow-dag-processor"),
        ("docker pause", "airflow-webserver"),
    ],
)
def test_what_does_not_run_is_started(machine: Machine, by_hand: str, service: str) -> None:
    """As after a start that was interrupted: a deploy brings up what is missing, and nothing else notices."""
    machine.as_deployed()
    before = ids(machine)
    machine.sudo(f"{by_hand} {before[service][0]}")
    machine.deploy()
    assert set(health(machine).values()) == {"healthy"}
    assert restarted(machine, before) == ({service} if "pause" not in by_hand else set())
    if "rm" not in by_hand:
        assert ids(machine)[service][0] == before[service][0]
