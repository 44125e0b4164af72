"""Releases on a host: switched to at once, seen as they are, and in the order they came."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from deploy.core.facts import MalformedLineError
from deploy.core.run import StackRun
from deploy.release.facts import Found, OnHost, Releases
from deploy.stack.facts import State

Run = Callable[..., "subprocess.CompletedProcess[str]"]
See = Callable[..., Any]
LIMITS = {"start_timeout": 1, "drain_timeout": 1, "overdue_tasks": "wait"}
LISTING = """\
current r-000000000002
started r-000000000002 r-fffffffffff1
release r-000000000002 1764000200 000000000002 flights-mlops-airflow:i-aaaaaaaaaaaa python:3.13 postgres:13
release r-fffffffffff1 1764000100 0123456789ab flights-mlops-airflow:i-bbbbbbbbbbbb
release r-111111111113 1764000300 111111111113\x20
unfinished r-fffffffffff1
unfinished asked
"""


@pytest.fixture
def project(machine: Path) -> Path:
    """Return the project root of a machine that has three releases, r-000000000001 the oldest."""
    root = machine / "opt/flights-mlops"
    for number in (1, 2, 3):
        airflow = root / f"releases/r-{number:012}/airflow"
        airflow.mkdir(parents=True)
        (airflow / ".env").write_text(
            f"AIRFLOW_UID='1234'\nAIRFLOW_IMAGE='flights-mlops-airflow:i-{number}'\nUI_PORT='8080'\n"
        )
        (airflow / "docker-compose.yaml").write_text("name: flights-mlops\n")
        os.utime(airflow.parent, (number, number))
    return root


@pytest.fixture
def activate(run: Run) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Return a function that makes a release the current one."""

    def activate(release: str) -> "subprocess.CompletedProcess[str]":
        return run("stack/activate", preludes=StackRun.preludes, release=release, **LIMITS)

    return activate


Activate = Callable[[str], "subprocess.CompletedProcess[str]"]


def test_activating_points_the_links(activate: Activate, project: Path) -> None:
    """`current` is the release, `airflow` a path that stays; there and back leaves nothing behind."""
    for release in ("r-000000000001", "r-000000000002", "r-000000000001", "r-000000000001"):
        done = activate(release)
        # Its last line is about the image, which takes an engine.
        assert done.stdout.splitlines()[-1].startswith('error: stack/activate on vm1: "docker tag')
        assert (project / "current").readlink() == Path("releases", release)
        assert (project / "airflow").readlink() == Path("current/airflow")
        assert sorted(path.name for path in project.iterdir()) == ["airflow", "current", "releases"]
        assert f":i-{release[-1]}'" in (project / "airflow/.env").read_text()


def test_a_release_that_is_not_there_is_not_switched_to(activate: Activate, project: Path) -> None:
    """The error is one line that names the host and those it has, and the links stay."""
    activate("r-000000000002")
    done = activate("r-000000000009")
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert line.startswith("error: vm1 has no release r-000000000009; it has: r-000000000001")
    assert (project / "current").readlink() == Path("releases/r-000000000002")


def test_what_was_made_is_seen(activate: Activate, see: See, project: Path) -> None:
    """The releases in the order they came, their images, and the current one."""
    assert project.is_dir()
    activate("r-000000000002")
    found = see(Releases, keep=5)
    assert found.current == "r-000000000002"
    assert [(name, release.image) for name, release in found.releases.items()] == [
        (f"r-{n:012}", f"flights-mlops-airflow:i-{n}") for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        *("rm airflow", "rm current", "ln -sfn releases/r-000000000002/airflow airflow"),
        *("ln -sfn releases/r-000000000009 current", "ln -sfn /var/lib/flights-mlops/data/r-1 current"),
        "rm releases/r-000000000002/airflow/docker-compose.yaml",
    ],
)
def test_a_current_release_is_one_that_both_links_lead_to(
    activate: Activate, see: See, project: Path, spoil: str
) -> None:
    """Where one of them is gone or leads elsewhere, or there is nothing to run, there is none."""
    activate("r-000000000002")
    assert see(Releases, keep=5).current == "r-000000000002"
    subprocess.run(["sh", "-ec", spoil], cwd=project, check=True)
    assert see(Releases, keep=5).current == ""


def test_asking_changes_nothing(see: See, machine: Path, project: Path) -> None:
    """It touches no file, makes none, and takes no lock."""
    assert project.is_dir()

    def everything() -> dict[Path, int]:
        paths = [path for name in ("etc", "opt", "var") for path in (machine / name).rglob("*")]
        return {path: path.lstat().st_mtime_ns for path in paths}

    before = everything()
    see(Releases, keep=1)
    see(State)
    assert everything() == before
    assert not (machine / "run/flights-mlops.lock").exists()


def test_a_bare_machine_has_no_release(see: See) -> None:
    """Nothing is there, and nothing complains."""
    assert see(Releases, keep=5) == Found({}, unfinished=None)


def test_a_listing_is_read() -> None:
    """The newest last, whatever their ids are; one that lacks its .env has no image."""
    found = Releases().read(LISTING.splitlines())
    assert list(found.releases.items()) == [
        ("r-fffffffffff1", OnHost(("flights-mlops-airflow:i-bbbbbbbbbbbb",), is_changed=True)),
        ("r-000000000002", OnHost(("flights-mlops-airflow:i-aaaaaaaaaaaa", "python:3.13", "postgres:13"))),
        ("r-111111111113", OnHost(())),
    ]
    assert (found.current, found.started, found.before) == ("r-000000000002", "r-000000000002", "r-fffffffffff1")
    assert found.unfinished == {"r-fffffffffff1"}


@pytest.mark.parametrize(
    ("started", "current", "before"),
    [
        ("r-000000000002 r-000000000001", "r-000000000002", "r-000000000001"),
        ("r-000000000002 r-000000000001", "r-000000000003", "r-000000000002"),
        ("r-000000000002 ", "r-000000000002", ""),
        ("r-000000000002 ", "r-000000000003", "r-000000000002"),
        ("", "r-000000000001", ""),
        ("", "", ""),
    ],
)
def test_the_release_before_is_the_last_other_one_that_started(started: str, current: str, before: str) -> None:
    """Of a release that was switched to and never came up, that is the one which runs."""
    found = Releases().read([f"started {started}", f"current {current}"])
    assert (found.started, found.before) == (started.partition(" ")[0], before)


@pytest.mark.usefixtures("local")
@pytest.mark.parametrize("answer", ["r-0 ", "../../etc", "r-000000000001 r-000000000002", ""])
def test_a_database_that_names_no_release_was_tampered_with(answer: str) -> None:
    """Every task can write it: the run ends with a sentence that shows the line."""
    reason = f"@local: the database answers {answer!a} when asked which releases are in use;"
    with pytest.raises(DeployError, match=f"^{re.escape(reason)}"):
        Releases().read([*LISTING.splitlines(), f"unfinished {answer}"])


@pytest.mark.parametrize(
    "line",
    [
        "current ../var/lib/flights-mlops/data/evil",
        "current r-000000000003",
        "started r-000000000001 /tmp",
        "release ../../tmp/evil 1 000000000000 image",
        "anything else",
    ],
)
def test_a_line_that_is_not_of_its_form_is_an_error(line: str) -> None:
    """Nothing is made of it, and no line can speak for one that was there before."""
    with pytest.raises(MalformedLineError, match=re.escape(ascii(line))):
        Releases().read([*LISTING.splitlines(), line])
