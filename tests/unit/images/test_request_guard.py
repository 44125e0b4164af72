"""The webserver's guard around apps of the kinds that Airflow has, served by uvicorn, asked over sockets."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.core.paths import ROOT
from deploy.release import rendering
from deploy.settings import Settings

HEALTH = "/api/v2/monitor/health"
LIMIT = 200_000
STRANGERS_LIMIT = 64 * 1024
RULES = {"max_request_size": LIMIT, "api_docs": False}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its content."""
        return json.loads(self.body)


@dataclass
class Served:
    """An app of the process, as its clients see it."""

    port: int
    process: "subprocess.Popen[bytes]"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask for something; a body that is no bytes is sent in chunks."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, named, encode_chunked=body is not None)
            found = connection.getresponse()
            return Answer(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    def post(self, path: str, size: int, *, chunked: bool) -> Answer:
        """Send so many bytes, of which the length is told before or not."""
        pieces = (b"x" * min(65536, size - sent) for sent in range(0, size, 65536))
        length = {"Transfer_Encoding": "chunked"} if chunked else {"Content_Length": str(size)}
        if chunked:
            return self.ask("POST", path, pieces, **length)
        return self.ask("POST", path, b"x" * size, **length)

    def try_password(self, password: str, address: str = "192.0.2.1") -> Answer:
        """Ask for a token, from an address."""
        body = json.dumps({"username": "airflow", "password": password}).encode()
        return self.ask("POST", "/auth/token", body, X_Forwarded_For=address, Content_Type="application/json")

    @property
    def looked_at(self) -> int:
        """How many passwords it has looked at."""
        return int(self.ask("GET", "/looked-at").json)

    @property
    def peak(self) -> int:
        """How much memory the process has had at most, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found
        return int(found[1])


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Served]]:
    """Serve one with the stack's rules, but for the size, and one with the descriptions of the APIs."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "PYTHON"))}
    env |= {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONPATH": str(ROOT / "files/images"),
    }
    ports = free_port(), free_port()
    rules = json.dumps(RULES), json.dumps(RULES | {"api_docs": True})
    words = [word for pair in zip(map(str, ports), rules, strict=True) for word in pair]
    command = [sys.executable, str(Path(__file__).with_name("guarded.py")), *words]
    with subprocess.Popen(command, env=env) as process:
        try:
            for port in ports:
                wait_for(port, process)
            yield Served(ports[0], process), Served(ports[1], process)
        finally:
            process.terminate()


def wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until somebody listens."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens at {port}")


@pytest.fixture
def served(apps: tuple[Served, Served]) -> Served:
    """Ask the one with the stack's settings."""
    return apps[0]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/size", "/auth/users/add", "/auth/token", "/nowhere"])
def test_a_body_that_is_too_large_is_refused(served: Served, path: str, chunked: bool) -> None:  # noqa: FBT001
    """Whatever app it is for, and whether its length is told before or not; the setting is named."""
    answer = served.post(path, 20 * LIMIT, chunked=chunked)
    if path == "/nowhere" and chunked:  # nobody reads it
        assert answer.status == 404
        return
    assert answer.status == 413
    assert answer.headers["content-type"] == "application/json"
    assert ("max_request_size" in answer.json["detail"]) or ("needs a login" in answer.json["detail"])


def test_the_setting_is_named(served: Served) -> None:
    """With its number."""
    answer = served.post("/size", LIMIT + 1, chunked=False)
    assert answer.json == {"detail": f"The request has more than {LIMIT} bytes, the most that max_request_size allows."}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/size", "/auth/users/add"])
def test_who_is_not_logged_in_sends_little(served: Served, path: str, chunked: bool) -> None:  # noqa: FBT001
    """Up to the last byte of it, it arrives whole."""
    fits = served.post(path, STRANGERS_LIMIT, chunked=chunked)
    assert (fits.status, fits.json) == (200, {"size": STRANGERS_LIMIT})
    answer = served.post(path, STRANGERS_LIMIT + 1, chunked=chunked)
    assert (answer.status, answer.json) == (
        413,
        {"detail": f"A request of more than {STRANGERS_LIMIT} bytes needs a login."},
    )
    forged = served.ask("POST", path, b"x" * (STRANGERS_LIMIT + 1), Authorization="Bearer forged")
    assert forged.status == 413


def flood(port: int, *, chunked: bool, size: int = 100_000_000) -> int:
    """Send as much as is taken, whatever is answered; gives the status."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
        client.sendall(f"POST /auth/token HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode())
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if chunked else b"x" * 65536
        try:
            for _ in range(size // 65536):
                client.sendall(piece)
        except OSError:
            pass
        try:
            return int(client.recv(4096).split()[1])
        except (OSError, IndexError):
            return 0


@pytest.mark.parametrize("chunked", [False, True])
def test_nothing_is_kept_of_what_is_refused(served: Served, chunked: bool) -> None:  # noqa: FBT001
    """Of eight that send 100 MB at once: the process stays as large as it was, and answers others."""
    served.post("/size", 10, chunked=False)
    before = served.peak
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda _: flood(served.port, chunked=chunked), range(8)))
    assert set(statuses) <= {413, 0}
    assert served.ask("GET", "/looked-at").status == 200
    assert served.peak - before < 32 * 1024


def test_wrong_passwords_are_counted(served: Served) -> None:
    """For each address; the right one is not tried either, for as long as the answer says."""
    statuses = [served.try_password("wrong").status for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    refused = served.try_password("right")
    assert refused.status == 429
    seconds = int(refused.headers["retry-after"])
    assert 1 <= seconds <= 3
    assert refused.json == {"detail": f"Too many wrong passwords; try again in {seconds} s."}
    assert served.try_password("right", "192.0.2.2").status == 201
    deadline = time.monotonic() + 10
    while (status := served.try_password("right").status) == 429 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert status == 201


def test_an_ipv6_network_is_one_client(served: Served) -> None:
    """A customer has 2^64 addresses; another network is another client."""
    statuses = [served.try_password("wrong", f"2001:db8::{number}").status for number in range(1, 8)]
    assert Counter(statuses) == {401: 5, 429: 2}
    assert served.try_password("right", "2001:db8:0:1::1").status == 201


def test_many_tries_at_once_are_no_way_around(served: Served) -> None:
    """Of a hundred wrong passwords at the same moment, five are looked at."""
    before = served.looked_at
    with ThreadPoolExecutor(100) as clients:
        statuses = list(clients.map(lambda _: served.try_password("wrong", "192.0.2.3").status, range(100)))
    assert served.looked_at - before == 5
    assert Counter(statuses) == {401: 5, 429: 95}


def test_right_passwords_are_not_limited(served: Served) -> None:
    """Not even fifty at once, nor after a few wrong ones."""
    assert {served.try_password("wrong", "192.0.2.4").status for _ in range(4)} == {401}
    with ThreadPoolExecutor(50) as clients:
        statuses = list(clients.map(lambda _: served.try_password("right", "192.0.2.4").status, range(50)))
    assert set(statuses) == {201}
    assert served.try_password("wrong", "192.0.2.4").status == 401
    assert served.try_password("wrong", "192.0.2.4").status == 429


def test_a_fault_of_the_server_is_no_wrong_password(served: Served) -> None:
    """While the database is away, whoever asks again is told so each time."""
    assert {served.try_password("fault", "192.0.2.5").status for _ in range(8)} == {500}
    assert served.try_password("right", "192.0.2.5").status == 201


def test_who_sends_slowly_takes_nobody_s_place(served: Served) -> None:
    """A try counts from when the password is there."""
    head = b"POST /auth/token HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.6\r\nContent-Length: 100\r\n\r\n{"
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(20)]
    try:
        for client in slow:
            client.sendall(head)
        assert served.try_password("right", "192.0.2.6").status == 201
    finally:
        for client in slow:
            client.close()


def test_the_number_of_clients_is_bounded(served: Served) -> None:
    """Those that were not seen for longest are forgotten."""
    assert served.ask("GET", "/crowd").json == [str(number) for number in range(100, 10_100)]


def test_strangers_learn_healthy_or_not(served: Served) -> None:
    """Through the domain's site alone; triggerer and others that are not asked for do not count."""
    outside = {"X_Flights_Mlops_Entry": "domain"}
    well = served.ask("GET", HEALTH, **outside)
    assert (well.status, well.json) == (200, {"status": "healthy"})
    sick = served.ask("GET", f"{HEALTH}?scheduler=unhealthy", **outside)
    assert (sick.status, sick.json) == (503, {"status": "unhealthy"})
    assert served.ask("POST", HEALTH, **outside).status == 401
    assert served.ask("GET", "/api/v2/version", **outside).status == 401
    for inside in ({}, {"X_Flights_Mlops_Entry": "host"}):
        assert "latest_scheduler_heartbeat" in served.ask("GET", HEALTH, **inside).json["scheduler"]
        assert served.ask("GET", "/api/v2/version", **inside).json == {"version": "3"}


@pytest.mark.parametrize("path", ["/execution/a", "/execution/../a", "/execution%2fa", "/%65xecution/a"])
def test_no_proxy_leads_to_the_tasks_api(served: Served, path: str) -> None:
    """Neither from outside nor from the host; the stack's containers ask without one."""
    assert served.ask("GET", path).status == 200
    for entry in ("domain", "host", "another"):
        assert served.ask("GET", path, X_Flights_Mlops_Entry=entry).status == 404


@pytest.mark.parametrize("prefix", ["", "/auth", "/execution"])
@pytest.mark.parametrize("name", ["docs", "redoc", "openapi.json", "docs/oauth2-redirect"])
def test_descriptions_of_the_apis_are_off(apps: tuple[Served, Served], prefix: str, name: str) -> None:
    """Unless the setting asks for them."""
    without, with_them = apps
    assert without.ask("GET", f"{prefix}/{name}").status == 404
    assert with_them.ask("GET", f"{prefix}/{name}").status == 200


def test_the_settings_are_what_the_guard_is_told() -> None:
    """By the names of its rules."""
    told = rendering.request_guard(Settings(max_request_size="512k", api_docs=True, triggerer=True))
    assert told == {"max_request_size": 524288, "api_docs": True}
