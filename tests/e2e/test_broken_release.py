"""A release that cannot be built or cannot start is deployed: what ran goes on running, or is put back."""

import pytest
import requests

from .airflow import airflow
from .checkout import Checkout
from .containers import health, ids
from .database import revision, sql
from .machine import Machine

COMPOSE = "templates/stack/docker-compose.yaml.j2"
COMMAND = "    command: [env, --chdir=/opt/airflow, airflow, dag-processor]\n"
CHECK = "      test: [CMD, healthcheck, dag_processor]\n"
BACKUPS = "/var/backups/flights-mlops"
# A migration of Airflow's that leaves something behind, and fails.
MIGRATION = '''\
"""Migrate half of it."""

from alembic import op

revision = "ffffffffffff"
down_revision = "{revision}"
branch_labels = None
depends_on = None
airflow_version = "3.99.0"


def upgrade() -> None:
    """Make a table, for good, and fail."""
    with op.get_bind().engine.begin() as connection:
        connection.exec_driver_sql("create table half_a_migration ()")
    raise RuntimeError(f"the last words of the migration {{40 + 2}}")
'''
ADD_MIGRATION = """
USER 0
RUN cp /opt/flights-mlops/current/src/broken_migration.py \\
  /opt/venv/lib/python3*/site-packages/airflow/migrations/versions/
USER 50000
"""


def current(machine: Machine) -> str:
    """Return where the link to the current release points."""
    return machine.run("readlink /opt/flights-mlops/current").stdout


def fails(machine: Machine, checkout: Checkout, *arguments: str) -> str:
    """Deploy what is broken; gives what was said, having seen that the old release is current and answers."""
    before = current(machine)
    done = machine.pyinfra("deploy.py", *arguments, checkout=checkout.path)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert current(machine) == before
    assert set(health(machine).values()) == {"healthy"}
    with airflow(machine) as api:
        assert api.log_in() == requests.codes.created
    return said


def fails_unnoticed(machine: Machine, checkout: Checkout) -> str:
    """Deploy what is broken; gives what was said, having seen that no service was touched."""
    machine.as_deployed()
    running = ids(machine)
    said = fails(machine, checkout)
    assert "traceback" not in said.lower()
    assert ids(machine) == running
    return said


def edit(checkout: Checkout, name: str, old: str, new: str) -> None:
    """Replace what stands once in a file."""
    text = (checkout.path / name).read_text()
    assert text.count(old) == 1
    checkout.write(name, text.replace(old, new))


def test_a_failed_build_shows_its_last_lines(trixie: Machine, checkout: Checkout) -> None:
    """What the build itself printed last is on the screen."""
    checkout.append("files/images/Dockerfile", "\nRUN echo the last words of the build $((40 + 2)) && exit 7\n")
    said = fails_unnoticed(trixie, checkout)
    assert "the last words of the build 42" in said


def test_a_failed_init_shows_its_last_lines(trixie: Machine, checkout: Checkout) -> None:
    """Init fails, the deploy stops there with the container's log, and the next good deploy puts it right."""
    initialise = "#!/bin/sh\necho the last words of init $((40 + 2))\nexit 7\n"
    checkout.write("files/images/initialise", initialise)
    said = fails_unnoticed(trixie, checkout)
    assert "the last words of init 42" in said
    trixie.deploy()
    assert set(health(trixie).values()) == {"healthy"}


def test_a_dag_that_cannot_be_imported_stops_before_the_switch(trixie: Machine, checkout: Checkout) -> None:
    """The file and its error are named; with the DAG put right, the same deploy goes through."""
    good = (checkout.path / "dags/flights_bronze.py").read_text()
    checkout.write("dags/broken.py", good.replace("flights_bronze", "broken") + "\nimport no_such_module\n")
    trixie.as_deployed()
    before = current(trixie)
    running = ids(trixie)
    done = trixie.pyinfra("deploy.py", checkout=checkout.path)
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "dags/broken.py" in said
    assert "No module named 'no_such_module'" in said
    assert current(trixie) == before
    assert ids(trixie) == running

    checkout.write("dags/broken.py", good.replace("flights_bronze", "broken"))
    trixie.deploy(checkout=checkout.path)
    with airflow(trixie) as api:
        api.wait_for_dag("broken")
        assert api.get("importErrors")["import_errors"] == []
    trixie.as_deployed()
    assert current(trixie) == before


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            COMMAND,
            "    command: [bash, -c, 'echo the last words of the service $$((40 + 2)); exit 7']\n",
            "the last words of the service 42",
        ),
        (CHECK, '      test: [CMD, "false"]\n', "not healthy after"),
    ],
    ids=["dies", "is never healthy"],
)
def test_what_does_not_come_up_is_taken_back(
    trixie: Machine, checkout: Checkout, old: str, new: str, words: str
) -> None:
    """A service that dies or is never well: the reason, its log, and the release before runs again."""
    trixie.as_deployed()
    running = ids(trixie)
    edit(checkout, COMPOSE, old, new)
    said = fails(trixie, checkout, "--data", "start_timeout=60")
    assert words in said
    assert "--- airflow-dag-processor" in said
    assert "which runs" in said
    assert {name for name, found in ids(trixie).items() if running[name] != found} == {"airflow-dag-processor"}

    edit(checkout, COMPOSE, new, f"    labels: [mended]\n{old}" if old == COMMAND else old)
    trixie.deploy(checkout=checkout.path)
    assert set(health(trixie).values()) == {"healthy"}
    trixie.as_deployed()


def test_a_failed_migration_is_undone(trixie: Machine, checkout: Checkout) -> None:
    """The database was dumped before and is put back; the old release goes on with the runs it knew."""
    trixie.as_deployed()
    with airflow(trixie) as api:
        past = api.run("flights_bronze")
    tables, dumps = revision(trixie), trixie.sudo(f"ls {BACKUPS}", check=False).stdout.split()
    checkout.write("src/broken_migration.py", MIGRATION.format(revision=tables))
    checkout.append("files/images/Dockerfile", ADD_MIGRATION)

    said = fails(trixie, checkout)
    assert "the last words of the migration 42" in said, said
    assert "the migration by r-" in said
    (dump,) = set(trixie.sudo(f"ls {BACKUPS}").stdout.split()) - set(dumps)
    assert dump in said
    assert trixie.sudo(f"stat --format %a {BACKUPS} {BACKUPS}/{dump}").stdout.split() == ["700", "600"]
    assert revision(trixie) == tables
    assert sql(trixie, "select to_regclass('half_a_migration')") == ""
    with airflow(trixie) as api:
        assert api.state("flights_bronze", past) == "success"

    trixie.deploy()
    assert set(health(trixie).values()) == {"healthy"}
    with airflow(trixie) as api:
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"
