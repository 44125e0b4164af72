"""Docker Engine with compose v2 and buildx."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy.machine import look
from deploy.script import Run
from deploy.settings import Seconds, current
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
