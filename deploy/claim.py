"""Who deploys, and what: what the lock of a host says while that goes on, and its history after."""

from __future__ import annotations

import getpass
import os
import re
import socket
import subprocess
import uuid
from functools import cache
from pathlib import Path

from deploy.checkout import Checkout

# One for each run of pyinfra: the lock is that of a run, not of a person.
TOKEN = uuid.uuid4().hex


@cache
def client() -> str:
    """Return this process, as other deploys from this machine can find out whether it is still there."""
    return f"{_namespace()}/{os.getpid()}/{_began(os.getpid())}"


def is_gone(other: str) -> bool:
    """Whether ``other``, a client, was a process of this machine that has ended. Known on Linux only."""
    where, _, process = other.partition("/")
    pid, _, began = process.partition("/")
    if not began or where != _namespace():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, which may be hidden in /proc
        return False
    return _began(int(pid)) not in {began, ""}


def _namespace() -> str:
    """Return what tells the process ids that are seen here from those of any other machine or container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return "unknown"


def _began(pid: int) -> str:
    """Return when a process began, in ticks since boot (proc(5)), or nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


@cache
def owner() -> str:
    """Return the user who deploys, as ``user@machine``."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return re.sub(r"\s", "_", f"{user}@{socket.gethostname()}")


@cache
def commit(project: Checkout) -> str:
    """Return the commit of a checkout and the first line of its message; ``-`` where there is none.

    Its hash ends with a ``+`` where the project was edited since.
    """
    found, _, subject = _git(project.root, "log", "-1", "--abbrev=12", "--format=%h %s").partition(" ")
    edited = bool(_git(project.root, "status", "--porcelain", "--untracked-files=no", "--", *project.paths))
    return one_line(f"{found}{'+' * edited} {subject}") if found else "-"


def one_line(text: str) -> str:
    """Return a text without tabs and line breaks, which separate what is in a host's files."""
    return " ".join(text.split())


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    return done.stdout.strip()
