"""The stack's containers, as Docker describes them."""

import json
from typing import Any

from .host import Host

PROJECT = "label=com.docker.compose.project=flights-mlops"


def containers(host: Host) -> dict[str, dict[str, Any]]:
    """Return what `docker inspect` says of each service's container, by the service's name.

    The one-shot init that somebody ran by hand is left out.
    """
    inspect = f"docker ps --all --quiet --filter {PROJECT} | xargs --no-run-if-empty docker inspect"
    listed = json.loads(host.sudo(inspect).stdout or "[]")
    named = {found["Config"]["Labels"]["com.docker.compose.service"]: found for found in listed}
    return {name: found for name, found in named.items() if name != "airflow-init"}


def ids(host: Host) -> dict[str, tuple[str, str]]:
    """Return, of each service, which container it is and since when that runs: another pair is a restart."""
    return {name: (found["Id"], found["State"]["StartedAt"]) for name, found in containers(host).items()}


def health(host: Host) -> dict[str, str]:
    """Return what each service says of itself."""
    return {name: found["State"]["Health"]["Status"] for name, found in containers(host).items()}


def address(host: Host, service: str) -> str:
    """Return the address of a service's container on its host."""
    networks = containers(host)[service]["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])
