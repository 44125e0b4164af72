"""What there is of Docker on a host, and what has to be done for it to run the stack."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from pyinfra.api import StringCommand

from deploy.core.facts import Fact, look, pairs
from deploy.settings import Settings
from deploy.system import SystemState

SOURCES = "/etc/apt/sources.list.d/docker.sources"
CONFIGURATION = "/etc/docker/daemon.json"
# The first with a `--progress` that is its own and not of each of its commands.
COMPOSE_AT_LEAST = (2, 20)
# Disk space for packages, base images, the Airflow image and its build; docs/performance.md has the figures.
DISK_MIB_FIRST = 5120
DISK_MIB_LATER = 1024
# What the steps after this one trust in, too.
AUTHORITIES = "ca-certificates"
DOCKER_PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
UBUNTU_PACKAGES = ("docker.io", "docker-compose-v2", "docker-buildx")
DEBIAN_PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
# Docker only recommends it.
RECOMMENDED = "iptables"


@dataclass(frozen=True)
class EngineState:
    """Docker as it was found on a host. What is not there is empty."""

    path: str = ""
    """The client."""
    version: str = ""
    """The engine, if it answers."""
    compose: str = ""
    buildx: str = ""
    live_restore: bool = False
    swarm: str = ""
    """In Docker's words: inactive, active, …"""
    images: int = 0
    free_kib: int = 0
    """Free disk space where Docker keeps images, or will."""
    configuration: str = ""
    """Of daemon.json, in base64."""
    deployed: bool = False
    """Whether the host has a current release."""
    authorities: bool = False
    """Whether there are public CAs to trust."""
    package: str = ""
    """The package of the engine, docker-ce or docker.io; asked only where Docker is not ready, as is the next."""
    repository: bool = False
    """Whether Docker's repository is among the apt sources, by an earlier run of this step."""

    @property
    def is_ready(self) -> bool:
        """Whether Docker runs, and has all that the stack needs of it."""
        return bool(self.version and self.compose and self.buildx and self.authorities)


class Engine(Fact[EngineState]):
    """Docker on a host."""

    def command(self) -> StringCommand:
        """Return the command, which only reads."""
        return look("docker/engine", sources=SOURCES)

    def read(self, lines: list[str]) -> EngineState:
        """Read its lines."""
        number = r"\d+"
        found = pairs(
            lines,
            path="/.+",
            version=".+",
            compose=".+",
            buildx=".+",
            live_restore="true|false",
            swarm="[a-z]+",
            images=number,
            free_kib=number,
            configuration=r"[\w+/=]+",
            deployed="yes",
            authorities="yes",
            package=r"docker-ce|docker\.io",
            repository="yes",
        )
        flags = {name: name in found for name in ("deployed", "authorities", "repository")}
        numbers = {name: int(found.get(name, 0)) for name in ("images", "free_kib")}
        live_restore = found.get("live_restore") == "true"
        texts = {name: text for name, text in found.items() if name not in {*flags, *numbers, "live_restore"}}
        return EngineState(**texts, live_restore=live_restore, **flags, **numbers)  # type: ignore[arg-type] # by kind


def packages(engine: EngineState, system: SystemState) -> tuple[str, ...]:
    """Return the packages of Docker: the engine with its client, compose and buildx."""
    # A file of that name may be the administrator's own: it counts where this step has just checked Docker's key.
    is_ours = engine.repository and not engine.package and not engine.version
    if is_ours or engine.package == "docker-ce":
        return DOCKER_PACKAGES
    return UBUNTU_PACKAGES if system.id == "ubuntu" else DEBIAN_PACKAGES


def plugins(engine: EngineState, system: SystemState) -> tuple[str, ...]:
    """Return the packages of compose and buildx."""
    return tuple(name for name in packages(engine, system) if re.search("compose|buildx", name))


def needs_trixie(names: tuple[str, ...], system: SystemState) -> bool:
    """Whether packages have to come from Debian 13: Debian 12 has no compose v2 and no buildx."""
    return (system.id, system.version) == ("debian", "12") and not set(names) & set(DOCKER_PACKAGES)


def configuration(engine: EngineState) -> dict[str, Any]:
    """Return what Docker's configuration file says.

    Raises ``ValueError``, one sentence, where that is no JSON object.
    """
    try:
        text = base64.b64decode(engine.configuration)
        found = json.loads(text) if text.strip() else {}
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{CONFIGURATION} is not valid JSON ({error}); fix or remove it.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{CONFIGURATION} is not a JSON object; fix or remove it.")  # noqa: TRY004 - of the file
    return found


def problems_of(engine: EngineState, settings: Settings, *, is_remote: bool) -> list[str]:
    """Return why Docker on a host cannot run the stack, or cannot be set up as the settings say."""
    problems = []
    if engine.path.startswith("/snap/"):
        problems.append("Docker is installed as a snap, which cannot read /opt; remove it: snap remove docker.")
    version = re.match(r"v?(\d+)\.(\d+)", engine.compose)
    if version and (int(version[1]), int(version[2])) < COMPOSE_AT_LEAST:
        least = ".".join(map(str, COMPOSE_AT_LEAST))
        problems.append(f"docker compose {version[0]} is too old; upgrade docker-compose-plugin to {least} or later.")
    needed = DISK_MIB_LATER if engine.deployed and engine.images else DISK_MIB_FIRST
    if (free := engine.free_kib // 1024) < needed:
        problems.append(f"{free} MiB free under /var/lib is too little, {needed} MiB needed; free some, or add a disk.")
    if is_remote and settings.live_restore and not engine.live_restore:
        if engine.swarm not in {"", "inactive"}:
            problems.append("Docker is in swarm mode, which does not support live-restore; set live_restore to false.")
        try:
            configuration(engine)
        except ValueError as problem:
            problems.append(str(problem))
    return problems
