"""What pyinfra reads before it connects."""

import logging
import socket
from threading import Event
from typing import Any

from paramiko import Transport
from pyinfra import logger

_start_client = Transport.start_client


def start_client(transport: Transport, event: Event | None = None, timeout: float | None = None) -> None:
    """Send each request at once: without TCP_NODELAY every command waits some 40 ms for a delayed ACK."""
    sock = transport.sock  # which may also be a ProxyCommand, or a channel through a gateway
    if isinstance(sock, socket.socket) and sock.family in {socket.AF_INET, socket.AF_INET6}:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _start_client(transport, event, timeout)


Transport.start_client = start_client  # type: ignore[method-assign,assignment] # what this file is for


class MaskPasswords(logging.Filter):
    """Keep passwords out of what --debug shows: pyinfra logs the data of hosts and the arguments of steps."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the passwords that are in its arguments."""
        if isinstance(record.args, tuple):
            record.args = tuple(_masked(argument) for argument in record.args)
        return True


def _masked(argument: Any) -> Any:
    if not isinstance(argument, dict):
        return argument
    return {key: "*MASKED*" if "password" in str(key) and value else value for key, value in argument.items()}


logger.addFilter(MaskPasswords())
