"""Security updates of the distribution, by its own unattended-upgrades."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import host_file, package
from deploy.inventory import current
from deploy.machine import look
from deploy.script import Run, is_remote
from deploy.settings import Settings
from deploy.step import deploy, operation

APT = "/etc/apt/apt.conf.d/60flights-mlops"
NEEDRESTART = "/etc/needrestart/conf.d/flights-mlops.conf"
TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")


@deploy("Security updates")
def automate() -> None:
    """Have security updates install themselves, and no others, without a reboot. Not on @local."""
    if not is_remote(host):
        return
    settings = current()
    if settings.security_updates:
        configure(name="Have security updates install themselves", settings=settings)
    else:
        remove(name="Remove the configuration of an earlier deploy")


@operation()
def configure(*, settings: Settings) -> Generator[Run]:
    """Write the configuration of apt and needrestart, and enable apt's timers, where that is not so."""
    machine = look()
    files = {path: host_file.text(path) for path in (APT, NEEDRESTART)}
    if (
        all(host_file.is_as(text, path, machine) for path, text in files.items())
        and all(machine[f"unit.{timer}"] for timer in TIMERS)
        and not package.missing(machine, package.UPDATES)
    ):
        host.noop("they do")
        return
    yield from package.installation(machine, settings, package.UPDATES)
    yield Run("security_update", *files.values())


@operation()
def remove() -> Generator[Run]:
    """Remove what ``configure`` has written."""
    if not look()[f"file.{APT}"]:
        host.noop("there is none")
        return
    yield Run("security_update_off")
