"""Docker Engine with compose v2 and buildx."""

from __future__ import annotations

import json
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy import packages
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.core.template import text
from deploy.docker import facts
from deploy.docker.facts import Engine
from deploy.settings import Seconds
from deploy.system import System, SystemState

DOWNLOAD = "https://download.docker.com/linux"
KEYRING = "/etc/apt/keyrings/docker.asc"
# Of the key that signs Docker's packages for Debian and Ubuntu, as Docker documents it.
FINGERPRINT = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
TRIXIE = "/etc/apt/sources.list.d/flights-mlops-trixie.sources"
TRIXIE_PREFERENCES = "/etc/apt/preferences.d/flights-mlops-trixie"


@deploy("Docker")
def install() -> None:
    """Install Docker with compose and buildx, unless it is already running, whoever installed it.

    From Docker's apt repository if it answers, else from the distribution's packages.
    """
    _install(name="Install and start Docker, compose and buildx", lock_timeout=hosts.settings().apt_lock_timeout)


@deploy("Docker")
def live_restore() -> None:
    """Keep containers running while Docker restarts, as it does when it is updated. Not on @local."""
    if hosts.is_remote(host) and hosts.settings().live_restore:
        _live_restore(name="Enable Docker live-restore")


def problems() -> list[str]:
    """Return why Docker on the host in context cannot run the stack, or cannot be set up as the settings say."""
    settings, _ = hosts.settings_and_problems()
    return facts.problems_of(ask(Engine), settings, is_remote=hosts.is_remote(host))


@operation()
def _install(*, lock_timeout: Seconds) -> Generator[StringCommand]:
    """Install and start what is missing; wait at most ``lock_timeout`` for apt's locks."""
    engine = ask(Engine)
    if engine.is_ready:
        host.noop(f"Docker {engine.version} is already running")
        return
    system = ask(System)
    yield packages.installation([facts.AUTHORITIES], lock_timeout=lock_timeout)
    if not engine.version and not engine.package:
        yield _repository(system, lock_timeout)
        engine = ask(Engine)
        recommended = () if engine.repository else (facts.RECOMMENDED,)
        yield from _installed(facts.packages(engine, system), recommended, system, lock_timeout)
    if not engine.version:
        yield Run("docker/start")
        engine = ask(Engine)
    if not engine.compose or not engine.buildx:
        yield from _installed(facts.plugins(engine, system), (), system, lock_timeout)
    engine = ask(Engine)
    if not engine.is_ready:
        raise DeployError("Docker was installed, but docker version, compose version or buildx version fails.")
    host.log(f"Docker {engine.version} is running, with compose {engine.compose} and buildx {engine.buildx}")


@operation()
def _live_restore() -> Generator[StringCommand]:
    """Add live-restore to Docker's configuration, which takes effect without a restart."""
    engine = ask(Engine)
    if engine.live_restore:
        host.noop("live-restore already enabled")
        return
    try:
        wanted = {**facts.configuration(engine), "live-restore": True}
    except ValueError as problem:
        raise DeployError(str(problem)) from problem
    yield Run("docker/live_restore", stdin=json.dumps(wanted, indent=2))


def _repository(system: SystemState, lock_timeout: Seconds) -> Run:
    url = f"{DOWNLOAD}/{system.id}"
    return Run(
        "docker/repository",
        url=url,
        fingerprint=FINGERPRINT,
        key=KEYRING,
        sources=facts.SOURCES,
        text=text("docker/docker.sources", url=url, system=system, key=KEYRING),
        lock_timeout=lock_timeout,
    )


def _installed(
    names: tuple[str, ...],
    recommended: tuple[str, ...],
    system: SystemState,
    lock_timeout: Seconds,
) -> Generator[StringCommand]:
    """Yield what installs packages of Docker, of which Debian 12 lacks some."""
    if facts.needs_trixie(names, system):
        yield Run(
            "docker/trixie",
            sources=TRIXIE,
            preferences=TRIXIE_PREFERENCES,
            pins=text("docker/trixie.preferences", sources=TRIXIE, packages=names),
            lock_timeout=lock_timeout,
        )
    yield packages.installation([*names, *recommended], lock_timeout=lock_timeout, fresh=True)
