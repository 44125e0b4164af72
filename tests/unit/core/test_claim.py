"""Who deploys, and what: told by real processes and real checkouts."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyinfra.api import Host

from deploy.core import claim, run
from deploy.core.paths import ROOT

Checkout = Callable[..., Path]
# What another deploy from this machine says of itself; then it goes on until its input ends.
DEPLOY = "import sys; from deploy.core import claim; print(claim.client(), flush=True); sys.stdin.read()"


@pytest.fixture
def other() -> Iterator["subprocess.Popen[str]"]:
    """Have a process like that of another deploy."""
    command = [sys.executable, "-c", DEPLOY]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


def test_a_client_is_gone_when_its_process_has_ended(other: "subprocess.Popen[str]") -> None:
    """And not before, however it ends."""
    assert other.stdout
    client = other.stdout.readline().strip()
    assert client.split("/")[1] == str(other.pid)
    assert not claim.is_gone(client)
    other.kill()
    other.wait()
    assert claim.is_gone(client)


def test_another_process_of_the_same_pid_is_not_the_client() -> None:
    """The one that is there is; one of its pid that began at another time has ended."""
    machine, pid, began = claim.client().split("/")
    assert pid == str(os.getpid())
    assert not claim.is_gone(f"{machine}/{pid}/{began}")
    assert claim.is_gone(f"{machine}/{pid}/{int(began) + 1}")


@pytest.mark.parametrize("client", ["elsewhere/1/1", "elsewhere/999999999/1", "unknown/1/", "", "/", "//"])
def test_of_another_machines_processes_nothing_is_known(client: str) -> None:
    """They may go on; and what is no client was none that has ended."""
    assert not claim.is_gone(client)


def commit(root: Path) -> str:
    """Return what a deploy from that checkout says of its commit."""
    claim.commit.cache_clear()
    return claim.commit(str(root))


def test_the_commit_is_named_with_its_subject(checkout: Checkout) -> None:
    """As many digits as git would need for any repository, and one line."""
    root = checkout()
    assert re.fullmatch(r"[0-9a-f]{12} A project", commit(root))


@pytest.mark.parametrize(
    ("edit", "differs"),
    [
        ("echo >>src/pipelines/bronze.py", True),
        ("git rm --quiet dags/flights.py", True),
        ("touch dags/new.py && git add dags/new.py", True),
        ("chmod +x src/__init__.py", True),
        ("touch dags/notes.txt", False),
        ("echo >>README.md", True),
    ],
)
def test_an_edited_project_is_not_its_commit(
    checkout: Checkout,
    edit: str,
    differs: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A plus says so, where a tracked file is another: one that git does not know is none of it."""
    root = checkout()
    subprocess.run(["sh", "-ec", edit], cwd=root, check=True)
    found = commit(root)
    assert re.fullmatch(r"[0-9a-f]{12}(\+?) A project", found), found
    assert ("+" in found) is differs


def test_where_there_is_no_commit_there_is_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout without one, and none at all."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit(tmp_path) == "-"
    subprocess.run(["git", "-C", tmp_path, "init", "--quiet"], check=True)
    assert commit(tmp_path) == "-"


def test_a_line_is_one_line() -> None:
    """Tabs and line breaks separate fields, and nothing reaches a terminal as a control code."""
    assert claim.one_line(" a\tb\r\nc\x0b\u2028 d  e ") == "a b c d e"
    assert claim.one_line("\n\t ") == ""
    assert claim.one_line("a\x1b[2Jb\x07\x9bc\u202ed\u200be\x7fé") == "a [2Jb c d e é"


def test_what_a_deploy_says_of_itself(local: Host) -> None:
    """By the names that programs know it by; the message is a line, whoever wrote it."""
    assert run._claim(local)["message"] == "no message"  # noqa: SLF001 - what it hands to every program
    local.connector_data.clear()
    local.data.message = "first\n\tline"
    local.connector_data.update({run.DEAD: "0a1b2c", run.CLAIMED: "claimed"})
    assert run._claim(local) == {  # noqa: SLF001
        "token": claim.TOKEN,
        "client": claim.client(),
        "owner": claim.owner(),
        "commit": claim.commit(None),
        "message": "first line",
        "dead": "0a1b2c",
        "claimed": "claimed",
    }


def test_whoever_uses_sudo_is_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word, because the lock and the look at it are words."""
    monkeypatch.setenv("SUDO_USER", "DOMAIN\\jo smith")
    claim.owner.cache_clear()
    assert claim.owner() == f"DOMAIN\\jo_smith@{socket.gethostname()}"
    monkeypatch.delenv("SUDO_USER")
    claim.owner.cache_clear()
    assert claim.owner().endswith(f"@{socket.gethostname()}")
    assert not claim.owner().startswith("DOMAIN")
