"""An HTTP proxy that wants a password and knows names of its own; a server that adds TLS to another."""

import base64
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .caches import free_port

Address = tuple[str, int]


def relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until both sides have ended."""

    def carry(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    back = threading.Thread(target=carry, args=(other, one), daemon=True)
    back.start()
    carry(one, other)
    back.join()


@contextmanager
def listening(address: str, handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection in a thread of its own as long as the block lasts; gives the port."""

    def accept() -> None:
        with suppress(OSError):  # closed below
            while True:
                connection, _ = server.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            handle(connection)

    with socket.create_server((address, free_port(address))) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@dataclass
class Proxy:
    """What it lets in, where it goes, and what it was asked for."""

    login: str
    http: Address
    """The proxy behind this one, for addresses without TLS."""
    names: dict[str, Address] = field(default_factory=dict)
    """Hosts that are known here and nowhere else."""
    asked: list[str] = field(default_factory=list)
    """The host and port of each connection."""
    address: str = ""

    def handle(self, client: socket.socket) -> None:
        """Serve one connection: its first request says where it goes."""
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return
            head += piece
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        given = re.search(rb"(?im)^proxy-authorization: *basic +(\S+)", head)
        if not given or base64.b64decode(given[1]).decode() != self.login:
            client.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n"
                b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        to = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = to.hostname or "", to.port or 80
        self.asked.append(f"{host}:{port}")
        try:
            way = self.names.get(host, (host, port)) if method == "CONNECT" else self.http
            server = socket.create_connection(way, timeout=10)
        except OSError:
            client.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with server:
            server.settimeout(None)
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                server.sendall(head.partition(b"\r\n\r\n")[2])
            else:
                server.sendall(head)
            relay(client, server)


@contextmanager
def proxy(address: str, login: str, http: str) -> Iterator[Proxy]:
    """Run a proxy in front of the proxy `http`."""
    behind = urlsplit(http)
    found = Proxy(login, (behind.hostname or "", behind.port or 80))
    with listening(address, found.handle) as port:
        found.address = f"http://{login}@{address}:{port}"
        yield found


@contextmanager
def with_tls(address: str, behind: str, certificate: Path, key: Path) -> Iterator[Address]:
    """Serve what the server of the address `behind` serves, with TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    to = urlsplit(behind)

    def handle(client: socket.socket) -> None:
        with (
            context.wrap_socket(client, server_side=True) as secured,
            socket.create_connection((to.hostname, to.port)) as server,
        ):
            relay(secured, server)

    with listening(address, handle) as port:
        yield address, port
