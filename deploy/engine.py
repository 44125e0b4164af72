"""Docker Engine with compose v2 and buildx."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Generator
from typing import Any

from pyinfra import host

from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run, is_remote
from deploy.settings import Seconds
from deploy.step import deploy, operation


@deploy("Docker")
def install() -> None:
    """Have an engine that serves. One that does is left as it is, whoever installed it.

    From Docker's apt repository where that answers, else from the distribution's packages.
    """
    serve(
        name="Install the Docker engine, compose and buildx, and start it",
        lock_timeout=current().apt_lock_timeout,
    )


@operation()
def serve(*, lock_timeout: Seconds) -> Generator[Run]:
    """Install and start what is missing; wait at most ``lock_timeout`` for apt's locks."""
    if look().serves:
        host.noop("an engine serves, with compose and buildx")
        return
    yield Run("engine", str(lock_timeout))


@deploy("Docker")
def live_restore() -> None:
    """Have containers run on while the engine restarts, as it does when it is updated. Not on @local."""
    if is_remote(host) and current().live_restore:
        outlive(name="Have containers run on while the engine restarts")


def configuration(machine: Machine) -> dict[str, Any]:
    """Return what the engine's configuration file says.

    Raises ``ValueError``, one sentence, where that is no JSON object.
    """
    try:
        text = base64.b64decode(machine["docker.configuration"])
        found = json.loads(text) if text.strip() else {}
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"/etc/docker/daemon.json is not JSON ({error}); mend or remove it.") from error
    if not isinstance(found, dict):
        raise ValueError("/etc/docker/daemon.json is no JSON object; mend or remove it.")  # noqa: TRY004 - of the file
    return found


@operation()
def outlive() -> Generator[Run]:
    """Add live-restore to the engine's configuration, and have it taken in without a restart."""
    machine = look()
    if machine["docker.live-restore"] == "true":
        host.noop("they do")
        return
    yield Run("live_restore", text=json.dumps({**configuration(machine), "live-restore": True}, indent=2))
