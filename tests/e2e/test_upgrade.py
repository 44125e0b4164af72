"""A host deployed before the stack had a user of its own: the next deploy moves it over and loses nothing."""

import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from subprocess import check_output

import pytest

from .airflow import airflow
from .checkout import Checkout
from .command import ROOT, run
from .conftest import MakeMachine
from .database import sql
from .gated import DAG, GatedRun, all_of, edit, gated_run
from .machine import Machine
from .running import begun

pytestmark = pytest.mark.slow

# The last commit whose stack ran as the user who deploys, with a superuser in the database.
BEFORE = "fcedae10de5f2c69d756a85f1633efcbec43dc6e"
STATE = "/var/lib/flights-mlops"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Check that commit out."""
    if run(["git", "-C", ROOT, "cat-file", "-e", BEFORE], check=False).returncode:
        pytest.skip(f"this clone has no history back to {BEFORE[:12]}")
    path = tmp_path_factory.mktemp("before") / "checkout"
    archive = check_output(["git", "-C", ROOT, "archive", BEFORE])
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(path, filter="data")
    (path / "dags/gated.py").write_text(DAG.format(edition="before"))
    (path / "src/edition.py").write_text('EDITION = "before"\n')
    (path / "src/edition.txt").write_text("before")
    for command in ("init --quiet", "add --all --force ."):
        run(["git", "-C", path, *command.split()])
    return path


@pytest.fixture(scope="module")
def upgraded(new_machine: MakeMachine, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Deploy that commit, have it used, and deploy this one while a task runs."""
    after = Checkout(tmp_path_factory.mktemp("after") / "checkout")
    edit(after, "after")
    machine = new_machine("upgraded", "trixie", pip_configured=True, images=True)
    machine.deploy(checkout=before)
    with airflow(machine) as api:
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
        machine.sudo(f"install -o debian -m 4755 /bin/bash {STATE}/data/shell; touch {STATE}/workspace/mine")
        machine.sudo(f"chown debian {STATE}/workspace/mine; ln -s /etc/shadow {STATE}/data/link")
        with gated_run(machine, api) as run, begun(machine, "deploy.py", checkout=after.path) as deploy:
            deploy.wait_for("Draining the scheduler: 1 task")
            run.open_gate()
            machine.first_deploy = deploy.end()
            assert machine.first_deploy.returncode == 0, machine.first_deploy.stdout
    with airflow(machine) as api:
        task = GatedRun(machine, api, run.id)
        assert task.wait_for_end() == "success"
        assert (task.outcome("wait"), task.times_begun()) == (("success", 1), 1)
        assert task.told("wait") == task.told("follow") == all_of("before")
    machine.deploy()
    yield machine
    machine.destroy()


def test_what_tasks_wrote_is_kept_and_has_another_owner(upgraded: Machine) -> None:
    """All of it is the service user's; links are not followed; a setuid file is none any more."""
    assert upgraded.sudo(f"test -s {STATE}/data/bronze/flights.parquet").returncode == 0
    uid = upgraded.run("id -u flights-mlops").stdout.strip()
    folders = f"{STATE}/data {STATE}/models {STATE}/logs {STATE}/workspace/mine"
    assert upgraded.sudo(f"find {folders} ! -user {uid}").stdout == ""
    assert upgraded.sudo("stat -c %U /etc/shadow").stdout == "root\n"
    assert upgraded.sudo(f"find {STATE} -perm /6000").stdout == ""
    assert "Changing the owner of the tasks' files from user 1000" in upgraded.first_deploy.stdout


def test_airflow_remembers(upgraded: Machine) -> None:
    """The run of before is there with its log; a new one works on the same files."""
    assert sql(upgraded, "select state from dag_run where dag_id = 'flights_bronze'") == "success"
    with airflow(upgraded) as api:
        (old,) = api.get("dags/flights_bronze/dagRuns")["dag_runs"]
        log = api.get(f"dags/flights_bronze/dagRuns/{old['dag_run_id']}/taskInstances/bronze/logs/1")
        assert "Done" in str(log) or log["content"]
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"


def test_the_role_is_an_ordinary_one(upgraded: Machine) -> None:
    """Of the same database, with the same password."""
    assert sql(upgraded, "select rolsuper from pg_roles where rolname = current_user") == "f"


def test_the_second_deploy_changes_nothing_and_the_way_back_works(upgraded: Machine) -> None:
    """The release of before runs again as it did, and then this one again."""
    done = upgraded.deploy()
    assert "nothing changed" in done.stdout + done.stderr
    first = f"awk -F '\\t' '$2 == \"deployed\" {{ print $3; exit }}' {STATE}/history"
    release = upgraded.sudo(first).stdout.strip()
    assert upgraded.pyinfra("deploy.rollback.to", f"release={release}").returncode == 0
    assert upgraded.sudo(f"stat -c %U {STATE}/data").stdout == "debian\n"
    with airflow(upgraded) as api:
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
    upgraded.deploy()
    assert upgraded.sudo(f"stat -c %U {STATE}/data").stdout == "flights-mlops\n"
