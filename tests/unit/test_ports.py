"""Who listens on a port that the stack needs, as the kernel of this machine says."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from deploy.ports import PortHolders


def look(*any_address: int, loopback: tuple[int, ...] = ()) -> dict[int, str]:
    """Return who listens on this machine, by the command and the shell that a host is asked with."""
    ports = [str(port) for port in any_address]
    command = PortHolders().command(any_address=ports, loopback=[str(port) for port in loopback])
    done = subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return PortHolders().process(done.stdout.splitlines())


def this_process() -> str:
    """Return what a holder is called that is this process."""
    return f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"


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
        assert look(loopback=(port,)) == {}
        listening.listen()
        assert look(loopback=(port,)) == {port: this_process()}
    assert look(loopback=(port,)) == {}


def test_a_connection_through_a_port_is_no_holder() -> None:
    """Who only talks from that port does not listen on it."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert look(loopback=(client.getsockname()[1],)) == {}


def test_ports_of_every_address_are_looked_at_on_every_address() -> None:
    """A listener on any address keeps the port of all of them from others; on loopback it may not matter."""
    with socket.create_server(("127.0.0.2", 0)) as listening:
        port = listening.getsockname()[1]
        assert look(port) == {port: this_process()}
        assert look(loopback=(port,)) == {}


def test_a_process_cannot_name_itself_like_a_fact() -> None:
    """A line break in the name of whoever holds a port begins no line of its own."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        named = Path("/proc/self/comm").read_text()
        try:
            Path("/proc/self/comm").write_text("x\n80 evil")
            seen = look(loopback=(port,))
        finally:
            Path("/proc/self/comm").write_text(named.strip())
    assert seen == {port: f"x?80 evil (pid {os.getpid()})"}
