"""Who deploys, and what: what a host's lock says meanwhile, and its history afterwards."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import uuid
from functools import cache
from pathlib import Path

from deploy.core.paths import ROOT

# One for each run of pyinfra: the lock is that of a run, not of a person.
TOKEN = uuid.uuid4().hex


@cache
def client() -> str:
    """Return this process, in a form by which other deploys from this control node see whether it still runs."""
    return f"{_namespace()}/{os.getpid()}/{_began(os.getpid())}"


def is_gone(other: str) -> bool:
    """Whether ``other``, a client, was a process of this control node that has ended. Known on Linux only.

    The host cannot know: a connection that was cut off stays open there until sshd gives it up.
    """
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
    return one_line(f"{user}@{socket.gethostname()}").replace(" ", "_")


@cache
def commit(project_path: str | None) -> str:
    """Return the commit of a checkout, by default this one, and the first line of its message.

    Its hash ends with a ``+`` where tracked files were edited since. ``-`` where there is no commit.
    """
    root = Path(project_path).expanduser().resolve() if project_path else ROOT
    found, _, subject = _git(root, "log", "-1", "--abbrev=12", "--format=%h %s").partition(" ")
    edited = bool(_git(root, "status", "--porcelain", "--untracked-files=no"))
    return one_line(f"{found}{'+' * edited} {subject}") if found else "-"


def one_line(text: str) -> str:
    """Return a text as one printable line.

    Tabs and line breaks separate the fields of a host's files, and escape codes would reach a terminal.
    """
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    return done.stdout.strip()
