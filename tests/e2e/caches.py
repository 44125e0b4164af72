"""Caches for what repeated machines download: one for apt, one for pip."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .command import ROOT, run, until

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flights-e2e"
PYTHON_CACHE = "proxpi==1.3.1"


@dataclass(frozen=True)
class Caches:
    """Where machines find the caches."""

    address: str
    apt: str
    python: str


def bridge() -> str:
    """Return the address of this machine on Docker's bridge."""
    found = json.loads(run(["ip", "-json", "-4", "address", "show", "docker0"]).stdout)
    return str(found[0]["addr_info"][0]["local"])


@contextmanager
def caches(address: str = "") -> Iterator[Caches]:
    """Both caches, for as long as the block lasts; what they hold stays for the next time.

    They are on Docker's bridge, where containers reach them, or at another address of this machine.
    """
    address = address or bridge()
    with apt_cache(address) as apt, python_cache(address) as python:
        yield Caches(address, apt, python)


@contextmanager
def apt_cache(address: str) -> Iterator[str]:
    """apt-cacher-ng, told of no mirror: whichever a machine asks for, it asks for too."""
    directory, port = CACHE / "apt", free_port(address)
    for part in ("configuration", "cache", "log"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    settings = {
        "ForeGround": 1, "BindAddress": address, "Port": port, "SupportDir": "/usr/lib/apt-cacher-ng",
        "CacheDir": directory / "cache", "LogDir": directory / "log",
    }  # fmt: skip
    lines = [f"{key}: {value}\n" for key, value in settings.items()]
    (directory / "configuration/acng.conf").write_text("".join(lines))
    with serving(["/usr/sbin/apt-cacher-ng", "-c", str(directory / "configuration")], address, port):
        yield f"http://{address}:{port}"


@contextmanager
def python_cache(address: str) -> Iterator[str]:
    """Proxpi, in an environment of its own that uv makes, in front of the index this machine's pip uses."""
    port, index = free_port(address), pip_index()
    settings = {"PROXPI_CACHE_DIR": str(CACHE / "python"), "UV_SYSTEM_CERTS": "1"}
    if index:
        settings |= {"PROXPI_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
    command = [
        str(ROOT / ".venv/bin/uvx"), "--quiet", "--from", PYTHON_CACHE,
        "flask", "--app", "proxpi.server", "run", f"--host={address}", f"--port={port}",
    ]  # fmt: skip
    with serving(command, address, port, settings):
        yield f"http://{address}:{port}/index/"


def pip_index() -> str:
    """Return the index this machine's pip is told to use, or nothing.

    `pip config get` would not do: it reads the user's own file and no other.
    """
    listed = run([ROOT / ".venv/bin/python", "-m", "pip", "config", "list"]).stdout
    found = re.search(r"^(:env:|global|install)\.index-url='(.+)'$", listed, re.MULTILINE)
    return found[2] if found else ""


def free_port(address: str = "127.0.0.1") -> int:
    """Return a TCP port nobody listens on, and none that outgoing connections may get.

    apt-cacher-ng could not use those either: it takes no port above 32767.
    """
    while True:
        port = 20000 + secrets.randbelow(12000)
        with suppress(OSError), socket.create_server((address, port)):
            return port


def answers(address: str, port: int) -> bool:
    """Tell whether somebody listens there."""
    with socket.create_connection((address, port), timeout=2):
        return True


@contextmanager
def serving(command: list[str], address: str, port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server as long as the block lasts, from when it answers; its output goes to a file in CACHE."""
    path = CACHE / f"{Path(command[0]).name}.log"
    with path.open("w") as log:
        server = subprocess.Popen(command, env=os.environ | (env or {}), stdout=log, stderr=log, start_new_session=True)
    try:
        until(f"{path.stem} answers", lambda: server.poll() is not None or answers(address, port), limit=300)
        if server.poll() is not None:
            raise RuntimeError(f"{path.stem} ended:\n{path.read_text()}")
        yield
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
