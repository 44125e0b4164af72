"""What the webserver refuses before Airflow sees it: large bodies, guessed passwords, questions of strangers.

A plugin of Airflow, which the scheduler and the DAG processor load as well: what only the webserver needs is
imported where it is used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import os
import re
import sys
import time
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Set by Caddy, which replaces what a client sends: "domain" from outside, "host" from the host. Without
# it, a request is one of the stack's own containers, or of the host where there is no domain.
ENTRY = b"x-flights-mlops-entry"
# Bytes that a request may have without a login. Parsed, JSON takes twenty times its size.
STRANGERS_SIZE = 64 * 1024
# Seconds for the rest of a refused body: closed at once, a client would see a broken connection, no answer.
LINGER = 2
# Where passwords become tokens: Airflow's API, and that of Flask-AppBuilder.
TOKEN_ROUTES = frozenset({"/auth/token", "/auth/token/cli", "/auth/api/v1/security/login"})
API_DOCS = re.compile(r"(/auth|/execution)?/(docs|redoc|openapi\.json|changelog)(/.*)?")
HEALTH = "/api/v2/monitor/health"
# What has to be well for the stack to be; a triggerer that is gone stays in the report, unhealthy.
PARTS = ("metadatabase", "scheduler", "dag_processor")
VERSION = "/api/v2/version"


@dataclass(frozen=True)
class Rules:
    """What the stack's settings say, handed over in the environment as JSON."""

    max_request_size: int = 10 * 1024 * 1024
    """Bytes that any request may have."""
    api_docs: bool = False
    """Whether the descriptions of the APIs are served."""

    @classmethod
    def from_environment(cls) -> Rules:
        """Return the rules of this process."""
        return cls(**json.loads(os.environ.get("REQUEST_GUARD", "{}")))


class _RefusedError(Exception):
    """Ends what Airflow does with a request that was answered already."""


@dataclass
class _Client:
    failed: deque[float] = field(default_factory=deque)
    """When its passwords were wrong."""
    undecided: int = 0
    waiting: int = 0
    decided: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def idle(self) -> bool:
        return not (self.undecided or self.waiting)


class Attempts:
    """Wrong passwords of each client address, of which there may be ``amount`` in any ``seconds``.

    A try takes a place before it is decided, and gives it back if the password was right. Those for which
    there is none meanwhile wait: so many tries at once are no way around, and right passwords not limited.
    """

    CLIENTS = 10_000
    WAITING = 200

    def __init__(self, amount: int, seconds: float) -> None:
        """Remember nobody yet."""
        self.amount, self.seconds = amount, seconds
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    async def begin(self, name: str) -> int:
        """Return 0 where a client may try, once there is a place; else in how many seconds it may again."""
        client = self._client(name)
        while True:
            now = time.monotonic()
            while client.failed and client.failed[0] <= now - self.seconds:
                client.failed.popleft()
            if len(client.failed) >= self.amount:
                return max(1, math.ceil(client.failed[0] + self.seconds - now))
            if len(client.failed) + client.undecided < self.amount:
                client.undecided += 1
                return 0
            if client.waiting >= self.WAITING:
                return 1
            client.waiting += 1
            try:
                await client.decided.wait()
            finally:
                client.waiting -= 1

    def end(self, name: str, *, wrong: bool) -> None:
        """Say what became of a try that may have been made."""
        client = self._clients[name]
        client.undecided -= 1
        if wrong:
            client.failed.append(time.monotonic())
        client.decided.set()
        client.decided = asyncio.Event()
        if client.idle and not client.failed:
            del self._clients[name]

    def _client(self, name: str) -> _Client:
        client = self._clients.setdefault(name, _Client())
        self._clients.move_to_end(name)
        if len(self._clients) > self.CLIENTS:
            idle = (known for known, found in self._clients.items() if found.idle and known != name)
            self._clients.pop(next(idle, ""), None)
        return client


class RequestGuard:
    """ASGI middleware around all of Airflow's apps."""

    def __init__(self, app: App, rules: Rules | None = None, attempts: Attempts | None = None) -> None:
        """Guard an app as the environment and Airflow's configuration say it, or as given."""
        self.app = app
        self.rules = rules or Rules.from_environment()
        self.attempts = attempts or _attempts_of_login_form()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, entry = str(scope["path"]), _header(scope, ENTRY)
        if (entry and path.startswith("/execution")) or self._hides(path):
            await _answer(send, 404, {"detail": "Not Found"})
        elif entry == "domain" and path in {HEALTH, VERSION} and not await _logged_in(scope):
            await self._tell_a_stranger(scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    def _hides(self, path: str) -> bool:
        return not self.rules.api_docs and API_DOCS.fullmatch(path) is not None

    async def _tell_a_stranger(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer that the stack is healthy or not, and nothing else."""
        if scope["path"] == VERSION or scope["method"] != "GET":
            await _answer(send, 401, {"detail": "Not authenticated"})
            return
        said, status = b"", 0

        async def read(message: Message) -> None:
            nonlocal said, status
            status = message.get("status", status)
            said += message.get("body", b"")

        await self.app(scope, receive, read)
        report = json.loads(said) if status == 200 else {}  # noqa: PLR2004 - HTTP's own number
        well = all(report.get(part, {}).get("status") == "healthy" for part in PARTS)
        await _answer(send, 200 if well else 503, {"status": "healthy" if well else "unhealthy"})

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = _Limited(self.rules.max_request_size, scope, receive, send)
        try:
            await limited.check(int(_header(scope, b"content-length") or 0))
            if scope["path"] in TOKEN_ROUTES and scope["method"] == "POST":
                await self._try_to_log_in(scope, limited)
            else:
                await self.app(scope, limited.receive, limited.send)
        except Exception:
            # Airflow's complaint of a body that it did not get, whatever it looks like, is of no interest.
            if not limited.refused:
                raise

    async def _try_to_log_in(self, scope: Scope, limited: _Limited) -> None:
        # Before a place is taken: who sends slowly takes none away.
        body = await _whole(limited.receive)
        if body is None:  # the client has gone
            await _answer(limited.send, 400, {"detail": "The request has no end."})
            return
        # Strangers use up none of the tries of those who come from the host itself.
        name = f"{_header(scope, ENTRY)!r} {_network(scope)}"
        if seconds := await self.attempts.begin(name):
            await _answer(
                limited.send,
                429,
                {"detail": f"Too many wrong passwords; try again in {seconds} s."},
                ("retry-after", str(seconds)),
            )
            return
        wrong = True
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return messages.pop() if messages else await limited.receive()

        async def watched(message: Message) -> None:
            nonlocal wrong
            if message["type"] == "http.response.start":
                wrong = message["status"] == 401  # noqa: PLR2004 - HTTP's own number; no password was tried at others
            await limited.send(message)

        try:
            await self.app(scope, again, watched)
        except Exception:
            wrong = False  # a fault of Airflow's, such as a database that is away, decides nothing
            raise
        finally:
            self.attempts.end(name, wrong=wrong)


class _Limited:
    """One request, of which Airflow gets no more than it may have."""

    def __init__(self, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        self.most, self.scope, self._receive, self._send = most, scope, receive, send
        self.refused = False
        self._size = 0
        self._started = self._logged_in = False

    async def check(self, size: int) -> None:
        """Answer a request of that size if it is too large; what Airflow does with it ends then."""
        if size > self.most:
            reason = f"The request has more than {self.most} bytes, the most that max_request_size allows."
        elif size <= STRANGERS_SIZE or self._logged_in:
            return
        elif await _logged_in(self.scope):
            self._logged_in = True
            return
        else:
            reason = f"A request of more than {STRANGERS_SIZE} bytes needs a login."
        self.refused = True
        if not self._started:
            await _answer(self._send, 413, {"detail": reason}, ("connection", "close"), rest=self._receive)
        raise _RefusedError

    async def receive(self) -> Message:
        """Return what came, counted."""
        message = await self._receive()
        self._size += len(message.get("body", b""))
        await self.check(self._size)
        return message

    async def send(self, message: Message) -> None:
        """Send what Airflow answers, unless the request was answered."""
        if not self.refused:
            self._started = True
            await self._send(message)


async def _answer(
    send: Send, status: int, content: dict[str, str], *headers: tuple[str, str], rest: Receive | None = None
) -> None:
    """Answer in JSON; where there is a rest of the body, throw it away for a moment before the end."""
    body = json.dumps(content).encode()
    named = [("content-type", "application/json"), ("content-length", str(len(body))), *headers]
    encoded = [(name.encode(), value.encode()) for name, value in named]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    if rest:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                while (await rest()).get("more_body"):
                    pass
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _whole(receive: Receive) -> bytes | None:
    """Return all of a body, or nothing where it has no end."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _header(scope: Scope, name: bytes) -> str:
    """Return the first header of that name, or nothing."""
    return next((bytes(value).decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _network(scope: Scope) -> str:
    """Return whom a request came from: an IPv4 address, or the IPv6 network that one customer has."""
    name = (scope.get("client") or ("",))[0]
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return str(name)
    if address.version == 6:  # noqa: PLR2004 - the protocol's own number
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


async def _logged_in(scope: Scope) -> bool:
    """Whether a request has the token of a user, or of a task where tasks ask."""
    kind, _, token = _header(scope, b"authorization").partition(" ")
    if kind.lower() != "bearer":
        token = _cookie(scope)
    if not token:
        return False
    try:
        if scope["path"].startswith("/execution"):
            await _task_tokens().avalidated_claims(token, {})
        else:
            from airflow.api_fastapi.core_api.security import resolve_user_from_token

            await resolve_user_from_token(token)
    except Exception:  # noqa: BLE001 - whatever is wrong with a token, or with the database that has its user
        return False
    return True


def _cookie(scope: Scope) -> str:
    from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
    from starlette.requests import HTTPConnection

    return HTTPConnection(scope).cookies.get(COOKIE_NAME_JWT_TOKEN, "")


@cache
def _task_tokens() -> Any:
    """Return what the execution API checks tokens with."""
    from airflow.api_fastapi.execution_api.app import _jwt_validator

    return _jwt_validator()


def _attempts_of_login_form() -> Attempts:
    """Return the limit that Airflow's login form has, or none."""
    from airflow.configuration import conf
    from limits import parse_many

    limit = parse_many(conf.get("fab", "auth_rate_limit"))[0]
    limited = conf.getboolean("fab", "auth_rate_limited")
    return Attempts(limit.amount if limited else sys.maxsize, limit.get_expiry())


class RequestGuardPlugin(AirflowPlugin):
    """Has Airflow put the guard around its apps."""

    name = "request_guard"
    fastapi_root_middlewares = [{"name": "request_guard", "middleware": RequestGuard}]  # noqa: RUF012 - as Airflow has it
