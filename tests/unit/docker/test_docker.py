"""What there is of Docker on a host, what is wrong with it, and how it is installed."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy import docker
from deploy.core.run import Run
from deploy.core.shell import source
from deploy.docker.facts import (
    DISK_MIB_FIRST,
    DISK_MIB_LATER,
    Engine,
    EngineState,
    configuration,
    needs_trixie,
    packages,
    plugins,
    problems_of,
)
from deploy.settings import Settings
from deploy.system import SystemState

NOTHING = EngineState(free_kib=40 * 1024 * 1024)
READY = EngineState("/usr/bin/docker", "28.5.2", "v2.40.3", "v0.29.1", authorities=True, free_kib=NOTHING.free_kib)
BOOKWORM = SystemState("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)", "amd64", 4 * 1024 * 1024)
TRIXIE = replace(BOOKWORM, version="13", codename="trixie")
NOBLE = replace(BOOKWORM, id="ubuntu", version="24.04", codename="noble")


def problems(**changed: Any) -> list[str]:
    """Return the problems of a host with this Docker."""
    return problems_of(replace(READY, **changed), Settings(), is_remote=True)


def configured(text: str) -> EngineState:
    """Return a Docker that has this configuration."""
    return replace(READY, configuration=base64.b64encode(text.encode()).decode())


def test_a_docker_that_will_not_do() -> None:
    """A snap cannot read the project; an old compose knows not all that is asked of it."""
    assert problems() == []
    assert problems(path="/snap/bin/docker") == [
        "Docker is installed as a snap, which cannot read /opt; remove it: snap remove docker."
    ]
    assert problems(compose="2.6.0") == [
        "docker compose 2.6 is too old; upgrade docker-compose-plugin to 2.20 or later."
    ]
    assert problems(compose="v2.20.0") == []


def test_enough_disk_space_is_enough() -> None:
    """Exactly what is needed passes, a KiB less does not; a later deploy needs less than the first."""
    assert problems(free_kib=DISK_MIB_FIRST * 1024) == []
    assert problems(free_kib=2048 * 1024) == [
        "2048 MiB free under /var/lib is too little, 5120 MiB needed; free some, or add a disk."
    ]
    later = {"deployed": True, "images": 3}
    assert problems(free_kib=DISK_MIB_LATER * 1024, **later) == []
    assert len(problems(free_kib=DISK_MIB_LATER * 1024 - 1, **later)) == 1
    assert len(problems(free_kib=DISK_MIB_LATER * 1024, deployed=True)) == 1


def test_the_configuration_is_kept() -> None:
    """None is none, and what is there is read whole."""
    assert configuration(READY) == {}
    assert configuration(configured("")) == {}
    there = {"log-driver": "journald", "default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]}
    assert configuration(configured(json.dumps(there))) == there


@pytest.mark.parametrize("text", ["{", "{'live-restore': true}", "[]", "\xff"])
def test_a_configuration_that_is_no_json_is_refused(text: str) -> None:
    """Before anything is changed, with the name of the file; unless it is not to be changed."""
    (problem,) = problems_of(configured(text), Settings(), is_remote=True)
    assert "/etc/docker/daemon.json" in problem
    assert "fix or remove it" in problem
    assert problems_of(configured(text), Settings(live_restore=False), is_remote=True) == []
    assert problems_of(configured(text), Settings(), is_remote=False) == []
    assert problems_of(replace(configured(text), live_restore=True), Settings(), is_remote=True) == []


def test_a_swarm_excludes_live_restore() -> None:
    """The engine would refuse."""
    swarm = replace(READY, swarm="active")
    (problem,) = problems_of(swarm, Settings(), is_remote=True)
    assert "set live_restore to false" in problem
    assert problems_of(swarm, Settings(live_restore=False), is_remote=True) == []
    assert problems(swarm="inactive") == []


def test_the_configuration_on_a_host_is_read_whole(machine: Path, see: Callable[..., Any]) -> None:
    """Line breaks and spaces are part of it; no engine is in reach."""
    (machine / "etc/docker").mkdir()
    (machine / "etc/docker/daemon.json").write_text('{\n  "labels": ["a  b"]\n}\n')
    found = see(Engine)
    assert configuration(found) == {"labels": ["a  b"]}
    assert not found.is_ready
    assert not found.version
    assert found.free_kib > 0


def test_all_lines_are_read() -> None:
    """Of an engine that runs, and of one that is to be installed."""
    lines = ["path /usr/bin/docker", "version 28.5.2", "compose v2.40.3", "buildx v0.29.1", "live_restore true",
             "swarm inactive", "images 7", "free_kib 123", "deployed yes", "authorities yes"]  # fmt: skip
    expected = EngineState(
        "/usr/bin/docker", "28.5.2", "v2.40.3", "v0.29.1", live_restore=True, swarm="inactive", images=7, free_kib=123,
        deployed=True, authorities=True,
    )  # fmt: skip
    assert Engine().read(lines) == expected
    assert expected.is_ready
    lines = ["free_kib 123", "package docker.io", "repository yes"]
    assert Engine().read(lines) == EngineState(free_kib=123, package="docker.io", repository=True)


def test_packages_are_named_as_where_they_come_from() -> None:
    """Docker's, Ubuntu's or Debian's; Debian 12 takes Debian's from Debian 13."""
    assert packages(replace(NOTHING, repository=True), NOBLE)[0] == "docker-ce"
    assert plugins(replace(NOTHING, package="docker-ce"), BOOKWORM) == ("docker-buildx-plugin", "docker-compose-plugin")
    assert plugins(NOTHING, NOBLE) == ("docker-compose-v2", "docker-buildx")
    assert packages(NOTHING, TRIXIE) == ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
    assert needs_trixie(plugins(NOTHING, BOOKWORM), BOOKWORM)
    assert not needs_trixie(plugins(NOTHING, TRIXIE), TRIXIE)
    assert not needs_trixie(packages(replace(NOTHING, repository=True), BOOKWORM), BOOKWORM)


Steps = Callable[..., list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def provide(local: Host, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Return a function that installs Docker on a system while these states are found; gives what is run."""

    def provide(system: SystemState, *states: EngineState) -> list[tuple[str, dict[str, Any]]]:
        found: Iterator[EngineState] = iter(states)
        monkeypatch.setattr(docker, "ask", lambda fact: next(found) if fact is Engine else system)
        monkeypatch.setattr(local, "log", lambda _: None)
        commands = list(docker._install._inner(lock_timeout=5))  # noqa: SLF001 - what the operation is made of
        assert list(found) == []
        assert all(isinstance(command, Run) for command in commands)
        return [(command.program, command.values) for command in commands]

    return provide


def test_docker_that_runs_is_left_alone(provide: Steps) -> None:
    """Whoever installed it."""
    assert provide(TRIXIE, READY) == []


def test_docker_comes_from_its_own_repository(provide: Steps) -> None:
    """Where that answers."""
    run = provide(NOBLE, NOTHING, replace(NOTHING, repository=True), READY, READY)
    assert [program for program, _ in run] == ["packages", "docker/repository", "packages", "docker/start"]
    assert run[0][1]["names"] == ["ca-certificates"]
    assert run[1][1]["url"] == "https://download.docker.com/linux/ubuntu"
    assert "Suites: noble\n" in run[1][1]["text"]
    assert run[2][1]["names"][0] == "docker-ce"


def test_docker_comes_from_the_distribution(provide: Steps) -> None:
    """Else; what it only recommends is installed with it."""
    run = provide(TRIXIE, NOTHING, NOTHING, READY, READY)
    assert [program for program, _ in run] == ["packages", "docker/repository", "packages", "docker/start"]
    assert run[2][1]["names"] == ["docker.io", "docker-cli", "docker-compose", "docker-buildx", "iptables"]


def test_docker_for_debian_12_comes_from_debian_13(provide: Steps) -> None:
    """Its own packages, and no others."""
    run = provide(BOOKWORM, NOTHING, NOTHING, READY, READY)
    assert [program for program, _ in run][2:] == ["docker/trixie", "packages", "docker/start"]
    assert "\nPackage: docker.io docker-cli docker-compose docker-buildx\nPin: release" in run[2][1]["pins"]
    assert "iptables" in run[3][1]["names"]


def test_what_is_missing_beside_an_engine_is_added(provide: Steps) -> None:
    """One that is installed is started first; then it is known which plugins its client has."""
    bare = replace(READY, compose="", package="docker.io")
    run = provide(TRIXIE, replace(bare, version=""), bare, READY)
    assert [program for program, _ in run] == ["packages", "docker/start", "packages"]
    assert run[2][1]["names"] == ["docker-compose", "docker-buildx"]
    run = provide(TRIXIE, replace(READY, authorities=False), READY)
    assert [program for program, _ in run] == ["packages"]


def test_docker_that_is_not_ready_in_the_end_is_an_error(provide: Steps) -> None:
    """With what to look at."""
    with pytest.raises(DeployError, match="Docker was installed, but"):
        provide(TRIXIE, replace(READY, authorities=False), replace(READY, authorities=False))


APT = """
lists="Debian|http://mirror.test/debian Debian-Security|http://mirror.test/security"
apt-get() { [ "$1" != indextargets ] || tr ' ' '\\n' <<<"$lists"; }
apt_get() { [ ! -e /run/unreadable ]; }
"""


def test_debian_13_is_added_or_not(machine: Path, run: Callable[..., Any]) -> None:
    """From the mirrors of the host; without its lists, nothing of it stays."""
    sources, preferences = machine / docker.TRIXIE.lstrip("/"), machine / docker.TRIXIE_PREFERENCES.lstrip("/")
    for path in (sources, preferences):
        path.parent.mkdir(parents=True)
    given = {"sources": docker.TRIXIE, "preferences": docker.TRIXIE_PREFERENCES, "pins": "Pin", "lock_timeout": 5}
    done = run("docker/trixie", lines=APT + source("docker/trixie"), **given)
    assert done.returncode == 0, done.stdout
    found = re.findall(r"URIs: (\S+)\nSuites: (\S+)\n", sources.read_text())
    assert found == [("http://mirror.test/debian", "trixie"), ("http://mirror.test/security", "trixie-security")]
    assert preferences.read_text() == "Pin"
    (machine / "run/unreadable").touch()
    done = run("docker/trixie", lines=APT + source("docker/trixie"), **given)
    assert "error: apt could not read Debian 13's package lists from http://mirror.test/debian" in done.stdout
    assert not sources.exists()
    assert not preferences.exists()
    done = run("docker/trixie", lines="apt-get() { :; }\n" + source("docker/trixie"), **given)
    assert "name no Debian mirror" in done.stdout
