"""The system of a host: distribution, architecture, memory, and whether systemd runs."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import StringCommand

from deploy.core import hosts
from deploy.core.facts import Fact, ask, look, pairs
from deploy.settings import Settings

SUPPORTED = frozenset({("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")})
ARCHITECTURES = frozenset({"amd64", "arm64"})
# The idle stack takes 0.8 GiB, and a task as much as it likes; a machine sold with 2 GB shows a little less.
MEMORY_MIB = 1800
# The settings that need systemd on the host.
NEED_SYSTEMD = ("firewall", "harden_ssh", "harden_kernel", "security_updates", "live_restore", "synchronise_clock")


@dataclass(frozen=True)
class SystemState:
    """The system of a host as it was found."""

    id: str
    """The distribution as in /etc/os-release: debian, ubuntu."""
    version: str
    codename: str
    name: str
    """The distribution's name for people."""
    architecture: str
    """As Debian calls it; empty where there is no dpkg."""
    memory_kib: int
    addresses: tuple[str, ...] = ()
    systemd: bool = False
    """Whether systemd runs, as on every host that is no container."""


class System(Fact[SystemState]):
    """The system of a host."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("system")

    def read(self, lines: list[str]) -> SystemState:
        """Read its lines."""
        some, any_number = ".+", r"\d*"
        found = pairs(
            lines,
            id=some,
            version=".*",
            codename=".*",
            name=some,
            architecture=".*",
            memory_kib=any_number,
            addresses=r"[\da-fA-F.: ]*",
            systemd="yes",
        )
        return SystemState(
            found["id"],
            found["version"],
            found["codename"],
            found["name"],
            found["architecture"],
            int(found["memory_kib"] or 0),
            tuple(found["addresses"].split()),
            "systemd" in found,
        )


def problems() -> list[str]:
    """Return why the stack cannot run on the system of the host in context."""
    settings, _ = hosts.settings_and_problems()
    return problems_of(ask(System), settings, is_remote=hosts.is_remote(host))


def problems_of(system: SystemState, settings: Settings, *, is_remote: bool) -> list[str]:
    """Return why the stack cannot run on a system; a host reached over SSH may also need systemd."""
    problems = []
    if (system.id, system.version) not in SUPPORTED:
        problems.append(f"{system.name} is not supported; use Debian 12 or 13, or Ubuntu 22.04 or 24.04.")
    if system.architecture and system.architecture not in ARCHITECTURES:
        problems.append(f"the architecture {system.architecture} is not supported; use amd64 or arm64.")
    if (memory := system.memory_kib // 1024) < MEMORY_MIB:
        problems.append(f"{memory} MiB of memory is too little; use a host with {MEMORY_MIB} MiB or more.")
    if is_remote and not system.systemd and (on := [name for name in NEED_SYSTEMD if getattr(settings, name)]):
        problems.append(f"systemd is not running, and these settings need it: {', '.join(on)}; set them to false.")
    return problems
