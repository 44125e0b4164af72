"""What somebody does who means no good, and what a service has taken meanwhile."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .containers import containers, ids
from .host import Host
from .https import DOMAIN, Site

PIECE = 1 << 20
# In MiB. What a service that answers takes more of than one that does nothing is less.
MORE = 150


def upload(site: Site, path: str, megabytes: int, *, chunked: bool) -> int:
    """Send so much, without a login; gives the status, or 0 where the connection was cut."""
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {megabytes * PIECE}"
    head = f"POST {path} HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
    piece = bytes(PIECE)
    answer = b""
    with (
        socket.create_connection((site.address, 443), timeout=60) as plain,
        site.trust.wrap_socket(plain, server_hostname=DOMAIN) as client,
    ):
        client.sendall(head.encode())
        with suppress(OSError):
            for _ in range(megabytes):
                client.sendall(b"%x\r\n%b\r\n" % (PIECE, piece) if chunked else piece)
        with suppress(OSError):
            answer = client.recv(4096)
    return int(answer.split()[1]) if answer else 0


def peaks(host: Host) -> dict[str, int]:
    """Return how much memory the largest process of each service has had at most, in MiB."""
    found = {}
    for name, container in containers(host).items():
        pids = f"$(docker top {container['Id']} -o pid | tail -n +2)"
        said = host.sudo(f"for pid in {pids}; do grep VmHWM /proc/$pid/status; done", check=False).stdout
        found[name] = max(int(size) for size in re.findall(r"(\d+) kB", said)) // 1024
    return found


@contextmanager
def survived(host: Host) -> Iterator[None]:
    """Expect the same containers after the block, not restarted, and hardly larger."""
    before, small = ids(host), peaks(host)
    yield
    assert ids(host) == before
    grown = {name: size - small[name] for name, size in peaks(host).items()}
    assert {name: size for name, size in grown.items() if size > MORE} == {}
