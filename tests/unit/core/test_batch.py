"""Batched facts, by the real pyinfra on this machine and over SSH: see scenarios.py for what each host does."""

import contextlib
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.core.sshd import Server, as_root, serve

ROOT = Path(__file__).resolve().parents[3]
PYINFRA = Path(sys.executable).with_name("pyinfra")


@dataclass(frozen=True)
class Run:
    """A run of pyinfra that has ended."""

    folder: Path
    code: int
    output: str

    def _notes(self, file: str, host: str) -> list[dict[str, Any]]:
        path = self.folder / file
        notes = map(json.loads, path.read_text().splitlines() if path.exists() else ())
        return [note for note in notes if note.pop("host") == host]

    def trips(self, host: str) -> list[Any]:
        """Return what ran on a host: of a batch the number of facts, or the command itself."""
        return [next(iter(note.values())) for note in self._notes("trips", host)]

    def saw(self, host: str) -> list[Any]:
        """Return what operations on a host have seen, which is what they should see."""
        notes = self._notes("saw", host)
        for note in notes:
            assert note["found"] == note["expected"], note
        return [note["found"] for note in notes]

    def found(self, host: str) -> list[Any]:
        """Return what operations on a host have seen, whatever it is."""
        return [note["found"] for note in self._notes("saw", host)]


def prepare(folder: Path, hosts: dict[str, dict[str, Any]], settings: dict[str, str]) -> dict[str, Any]:
    """Write a deploy of these hosts; return how pyinfra is run there."""
    (folder / "inventory.py").write_text(f"hosts = {list(hosts.items())!r}\n")
    (folder / "deploy.py").write_text("import scenarios\n\nscenarios.run()\n")
    paths = f"{ROOT}:{Path(__file__).parent}"
    return {"cwd": folder, "env": os.environ | {"PYTHONPATH": paths, "PYINFRA_PROGRESS": "off"} | settings}


def pyinfra(folder: Path, *arguments: str, hosts: dict[str, dict[str, Any]], **settings: str) -> Run:
    """Run pyinfra in a folder, on these hosts; the settings are those of scenarios.py."""
    folder.mkdir()
    done = subprocess.run(
        [PYINFRA, *arguments, "inventory.py", "deploy.py"],
        **prepare(folder, hosts, settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Run(folder, done.returncode, done.stdout + done.stderr)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Run an sshd."""
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for the runs."""
    return tmp_path_factory.mktemp("batch")


@pytest.fixture(scope="module")
def done(server: Server, folder: Path) -> Run:
    """Run all scenarios that do not wait, each on a host of its own. No answer becomes too old."""
    names = "changes identities flat deep together remembered large forged ways hooks"
    hosts = {name: server.host(server.free, scenario=name) for name in names.split()}
    hosts["password"] = server.host(server.asked, scenario="identities", _sudo_password=server.password)
    run = pyinfra(folder / "scenarios", "-y", "-v", hosts=hosts, FRESH="1000")
    assert run.code == 0, run.output
    return run


def test_no_answer_is_older_than_a_change(done: Run) -> None:
    """A shell command, an upload, a Python function, nested operations, a failing command: each is seen at once."""
    first = ["one", "one\nthere", "two", "three", "four", "four", "five", "six", "seven"]
    seen = [*first, "640", "seven", "eight", "nine", "ready", "ten", "ten"]
    assert [found for found in done.saw("changes") if found] == seen


def test_no_answer_is_given_to_another_user(done: Run) -> None:
    """Facts as root, as another user and as the one who logs in are asked in one command each."""
    user = done.saw("identities")[0]
    assert user.startswith("free-")
    assert done.saw("identities") == [user, user, "root", "root", "daemon", "daemon"] * 2
    assert done.trips("identities") == [2, 2, 2]


def test_sudo_with_a_password(done: Run) -> None:
    """The file that gives sudo the password is written once; nothing known is lost by that."""
    user = done.saw("password")[0]
    assert user.startswith("asked-")
    assert done.saw("password") == [user, user, "root", "root", "daemon", "daemon"] * 2
    first, second, askpass, third, removal = done.trips("password")
    assert [first, second, third] == [2, 2, 2]
    assert "askpass" in askpass
    assert removal.startswith("rm -f")


def test_facts_of_many_operations_are_one_command(done: Run) -> None:
    """And facts that depend on facts are one more."""
    assert len(done.saw("flat")) == 30
    assert done.trips("flat") == [30]
    assert len(done.saw("deep")) == 10
    assert done.trips("deep") == [10, 10]


def test_facts_asked_together(done: Run) -> None:
    """What is asked before there is an operation is known; an operation may ask all that it needs at once."""
    assert len(done.saw("together")) == 4
    asked_again = "wc -l <changed || true"
    assert done.trips("together") == [2, 1, "echo >>changed", asked_again, 5, 1]


def test_what_is_made_of_facts_is_remembered(done: Run) -> None:
    """It is made before the operations run that need it, and again after a change, and for another user."""
    assert len(done.saw("remembered")) == 8
    assert not (done.folder / "made").exists()


def test_a_batch_is_divided_before_it_is_too_long(done: Run) -> None:
    """The kernel takes 128 KB in one argument, by whatever shells; nothing has to be asked by itself."""
    assert done.saw("large") == ["4000"] * 40 + ["804"] * 6
    trips = done.trips("large")
    assert sum(trips) == 46
    assert 4 <= len(trips) <= 10


def test_output_speaks_for_no_other_fact(done: Run) -> None:
    """Not even of a fact that knows the arguments of all processes, and what ends an answer."""
    tail = ["", "facts 0", "forged", " 0", "0" * 32 + " 0"]
    found = done.found("forged")
    assert found[::3] == ["first 0", "first 1", "first 2"]
    assert found[2::3] == ["last 0", "last 1", "last 2"]
    assert [forged[-5:] for forged in found[1::3]] == [tail] * 3
    assert done.trips("forged") == [9]


def test_how_a_fact_is_asked_is_part_of_the_question(done: Run) -> None:
    """Its shell, its environment with hidden values, its directory, its exit codes."""
    home = f"/home/{done.saw('identities')[0]}"
    assert done.saw("ways") == ["sh", "bash", "a", "b", "/", home, "one", "again"] * 2
    first, *more, failing, again = done.trips("ways")
    assert first == 3
    assert more == [1, 1, 1, 1, 1]
    assert failing == again == "echo one; exit 3"


def test_what_comes_before_changes_and_what_is_asked_along(done: Run) -> None:
    """It runs before the first change of an operation, and at no other time."""
    done.saw("hooks")
    assert done.trips("hooks") == [
        3,
        *("echo 'before echo two >>log' >>log", "echo two >>log", "echo three >>log"),
        2,
    ]


def test_twenty_hosts(server: Server, folder: Path) -> None:
    """Each level of facts is one command on each host, and no host gets the answer of another one."""
    hosts = {f"host-{number}": server.host(server.free, scenario="fleet") for number in range(20)}
    run = pyinfra(folder / "fleet", "-y", hosts=hosts, FRESH="1000")
    assert run.code == 0, run.output
    for name in hosts:
        asks_another = name in {"host-1", "host-2", "host-3"}
        assert len(run.saw(name)) == 5 + asks_another
        batches = [trip for trip in run.trips(name) if isinstance(trip, int)]
        assert batches == [5, 5], name
    others = [trip for trip in run.trips("host-0") if isinstance(trip, str)]
    assert sorted(others) == [f"echo host-0 for host-{number}" for number in (1, 2, 3)]
    assert len(run.trips("host-1")) == 2


def test_what_hangs(server: Server, folder: Path) -> None:
    """It is ended, asked by itself with its own limit, and never together with others again."""
    hosts = {name: server.host(server.free, scenario=name) for name in ("limits", "held")}
    run = pyinfra(folder / "limits", "-y", "-vvv", "--no-wait", hosts=hosts, FRESH="1000", LIMIT="2")
    assert run.code == 0, run.output
    assert run.saw("limits") == ["before", "answered", "", "after", "again", "answered", "last"]
    first, once, alone, change, *rest = run.trips("limits")
    assert first == 5
    assert "touch once" in once
    assert (alone, change) == ("sleep 30", "true")
    assert rest == [1, once, 1]
    # With -vvv, what is answered from a batch is shown like what is asked by itself.
    assert re.search(r"\[limits\] >>> echo before\n *\[limits\] before\n", run.output)
    assert run.saw("held") == ["before", "answered"]
    assert run.trips("held")[:2] == [2, "echo before"]


def of(run: Run, host: str) -> list[str]:
    """Return what pyinfra says of a host."""
    return [line for line in run.output.splitlines() if f"[{host}]" in line]


def both(folder: Path, *arguments: str, hosts: dict[str, dict[str, Any]]) -> tuple[Run, Run]:
    """Run pyinfra with the layer and without."""
    name = "-".join(arguments)
    with ThreadPoolExecutor() as pool:
        layered = pool.submit(pyinfra, folder / f"layered{name}", *arguments, hosts=hosts)
        plain = pool.submit(pyinfra, folder / f"plain{name}", *arguments, hosts=hosts, PLAIN="1")
    return layered.result(), plain.result()


@pytest.mark.parametrize("argument", ["--dry", "--json"])
def test_a_plan_is_that_of_pyinfra(server: Server, folder: Path, argument: str) -> None:
    """What would change is found out with fewer commands, and is the same, as is all that is said."""
    hosts = {"@local": {"scenario": "plan"}, "over-ssh": server.host(server.free, scenario="plan")}
    layered, plain = both(folder, argument, "-v", hosts=hosts)
    assert layered.code == plain.code == 0, plain.output
    # Which host does what one alone does is chance.
    said = [re.sub(" +", " ", re.sub("(Once.*?)(@local|over-ssh)", r"\1one", run.output)) for run in (layered, plain)]
    # What facts are loaded is said when they are asked, by an operation or, of all of them, at the end.
    assert sorted(said[0].splitlines()) == sorted(said[1].splitlines())
    without_facts = [[line for line in text.splitlines() if not line.startswith(" [")] for text in said]
    assert without_facts[0] == without_facts[1]
    assert "Speak and change" in plain.output
    counts = [[run.found(name)[-1] for name in hosts] for run in (layered, plain)]
    assert [*map(sum, zip(*counts[0], strict=True))] == [*map(sum, zip(*counts[1], strict=True))]
    for name in hosts:
        assert len(layered.trips(name)) <= len(plain.trips(name)) / 3


def test_a_run_says_what_pyinfra_says(server: Server, folder: Path) -> None:
    """Of operations that change something, that change nothing, and that fail; nothing is said by what is tried."""
    hosts = {name: server.host(server.free, scenario=name) for name in ("broken", "refused")}
    layered, plain = both(folder, "-y", "-v", hosts={"@local": {"scenario": "plan"}, **hosts})
    assert layered.code == plain.code
    for name in ("@local", *hosts):
        assert of(layered, name) == of(plain, name)
        assert layered.found(name) == plain.found(name)
    assert sorted(layered.output.splitlines()) == sorted(plain.output.splitlines())
    assert plain.output.count("could not load fact") == 2
    # What fails is asked once together with the others, once by itself, and the host is out.
    assert layered.found("broken") == ["one", ""]
    failing = "echo said >&2; false"
    assert layered.trips("broken") == [3, failing]
    assert layered.found("refused") == ["one", ""]
    assert layered.trips("refused") == [3]


class Terminal:
    """pyinfra at a terminal."""

    def __init__(self, folder: Path, hosts: dict[str, dict[str, Any]], **settings: str) -> None:
        """Run it."""
        self.output = ""
        folder.mkdir()
        how = prepare(folder, hosts, settings)
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(how["cwd"])
            os.execve(PYINFRA, ["pyinfra", "inventory.py", "deploy.py"], how["env"])  # noqa: S606 - as a shell does

    def wait_for(self, text: str) -> None:
        """Wait until it has said this."""
        until = time.monotonic() + 60
        while text not in self.output:
            assert select.select([self.terminal], [], [], until - time.monotonic())[0], self.output
            self.output += os.read(self.terminal, 4096).decode()

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self.terminal, f"{line}\n".encode())

    def finish(self) -> int:
        """Wait for its end; return its exit code."""
        with contextlib.suppress(OSError):  # the terminal's other end is closed
            while select.select([self.terminal], [], [], 60)[0]:
                self.output += os.read(self.terminal, 4096).decode()
        _, status = os.waitpid(self.process, 0)
        return os.waitstatus_to_exitcode(status)


def test_a_question_at_the_terminal(server: Server, folder: Path) -> None:
    """What was known before it is asked again, and nothing is known for long. The password is asked for once."""
    hosts = {"question": server.host(server.asked, scenario="question")}
    pyinfra = Terminal(folder / "question", hosts, FRESH="1")
    pyinfra.wait_for("sudo password:")
    pyinfra.type(server.password)
    pyinfra.wait_for("Press enter to execute")
    path = f"/home/{server.asked}/x"
    as_root("tee", path, text="changed meanwhile\n")
    as_root("chmod", "666", path)
    pyinfra.type("")
    assert pyinfra.finish() == 0, pyinfra.output
    run = Run(folder / "question", 0, pyinfra.output)
    assert run.saw("question") == [
        *("changed meanwhile", "root\nchanged meanwhile"),
        *("changed later", "changed later", "root\nchanged later"),
    ]
    assert pyinfra.output.count("sudo password:") == 1
    assert len(re.findall("Press enter", pyinfra.output)) == 1
