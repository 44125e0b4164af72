"""Packages of the distribution that secure the host."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Generator, Sequence

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.core import hosts
from deploy.core.facts import END, Fact, ask, table
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.settings import Seconds, Settings

FIREWALL, CLOCK = "nftables", "systemd-timesyncd"
UPDATES = ("unattended-upgrades", "needrestart")
# Of these a host has one: the packages exclude each other.
TIME_DAEMONS = (CLOCK, "chrony", "ntpsec", "openntpd", "ntp")


class Packages(Fact[frozenset[str]]):
    """Those of the packages ``names`` that are installed."""

    def command(self, names: Sequence[str]) -> StringCommand:
        """Return the command, which only reads."""
        query = shlex.join(["dpkg-query", "--show", "--showformat", r"${db:Status-Status} ${Package}\n", *names])
        return StringCommand(f"{query} 2>/dev/null; echo {END}")

    def read(self, lines: list[str]) -> frozenset[str]:
        """Read its lines."""
        rows = table(lines, "[a-z-]+", r"[a-z\d.+-]+")
        return frozenset(name for status, name in rows if status == "installed")


@deploy("Packages")
def install() -> None:
    """Install the packages that secure the host, all with one call of apt. Not on @local."""
    settings = hosts.settings()
    if hosts.is_remote(host):
        _install(name="Install security packages", names=wanted(settings), lock_timeout=settings.apt_lock_timeout)


def wanted(settings: Settings) -> tuple[str, ...]:
    """Return the packages that the steps after this one need, as the settings have them."""
    needed = {
        (FIREWALL,): settings.firewall,
        UPDATES: settings.security_updates,
        (CLOCK,): settings.synchronise_clock,
    }
    return tuple(package for packages, on in needed.items() if on for package in packages)


def missing(found: Collection[str], names: Sequence[str]) -> list[str]:
    """Return those of the packages ``names`` that have to be installed where ``found`` are.

    ``found`` should tell of all ``TIME_DAEMONS`` if one is among the names: any of them will do.
    """
    has_time = any(daemon in found for daemon in TIME_DAEMONS)
    return [name for name in names if name not in found and not (name == CLOCK and has_time)]


def installation(names: Sequence[str], *, lock_timeout: Seconds, fresh: bool = False) -> Run:
    """Return what installs packages; waits at most ``lock_timeout`` for apt's locks.

    With ``fresh``, the package lists were read just before.
    """
    return Run("packages", names=names, lock_timeout=lock_timeout, fresh=fresh)


@operation()
def _install(*, names: Sequence[str], lock_timeout: Seconds) -> Generator[StringCommand]:
    """Install those that are missing; wait at most ``lock_timeout`` for apt's locks."""
    found = ask(Packages, names=sorted({*names, *TIME_DAEMONS}))
    needed = missing(found, names)
    if not needed:
        host.noop("already installed")
        return
    yield installation(needed, lock_timeout=lock_timeout)
