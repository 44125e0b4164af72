"""Steady requests to one address, to see whether and for how long it does not answer."""

import asyncio
import ssl
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from types import TracebackType
from typing import Self

HEALTH = "/api/v2/monitor/health"


@dataclass
class Load:
    """Requests at a steady rate, each on a connection of its own, for as long as the block lasts.

    None waits for the one before, so a server that hangs is asked as often as one that answers. What is
    refused, cut off, late or not answered well has failed.
    """

    address: str
    port: int
    path: str = HEALTH
    body: str = ""
    """What is posted, in JSON; without, the path is only asked for."""
    token: str = ""
    """Who asks, where the path is not for everybody."""
    rate: float = 10
    """Requests a second. Twice as many are too many for a webserver beside which two images are built on two cores."""
    patience: float = 20
    """Seconds after which a request that was not answered has failed."""
    domain: str = ""
    """The host name that is asked for, where it is another than the address."""
    trust: ssl.SSLContext | None = None
    """For HTTPS: what certificates are verified with."""

    sent: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    """How many requests failed of what."""
    answered: list[float] = field(default_factory=list)
    """When the answers came; the first and the last are when the load began and ended."""

    def __enter__(self) -> Self:
        """Begin."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send()))
        self.answered.append(time.monotonic())
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send no more, and wait for the answers to what was sent."""
        self._ending.set()
        self._thread.join()
        self.answered.append(time.monotonic())

    @property
    def longest_gap(self) -> float:
        """The longest stretch without an answer, in seconds."""
        times = sorted(self.answered)
        return max(later - earlier for earlier, later in pairwise(times))

    async def _send(self) -> None:
        start = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            while not self._ending.is_set():
                requests.create_task(self._request())
                self.sent += 1
                # Counted from the start, so that what sending takes does not slow it down.
                await asyncio.sleep(max(0, start + self.sent / self.rate - time.monotonic()))

    async def _request(self) -> None:
        try:
            async with asyncio.timeout(self.patience):
                status = await self._ask()
        except (OSError, TimeoutError) as error:
            self._fail(type(error).__name__)
        else:
            if status.startswith(b"2"):
                self.answered.append(time.monotonic())
            else:
                self._fail(f"status {status.decode(errors='replace') or 'none'}")

    def _fail(self, reason: str) -> None:
        self.failed += 1
        self.reasons[reason] = self.reasons.get(reason, 0) + 1

    async def _ask(self) -> bytes:
        """Return the status of the answer, or nothing where the connection was closed without one."""
        reader, writer = await asyncio.open_connection(
            self.address, self.port, ssl=self.trust, server_hostname=self.domain if self.trust else None
        )
        try:
            host = self.domain or f"{self.address}:{self.port}"
            head = f"{self.path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            head += f"Authorization: Bearer {self.token}\r\n" if self.token else ""
            length = f"Content-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
            request = f"POST {head}{length}\r\n{self.body}" if self.body else f"GET {head}\r\n"
            writer.write(request.encode())
            answer = await reader.read()
        finally:
            writer.close()
        return answer.partition(b" ")[2][:3] if answer.startswith(b"HTTP/1.") else b""
