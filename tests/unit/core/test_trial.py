"""A change that is pending confirmation: kept, rolled back by itself, or never begun."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy.core import summary, trial
from deploy.core.run import Run
from deploy.core.shell import Value
from deploy.core.trial import Trial, roll_back

FILE, NEW, LISTED = "/etc/thing/file.conf", "/etc/new/file.conf", "/etc/flights-mlops/listed"
# Stands for systemd: it notes what it is told, and runs the unit that undoes.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/var/systemctl
[ "$1" != start ] || exec bash /etc/flights-mlops/trial/undo
"""
APPLY = """\
cp "$configuration/listed" /var/listed 2>/dev/null || true
echo "$word" >"$configuration/listed"
echo "$word" >/var/in-force
"""
UNDO = 'echo "$word undone with $(cat /etc/thing/file.conf)" >/var/in-force\n'

Try = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def attempt(
    machine: Path, run: Try, local: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., "CompletedProcess[str]"]:
    """Return a function that begins a change of two files on a machine that has one of them."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL)
    (programs / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/sbin:/usr/bin:/sbin:/bin")
    (machine / "etc/systemd/system").mkdir(parents=True)
    (machine / "etc/thing").mkdir()
    (machine / FILE.lstrip("/")).write_text("old\n")
    texts = {"thing/apply": APPLY, "thing/undo": UNDO}
    monkeypatch.setattr(trial, "source", texts.__getitem__)

    def attempt(word: str, *, apply: str = APPLY) -> "CompletedProcess[str]":
        texts["thing/apply"] = apply
        files = {FILE: f"{word}\n", NEW: "'new'\n"}
        begun = Trial("thing/apply", undo="thing/undo", files=files, also=[LISTED], change="the thing", word=word)
        return run(begun.command(local), stdin=str(begun.connector_arguments["_stdin"]))

    return attempt


@pytest.fixture
def action(run: Try, local: Host) -> Callable[[str], "CompletedProcess[str]"]:
    """Return a function that ends a change."""

    def action(name: str) -> "CompletedProcess[str]":
        return run(Run("core/trial", action=name).command(local) if name == "keep" else roll_back().command(local))

    return action


def read(machine: Path, path: str) -> str:
    """Return the text of a file on the machine, or nothing where it does not exist."""
    found = machine / path.lstrip("/")
    return found.read_text() if found.exists() else ""


def is_over(machine: Path) -> bool:
    """Whether nothing is left of a change that was pending, and nothing would undo it after a reboot."""
    return not [*(machine / "etc/flights-mlops").glob("trial*"), *(machine / "etc/systemd/system").iterdir()]


def test_a_change_that_is_kept(attempt: Try, action: Try, machine: Path) -> None:
    """Until then the host would undo it, after a reboot too; then nothing does."""
    done = attempt("one")
    assert (done.returncode, done.stdout) == (0, "Changed the thing of vm1; pending confirmation for 60 s\n")
    assert read(machine, FILE) == "one\n"
    assert read(machine, NEW) == "'new'\n"
    assert (machine / NEW.lstrip("/")).stat().st_mode & 0o777 == 0o644
    assert read(machine, "/var/in-force") == "one\n"
    timer = read(machine, "/etc/systemd/system/flights-mlops-undo.timer")
    assert "OnActiveSec=60\n" in timer
    assert "WantedBy=timers.target" in timer
    assert "enable --quiet --now flights-mlops-undo.timer" in read(machine, "/var/systemctl")
    done = action("keep")
    assert (done.returncode, done.stdout) == (0, "A second connection works: the change is kept\n")
    assert is_over(machine)
    assert read(machine, FILE) == "one\n"


def test_a_change_that_is_rolled_back(attempt: Try, action: Try, machine: Path) -> None:
    """The files are those of before, and what was not there is gone; it cannot be kept any more."""
    attempt("one")
    done = action("undo")
    assert (done.returncode, done.stdout) == (0, "The change was rolled back\n")
    assert is_over(machine)
    assert (read(machine, FILE), read(machine, NEW), read(machine, LISTED)) == ("old\n", "", "")
    assert read(machine, "/var/in-force") == "one undone with old\n"
    done = action("keep")
    assert done.returncode == 1
    assert "rolled back the change, because it was not confirmed in time" in done.stdout


def test_an_earlier_change_that_is_pending_is_rolled_back_first(attempt: Try, action: Try, machine: Path) -> None:
    """What it changed is not taken for what was there before."""
    attempt("one")
    assert attempt("two").returncode == 0
    assert read(machine, "/var/listed") == ""
    assert read(machine, "/var/in-force") == "two\n"
    action("undo")
    assert read(machine, FILE) == "old\n"


@pytest.mark.parametrize("apply", ["fail 'it is rejected'", "false"])
def test_a_change_that_fails_is_rolled_back_at_once(attempt: Try, machine: Path, apply: str) -> None:
    """With the reason, and nothing is left of it."""
    done = attempt("one", apply=f"echo one >/var/in-force\n{apply}\necho two >/var/in-force\n")
    assert done.returncode == 1
    reason = "it is rejected" if "fail" in apply else 'thing/apply on vm1: "false" ended with exit code 1'
    assert done.stdout == f"error: {reason}\nThe change was rolled back\n"
    assert is_over(machine)
    assert (read(machine, FILE), read(machine, NEW)) == ("old\n", "")
    assert read(machine, "/var/in-force") == "one undone with old\n"


@pytest.fixture
def changed(local: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bool, list[Value]]]:
    """Return a function that makes a change where the second connection ends as it says, and what ``verify`` says."""
    monkeypatch.setattr(trial, "source", str)

    def changed(error: str = "", verify: Callable[[], str] = str) -> tuple[bool, list[Value]]:
        actions = []

        def run_on(self: Run, host: Host, text: object, arguments: object) -> tuple[bool, list[str]]:  # noqa: ARG001
            actions.append(self.values["action"])
            return True, []

        monkeypatch.setattr(Run, "run_on", run_on)
        monkeypatch.setattr(trial, "unreachable", lambda *_, **__: error)
        begun = Trial("thing/apply", undo="thing/undo", files={}, change="the thing", verify=verify)
        return begun.execute(local.state, local, {})[0], actions

    return changed


def test_a_change_is_kept_if_the_host_can_be_reached(changed: Callable[..., object]) -> None:
    """And what came of it is right."""
    assert changed() == (True, ["begin", "keep"])


def test_a_change_after_which_the_host_cannot_be_reached_is_rolled_back(
    changed: Callable[..., object], local: Host
) -> None:
    """The reason is said, at the end of the run as well."""
    assert changed(error="timed out") == (False, ["begin", "undo"])
    reason = "a second connection to @local failed after changing the thing (timed out); the change was rolled back."
    assert local.connector_data[summary.REASON] == reason


def test_a_change_that_came_to_something_else_is_rolled_back(changed: Callable[..., object], local: Host) -> None:
    """Also where it cannot be seen what it came to."""
    assert changed(verify=lambda: "passwords are allowed") == (False, ["begin", "undo"])
    assert local.connector_data[summary.REASON] == "passwords are allowed; the change was rolled back."

    def unseen() -> str:
        raise DeployError("the connection was lost")

    assert changed(verify=unseen) == (False, ["begin", "undo"])
