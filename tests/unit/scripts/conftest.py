"""Where scripts with fixed paths and ports run for real and touch nothing: namespaces of the kernel."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyinfra.api import QuoteString, StringCommand

from deploy import script

Script = Callable[..., "subprocess.CompletedProcess[str]"]

# Binds each $1 on $2 up to a "--", then runs what follows.
BIND = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'
# The lock and, on a real machine, the engine's socket are under /run.
FOLDERS = ("etc", "opt", "run", "var")


class Claims(NamedTuple):
    """What a deploy says of itself to a script that changes a host, in the order of ``claim.sh``."""

    who: str = "this-test"
    client: str = "deployer:4711:1234"
    owner: str = "test@deployer"
    commit: str = "0123456789ab A commit"
    message: str = "a test"
    dead: str = ""
    claimed: str = ""


THIS_TEST = Claims()


def command(
    machine: Path, name: str, *arguments: str, claims: Claims = THIS_TEST, lines: str = ""
) -> list[str]:
    """Return the command that runs a script of deploy/scripts on that machine, with no engine in reach.

    With ``lines``, these are run behind the scripts that ``name`` uses, instead of its own.
    """
    said = claims if "claim" in script.parts(name) else ()
    if lines:
        used = [(script.SCRIPTS / f"{part}.sh").read_text() for part in script.parts(name)[:-1]]
        words = (QuoteString(word) for word in ("\n".join([*used, lines]), name, *said, *arguments))
        sent = StringCommand("bash", "-c", *words)
    else:
        sent = script.command(name, *arguments, claims=said)
    binds = [word for folder in FOLDERS for word in (str(machine / folder), f"/{folder}")]
    shell = ["sh", "-c", sent.get_raw_value()]
    return ["unshare", "--mount", "sh", "-c", BIND, "sh", *binds, "--", *shell]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return the root of a machine that has nothing yet: its /etc, /opt, /run and /var."""
    if os.geteuid() != 0:
        pytest.skip("only root may give files to another user")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    for name in (*FOLDERS, "var/backups", "var/lib"):
        (tmp_path / name).mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    (tmp_path / "etc/os-release").symlink_to("/usr/lib/os-release")
    if Path("/etc/alternatives").is_dir():  # where awk leads to
        shutil.copytree("/etc/alternatives", tmp_path / "etc/alternatives", symlinks=True)
    return tmp_path


@pytest.fixture
def run(machine: Path) -> Script:
    """Return a function that runs a script on that machine, as a deploy whose session is this process."""

    def run(name: str, *arguments: str, stdin: str = "", **more: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(machine, name, *arguments, **more),
            input=stdin,
            env={**os.environ, "HOSTNAME": "vm1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


class Session:
    """A deploy's session on that machine: a process that runs its scripts, one after the other."""

    def __init__(self, machine: Path) -> None:
        """Begin it."""
        self.machine = machine
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("session.py")],
            env={**os.environ, "HOSTNAME": "vm1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.output = machine / f"output-{self.process.pid}"

    def begin(self, name: str, *arguments: str, stdin: str = "/dev/null", **more: Any) -> None:
        """Begin a script, without waiting for its end."""
        assert self.process.stdin
        asked = [command(self.machine, name, *arguments, **more), stdin, str(self.output)]
        print(json.dumps(asked), file=self.process.stdin, flush=True)

    def wait_for(self, text: str) -> None:
        """Wait until the script that runs has printed a text."""
        until = time.monotonic() + 30
        while not self.output.exists() or text not in self.output.read_text():
            assert time.monotonic() < until, f"{text} was not printed"
            time.sleep(0.01)

    def finish(self) -> tuple[int, str]:
        """Wait for the script's end; return its exit code and what it has printed."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], 60)[0], "the script does not end"
        return int(self.process.stdout.readline()), self.output.read_text()

    def run(self, name: str, *arguments: str, **more: Any) -> tuple[int, str]:
        """Run a script."""
        self.begin(name, *arguments, **more)
        return self.finish()

    def end(self) -> None:
        """End it as a connection that is lost ends: a script that runs goes on."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe
            pipe.close()


@pytest.fixture
def session(machine: Path) -> Iterator[Callable[[], Session]]:
    """Return a function that begins a deploy's session; those that are left end with the test."""
    begun = []

    def begin() -> Session:
        begun.append(Session(machine))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.end()
