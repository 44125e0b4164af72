"""The one look at a host: the script run on this machine, and what is made of its lines."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import os
import platform
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from deploy.machine import DEFAULT_UID, Container, Kept, Lock, Look, Machine, parse

LISTING = """\
os.id debian
os.version 13
os.name Debian GNU/Linux 13 (trixie)
architecture amd64
login.uid 1000
memory.kib 4028340
disk.kib    28311552
docker.server 28.5.2
docker.compose 2.40.3
docker.buildx v0.29.1
directory data 1000 755
directory logs 1000 755
secret fernet_key 1000 440 44
release 1764000200 r-000000000002 000000000002 flights-mlops-airflow:i-aaaaaaaaaaaa
release 1764000100 r-fffffffffff1 0123456789ab flights-mlops-airflow:i-bbbbbbbbbbbb
release 1764000300 r-111111111113 111111111113\x20
unfinished r-fffffffffff1
unfinished asked
current r-000000000002
started r-000000000002 r-fffffffffff1
lock 0a1b2c deployer:4711:1234 2026-11-22T17:30:11Z jo@deployer flights  without delays: 3 %
authorities present
PYTHON_IMAGE python:3.13-slim-trixie
POSTGRES_IMAGE postgres:13
image flights-mlops-airflow:latest sha256:aaaa
image flights-mlops-airflow:i-aaaaaaaaaaaa sha256:aaaa
volume 2025-11-24T16:00:00Z
migrated flights-mlops-airflow:i-aaaaaaaaaaaa 2025-11-24T16:00:00Z
wanted airflow-scheduler 1234abcd
found airflow-scheduler 1234abcd sha256:aaaa running healthy
found postgres-airflow 5678 sha256:bbbb exited -
port.holder docker-proxy (pid 4711)
"""


def look(port: int, *others: int) -> Machine:
    """Return this machine as it is seen: by the command, and the shell, that a host is looked at with."""
    done = subprocess.run(
        ["sh", "-c", Look().command(port, 5, ports=others).get_raw_value()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return parse(done.stdout.splitlines())


@pytest.fixture(scope="module")
def here() -> Machine:
    """Return this machine as it is seen, the holder of port 8080 included."""
    return look(8080)


def test_a_listing_is_read() -> None:
    """Each line of a host with a stack finds its place."""
    machine = parse(LISTING.splitlines())
    assert machine["os.name"] == "Debian GNU/Linux 13 (trixie)"
    assert machine["migrated"] == "flights-mlops-airflow:i-aaaaaaaaaaaa 2025-11-24T16:00:00Z"
    assert machine["port.holder"] == "docker-proxy (pid 4711)"
    assert machine["index"] == ""
    assert machine["POSTGRES_IMAGE"] == "postgres:13"
    assert (machine.number("memory.kib"), machine.number("disk.kib")) == (4028340, 28311552)
    assert machine.images == {
        "flights-mlops-airflow:latest": "sha256:aaaa",
        "flights-mlops-airflow:i-aaaaaaaaaaaa": "sha256:aaaa",
    }
    assert machine.directories == {"data": Kept(1000, "755"), "logs": Kept(1000, "755")}
    assert machine.secrets == {"fernet_key": Kept(1000, "440", 44)}
    assert machine.changed == {"r-fffffffffff1"}
    assert machine.unfinished == {"r-fffffffffff1", "asked"}
    assert (machine.started, machine.before) == ("r-000000000002", "r-fffffffffff1")
    assert machine.lock == Lock(
        "0a1b2c",
        "deployer:4711:1234",
        "2026-11-22T17:30:11Z",
        "jo@deployer",
        "flights  without delays: 3 %",
    )
    assert machine.wanted == {"airflow-scheduler": "1234abcd"}
    assert machine.found == {
        "airflow-scheduler": Container("1234abcd", "sha256:aaaa", "running", "healthy"),
        "postgres-airflow": Container("5678", "sha256:bbbb", "exited", "-"),
    }


def test_releases_are_in_the_order_they_came() -> None:
    """The newest last, whatever their ids are; one that lacks its .env has no image."""
    assert list(parse(LISTING.splitlines()).releases.items()) == [
        ("r-fffffffffff1", "flights-mlops-airflow:i-bbbbbbbbbbbb"),
        ("r-000000000002", "flights-mlops-airflow:i-aaaaaaaaaaaa"),
        ("r-111111111113", ""),
    ]


def test_nothing_is_a_machine_that_has_nothing() -> None:
    """A fresh host, or one that said nothing: empty, zero, not in its mapping."""
    machine = parse([])
    assert machine == Machine()
    assert (machine["current"], machine.started, machine.before) == ("", "", "")
    assert machine.lock is None
    assert machine.number("memory.kib") == 0
    assert machine.uid == DEFAULT_UID
    assert not machine.serves


@pytest.mark.parametrize(
    ("started", "current", "before"),
    [
        ("r-2 r-1", "r-2", "r-1"),
        ("r-2 r-1", "r-3", "r-2"),
        ("r-2 ", "r-2", ""),
        ("r-2 ", "r-3", "r-2"),
        ("", "r-1", ""),
        ("", "", ""),
    ],
)
def test_the_release_before_is_the_last_other_one_that_was_whole(
    started: str, current: str, before: str
) -> None:
    """Of a release that was switched to and never came up, that is the one which runs."""
    machine = parse([f"started {started}", f"current {current}"])
    assert (machine.started, machine.before) == (started.partition(" ")[0], before)


@pytest.mark.parametrize(
    ("values", "owner", "uid"),
    [
        ({"login.uid": "1000"}, None, 1000),
        ({"login.uid": "0"}, None, DEFAULT_UID),
        ({}, None, DEFAULT_UID),
        ({"login.uid": "1000"}, 1234, 1234),
        ({"login.uid": "0"}, 1234, 1234),
        ({"login.uid": "1000"}, 0, 1000),
        ({"login.uid": "0"}, 0, DEFAULT_UID),
    ],
)
def test_the_stacks_user_is_whoever_owns_its_data(
    values: dict[str, str], owner: int | None, uid: int
) -> None:
    """Else the user who logs in, and never root: another one who deploys later changes no owner."""
    directories = {} if owner is None else {"data": Kept(owner, "755")}
    assert Machine(values=values, directories=directories).uid == uid


@pytest.mark.parametrize("lacking", ["docker.server", "docker.compose", "docker.buildx", "authorities"])
def test_an_engine_serves_with_all_its_parts(lacking: str) -> None:
    """The daemon, compose and buildx; without one of them there is something to install."""
    parts = {"docker.server": "28.5.2", "docker.compose": "2.40.3", "docker.buildx": "v0.29.1"}
    parts["authorities"] = "present"
    assert Machine(values=parts).serves
    assert not Machine(values=parts | {lacking: ""}).serves


@pytest.mark.parametrize(
    ("state", "health", "healthy"),
    [
        ("running", "healthy", True),
        ("running", "-", True),
        ("running", "starting", False),
        ("running", "unhealthy", False),
        ("exited", "-", False),
        ("restarting", "healthy", False),
    ],
)
def test_a_container_is_healthy_when_it_runs_and_says_so(state: str, health: str, healthy: bool) -> None:  # noqa: FBT001 - a column of the table
    """Both; one without a health check can only run."""
    assert Container("hash", "image", state, health).healthy is healthy


def test_this_machine_is_what_python_says_it_is(here: Machine) -> None:
    """System, memory, free disk and user, as read by other means."""
    system = platform.freedesktop_os_release()
    assert (here["os.id"], here["os.name"]) == (system["ID"], system["PRETTY_NAME"])
    assert here["os.version"] == system.get("VERSION_ID", "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    assert here.number("memory.kib") == pytest.approx(memory, rel=0.01)
    place = Path("/var/lib/docker") if Path("/var/lib/docker").is_dir() else Path("/var/lib")
    # Other processes write while this test runs.
    assert here.number("disk.kib") == pytest.approx(shutil.disk_usage(place).free // 1024, rel=0.1)
    assert here.number("login.uid") == int(os.environ.get("SUDO_UID", os.getuid()))


def test_the_engine_is_there_where_docker_answers(here: Machine) -> None:
    """Its version is the one that the client says."""
    if not shutil.which("docker"):
        assert here["docker.server"] == ""
        return
    version = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True, check=False
    )
    assert here["docker.server"] == version.stdout.strip()


def test_secrets_are_measured_and_not_read(here: Machine) -> None:
    """The listing has a secret's owner, mode and size; no line has room for its value."""
    for name, kept in here.secrets.items():
        found = (Path("/etc/flights-mlops/secrets") / name).stat()
        assert kept == Kept(found.st_uid, f"{found.st_mode & 0o777:o}", found.st_size)


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET, "0.0.0.0"),  # noqa: S104 - a port of every address is taken on loopback too
        (socket.AF_INET6, "::"),
        (socket.AF_INET6, "::1"),
    ],
)
def test_the_holder_of_a_port_is_named(family: socket.AddressFamily, address: str) -> None:
    """Name and pid of this process, which listens, are found, whichever address it listens on."""
    with socket.socket(family) as listening:
        try:
            listening.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no address {address}")
        port = listening.getsockname()[1]
        assert look(port)["port.holder"] == ""
        listening.listen()
        name = Path("/proc/self/comm").read_text().strip()
        assert look(port)["port.holder"] == f"{name} (pid {os.getpid()})"
    assert look(port)["port.holder"] == ""


def test_a_connection_through_a_port_is_no_holder() -> None:
    """Who only talks from that port does not listen on it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert look(client.getsockname()[1])["port.holder"] == ""


def test_ports_that_a_proxy_needs_are_looked_at_on_every_address() -> None:
    """A listener on any address keeps the port of all of them from others."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        port = listening.getsockname()[1]
        assert look(8080, port)[f"port.holder.{port}"].endswith(f"(pid {os.getpid()})")
        assert look(port)["port.holder"] == ""


def test_two_containers_of_a_service_are_as_none_should_be() -> None:
    """As an interrupted deploy leaves them: the service is not as compose would make it."""
    lines = ["wanted web h1", "found web h1 i running healthy", "found web h1 i running healthy"]
    machine = parse(lines)
    assert machine.found["web"].hash != machine.wanted["web"]
