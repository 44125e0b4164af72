"""One deploy at a time on a host: the lock file, real processes that hold it, and what is remembered."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pyinfra.api import Host

from deploy import lock as lock_steps
from deploy.core import batch, claim
from deploy.core import lock as core_lock
from deploy.core.lock import Holder, Lock
from deploy.core.run import CLAIMED, DEAD

Begin = Callable[[], Any]
Program = Callable[..., "CompletedProcess[str]"]
See = Callable[..., Any]
Who = dict[str, str]

FIRST: Who = {"token": "first", "owner": "jo@deployer", "message": "flights without delays"}
SECOND: Who = {"token": "second", "owner": "mo@laptop", "message": "another try"}
REFUSAL = (
    r"jo@deployer has been deploying to this host since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ "
    r"\(flights without delays\); wait for it to finish, or if it hangs: "
    r"pyinfra inventory\.py deploy\.lock\.release\."
)
REFUSED = rf"error: {REFUSAL}\n"


def change(session: Any, who: Who, **more: str) -> tuple[int, str]:
    """Run a program that changes the host, in the name of a deploy."""
    code, said = session.run("core/claim", lines="touch /var/lib/changed; echo Changed", **who, **more)
    return code, said


def unlock(session: Any, own: str) -> tuple[int, str]:
    """Release the lock of the deploy that has this token."""
    code, said = session.run("core/unlock", token="", own=own)
    return code, said


def lock(machine: Path) -> list[str]:
    """Return what the lock file says: token, session, since, client, owner, message."""
    lines = (machine / "run/flights-mlops.lock").read_text().splitlines()
    assert len(lines) <= 1
    return lines[0].split("\t") if lines else []


def began(pid: int) -> str:
    """Return when a process began, as proc(5) has it."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_the_first_to_change_a_host_takes_its_lock(machine: Path, session: Begin) -> None:
    """It says whose deploy it is, and by which process one can tell that it still goes on."""
    deploy = session()
    assert change(deploy, FIRST)[0] == 0
    who, process, since, *rest = lock(machine)
    assert who == "first"
    assert process == f"{deploy.process.pid}:{began(deploy.process.pid)}"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", since)
    assert rest == ["deployer/4711/1234", "jo@deployer", "flights without delays"]


def test_a_deploy_goes_on_with_its_own_lock(machine: Path, session: Begin) -> None:
    """Also over a connection of its own, and without a word; the lock stays as it was taken."""
    deploy, reconnected = session(), session()
    change(deploy, FIRST)
    taken = lock(machine)
    for each in (deploy, reconnected):
        assert change(each, {"token": "first", "claimed": "claimed"}) == (0, "Changed\n")
    assert lock(machine) == taken


def test_a_second_deploy_is_refused_and_told_whose_the_first_is(machine: Path, session: Begin) -> None:
    """Nothing is changed, neither the host nor the lock."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    taken = lock(machine)
    (machine / "var/lib/changed").unlink()
    code, said = change(other, SECOND)
    assert code == 1
    assert re.fullmatch(REFUSED, said), said
    assert not (machine / "var/lib/changed").exists()
    assert lock(machine) == taken


def test_the_lock_of_a_deploy_that_has_ended_is_taken_over(machine: Path, session: Begin) -> None:
    """Nobody has to clean up after a connection that was lost."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    deploy.end()
    code, said = change(other, SECOND)
    assert code == 0, said
    assert re.match(
        r"Taking over from the deploy of jo@deployer since \S+Z, which ended without releasing its lock\n",
        said,
    )
    assert lock(machine)[0] == "second"
    assert lock(machine)[4:] == ["mo@laptop", "another try"]


def test_another_process_of_the_same_pid_holds_no_lock(machine: Path, session: Begin) -> None:
    """A pid is used again: what counts is the process that began when the lock was taken."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    path = machine / "run/flights-mlops.lock"
    path.write_text(re.sub(r"\t(\d+):\d+\t", r"\t\1:1\t", path.read_text()))
    assert lock(machine)[1] == f"{deploy.process.pid}:1"
    code, said = change(other, SECOND)
    assert code == 0, said
    assert lock(machine)[0] == "second"


def test_a_deploy_whose_client_is_dead_is_taken_over(machine: Path, session: Begin) -> None:
    """The one who deploys knows; its connection may stand for hours. That token, and no other."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    assert change(other, SECOND, dead="third")[0] == 1
    code, said = change(other, SECOND, dead="first")
    assert code == 0
    assert said.startswith("Taking over from the deploy of jo@deployer")
    assert lock(machine)[0] == "second"
    # And if it was not dead after all, it is told at its next step.
    assert change(deploy, FIRST, claimed="claimed")[0] == 1


def test_a_deploy_whose_lock_was_released_stops(machine: Path, session: Begin) -> None:
    """It must not go on as if nobody else could have come between."""
    deploy = session()
    change(deploy, FIRST)
    assert unlock(session(), "first")[0] == 0
    code, said = change(deploy, FIRST, claimed="claimed")
    assert code == 1
    assert said == (
        "error: this deploy has lost its lock on vm1: it was released by hand; "
        "run the command again when nobody else deploys.\n"
    )
    assert lock(machine) == []


def test_a_deploy_whose_lock_another_one_had_stops(machine: Path, session: Begin) -> None:
    """Also where that other one has ended since, without releasing it."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    unlock(session(), "first")
    change(other, SECOND)
    other.end()
    code, said = change(deploy, FIRST, claimed="claimed")
    assert code == 1
    assert said.startswith("error: this deploy has lost its lock on vm1 to mo@laptop: it was released by hand;")
    assert lock(machine)[0] == "second"


@contextmanager
def working(deploy: Any, who: Who) -> Iterator[None]:
    """Have a program of that deploy at work, which waits for input that does not end; in the end it does."""
    fifo = deploy.machine / "upload"
    os.mkfifo(fifo)
    # Read and write, so that opening waits for nobody.
    sending = os.open(fifo, os.O_RDWR)
    deploy.begin("core/claim", lines="cat >/dev/null", stdin=str(fifo), **who)
    lock_file = deploy.machine / "run/flights-mlops.lock"
    while not lock_file.exists() or not lock_file.read_text():
        assert deploy.process.poll() is None
    try:
        yield
    finally:
        os.close(sending)


def test_a_script_that_outlives_its_deploy_is_waited_for(machine: Path, session: Begin) -> None:
    """The next deploy does not run beside it, and goes on once it has ended."""
    deploy, other = session(), session()
    with working(deploy, FIRST):
        deploy.end()
        other.begin("core/claim", lines="echo Changed", **SECOND)
        other.wait_for("A step of an earlier deploy is still running on vm1; waiting for it to finish, up to 600 s\n")
        time.sleep(0.5)  # time enough for one that does not wait
        assert "Changed" not in other.output.read_text()
        assert lock(machine)[0] == "first"
    code, said = other.finish()
    assert code == 0, said
    assert "Taking over from the deploy of jo@deployer" in said
    assert lock(machine)[0] == "second"


def test_a_script_at_work_refuses_another_deploy_at_once(session: Begin) -> None:
    """There is nothing to wait for: its deploy goes on after it."""
    deploy, other = session(), session()
    with working(deploy, FIRST):
        code, said = change(other, SECOND)
        assert code == 1
        assert re.fullmatch(REFUSED, said), said


def test_of_two_deploys_at_once_one_works(machine: Path, session: Begin) -> None:
    """Whichever it is: the other one is refused, or waits and is refused then."""
    deploys = {"first": (session(), FIRST), "second": (session(), SECOND)}
    for _ in range(8):
        for deploy, who in deploys.values():
            deploy.begin("core/claim", **who)
        ended = {token: deploy.finish() for token, (deploy, _) in deploys.items()}
        worked = [token for token, (code, _) in ended.items() if code == 0]
        assert len(worked) == 1, ended
        assert lock(machine)[0] == worked[0]
        unlock(session(), worked[0])


def test_only_the_lock_that_is_named_is_released(machine: Path, session: Begin) -> None:
    """Between the look and this, another deploy may have taken it."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    assert unlock(other, "second") == (0, "The lock on vm1 is now held by another deploy\n")
    assert lock(machine)[0] == "first"
    code, said = unlock(other, "first")
    assert code == 0
    assert re.fullmatch(r"Released the lock of jo@deployer since \S+Z \(flights without delays\)\n", said)
    assert lock(machine) == []
    assert unlock(other, "first") == (0, "The lock on vm1 is already released\n")
    assert change(other, SECOND)[0] == 0


def test_a_lock_is_seen_while_its_deploy_goes_on(see: See, session: Begin) -> None:
    """One whose session has ended is none, and neither is one that was released."""
    assert see(Lock) == Holder()
    deploy, other = session(), session()
    change(deploy, FIRST)
    found = see(Lock)
    assert (found.token, found.client, found.owner) == ("first", "deployer/4711/1234", "jo@deployer")
    assert found.message == "flights without delays"
    deploy.end()
    assert see(Lock) == Holder()
    change(other, SECOND)
    assert see(Lock).owner == "mo@laptop"
    unlock(other, "second")
    assert see(Lock) == Holder()


def test_a_program_and_preflight_refuse_in_the_same_words(see: See, session: Begin) -> None:
    """The sentence stands once, in core/host.sh, and names the way out."""
    deploy, other = session(), session()
    change(deploy, FIRST)
    _, said = change(other, SECOND)
    assert said == f"error: {see(Lock).refusal}\n"
    assert re.fullmatch(REFUSAL, see(Lock).refusal)


GONE = claim.client() + "1"
"""A process of this control node that has ended: one of this pid that began at another time."""


def holds(monkeypatch: pytest.MonkeyPatch, **fields: str) -> None:
    """Have this deploy as the one that has the lock."""
    monkeypatch.setattr(core_lock, "ask", lambda _: Holder(**fields))


@pytest.mark.parametrize(
    ("fields", "problems", "dead"),
    [
        ({}, [], None),
        ({"token": "other", "client": "elsewhere/1/1", "refusal": "wait"}, ["wait"], None),
        ({"token": claim.TOKEN, "client": claim.client(), "refusal": "wait"}, [], None),
        ({"token": "other", "client": GONE, "refusal": "wait"}, [], "other"),
    ],
    ids=["nobody", "another", "this run", "one that has ended here"],
)
def test_another_deploy_is_a_problem_while_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, local: Host, fields: dict[str, str], problems: list[str], dead: str | None
) -> None:
    """One that has ended is taken over from, which programs are told."""
    holds(monkeypatch, **fields)
    assert lock_steps.problems() == problems
    assert local.connector_data.get(DEAD) == dead


def test_any_step_takes_over_from_a_deploy_that_has_ended(monkeypatch: pytest.MonkeyPatch, local: Host) -> None:
    """Before its first change, with the facts of the operations to come; once the host is locked, no more."""
    assert core_lock.look_first in batch.ALONG
    assert batch.BEFORE_CHANGES.index(core_lock.look_first) == 0
    holds(monkeypatch, token="other", client=GONE)  # noqa: S106 - that of a lock
    assert list(core_lock.look_first(local)) == []
    assert local.connector_data.pop(DEAD) == "other"
    local.connector_data[CLAIMED] = "claimed"
    core_lock.look_first(local)
    assert DEAD not in local.connector_data


def remembered(run: Program, machine: Path, *lines: str, **who: str) -> list[list[str]]:
    """Return the host's history after programs of one deploy have recorded these events."""
    made = run("core/claim", lines="\n".join(['mkdir -p "$state"', *lines]), **who)
    assert made.returncode == 0, made.stdout
    history = machine / "var/lib/flights-mlops/history"
    assert history.stat().st_mode & 0o777 == 0o600
    return [line.split("\t") for line in history.read_text().splitlines()]


def test_an_event_is_a_line_of_seven_texts(run: Program, machine: Path) -> None:
    """When, what, which release, why, which commit, who and what for."""
    ((when, *event),) = remembered(
        run, machine, "record deployed r-1", commit="0123456789ab+ A commit", message="fix it"
    )
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", when)
    assert event == ["deployed", "r-1", "-", "0123456789ab+ A commit", "test@deployer", "fix it"]
    _, (_, *event) = remembered(run, machine, "record failed r-2 'not healthy after 9 s: airflow-scheduler (exited)'")
    assert event[:3] == ["failed", "r-2", "not healthy after 9 s: airflow-scheduler (exited)"]


def test_a_message_of_several_lines_breaks_nothing(machine: Path, run: Program, see: See) -> None:
    """Neither the memory, nor the lock, nor what a look at it says."""
    message = claim.one_line("first line\n\n\tsecond\tline; $(rm -rf /) 'quoted' é\n")
    assert message == "first line second line; $(rm -rf /) 'quoted' é"
    ((*_, kept),) = remembered(run, machine, "record deployed r-1", message=message)
    assert kept == message
    assert lock(machine)[5] == message
    assert see(Lock).message == message


def test_another_release_than_this_checkouts_has_the_commit_of_its_own_deploy(run: Program, machine: Path) -> None:
    """What is gone back to, put back or repaired came from there, whoever goes back from which checkout."""
    remembered(run, machine, "record deployed r-1", commit="aaaaaaaaaaaa First")
    remembered(run, machine, "record deployed r-2", commit="bbbbbbbbbbbb Second")
    remembered(run, machine, "record deployed r-1", commit="cccccccccccc The same files")
    events = [
        "record 'rolled back' r-2",
        "record repaired r-1",
        "record 'put back' r-3",
        "record restored - x",
    ]
    found = remembered(run, machine, *events, "record failed r-4", "record deployed r-4", commit="dddddddddddd Fourth")
    assert [(event, release, commit) for _, event, release, _, commit, _, _ in found[3:]] == [
        ("rolled back", "r-2", "bbbbbbbbbbbb Second"),
        ("repaired", "r-1", "cccccccccccc The same files"),
        ("put back", "r-3", "-"),
        ("restored", "-", "-"),
        ("failed", "r-4", "dddddddddddd Fourth"),
        ("deployed", "r-4", "dddddddddddd Fourth"),
    ]


def test_a_host_that_remembers_nothing_yet_is_no_problem(run: Program, machine: Path) -> None:
    """Restoring a database may be the first thing that is recorded."""
    ((_, *event),) = remembered(run, machine, "record restored - a.dump")
    assert event[:4] == ["restored", "-", "a.dump", "-"]
