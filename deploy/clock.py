"""The clock: tokens and certificates are refused where it is wrong."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import package
from deploy.inventory import current
from deploy.machine import look
from deploy.script import Run, is_remote
from deploy.settings import Settings
from deploy.step import deploy, operation


@deploy("Clock")
def synchronise() -> None:
    """Have the clock follow time servers; a time daemon that is there stays. Not on @local."""
    settings = current()
    if is_remote(host) and settings.synchronise_clock:
        follow(name="Have the clock follow time servers", settings=settings)


@operation()
def follow(*, settings: Settings) -> Generator[Run]:
    """Enable the time daemon that is there, or systemd's.

    In a container it is enabled and does not run: the clock is another's.
    """
    machine = look()
    daemon = package.time_daemon(machine)
    if daemon and machine[f"unit.{daemon}.service"]:
        host.noop(f"{daemon} is enabled")
        return
    yield from package.installation(machine, settings, package.CLOCK)
    yield Run("clock", daemon or package.CLOCK)
