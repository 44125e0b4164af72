"""What happened to a host: `deploy.status.history` says it, whoever deployed from wherever."""

import getpass
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .checkout import Checkout
from .command import run
from .machine import Machine

OWNER = f"{getpass.getuser()}@{socket.gethostname()}"
LINE = re.compile(
    r"(?P<time>\S+)  (?P<event>[a-z ]+) (?P<release>r-[0-9a-f]{12}|-)(: (?P<reason>.+))?"
    r"  by (?P<owner>\S+) \((?P<message>.*)\), commit (?P<commit>.+)"
)
COMPOSE = "templates/stack/docker-compose.yaml.j2"
COMMAND = "    command: [env, --chdir=/opt/airflow, airflow, dag-processor]\n"


@dataclass(frozen=True)
class Event:
    """One line of the history."""

    time: str
    event: str
    release: str
    reason: str | None
    owner: str
    message: str
    commit: str


def history(machine: Machine) -> list[Event]:
    """Ask for the history; gives its lines, the oldest first."""
    done = machine.pyinfra("deploy.status.history")
    assert done.returncode == 0, done.stderr
    return [Event(**found.groupdict()) for found in LINE.finditer(done.stdout + done.stderr)]


def current(machine: Machine) -> str:
    """Return the release that the link to the current one points to."""
    return machine.run("basename $(readlink /opt/flights-mlops/current)").stdout.strip()


@pytest.fixture
def machine(trixie: Machine) -> Iterator[Machine]:
    """Take a machine that runs the project as it is, and leave it so."""
    trixie.as_deployed()
    yield trixie
    trixie.as_deployed()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project, and commit the copy."""
    checkout = Checkout(tmp_path / "clone")
    user = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    run(["git", *user, "commit", "--quiet", "--message=The first commit"], cwd=checkout.path)
    return checkout


def commit(checkout: Checkout) -> str:
    """Return the hash of the checkout's commit, as long as the history has it."""
    return run(["git", "rev-parse", "--short=12", "HEAD"], cwd=checkout.path).stdout.strip()


def test_each_change_is_remembered(machine: Machine, checkout: Checkout) -> None:
    """A deploy, one that changes nothing, a rollback and a failure: when, what, by whom, what for and why."""
    past, before = history(machine), current(machine)
    assert past
    message = ("--data", "message=new prices")

    machine.deploy("--data", "message=nothing new")
    assert history(machine) == past

    (checkout.path / "dags/flights_bronze.py").open("a").write("# changed\n")
    machine.deploy(*message, checkout=checkout.path)
    *older, deployed = history(machine)
    assert older == past
    changed = current(machine)
    assert (deployed.event, deployed.release, deployed.reason) == ("deployed", changed, None)
    assert (deployed.owner, deployed.message) == (OWNER, "new prices")
    assert deployed.commit == f"{commit(checkout)}+ The first commit"
    age = datetime.now(UTC) - datetime.fromisoformat(deployed.time)
    assert timedelta(0) <= age < timedelta(minutes=5)

    machine.pyinfra("deploy.rollback.to", "--data", "message=too dear")
    *older, rolled_back = history(machine)
    assert older == [*past, deployed]
    assert (rolled_back.event, rolled_back.release) == ("rolled back", before)
    assert (rolled_back.owner, rolled_back.message) == (OWNER, "too dear")
    assert rolled_back.commit == [event.commit for event in past if event.release == before][-1]

    run(["git", "checkout", "--quiet", "."], cwd=checkout.path)
    template = (checkout.path / COMPOSE).read_text()
    assert COMMAND in template
    checkout.write(COMPOSE, template.replace(COMMAND, "    command: [bash, -c, exit 7]\n"))
    failing = machine.pyinfra("deploy.py", *message, checkout=checkout.path)
    assert failing.returncode != 0
    *older, failed, put_back = history(machine)
    assert older == [*past, deployed, rolled_back]
    assert failed.event == "failed"
    assert "airflow-dag-processor" in str(failed.reason)
    assert failed.commit.startswith(commit(checkout))
    assert (put_back.event, put_back.release) == ("rolled back", before)

    checkout.write("dags/broken.py", "from airflow.sdk import dag\nimport no_such_module\n")
    failing = machine.pyinfra("deploy.py", *message, checkout=checkout.path)
    assert failing.returncode != 0
    *older, refused = history(machine)
    assert older == [*past, deployed, rolled_back, failed, put_back]
    assert refused.event == "failed"
    assert "DAGs" in str(refused.reason)
