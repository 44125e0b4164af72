"""What pyinfra reads before it connects."""

import socket

from paramiko import Transport

_start_client = Transport.start_client


def start_client(transport, *arguments, **options):
    """Send each request at once: without TCP_NODELAY every command waits some 40 ms for a delayed ACK."""
    if isinstance(transport.sock, socket.socket):  # and not a ProxyCommand or a channel through a gateway
        transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _start_client(transport, *arguments, **options)


Transport.start_client = start_client
