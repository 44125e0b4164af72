"""Two deploys to the same host, or one after one that was killed: one at a time, and nobody is locked out."""

import getpass
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from .checkout import Checkout
from .command import until
from .containers import health, ids
from .machine import Machine
from .running import Running, begun
from .test_second_deploy import files

# The DAG processor, which imports the DAGs, has nothing of what tasks write but their logs.
GO_ON = "/var/lib/flights-mlops/logs/go-on"
# Holds the deploy where it imports the DAGs of the release: before the switch, and nothing else is touched.
SLOW_DAG = f'''\
"""A DAG whose import takes until somebody says so."""

import signal
import time
from pathlib import Path

from airflow.sdk import dag

signal.setitimer(signal.ITIMER_REAL, 0)  # Airflow's own limit for an import
while not Path("{GO_ON}").exists():
    time.sleep(0.1)


@dag(schedule=None)
def slow() -> None:
    """Do nothing."""


slow()
'''
HELD_AT = "Import the DAGs of the release"
MESSAGE = "the new prices, at last"
OWNER = f"{getpass.getuser()}@{socket.gethostname()}"
CURRENT = "readlink /opt/flights-mlops/current"
# The ends, on the control node, of all SSH connections but the one that asks.
OTHER_CONNECTIONS = """
ss --no-header --numeric --tcp state established '( sport = :22 )' |
awk '{ sub(".*:", "", $4); print $4 }' | grep --invert-match "^$(echo "$SSH_CONNECTION" | cut -d ' ' -f 2)$"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project, with a DAG that holds the deploy until it is let go on."""
    checkout = Checkout(tmp_path / "clone")
    checkout.write("dags/slow.py", SLOW_DAG)
    return checkout


@pytest.fixture
def machine(bookworm: Machine) -> Iterator[Machine]:
    """Take a machine on which nobody deploys, and leave it so."""
    bookworm.as_deployed()
    yield bookworm
    let_go_on(bookworm)
    bookworm.as_deployed()
    bookworm.sudo(f"rm {GO_ON}")


@contextmanager
def held(machine: Machine, checkout: Checkout) -> Iterator[Running]:
    """Deploy, and be in the middle of that."""
    with begun(machine, "deploy.py", "--data", f"message={MESSAGE}", checkout=checkout.path) as deploy:
        deploy.wait_for(f"Starting operation: DAGs | {HELD_AT}")
        # The step itself, and not only its announcement; the brackets keep `pgrep` from finding this command.
        until("the DAG check", lambda: machine.sudo("pgrep --full bin/[c]heck-dags").stdout)
        yield deploy


def let_go_on(machine: Machine) -> None:
    """Let the held deploy finish its step."""
    machine.sudo(f"touch {GO_ON}")


def tells_who(said: str) -> None:
    """See that it says who has the lock, since when and what for."""
    assert "traceback" not in said.lower()
    lines = [line for line in said.partition("--> Hosts:")[0].splitlines() if OWNER in line]
    assert len(lines) == 1, said
    assert MESSAGE in lines[0]
    since = re.search(r"since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z", lines[0])
    assert since, lines
    age = datetime.now(UTC) - datetime.fromisoformat(since[1]).replace(tzinfo=UTC)
    assert timedelta(0) <= age < timedelta(minutes=5)


def test_a_second_deploy_is_refused(machine: Machine, checkout: Checkout) -> None:
    """While one deploys, another is told at once by whom, since when and what for; the first ends well."""
    with held(machine, checkout) as first:
        before, running = files(machine), ids(machine)
        for step in ("deploy.py", "deploy.database.dump"):
            second = machine.pyinfra(step)
            assert second.returncode != 0, second.stdout
            tells_who(second.stdout + second.stderr)
        shown = machine.pyinfra("deploy.lock.show")
        assert shown.returncode == 0
        tells_who(shown.stdout + shown.stderr)
        assert sorted(files(machine) ^ before) == []
        assert ids(machine) == running
        assert first.process.poll() is None

        let_go_on(machine)
        done = first.end()
    assert done.returncode == 0, done.stdout
    shown = machine.pyinfra("deploy.lock.show")
    assert "nobody is deploying" in shown.stdout + shown.stderr
    assert set(health(machine).values()) == {"healthy"}


def test_a_killed_deploy_locks_nobody_out(machine: Machine, checkout: Checkout) -> None:
    """The next deploy waits for the end of the step that is still at work, says so, and takes over."""
    with held(machine, checkout) as first:
        first.kill()
        with begun(machine, "deploy.py", checkout=checkout.path) as second:
            second.wait_for("waiting for it to finish")
            let_go_on(machine)
            done = second.end()
    assert done.returncode == 0, done.stdout
    assert f"Taking over from the deploy of {OWNER}" in done.stdout
    assert set(health(machine).values()) == {"healthy"}


@contextmanager
def cut_off(machine: Machine) -> Iterator[None]:
    """Lose every packet of the SSH connections there are: neither end hears of the other any more."""
    rules = [
        f"{chain} --protocol tcp --{ours}port 22 --{theirs}port {port} --jump DROP"
        for port in machine.run(OTHER_CONNECTIONS).stdout.split()
        for chain, ours, theirs in (("INPUT", "d", "s"), ("OUTPUT", "s", "d"))
    ]
    assert rules
    for rule in rules:
        machine.sudo(f"iptables --insert {rule}")
    try:
        yield
    finally:
        for rule in rules:
            machine.sudo(f"iptables --delete {rule}")


def test_a_cut_connection_locks_its_owner_not_out(machine: Machine, checkout: Checkout) -> None:
    """The host does not know that the deploy has gone; who deploys from the same machine again does."""
    with held(machine, checkout) as first, cut_off(machine):
        first.kill()
        let_go_on(machine)
        shown = machine.pyinfra("deploy.lock.show")
        tells_who(shown.stdout + shown.stderr)
        done = machine.deploy(checkout=checkout.path)
    assert f"Taking over from the deploy of {OWNER}" in done.stdout + done.stderr
    assert set(health(machine).values()) == {"healthy"}


def test_a_lock_that_is_released_ends_its_deploy(machine: Machine, checkout: Checkout) -> None:
    """`deploy.lock.release` takes the lock from a live deploy, which stops at its next step and says why."""
    current = machine.run(CURRENT).stdout
    with held(machine, checkout) as first:
        released = machine.pyinfra("deploy.lock.release")
        assert released.returncode == 0, released.stderr
        tells_who(released.stdout + released.stderr)
        let_go_on(machine)
        done = first.end()
    assert done.returncode != 0
    assert "this deploy has lost its lock" in done.stdout
    assert "traceback" not in done.stdout.lower()
    assert machine.run(CURRENT).stdout == current
