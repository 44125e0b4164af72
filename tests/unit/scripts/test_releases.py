"""Releases on a host: switched to at once, looked at, and removed whole."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.machine import Kept, parse

from .conftest import Script

# Seconds to become healthy, seconds for a drain, and what to do with overdue tasks.
LIMITS = ("1", "1", "wait")


@pytest.fixture
def project(machine: Path) -> Path:
    """Return the project root of a machine that has three releases, r-1 the oldest."""
    root = machine / "opt/flights-mlops"
    for number in (1, 2, 3):
        airflow = root / f"releases/r-{number}/airflow"
        airflow.mkdir(parents=True)
        (airflow / ".env").write_text(
            f"AIRFLOW_UID='1234'\nAIRFLOW_IMAGE='flights-mlops-airflow:i-{number}'\nUI_PORT='8080'\n"
        )
        (airflow / "docker-compose.yaml").write_text("name: flights-mlops\n")
        os.utime(airflow.parent, (number, number))
    return root


def test_activating_points_the_links(run: Script, project: Path) -> None:
    """`current` is the release, `airflow` a path that stays; there and back leaves nothing behind."""
    for release in ("r-1", "r-2", "r-1", "r-1"):
        done = run("activate", release, *LIMITS)
        # Its last line is about the image, which takes an engine.
        assert done.stdout.splitlines()[-1].startswith('error: activate.sh on vm1: "docker tag')
        assert (project / "current").readlink() == Path("releases", release)
        assert (project / "airflow").readlink() == Path("current/airflow")
        assert sorted(path.name for path in project.iterdir()) == ["airflow", "current", "releases"]
        assert f":i-{release[-1]}'" in (project / "airflow/.env").read_text()


def test_a_release_that_is_not_there_is_not_switched_to(run: Script, project: Path) -> None:
    """The error names the host and those it has, and the links stay."""
    run("activate", "r-2", *LIMITS)
    done = run("activate", "r-9", *LIMITS)
    assert done.returncode == 1
    assert done.stdout.startswith("error: vm1 has no release r-9; it has: r-1")
    assert (project / "current").readlink() == Path("releases/r-2")


def test_the_error_is_one_line(run: Script, project: Path) -> None:  # noqa: ARG001 - the releases are wanted
    """One clear line a fault."""
    assert len(run("activate", "r-9", *LIMITS).stdout.splitlines()) == 1


def test_removing_leaves_no_half_of_a_release(run: Script, project: Path) -> None:
    """Those that are named are gone, the others whole."""
    done = run("prune_releases", "r-1", "r-3")
    assert done.returncode == 0
    assert done.stdout == "Removed the release r-1\nRemoved the release r-3\n"
    assert [path.name for path in (project / "releases").iterdir()] == ["r-2"]
    assert (project / "releases/r-2/airflow/.env").exists()


def test_directories_belong_to_the_stacks_user(run: Script, machine: Path) -> None:
    """Also what another user id has written before; where a link points is left alone."""
    state = machine / "var/lib/flights-mlops"
    (state / "data/bronze").mkdir(parents=True)
    (state / "data/bronze/table").write_text("")
    (machine / "elsewhere").write_text("")
    (state / "data/link").symlink_to(machine / "elsewhere")
    done = run("directories", "1234", "data", "logs")
    assert done.returncode == 0, done.stdout
    assert done.stdout == "Runs write to /var/lib/flights-mlops/{data,logs} as the user id 1234\n"
    for path in (state / "data", state / "logs"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (1234, 0o750)
    assert {path.lstat().st_uid for path in state.rglob("*")} == {1234}
    assert (machine / "elsewhere").stat().st_uid == 0


def test_what_was_made_is_seen(run: Script, project: Path) -> None:  # noqa: ARG001 - the releases are wanted
    """The look at a host finds what the other scripts have left there."""
    run("directories", "1234", "data", "models", "logs")
    run("credentials", "1234", "known")
    run("activate", "r-2", *LIMITS)
    done = run("look", "1", "5", "no", "")
    seen = parse(done.stdout.splitlines())
    assert seen.uid == 1234
    assert seen["current"] == "r-2"
    assert list(seen.releases.items()) == [(f"r-{n}", f"flights-mlops-airflow:i-{n}") for n in (1, 2, 3)]
    written = {name: Kept(1234, "750") for name in ("data", "models", "logs")}
    assert seen.directories == written | {"secrets": Kept(0, "700")}
    assert seen.secrets["admin_password"] == Kept(1234, "440", len("airflow"))
    assert len(seen.secrets) == 6
    assert not seen.serves


def current(run: Script) -> str:
    """Return the current release, as a look at the host has it."""
    return parse(run("look", "1", "5", "no", "").stdout.splitlines())["current"]


@pytest.mark.parametrize(
    "spoil",
    ["rm airflow", "rm current", "ln -sfn releases/r-2/airflow airflow", "ln -sfn releases/r-9 current"],
)
def test_a_current_release_is_one_that_both_links_lead_to(run: Script, project: Path, spoil: str) -> None:
    """Where one of them is gone or leads elsewhere there is none, and switching again puts it right."""
    run("activate", "r-2", *LIMITS)
    subprocess.run(["sh", "-ec", spoil], cwd=project, check=True)
    assert current(run) == ""
    run("activate", "r-2", *LIMITS)
    assert current(run) == "r-2"


def test_a_release_without_a_compose_file_is_not_current(run: Script, project: Path) -> None:
    """There is nothing that could be run."""
    run("activate", "r-2", *LIMITS)
    (project / "releases/r-2/airflow/docker-compose.yaml").unlink()
    assert current(run) == ""


def test_a_look_changes_nothing(run: Script, machine: Path, project: Path) -> None:  # noqa: ARG001 - the releases are wanted
    """It touches no file, makes none, and takes no lock."""

    def everything() -> dict[Path, int]:
        paths = [path for name in ("etc", "opt", "var") for path in (machine / name).rglob("*")]
        return {path: path.lstat().st_mtime_ns for path in paths}

    before = everything()
    run("look", "1", "1", "no", "")
    assert everything() == before
    assert not (machine / "run/flights-mlops.lock").exists()


def test_a_fresh_machine_is_seen_empty(run: Script) -> None:
    """No release, no secret, no directory, and no complaint."""
    done = run("look", "1", "5", "no", "")
    assert (done.returncode, done.stderr) == (0, "")
    seen = parse(done.stdout.splitlines())
    assert (seen["current"], seen["migrated"], seen["volume"]) == ("", "", "")
    assert not [*seen.releases, *seen.directories, *seen.secrets, *seen.found, *seen.wanted]
