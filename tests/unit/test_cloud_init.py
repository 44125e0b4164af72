"""How far cloud-init is, by the files that it writes: read, waited for, and how it ended."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Host
from pyinfra.api.exceptions import DeployError

from deploy import cloud_init
from deploy.cloud_init import CloudInit, CloudInitState, outcome
from deploy.core.run import Run

AT_WORK = {"v1": {"modules-final": {"errors": [], "finished": None}, "stage": "modules-final"}}
RUNNING = CloudInitState("running", "modules-final")


def write(machine: Path, name: str, content: Any) -> None:
    """Write one of cloud-init's files as it writes them."""
    (machine / "run/cloud-init").mkdir(exist_ok=True)
    (machine / "run/cloud-init" / name).write_text(json.dumps(content, indent=1) + "\n")


def test_a_machine_without_cloud_init(see: Callable[..., Any]) -> None:
    """It has no state."""
    assert see(CloudInit) == CloudInitState()


def test_one_that_is_switched_off(machine: Path, see: Callable[..., Any]) -> None:
    """Its generator says so at each boot, and nothing of it runs then."""
    write(machine, "disabled", "")
    assert see(CloudInit) == CloudInitState()


def test_one_that_runs(machine: Path, see: Callable[..., Any]) -> None:
    """With its stage."""
    write(machine, "status.json", AT_WORK)
    assert see(CloudInit) == RUNNING


@pytest.mark.parametrize("errors", [[], ["('scripts_user', RuntimeError('1 script'))", "two"], ["an es\x1bcape"]])
def test_one_that_is_done(machine: Path, see: Callable[..., Any], errors: list[str]) -> None:
    """Its errors are part of what is said of it, on one line."""
    write(machine, "status.json", AT_WORK)
    write(machine, "result.json", {"v1": {"datasource": "DataSourceNoCloud", "errors": errors}})
    found = see(CloudInit)
    assert found.state == "done"
    assert bool(found.errors) == bool(errors)
    assert outcome(found).isprintable()
    assert ("with an error" in outcome(found)) == bool(errors)
    assert all(error in found.errors for error in errors if error.isprintable())


def test_one_that_has_crashed() -> None:
    """It says where the reason is."""
    assert "cloud-init status --long" in outcome(CloudInitState("failed", "modules-final"))


class Clock:
    """A time that passes as it is slept."""

    now = 0.0

    def monotonic(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.now += seconds


@pytest.fixture
def wait(local: Host, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[list[Any], list[str]]]:
    """Return a function that waits at most so long, while these states are found; gives commands and log."""

    def wait(timeout: int, *states: CloudInitState) -> tuple[list[Any], list[str]]:
        found: Iterator[CloudInitState] = iter(states)
        said: list[str] = []
        monkeypatch.setattr(cloud_init, "ask", lambda _: next(found))
        monkeypatch.setattr(cloud_init, "time", Clock())
        monkeypatch.setattr(local, "log", said.append)
        monkeypatch.setattr(local, "noop", said.append)
        commands = list(cloud_init._wait._inner(timeout=timeout))  # noqa: SLF001 - the function that the operation is made of
        return commands, said

    return wait


def test_nothing_is_waited_for_where_it_does_not_run(wait: Callable[..., Any]) -> None:
    """Neither where there is none, nor where it has ended."""
    for state in (CloudInitState(), CloudInitState("done"), CloudInitState("failed")):
        assert wait(10, state) == ([], ["cloud-init is not running"])


def test_it_is_waited_for(wait: Callable[..., Any]) -> None:
    """The host is locked meanwhile; what it does is said now and then, and at last how it ended."""
    commands, said = wait(60, *[RUNNING] * 13, CloudInitState("done", errors="'two'"))
    assert [type(command) for command in commands] == [Run]
    assert said == [
        "Waiting for cloud-init (modules-final), 0 s of at most 60 s",
        "Waiting for cloud-init (modules-final), 10 s of at most 60 s",
        "cloud-init finished with an error, the deploy continues: 'two'",
    ]


def test_it_is_not_waited_for_without_an_end(wait: Callable[..., Any]) -> None:
    """After the time that it may take the deploy ends, and says what to do."""
    with pytest.raises(DeployError, match=r"cloud-init on @local is still running after 2 s; cloud-init status --long"):
        wait(2, *[RUNNING] * 9)
