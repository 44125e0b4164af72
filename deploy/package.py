"""Packages of the distribution that guard the host."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run, is_remote
from deploy.settings import Settings
from deploy.step import deploy, operation

FIREWALL, UPDATES, CLOCK = "nftables", "unattended-upgrades", "systemd-timesyncd"
# Of these a host has one: the packages exclude each other.
TIME_DAEMONS = (CLOCK, "chrony", "ntpsec", "openntpd", "ntp")


@deploy("Packages")
def install() -> None:
    """Have the packages that guard the host, all by one call of apt. Not on @local."""
    if is_remote(host):
        ensure(name="Install what guards the host", settings=current())


def wanted(settings: Settings) -> list[str]:
    """Return the packages that the steps after this one need, as the settings have them."""
    needed = {
        FIREWALL: settings.firewall,
        UPDATES: settings.security_updates,
        CLOCK: settings.synchronise_clock,
    }
    return [package for package, on in needed.items() if on]


def time_daemon(machine: Machine) -> str:
    """Return the time daemon that is installed, or nothing."""
    return next((name for name in TIME_DAEMONS if machine[f"package.{name}"]), "")


def missing(machine: Machine, *packages: str) -> list[str]:
    """Return those packages that a host has not, and has no other one instead of."""
    return [
        package
        for package in packages
        if not machine[f"package.{package}"] and not (package == CLOCK and time_daemon(machine))
    ]


def installation(machine: Machine, settings: Settings, *packages: str) -> list[Run]:
    """Return what installs those packages, if one is missing."""
    found = missing(machine, *packages)
    return [Run("packages", str(settings.apt_lock_timeout), *found)] if found else []


@operation()
def ensure(*, settings: Settings) -> Generator[Run]:
    """Install those that are missing; wait at most ``apt_lock_timeout`` for apt's locks."""
    runs = installation(look(), settings, *wanted(settings))
    if not runs:
        host.noop("nothing is missing")
    yield from runs
