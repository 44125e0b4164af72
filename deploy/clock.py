"""The clock: tokens and certificates are refused where it is wrong."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand

from deploy import packages
from deploy.core import hosts
from deploy.core.facts import Fact, ask, look, table
from deploy.core.step import deploy, operation
from deploy.settings import Seconds


@dataclass(frozen=True)
class ClockState:
    """What sets the clock of a host."""

    daemon: str = ""
    """The time daemon that is installed, or nothing."""
    enabled: bool = False
    """Whether systemd starts it."""


class Clock(Fact[ClockState]):
    """What sets the clock of a host."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("clock", daemons=packages.TIME_DAEMONS)

    def read(self, lines: list[str]) -> ClockState:
        """Read its lines."""
        rows = table(lines, "installed|enabled", "|".join(packages.TIME_DAEMONS))
        daemon = next((name for name in packages.TIME_DAEMONS if ("installed", name) in rows), "")
        return ClockState(daemon, ("enabled", daemon) in rows)


@deploy("Clock")
def synchronise() -> None:
    """Synchronise the clock with time servers; a time daemon that is installed stays. Not on @local."""
    settings = hosts.settings()
    if hosts.is_remote(host) and settings.synchronise_clock:
        _synchronise(
            name="Enable a time daemon",
            lock_timeout=settings.apt_lock_timeout,
            _sudo=hosts.needs_sudo(host),
        )


@operation()
def _synchronise(*, lock_timeout: Seconds) -> Generator[StringCommand]:
    """Enable the time daemon that is installed, or systemd's.

    In a container it is enabled and does not run: the clock is another's.
    """
    clock = ask(Clock)
    if clock.enabled:
        host.noop(f"{clock.daemon} already enabled")
        return
    if not clock.daemon:
        yield packages.installation([packages.CLOCK], lock_timeout=lock_timeout)
    yield StringCommand("systemctl", "enable", "--quiet", "--now", f"{clock.daemon or packages.CLOCK}.service")
