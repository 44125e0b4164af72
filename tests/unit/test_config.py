"""What is set before pyinfra connects: each request is sent at once, and no password is logged."""

import logging
import shlex
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from paramiko import ECDSAKey, ProxyCommand, ServerInterface, Transport

import config
from deploy.core import sudo

# Standard input and output, to and from a port: what a ProxyCommand does.
RELAY = """
import socket, sys, threading
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    while data := sys.stdin.buffer.read1():
        connection.sendall(data)
threading.Thread(target=send, daemon=True).start()
while data := connection.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


@contextmanager
def talking(client: Any, server: socket.socket) -> Iterator[None]:
    """Have an SSH client and a server talk over these two ends, agreed on everything up to the login."""
    serving, transport = Transport(server), Transport(client)
    serving.add_server_key(ECDSAKey.generate())
    try:
        serving.start_server(event=threading.Event(), server=ServerInterface())
        transport.start_client(timeout=20)
        assert transport.is_active()
        assert transport.get_remote_server_key()
        yield
    finally:
        transport.close()
        serving.close()


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Have a port of the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def no_delay(client: socket.socket) -> bool:
    """Return whether the kernel sends at once what it is given."""
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_connection_sends_at_once(listening: socket.socket) -> None:
    """Of itself it would not."""
    assert Transport.start_client is config.start_client
    client = socket.create_connection(listening.getsockname())
    assert not no_delay(client)
    with talking(client, listening.accept()[0]):
        assert no_delay(client)


def test_a_proxy_command_is_left_alone(listening: socket.socket) -> None:
    """It is a process, which has no such option; the connection works."""
    port = str(listening.getsockname()[1])
    proxy = ProxyCommand(shlex.join([sys.executable, "-c", RELAY, port]))
    with talking(proxy, listening.accept()[0]):
        assert not isinstance(proxy, socket.socket)


def test_a_socket_that_is_not_of_tcp_is_left_alone() -> None:
    """A pair of the kernel's own has no such option either."""
    client, server = socket.socketpair()
    with talking(client, server):
        assert client.family == socket.AF_UNIX


def test_no_password_is_logged() -> None:
    """Neither of a host nor of a step, under whichever name pyinfra has it; all else is."""
    given = {"_sudo_password": "canary", "ssh_password": "canary", "password": "canary", "_su_user": "them"}
    message = "Starting %s (args=%r)"
    record = logging.LogRecord("pyinfra", logging.DEBUG, __file__, 1, message, ("a step", given), None)
    assert sudo.masked in logging.getLogger("pyinfra").filters
    assert sudo.masked(record)
    assert "canary" not in record.getMessage()
    assert "them" in record.getMessage()
    assert "canary" in given.values(), "what is used has changed, and not what is shown"
