"""Refuse early: what keeps the stack from a machine, each in a sentence with the way out."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import os
import shutil
import subprocess
from dataclasses import replace

import pytest
from pyinfra.api import Host

from deploy import access, claim, script
from deploy.base_image import RECIPES
from deploy.machine import Lock, Machine
from deploy.preflight import (
    DISK_MIB_FIRST,
    DISK_MIB_LATER,
    MEMORY_MIB,
    SYSTEMS,
    domain_faults,
    lock_faults,
    machine_faults,
)
from deploy.project import LATEST
from deploy.settings import Settings

DEBIAN_POSTGRES = RECIPES["postgres:13"].name
GOOD = Machine(
    values={
        "os.id": "debian",
        "os.version": "13",
        "os.name": "Debian GNU/Linux 13 (trixie)",
        "architecture": "amd64",
        "memory.kib": str(4 * 1024 * 1024),
        "disk.kib": str(40 * 1024 * 1024),
    }
)


def faults(**values: str) -> list[str]:
    """Return the faults of a good machine on which these values, `_` for `.`, are others."""
    changed = {name.replace("_", "."): value for name, value in values.items()}
    return machine_faults(replace(GOOD, values=GOOD.values | changed), Settings())


def test_a_good_machine_has_no_fault() -> None:
    """Nothing is said of it."""
    assert faults() == []


@pytest.mark.parametrize(("system", "version"), sorted(SYSTEMS))
@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_supported_systems_pass(system: str, version: str, architecture: str) -> None:
    """Both Debians and both Ubuntus, on both architectures."""
    assert faults(os_id=system, os_version=version, architecture=architecture) == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"os_id": "debian", "os_version": "11", "os_name": "Debian GNU/Linux 11 (bullseye)"},
            (
                "Debian GNU/Linux 11 (bullseye) is not supported; "
                "use Debian 12 or 13, or Ubuntu 22.04 or 24.04."
            ),
        ),
        (
            {"os_id": "fedora", "os_version": "13", "os_name": "Fedora Linux 13"},
            "Fedora Linux 13 is not supported; use Debian 12 or 13, or Ubuntu 22.04 or 24.04.",
        ),
        ({"architecture": "i386"}, "the architecture i386 is not supported; use amd64 or arm64."),
        ({"memory_kib": "1048576"}, "1024 MiB of memory are too little; the stack needs 1800 MiB."),
        (
            {"disk_kib": "2097152"},
            "2048 MiB free under /var/lib are too little, 5120 MiB needed: make room, or add a disk.",
        ),
        (
            {"port_holder": "nginx (pid 4711)"},
            "port 8080 is taken by nginx (pid 4711); stop it, or set ui_port to another.",
        ),
    ],
)
def test_each_fault_is_a_sentence(values: dict[str, str], sentence: str) -> None:
    """Word for word: what is there, what is needed, what to do."""
    assert faults(**values) == [sentence]


def test_the_port_is_the_one_of_the_settings() -> None:
    """The sentence names the port that was asked for."""
    machine = replace(GOOD, values=GOOD.values | {"port.holder": "another process"})
    assert machine_faults(machine, Settings(ui_port=9090)) == [
        "port 9090 is taken by another process; stop it, or set ui_port to another."
    ]


def test_enough_is_enough() -> None:
    """Exactly what is needed passes, a KiB less does not; a later deploy needs less room than the first."""
    memory, disk = MEMORY_MIB * 1024, DISK_MIB_FIRST * 1024
    assert faults(memory_kib=str(memory), disk_kib=str(disk)) == []
    assert len(faults(memory_kib=str(memory - 1), disk_kib=str(disk - 1))) == 2
    later = replace(GOOD, images={LATEST: "sha256:aaaa"})
    enough = replace(later, values=GOOD.values | {"disk.kib": str(DISK_MIB_LATER * 1024)})
    too_little = replace(later, values=GOOD.values | {"disk.kib": str(DISK_MIB_LATER * 1024 - 1)})
    assert machine_faults(enough, Settings()) == []
    assert len(machine_faults(too_little, Settings())) == 1


@pytest.mark.parametrize(
    ("kind", "way_out"),
    [
        ("none", "log in as root, or install sudo."),
        ("password", "give the password with --same-sudo-password, or log in as root."),
        ("sudo", "see what is said above."),
        ("", "see what is said above."),
    ],
)
def test_a_machine_that_could_not_be_looked_at_has_one_fault(kind: str, way_out: str) -> None:
    """It is about the user who logs in, where that is why."""
    fault = access.reason(kind, with_password=False)
    assert fault.endswith(way_out)
    assert "\n" not in fault


def test_how_a_user_becomes_root_is_asked_without_being_root() -> None:
    """The command as root, and as somebody who may not even read root's files."""

    def found(**user: int) -> str:
        command = ["sh", "-c", str(access.Access().command())]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, cwd="/", **user
        ).stdout.strip()

    if os.geteuid() != 0:
        assert found() in {"none", "password", "sudo"}
        return
    assert found() == "root"
    assert found(user=65534, group=65534) == ("password" if shutil.which("sudo") else "none")


def locked(client: str) -> Machine:
    """Return a good machine that is locked by a deploy of that client."""
    lock = Lock("0a1b2c", client, "2026-11-22T17:30:11Z", "jo@deployer", "flights without delays")
    return replace(GOOD, lock=lock)


def test_a_machine_that_nobody_deploys_to_is_free(local: Host) -> None:
    """And so is one that this very run has locked."""
    assert lock_faults(GOOD) == []
    own = replace(GOOD, lock=Lock(claim.TOKEN, "elsewhere:1:1", "", "", ""))
    assert lock_faults(own) == []
    assert script.DEAD not in local.connector_data


@pytest.mark.parametrize("client", ["elsewhere:1:1", claim.client()], ids=["elsewhere", "here"])
def test_a_locked_machine_is_refused(local: Host, client: str) -> None:
    """By a deploy of another machine, or by one of this machine which goes on: who, since when, what for."""
    (fault,) = lock_faults(locked(client))
    assert fault == (
        "jo@deployer has deployed to it since 2026-11-22T17:30:11Z (flights without delays): "
        "wait for the end of that; if it hangs, pyinfra inventory.py deploy.lock.release."
    )
    assert script.DEAD not in local.connector_data


def test_the_lock_of_a_deploy_of_this_machine_that_was_killed_is_no_fault() -> None:
    """It is known to be dead: another process has its pid now."""
    machine, _, _ = claim.client().partition("/")
    assert lock_faults(locked(f"{machine}/{os.getpid()}/1")) == []


def test_an_engine_that_will_not_do() -> None:
    """A snap cannot read the project; an old compose knows not all that is asked of it."""
    assert faults(docker_path="/snap/bin/docker") == [
        "its Docker is a snap, which cannot read /opt; remove it (snap remove docker)."
    ]
    assert faults(docker_compose="2.6.0") == [
        "docker compose 2.6 is too old; upgrade docker-compose-plugin to 2.20 or newer."
    ]
    assert faults(docker_path="/usr/bin/docker", docker_compose="v2.20.0") == []


@pytest.mark.parametrize(
    ("kept", "settings", "fits"),
    [
        ("postgres:13", Settings(), True),
        ("postgres:13", Settings(postgres_image="postgres:13.23-bookworm"), True),
        ("postgres:13", Settings(postgres_image="postgres:17"), False),
        ("postgres:13", Settings(base_images="debian"), False),
        (DEBIAN_POSTGRES, Settings(), True),
        (DEBIAN_POSTGRES, Settings(base_images="registry"), False),
    ],
)
def test_a_database_keeps_to_what_can_read_it(kept: str, settings: Settings, *, fits: bool) -> None:
    """Another major version, or an image of another origin, is refused before anything is changed."""
    values = GOOD.values | {"POSTGRES_IMAGE": kept, "volume": "2026-11-22T16:58:10Z"}
    assert (machine_faults(replace(GOOD, values=values), settings) == []) is fits


def test_all_faults_are_found_at_once() -> None:
    """One line each: nobody mends a machine fault by fault."""
    found = faults(
        os_version="11", architecture="i386", memory_kib="1", disk_kib="1", port_holder="nginx (pid 1)"
    )
    assert len(found) == 5
    assert not [fault for fault in found if "\n" in fault or not fault.endswith(".")]


def domain(tls: str = "internal", **values: str) -> list[str]:
    """Return what a good machine's domain lacks where these values are others."""
    files = {"certificate_file": "/nowhere/c.pem", "certificate_key_file": "/nowhere/k.pem"}
    settings = Settings(domain="flights.example.com", tls=tls, **files)  # type: ignore[arg-type]
    return domain_faults(replace(GOOD, values=GOOD.values | values), settings)


def test_a_domain_needs_its_ports() -> None:
    """Each that somebody else has is a sentence; without a domain nobody asks."""
    assert domain() == []
    assert domain(**{"port.holder.80": "nginx (pid 1)"}) == [
        "port 80, which the domain flights.example.com needs, is taken by nginx (pid 1); stop it."
    ]
    values = GOOD.values | {"port.holder.80": "nginx (pid 1)", "login": "known"}
    assert domain_faults(replace(GOOD, values=values), Settings()) == []


def test_a_known_login_is_not_opened_to_others() -> None:
    """That of a host that was deployed to as its own, without a domain."""
    (fault,) = domain(login="known")
    assert "airflow / airflow" in fault


@pytest.mark.usefixtures("local")
def test_certificate_files_are_looked_at() -> None:
    """Both that cannot be read are named."""
    assert domain("files") == [
        "/nowhere/c.pem cannot be read on this machine (No such file or directory).",
        "/nowhere/k.pem cannot be read on this machine (No such file or directory).",
    ]


@pytest.mark.usefixtures("local")
def test_a_domain_that_nobody_knows_gets_no_certificate() -> None:
    """A public authority would look for it where its name leads."""
    (fault,) = domain_faults(GOOD, Settings(domain="flights.example.invalid"))
    assert fault.startswith("flights.example.invalid does not resolve")
