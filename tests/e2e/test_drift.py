"""What is on the host is not what was deployed: `--dry` says so, and a deploy puts it right."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .checkout import Checkout
from .command import ROOT, run
from .containers import health, ids
from .host import PYINFRA
from .machine import Machine
from .test_second_deploy import files

CREDENTIALS = "Credentials | Generate missing secrets"
DIRECTORIES = "Storage | Create the directories that tasks write to"
MOUNTS = "Storage | Mount the directories that tasks write to"
UPLOAD = "Release | Upload the release"
IMPORT = "DAGs | Import the DAGs of the release"
SWITCH = "Release | Switch to the release"
START = "Stack | Start the services and wait until they are healthy"
SERVICES = {"postgres-airflow", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}
# All that a deploy leaves on a host, by what it is and not by when it came.
DEPLOYED = """
cd /opt/flights-mlops && readlink current airflow
cd current/ && find . -printf '%p %m %u %l\\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum
stat --format '%n %a %U' /etc/flights-mlops/secrets /etc/flights-mlops/secrets/*
cd /var/lib/flights-mlops
stat --format '%n %a %U %G' . data models logs workspace workspace/data workspace/models
findmnt --noheadings --list --output TARGET,OPTIONS | grep ^/var/lib/flights-mlops | sort
docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort
"""
CONTAINER = "flights-mlops-airflow-dag-processor-1"
# Several at once where each is the only reason for its operation: that all of these are planned, and no others, says
# that each was found.
DRIFTS = {
    "an edited compose file": {
        "sed -i s/PARALLELISM:.*/PARALLELISM:7/ /opt/flights-mlops/current/airflow/docker-compose.yaml": UPLOAD,
    },
    "a file of the release that is gone": {"rm /opt/flights-mlops/current/dags/flights_bronze.py": UPLOAD},
    "a link that is gone": {"rm /opt/flights-mlops/airflow": SWITCH},
    "an alias of the image, a mount": {
        "docker image rm flights-mlops-airflow:latest": SWITCH,
        "umount --lazy /var/lib/flights-mlops/data": MOUNTS,
    },
    "a container that is gone, a secret that others may read, data that are root's": {
        f"docker rm --force {CONTAINER}": START,
        "chmod 644 /etc/flights-mlops/secrets/fernet_key": CREDENTIALS,
        "chown root /var/lib/flights-mlops/data": DIRECTORIES,
    },
    "a container that was stopped, secrets that others may list, a state that others may list": {
        f"docker stop {CONTAINER}": START,
        "chmod 755 /etc/flights-mlops/secrets": CREDENTIALS,
        "chmod 755 /var/lib/flights-mlops": DIRECTORIES,
    },
    "a container that was paused": {f"docker pause {CONTAINER}": START},
}


@pytest.fixture
def machine(bookworm: Machine) -> Iterator[Machine]:
    """Take a machine that is as the project says, and leave it so."""
    bookworm.as_deployed()
    yield bookworm
    bookworm.as_deployed()


def planned(machine: Machine, *arguments: str, checkout: Path = ROOT) -> set[str]:
    """Return the operations that `--dry` says would change something, having seen that it changed nothing."""
    before, running = files(machine), ids(machine)
    # Without -y, with which pyinfra does not look for changes before it begins.
    command = [PYINFRA, machine.inventory, "deploy.py", "--dry", "--json", *arguments]
    done = run(command, cwd=checkout)
    assert ids(machine) == running
    assert sorted(files(machine) ^ before) == []
    return {operation["name"] for operation in json.loads(done.stdout)["plan"] if operation["hosts_with_change"]}


def said_in_advance(machine: Machine, *arguments: str, checkout: Path = ROOT) -> str:
    """Return the line in which `--dry` says what would be replaced."""
    done = run([PYINFRA, machine.inventory, "deploy.py", "--dry", *arguments], cwd=checkout)
    lines = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
    (line,) = [line for line in lines if "would replace" in line]
    return line


def test_nothing_would_change(machine: Machine) -> None:
    """After a deploy, there is nothing to do."""
    assert planned(machine) == set()


def test_an_edited_dag_would_be_uploaded(machine: Machine, checkout: Checkout) -> None:
    """It is brought, imported and switched to; no image is built, and the database stays as it is."""
    checkout.append("dags/flights_bronze.py", "# changed\n")
    assert planned(machine, checkout=checkout.path) == {UPLOAD, IMPORT, SWITCH, START}
    assert said_in_advance(machine, checkout=checkout.path).endswith("would replace no service")


def test_a_changed_setting_would_reach_its_service(machine: Machine) -> None:
    """It is part of the release, and `--dry` names the one service that would be replaced: then it is."""
    assert planned(machine, "--data", "parallelism=5") == {UPLOAD, IMPORT, SWITCH, START}
    said = said_in_advance(machine, "--data", "parallelism=5")
    assert said.endswith("would replace airflow-scheduler")
    before = ids(machine)
    machine.deploy("--data", "parallelism=5")
    assert {name for name, found in ids(machine).items() if found != before[name]} == {"airflow-scheduler"}


@pytest.mark.parametrize("drifts", DRIFTS.values(), ids=DRIFTS.keys())
def test_drift_is_found_and_put_right(machine: Machine, drifts: dict[str, str]) -> None:
    """`--dry` names what would be done, and the next deploy does it."""
    deployed = machine.sudo(DEPLOYED).stdout
    for command in drifts:
        machine.sudo(command)
    found = planned(machine)
    assert {*drifts.values()} <= found
    assert len(drifts) == 1 or {*drifts.values()} == found
    machine.deploy()
    assert machine.sudo(DEPLOYED).stdout == deployed
    assert health(machine) == dict.fromkeys(SERVICES, "healthy")


def test_nothing_is_left_to_do(machine: Machine) -> None:
    """After all that was put right."""
    assert planned(machine) == set()
