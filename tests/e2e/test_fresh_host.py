"""A host with nothing on it, and one command: what is there then."""

import json

import pytest

from .airflow import airflow
from .host import Host

SERVICES = {"postgres-airflow", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor"}
ROWS = 271_888


@pytest.fixture(scope="module")
def run_id(host: Host) -> str:
    """Return the id of a run of flights_bronze that was triggered through the API and has ended."""
    with airflow(host) as api:
        return api.run("flights_bronze")


def containers(host: Host) -> list[dict[str, object]]:
    """Return what Docker says of the stack's containers."""
    found = host.sudo(
        "docker inspect $(docker ps -aq --filter label=com.docker.compose.project=flights-mlops)"
    )
    return list(json.loads(found.stdout))


def test_every_service_is_healthy(host: Host) -> None:
    """All services run and say that they are well; the one-shot init is not among them."""
    listed = host.sudo(
        "docker ps -a --filter label=com.docker.compose.project=flights-mlops "
        "--format '{{.Label \"com.docker.compose.service\"}} {{.Status}}'"
    ).stdout.splitlines()
    assert {line.split()[0] for line in listed} == SERVICES
    assert [line for line in listed if "(healthy)" not in line] == []


def test_airflow_calls_itself_healthy(host: Host) -> None:
    """The API answers on the host's loopback, and its body, not its status alone, says that all is well."""
    with airflow(host) as api:
        health = api.get("monitor/health")
    parts = {name: part["status"] for name, part in health.items() if part["status"] is not None}
    assert parts == {"metadatabase": "healthy", "scheduler": "healthy", "dag_processor": "healthy"}
