"""What unit tests share: programs with fixed paths that run for real and touch nothing, in namespaces of the kernel."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Host, Inventory, QuoteString, State, StringCommand
from pyinfra.context import ctx_host, ctx_state

from deploy.core import paths
from deploy.core.facts import Fact
from deploy.core.shell import Value, assigned, source

# Binds each $1 on $2 up to a "--", then runs what follows.
BIND = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'
# The lock and, on a real machine, the engine's socket are under /run.
FOLDERS = ("etc", "opt", "run", "var")
# What a deploy says of itself to a program that changes a host.
THIS_TEST: dict[str, Value] = {
    "token": "this-test",
    "client": "deployer/4711/1234",
    "owner": "test@deployer",
    "commit": "0123456789ab A commit",
    "message": "a test",
    "dead": "",
    "claimed": "",
}
PROJECT = {
    "src/__init__.py": "",
    "src/pipelines/bronze.py": "print('bronze')\n",
    "dags/flights.py": "import src\n",
    "dvc.yaml": "stages: {}\n",
    "README.md": "# A project\n",
}


def on_machine(machine: Path, sent: StringCommand) -> list[str]:
    """Return what runs a command on that machine, with no engine in reach."""
    binds = [word for folder in FOLDERS for word in (str(machine / folder), f"/{folder}")]
    return ["unshare", "--mount", "sh", "-c", BIND, "sh", *binds, "--", "sh", "-c", sent.get_raw_value()]


def sent(
    program: str, *, preludes: tuple[str, ...] = ("core/host",), lines: str = "", **values: Value
) -> StringCommand:
    """Return the command that runs a program as a deploy does; with ``lines``, these instead of the program."""
    given = assigned({**paths.ON_HOST, "program": program, **THIS_TEST, **values})
    texts = [given, *map(source, preludes), lines or source(program)]
    return StringCommand("bash", "-c", QuoteString("\n".join(texts)))


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
    if (awk := Path("/etc/alternatives/awk")).is_symlink():  # where /usr/bin/awk leads to
        (tmp_path / "etc/alternatives").mkdir()
        (tmp_path / "etc/alternatives/awk").symlink_to(awk.readlink())
    return tmp_path


def run_on(machine: Path, command: StringCommand, stdin: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on that machine."""
    return subprocess.run(
        on_machine(machine, command),
        input=stdin,
        env={**os.environ, "HOSTNAME": "vm1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def run(machine: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Return a function that runs a program, or a command, there; the deploy's session is this process.

    It takes what ``sent`` takes, and ``stdin``.
    """

    def run(what: str | StringCommand, *, stdin: str = "", **more: Any) -> "subprocess.CompletedProcess[str]":
        return run_on(machine, what if isinstance(what, StringCommand) else sent(what, **more), stdin)

    return run


@pytest.fixture
def see(machine: Path) -> Callable[..., Any]:
    """Return a function that asks a fact of that machine, with the fact's arguments."""

    def see(fact: type[Fact[Any]], **values: Any) -> Any:
        done = run_on(machine, fact().command(**values), "")
        assert done.stderr == ""
        return fact().process(done.stdout.splitlines())

    return see


class Session:
    """A deploy's session on that machine: a process that runs its programs, one after the other."""

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

    def begin(self, program: str, *, stdin: str = "/dev/null", **more: Any) -> None:
        """Begin a program, without waiting for its end."""
        assert self.process.stdin
        asked = [on_machine(self.machine, sent(program, **more)), stdin, str(self.output)]
        print(json.dumps(asked), file=self.process.stdin, flush=True)

    def wait_for(self, text: str) -> None:
        """Wait until the program that runs has printed a text."""
        until = time.monotonic() + 30
        while not self.output.exists() or text not in self.output.read_text():
            assert time.monotonic() < until, f"{text} was not printed"
            time.sleep(0.01)

    def finish(self) -> tuple[int, str]:
        """Wait for the program's end; return its exit code and what it has printed."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], 60)[0], "the program does not end"
        return int(self.process.stdout.readline()), self.output.read_text()

    def run(self, program: str, **more: Any) -> tuple[int, str]:
        """Run a program."""
        self.begin(program, **more)
        return self.finish()

    def end(self) -> None:
        """End it as a connection that is lost ends: a program that runs goes on."""
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


@pytest.fixture
def local() -> Iterator[Host]:
    """Have the control node as the host in context, as pyinfra has it while it prepares a step."""
    inventory = Inventory((["@local"], {}))
    state = State(inventory, Config())
    host = inventory.get_host("@local")
    with ctx_state.use(state), ctx_host.use(host):
        yield host


def git(root: Path, *arguments: str) -> None:
    """Run git in ``root``, with a name to commit under."""
    who = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    subprocess.run(["git", "-C", root, *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a real checkout of a small project, changed as its arguments say.

    A keyword is a path of the project, and its value the text that is committed there.
    """
    made = 0

    def make(**changed: str) -> Path:
        nonlocal made
        made += 1
        root = tmp_path / f"checkout-{made}"
        for name, text in (PROJECT | changed).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git(root, "init", "--quiet")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "A project")
        return root

    return make
