"""Security updates of the distribution, by its own unattended-upgrades."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import StringCommand

from deploy import packages
from deploy.core import files, hosts
from deploy.core.facts import Fact, ask, look, table
from deploy.core.run import StackRun
from deploy.core.step import deploy, operation
from deploy.core.template import text
from deploy.settings import Seconds, Settings

APT = "/etc/apt/apt.conf.d/60flights-mlops"
NEEDRESTART = "/etc/needrestart/conf.d/flights-mlops.conf"
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")


@dataclass(frozen=True)
class UpdatesState:
    """What of the automatic updates is there."""

    packages: frozenset[str] = frozenset()
    timers: frozenset[str] = frozenset()
    """Those of systemd's timers that are enabled."""
    hashes: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of each file of ours, by its path."""
    upgraded: bool = False
    """Whether unattended-upgrades has ever succeeded."""


class Updates(Fact[UpdatesState]):
    """What of the automatic updates is there."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("updates", packages=packages.UPDATES, timers=TIMERS, files=(APT, NEEDRESTART))

    def read(self, lines: list[str]) -> UpdatesState:
        """Read its lines."""
        rows = table(lines, r"installed|enabled|upgraded|[\da-f]{64}", r"[\w./-]+")
        kinds = {kind: frozenset(name for other, name in rows if other == kind) for kind in ("installed", "enabled")}
        hashes = {name: kind for kind, name in rows if name in {APT, NEEDRESTART}}
        return UpdatesState(kinds["installed"], kinds["enabled"], hashes, ("upgraded", "before") in rows)


def configuration(settings: Settings) -> dict[str, str]:
    """Return the files of apt and needrestart, by path: without Docker where its update would end containers."""
    apt = text("updates/apt.conf")
    if not settings.live_restore:
        apt = apt.replace('  "origin=Docker";\n', "")
    return {APT: apt, NEEDRESTART: text("updates/needrestart.conf")}


def outdated(found: UpdatesState, wanted: dict[str, str]) -> dict[str, str]:
    """Return those of the ``wanted`` files that the host does not have as they are."""
    return {path: content for path, content in wanted.items() if found.hashes.get(path) != files.digest(content)}


@deploy("Updates")
def automate() -> None:
    """Install security updates automatically, and no others, without a reboot. Not on @local."""
    settings = hosts.settings()
    if not hosts.is_remote(host):
        return
    if settings.security_updates:
        _automate(
            name="Enable automatic security updates",
            wanted=configuration(settings),
            lock_timeout=settings.apt_lock_timeout,
            _sudo=hosts.needs_sudo(host),
        )
    else:
        _remove(name="Remove the configuration of automatic security updates", _sudo=hosts.needs_sudo(host))


@deploy("Updates")
def install() -> None:
    """Install pending security updates once, on a host that has never done so itself. Not on @local."""
    settings = hosts.settings()
    if hosts.is_remote(host) and settings.security_updates:
        _install(name="Install pending security updates", lock_timeout=settings.apt_lock_timeout)


@operation()
def _automate(*, wanted: dict[str, str], lock_timeout: Seconds) -> Generator[StringCommand]:
    """Install what is missing, write the ``wanted`` files, and enable apt's timers."""
    found = ask(Updates)
    needed = packages.missing(found.packages, packages.UPDATES)
    due = outdated(found, wanted)
    if not needed and not due and found.timers.issuperset(TIMERS):
        host.noop("already enabled")
        return
    if needed:
        yield packages.installation(needed, lock_timeout=lock_timeout)
    for path, content in due.items():
        yield files.place(path, content)
    yield StringCommand("systemctl", "enable", "--quiet", "--now", *TIMERS)


@operation()
def _remove() -> Generator[StringCommand]:
    """Remove what ``_automate`` wrote; the packages stay, and do what the rest of their configuration says."""
    if not ask(Updates).hashes:
        host.noop("nothing to remove")
        return
    yield StringCommand("rm", "--force", APT, NEEDRESTART)


@operation()
def _install(*, lock_timeout: Seconds) -> Generator[StringCommand]:
    """Run unattended-upgrades, unless it has succeeded on the host before; a failure is only reported."""
    found = ask(Updates)
    if found.upgraded:
        host.noop("security updates were installed before")
        return
    if needed := packages.missing(found.packages, packages.UPDATES):
        yield packages.installation(needed, lock_timeout=lock_timeout)
    yield StackRun("updates_install", lock_timeout=lock_timeout)
