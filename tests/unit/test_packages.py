"""Which packages are installed, and which are missing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from deploy.clock import Clock, ClockState
from deploy.packages import TIME_DAEMONS, Packages, missing, wanted
from deploy.settings import Settings

STATUS = """\
Package: {0}
Status: {1}
Maintainer: nobody
Architecture: all
Version: 1
Description: a test

"""


def test_packages_that_are_missing() -> None:
    """Those of the settings that are on, and no second time daemon."""
    names = wanted(Settings())
    assert missing([], names) == ["nftables", "unattended-upgrades", "needrestart", "systemd-timesyncd"]
    assert missing(["chrony", "nftables"], names) == ["unattended-upgrades", "needrestart"]
    assert wanted(Settings(firewall=False, security_updates=False, synchronise_clock=False)) == ()


def install(machine: Path, **packages: str) -> None:
    """Make packages that dpkg knows, with their states."""
    folder = machine / "var/lib/dpkg"
    folder.mkdir()
    (folder / "status").write_text("".join(STATUS.format(*entry) for entry in packages.items()))


def test_packages_that_are_installed(machine: Path, see: Callable[..., Any]) -> None:
    """One that was removed, or was never there, is not."""
    assert see(Packages, names=["chrony", "nftables"]) == frozenset()
    install(machine, chrony="install ok installed", nftables="deinstall ok config-files", ntp="install ok installed")
    assert see(Packages, names=["chrony", "nftables", "no-such"]) == {"chrony"}


def test_the_time_daemon_that_is_installed(machine: Path, see: Callable[..., Any]) -> None:
    """It is not enabled where systemd has no unit of it."""
    assert see(Clock) == ClockState()
    install(machine, chrony="install ok installed")
    assert see(Clock) == ClockState("chrony", enabled=False)


def test_a_time_daemon_that_is_enabled() -> None:
    """The one that is installed, and no other."""
    lines = ["installed chrony", "enabled chrony", "enabled systemd-timesyncd"]
    assert Clock().read(lines) == ClockState("chrony", enabled=True)
    assert Clock().read(lines[:1] + lines[2:]) == ClockState("chrony", enabled=False)
    assert TIME_DAEMONS[0] == "systemd-timesyncd"
