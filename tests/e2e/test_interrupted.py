"""A deploy ends in the middle, wherever that is: the next one goes on, and nothing is lost or doubled."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from .airflow import airflow
from .checkout import Checkout
from .command import ROOT, run
from .conftest import MakeMachine
from .containers import health
from .host import PYINFRA
from .machine import Machine
from .running import begun

pytestmark = pytest.mark.slow

SERVICES = {"postgres-airflow", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}
RELEASES = "/opt/flights-mlops/releases"
UPLOAD, BUILD, START = "Release | Upload", "Images | Provide", "Stack | Start"
BASE_IMAGE, POSTGRES = "Provide postgres", "flights-mlops-postgres"
# A step of the build that takes long enough to be in the middle of.
SLOW_STEP = "\nRUN echo in the middle of the build && sleep 3\n"
IN_THE_BUILD = "in the middle of the build"
IN_THE_START = "Waiting for airflow-"
UPLOADING = f"timeout 60 sh -c 'until ls -d {RELEASES}/.partial-r-*; do sleep 0.02; done'"
USERS = (
    "docker exec flights-mlops-postgres-airflow-1 psql --username=airflow --tuples-only --no-align "
    "--command='select username from ab_user'"
)
IMAGES = "docker images --format '{{.Repository}}:{{.Tag}}' flights-mlops-airflow"
IN_USE = f"sed -nE \"s/^AIRFLOW_IMAGE='(.*)'/\\1/p\" {RELEASES}/*/airflow/.env"
# The servers of all SSH connections but the one that asks.
OTHER_SESSIONS = (
    "own=$(ps -o ppid= $PPID | tr -d ' '); "
    "for pid in $(pgrep '^sshd'); do "
    'case " $(ps -o ppid= -p $pid | tr -d " ") $pid " in *" $own "*|*" 1 "*) ;; *) echo $pid;; esac; done'
)


def operations(machine: Machine, checkout: Path, *, due: bool = False) -> list[str]:
    """Return the operations of a deploy by name, in their order; if `due`, only those that would change something."""
    # Without -y: with it, pyinfra does not look for changes before it begins.
    done = run([PYINFRA, machine.inventory, "deploy.py", "--dry", "--json"], cwd=checkout)
    plan = json.loads(done.stdout)["plan"]
    return [operation["name"] for operation in plan if operation["hosts_with_change"] or not due]


def kill_at(machine: Machine, words: str, *arguments: str, checkout: Path = ROOT) -> None:
    """Deploy, and kill that as soon as it has said these words."""
    with begun(machine, "deploy.py", *arguments, checkout=checkout) as deploy:
        deploy.wait_for(words)
        said = deploy.kill()
    assert "traceback" not in said.lower()


def hashes(machine: Machine) -> set[str]:
    """Return the hashes of the secrets there are."""
    return set(machine.sudo("sha256sum /etc/flights-mlops/secrets/*", check=False).stdout.splitlines())


def nothing_is_doubled(machine: Machine) -> None:
    """See that there is one admin, one container a service, no half of a release and no image too many."""
    assert health(machine) == dict.fromkeys(SERVICES, "healthy")
    listed = machine.sudo("docker ps --all --quiet").stdout.split()
    assert len(listed) == len(SERVICES)
    assert machine.sudo(USERS).stdout.split() == ["airflow"]
    names = machine.run(f"ls --almost-all {RELEASES}").stdout.split()
    assert [name for name in names if not name.startswith("r-")] == []
    wanted = {*machine.run(IN_USE).stdout.split(), "flights-mlops-airflow:latest"}
    assert set(machine.sudo(IMAGES).stdout.split()) == wanted
    assert machine.sudo("docker images --quiet --filter dangling=true").stdout == ""


@pytest.fixture
def fresh(new_machine: MakeMachine) -> Iterator[Machine]:
    """Make a machine with nothing on it, for one test."""
    machine = new_machine("interrupted", "trixie", pip_configured=True, images=True)
    yield machine
    machine.destroy()


def test_a_first_deploy_is_killed_after_each_operation(fresh: Machine) -> None:
    """Each that changes something; each time the same command goes on where the last one stopped, until one ends."""
    known: set[str] = set()
    for name in operations(fresh, ROOT, due=True):
        if BASE_IMAGE in name:  # which was there from the beginning, as the others are: at least one is made
            fresh.sudo(f"docker images --quiet {POSTGRES} | xargs --no-run-if-empty docker rmi --force")
        kill_at(fresh, f"Starting operation: {name}")
        found = hashes(fresh)
        assert known <= found, f"a secret was made anew after {name}"
        known = found
    fresh.deploy()
    assert known == hashes(fresh)
    nothing_is_doubled(fresh)
    with airflow(fresh) as api:
        assert api.state("flights_bronze", api.run("flights_bronze")) == "success"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Copy the project and change it so that every step has something to do, and an upload takes a while."""
    checkout = Checkout(tmp_path / "clone")
    checkout.append("files/images/Dockerfile", SLOW_STEP)
    checkout.append("dags/flights_bronze.py", "# changed\n")
    (checkout.path / "src/large").write_bytes(secrets.token_bytes(60_000_000))
    checkout.track()
    return checkout


@pytest.fixture
def machine(trixie: Machine, tmp_path: Path) -> Iterator[Machine]:
    """Take a machine with a release too many, whose image no other release runs on."""
    trixie.as_deployed()
    other = Checkout(tmp_path / "other")
    other.append("files/images/Dockerfile", f"\nRUN : {secrets.token_hex(4)}\n")
    for step in ("deploy.release.upload", "deploy.images.build"):
        done = trixie.pyinfra(step, checkout=other.path)
        assert done.returncode == 0, done.stdout + done.stderr
    yield trixie
    trixie.as_deployed()


def test_a_deploy_is_killed_after_each_operation_and_in_the_middle(machine: Machine, checkout: Checkout) -> None:
    """A changed image and DAG: killed all over, also in upload, build and start; cut off on the way back."""
    with airflow(machine) as api:
        past = api.run("flights_bronze")
    kept = hashes(machine)
    keep = ("--data", "keep_releases=1")
    for name in operations(machine, checkout.path, due=True):
        kill_at(machine, f"Starting operation: {name}", *keep, checkout=checkout.path)
        if name.startswith(UPLOAD):
            with begun(machine, "deploy.py", *keep, checkout=checkout.path) as deploy:
                deploy.wait_for(f"Starting operation: {name}")
                machine.run(UPLOADING)
                deploy.kill()
        elif name.startswith(BUILD):
            kill_at(machine, IN_THE_BUILD, *keep, checkout=checkout.path)
        elif name.startswith(START):
            kill_at(machine, IN_THE_START, *keep, checkout=checkout.path)
    machine.deploy(*keep, checkout=checkout.path)
    nothing_is_doubled(machine)

    with begun(machine, "deploy.py", *keep) as deploy:
        deploy.wait_for(IN_THE_START)
        sessions = machine.run(OTHER_SESSIONS).stdout.split()
        assert sessions
        machine.sudo(f"kill -KILL {' '.join(sessions)}")
        done = deploy.end()
    assert done.returncode != 0
    assert f"the connection to {machine.name} was lost" in done.stdout
    machine.deploy(*keep)
    nothing_is_doubled(machine)

    assert hashes(machine) == kept
    with airflow(machine) as api:
        assert api.state("flights_bronze", past) == "success"
