"""The way back: a release that is on the host becomes the current one again, as a whole."""

import json
import time
from collections.abc import Iterator

import pytest

from .airflow import Airflow, airflow
from .caches import pip_index
from .checkout import Checkout
from .command import ROOT, run, until
from .conftest import MakeMachine
from .containers import containers, health, ids
from .database import revision
from .gated import current_release
from .machine import Machine
from .test_second_deploy import files

RELEASES = "/opt/flights-mlops/releases"
BACKUPS = "/var/backups/flights-mlops"
DAG = '''\
"""A DAG that says which edition it is of."""

from airflow.sdk import dag, task


@dag(schedule=None, is_paused_upon_creation=False)
def edition() -> None:
    """Say it."""

    @task
    def tell() -> str:
        return "{edition}"

    tell()


edition()
'''


def back(machine: Machine, *arguments: str) -> None:
    """Roll back, and expect it to work."""
    done = machine.pyinfra("deploy.rollback.to", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def refused(machine: Machine, *arguments: str) -> str:
    """Roll back and be refused; gives what was said, having seen that nothing changed."""
    before, running = files(machine), ids(machine)
    done = machine.pyinfra("deploy.rollback.to", *arguments)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "traceback" not in said.lower()
    assert sorted(files(machine) ^ before) == []
    assert ids(machine) == running
    return said


def edition(api: Airflow, release: str) -> str:
    """Wait until Airflow has seen that release, and return what a run says that was made of it."""
    until("the release in Airflow", lambda: api.get("dags/edition")["bundle_version"] == release, limit=120)
    run_id = api.run("edition")
    assert api.get(f"dags/edition/dagRuns/{run_id}")["bundle_version"] == release
    return str(api.get(f"dags/edition/dagRuns/{run_id}/taskInstances/tell/xcomEntries/return_value")["value"])


@pytest.fixture
def machine(bookworm: Machine) -> Iterator[Machine]:
    """Take a machine that runs the project as it is, and leave it so."""
    bookworm.as_deployed()
    yield bookworm
    bookworm.as_deployed()


def test_there_and_back_after_an_edited_dag(machine: Machine, checkout: Checkout) -> None:
    """Without a name it is the release before: in seconds, without a restart. Twice goes forth."""
    checkout.write("dags/edition.py", DAG.format(edition="first"))
    machine.deploy(checkout=checkout.path)
    first = current_release(machine)
    checkout.write("dags/edition.py", DAG.format(edition="second"))
    machine.deploy(checkout=checkout.path)
    second, running = current_release(machine), ids(machine)
    with airflow(machine) as api:
        assert edition(api, second) == "second"

        start = time.monotonic()
        back(machine)
        assert time.monotonic() - start < 30
        assert current_release(machine) == first
        assert edition(api, first) == "first"

        back(machine)
        assert current_release(machine) == second
        assert edition(api, second) == "second"
    assert ids(machine) == running


def parallelism(machine: Machine) -> str:
    """Return the setting as Airflow itself reads it."""
    command = "docker exec flights-mlops-airflow-scheduler-1 airflow config get-value core parallelism"
    return machine.sudo(f"{command} 2>/dev/null").stdout.strip()


def images(machine: Machine) -> set[str]:
    """Return the ids of the images that Airflow's containers run on, and that of the alias."""
    alias = machine.sudo("docker image inspect --format '{{.Id}}' flights-mlops-airflow:latest").stdout
    running = {found["Image"] for name, found in containers(machine).items() if name.startswith("airflow-")}
    return {*running, alias.strip()}


def test_code_image_and_setting_go_back_together(machine: Machine, checkout: Checkout) -> None:
    """By name, after a deploy that changed all three; the database's container stays."""
    release, image, database = current_release(machine), images(machine), ids(machine)["postgres-airflow"]
    assert len(image) == 1
    checkout.append("files/images/Dockerfile", "\nRUN : another image\n")
    checkout.write("dags/edition.py", DAG.format(edition="first"))
    machine.deploy("--data", "parallelism=5", checkout=checkout.path)
    assert parallelism(machine) == "5"
    assert len(images(machine)) == 1
    assert images(machine) != image

    back(machine, f"release={release}")
    assert current_release(machine) == release
    assert images(machine) == image
    assert parallelism(machine) == "8"
    assert set(health(machine).values()) == {"healthy"}
    assert ids(machine)["postgres-airflow"] == database
    done = machine.deploy("--json")
    assert json.loads(done.stdout)["results"]["totals"]["success"] == 0, "a deploy of the same had to change"


def test_a_release_that_is_not_there(machine: Machine, checkout: Checkout) -> None:
    """The line names those that are there."""
    checkout.write("dags/edition.py", DAG.format(edition="first"))
    other = current_release(machine)
    machine.deploy(checkout=checkout.path)
    said = refused(machine, "release=r-nonsense")
    assert [line for line in said.splitlines() if "r-nonsense" in line and other in line]


def test_a_release_that_was_edited_on_the_host(machine: Machine, checkout: Checkout) -> None:
    """What it says is no longer what it is: the line names it."""
    edited = current_release(machine)
    path = f"{RELEASES}/{edited}/dags/flights_bronze.py"
    checkout.write("dags/edition.py", DAG.format(edition="first"))
    machine.deploy(checkout=checkout.path)
    machine.sudo(f"echo '# by hand' >>{path}")
    try:
        said = refused(machine, f"release={edited}")
        assert [line for line in said.splitlines() if edited in line and "was changed" in line]
    finally:
        machine.sudo(f"sed -i '$d' {path}")


@pytest.fixture
def older(new_machine: MakeMachine, checkout: Checkout) -> Iterator[Machine]:
    """Make a machine with the Airflow before: 3.2, resolved as `make lock` does."""
    project = (checkout.path / "pyproject.toml").read_text()
    # Of what it needs, the one newer version that it does not work with is left out.
    older = project.replace('"apache-airflow>=3.3,<3.4"', '"apache-airflow>=3.2,<3.3", "pydantic<2.14"')
    checkout.write("pyproject.toml", older)
    settings = {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    if index := pip_index():
        settings["UV_DEFAULT_INDEX"] = index
    command = [
        ROOT / ".venv/bin/uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
        "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--group", "image",
        "--output-file", "requirements/image.txt",
    ]  # fmt: skip
    run(command, cwd=checkout.path, env=settings)
    assert "apache-airflow==3.2." in (checkout.path / "requirements/image.txt").read_text()
    # In 3.2 a version is its name, and no class of its own.
    bundle = (checkout.path / "files/images/release_bundle.py").read_text()
    bundle = bundle.replace("import BaseDagBundle, BundleVersion", "import BaseDagBundle")
    bundle = bundle.replace("return BundleVersion(self._root.name)", "return self._root.name")
    checkout.write("files/images/release_bundle.py", bundle)
    machine = new_machine("older", "trixie", pip_configured=True, images=True)
    machine.deploy(checkout=checkout.path)
    yield machine
    machine.destroy()


def version(machine: Machine) -> str:
    """Return which Airflow answers."""
    with airflow(machine) as api:
        return str(api.get("version")["version"])


@pytest.mark.slow
def test_back_over_a_migration(older: Machine) -> None:
    """An Airflow upgrade is dumped for; a rollback over it is refused with the way out, which works."""
    release, tables = current_release(older), revision(older)
    assert version(older).startswith("3.2.")
    with airflow(older) as api:
        past = api.run("flights_bronze")
        assert api.state("flights_bronze", past) == "success"

    older.deploy()
    upgraded = current_release(older)
    assert version(older).startswith("3.3.")
    assert revision(older) != tables
    (dump,) = older.sudo(f"ls {BACKUPS}").stdout.split()
    with airflow(older) as api:
        assert api.state("flights_bronze", past) == "success"
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"

    for arguments in ([], [f"release={release}"]):
        said = refused(older, *arguments)
        assert [line for line in said.splitlines() if "deploy.database.restore" in line and dump in line]
    assert current_release(older) == upgraded

    done = older.pyinfra("deploy.database.restore", f"dump={dump}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert revision(older) == tables
    back(older, f"release={release}")
    assert current_release(older) == release
    assert version(older).startswith("3.2.")
    assert set(health(older).values()) == {"healthy"}
    with airflow(older) as api:
        assert api.state("flights_bronze", past) == "success"
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
