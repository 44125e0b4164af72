"""What pyinfra reads before it connects."""

import socket
from threading import Event

from paramiko import Transport

from deploy.core import sudo

_start_client = Transport.start_client


def start_client(transport: Transport, event: Event | None = None, timeout: float | None = None) -> None:
    """Send each request at once: without TCP_NODELAY every command waits some 40 ms for a delayed ACK."""
    sock = transport.sock  # which may also be a ProxyCommand, or a channel through a gateway
    if isinstance(sock, socket.socket) and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _start_client(transport, event, timeout)


Transport.start_client = start_client  # type: ignore[method-assign,assignment] # what this file is for
sudo.keep_password_secret()
