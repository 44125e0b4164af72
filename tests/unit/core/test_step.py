"""A fault of one host, and what the end says: this machine beside one that nobody answers for."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# A lock of its own for each run, so that tests and a deploy that is under way do not refuse each other. Who is not root
# has this machine's.
OWN_RUN = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run && exec "$@"', "sh")
INVENTORY = """\
gone = {{"ssh_hostname": "127.0.0.1", "ssh_port": {port}, "ssh_known_hosts_file": "{hosts}"}}
fleet = ["@local", ("gone", gone)]
"""
# What each step does is an argument: no step here changes anything.
STEPS = '''\
"""Steps that do, and fail, as they are told."""

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy.core.step import deploy, operation


@operation()
def work(*, what):
    """Do it."""
    if what == "raise" and host.state.is_executing:
        raise DeployError("the disk is full")
    if what != "nothing":
        yield StringCommand("false" if what == "fail" else "true")


@deploy("Probe")
def step(*, refuse="", what="something"):
    """Refuse, or do it twice."""
    if refuse:
        raise DeployError("\\n".join(f"{host.name}: fault {fault}" for fault in refuse.split("+")))
    work(name="Do the first thing", what=what)
    work(name="Do the second thing", what="nothing")
'''


def pyinfra(folder: Path, *arguments: str, hosts: str = "@local") -> tuple[int, str]:
    """Run a step on this machine, which is root's or not; return the exit code and all that was said."""
    (folder / "probe.py").write_text(STEPS)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    text = INVENTORY.format(port=port, hosts=folder / "known_hosts")
    (folder / "inventory.py").write_text(text)
    private = not subprocess.run([*OWN_RUN, "true"], capture_output=True, check=False).returncode
    pyinfra_here = (*(OWN_RUN if private else ()), Path(sys.executable).with_name("pyinfra"))
    command = [*pyinfra_here, "inventory.py", "probe.step", *arguments]
    limits = [part for host in hosts.split() for part in ("--limit", host)]
    done = subprocess.run(
        [*command, *limits],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, said


def outcome(said: str, host: str = "@local") -> str:
    """Return what the end of a run says of a host: once."""
    _, _, hosts = said.partition("--> Hosts:\n")
    found = re.findall(rf"^    {host} +(.*)$", hosts, re.MULTILINE)
    assert len(found) == 1, said
    return re.sub(r"\d+\.\d s", "N s", found[0])


@pytest.mark.parametrize(
    ("what", "clause"),
    [("something", "1 of 2 operations changed, N s"), ("nothing", "nothing changed, N s")],
)
def test_the_end_says_what_was_done(tmp_path: Path, what: str, clause: str) -> None:
    """One line for a host that all went well on."""
    code, said = pyinfra(tmp_path, "-y", f"what={what}")
    assert code == 0
    assert outcome(said) == clause


def test_an_operation_that_fails(tmp_path: Path) -> None:
    """The end names the step, and refers to what was said where nobody gave a reason."""
    code, said = pyinfra(tmp_path, "-y", "what=fail")
    assert code == 1
    assert outcome(said) == 'failed after N s at "Probe | Do the first thing": see the error above'


def test_an_operation_that_raises(tmp_path: Path) -> None:
    """It is a failure like any other: a sentence where it happened, and the end repeats it."""
    code, said = pyinfra(tmp_path, "-y", "what=raise")
    assert code == 1
    assert said.count("error: the disk is full") == 1
    assert outcome(said) == 'failed after N s at "Probe | Do the first thing": the disk is full'


@pytest.mark.parametrize(
    ("refuse", "clause"),
    [("a", "refused: fault a"), ("a+b+c", "refused: fault a (and 2 more, see above)")],
)
def test_a_host_that_is_refused(tmp_path: Path, refuse: str, clause: str) -> None:
    """All faults in one block, and the first of them at the end; nothing is done."""
    code, said = pyinfra(tmp_path, "-y", f"refuse={refuse}")
    assert code == 1
    faults = "".join(f"    @local: fault {fault}\n" for fault in refuse.split("+"))
    assert f"--> Nothing was changed on @local, because:\n{faults}" in said
    assert said.count("@local: fault") == len(refuse.split("+"))
    assert "Starting operation" not in said
    assert outcome(said) == clause


def test_a_host_that_is_not_reached(tmp_path: Path) -> None:
    """The others go on to their end, and the run does not end well; who was not asked for is not named."""
    code, said = pyinfra(tmp_path, "-y", hosts="@local gone")
    assert code == 1
    assert outcome(said) == "1 of 2 operations changed, N s"
    assert outcome(said, "gone") == "unreachable (see the error above)"
    assert "gone" not in pyinfra(tmp_path, "-y")[1]


def test_a_plan_has_no_outcome(tmp_path: Path) -> None:
    """Nothing was done; only a host that would be refused is worth a line."""
    code, said = pyinfra(tmp_path, "--dry", "-y")
    assert code == 0
    assert "--> Hosts:" not in said
    code, said = pyinfra(tmp_path, "--dry", "-y", "refuse=a")
    assert code == 1
    assert outcome(said) == "refused: fault a"


def test_more_failures_than_are_allowed(tmp_path: Path) -> None:
    """The option --fail-percent of pyinfra still ends the run for all, before anything is done."""
    code, said = pyinfra(tmp_path, "-y", "--fail-percent", "10", hosts="@local gone")
    assert code == 1
    assert "Over 10% of hosts failed" in said
    assert "Starting operation" not in said


# A run over three hosts, which are this machine by three names, where its steps are prepared. In a process of
# its own, because pyinfra's command changes the standard library for all.
THREE = """
import json
import sys

from pyinfra_cli.util import load_func

from pyinfra import host
from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all
from pyinfra.api.exceptions import DeployError
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import ctx_state

from deploy.core.step import deploy

came = []


@deploy("Probe")
def step(*, refused):
    if host.name in refused:
        raise DeployError(f"{host.name}: no")
    came.append(host.name)


inventory = Inventory((["one", "two", "three"], {}))
for found in inventory:
    found.connector_cls = LocalConnector
state = State(inventory, Config())
connect_all(state)
ctx_state.set(state)
for names in sys.argv[1:]:
    load_func(state, step, refused=names.split(","))
    print(json.dumps([sorted(came), sorted(host.name for host in state.failed_hosts)]))
    came.clear()
"""


def three(*refused: str) -> subprocess.CompletedProcess[str]:
    """Run a step on three hosts as often as there are arguments, which say whom it refuses then."""
    command = [sys.executable, "-c", THREE, *refused]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_host_that_is_refused_is_left_out_alone() -> None:
    """The step is prepared on the others, and whatever comes after it for them alone."""
    done = three("two", "three", "nobody")
    first, second, third = map(json.loads, done.stdout.splitlines())
    assert first == [["one", "three"], ["two"]], done.stderr
    assert second == [["one"], ["three", "two"]]
    assert third == [["one"], ["three", "two"]]


def test_where_all_are_refused_the_run_ends() -> None:
    """There is nobody left to go on with."""
    done = three("one,two,three")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "No hosts remaining" in done.stderr
