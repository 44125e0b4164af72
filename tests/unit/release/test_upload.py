"""A release arrives on a host: whole, under its name, in the place of one that was changed, or not at all."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.release.content import File, archive, identity
from deploy.release.facts import Releases
from deploy.release.rendering import IMAGE, Placement, render
from deploy.settings import Settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]
See = Callable[..., Any]

Files = tuple[File, ...]


@pytest.fixture
def files() -> Files:
    """Return a small release, with the real compose file."""
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no docker compose, which checks the compose file")
    rendered = render(Settings(), Placement(1234, "python:3", "postgres:13", 4096), f"{IMAGE}:i-1")
    return (*rendered, File("dags/flights.py", b"import src\n"), File("src/run", b"#!", executable=True))


def sent(files: Files) -> str:
    """Return a release as it is sent."""
    return base64.encodebytes(archive(files)).decode()


def names(machine: Path) -> list[str]:
    """Return what there is below releases/."""
    return sorted(path.name for path in (machine / "opt/flights-mlops/releases").iterdir())


def changed(see: See) -> set[str]:
    """Return the releases on the machine that are no longer what their names say."""
    return {name for name, release in see(Releases, keep=5).releases.items() if release.is_changed}


def test_a_release_arrives_whole(run: Run, see: See, machine: Path, files: Files) -> None:
    """Readable by any user and owned by root, and what its name says."""
    done = run("release/upload", release=identity(files), stdin=sent(files))
    assert (done.returncode, done.stdout) == (0, f"Release {identity(files)} is complete: 5 files\n")
    assert names(machine) == [identity(files)]
    for path in (machine / "opt/flights-mlops").rglob("*"):
        status = path.stat()
        assert (status.st_uid, status.st_mode & 0o77) in {(0, 0o44), (0, 0o55)}, path
    assert not changed(see)


def test_one_that_was_changed_is_replaced_whole(run: Run, see: See, machine: Path, files: Files) -> None:
    """What was added goes, what was removed comes back, and nothing else is left there."""
    run("release/upload", release=identity(files), stdin=sent(files))
    root = machine / "opt/flights-mlops/releases" / identity(files)
    (root / "dags/flights.py").write_text("import sys\n")
    (root / "dags/more.py").write_text("")
    assert changed(see) == {identity(files)}
    assert run("release/upload", release=identity(files), stdin=sent(files)).returncode == 0
    assert names(machine) == [identity(files)]
    assert not (root / "dags/more.py").exists()
    assert not changed(see)


def test_one_that_arrives_in_part_gets_no_name(run: Run, machine: Path, files: Files) -> None:
    """A connection that was cut leaves nothing, and the error says what to do."""
    text = sent(files)
    done = run("release/upload", release="r-000000000001", stdin=text[: len(text) // 2])
    assert done.returncode == 1
    last = "error: the release r-000000000001 did not arrive complete on vm1; run the deploy again."
    assert done.stdout.splitlines()[-1] == last
    assert names(machine) == []


def test_a_compose_file_that_is_not_valid_gets_no_name(run: Run, machine: Path, files: Files) -> None:
    """What compose says is shown, and then which template to look at."""
    broken = [File(file.path, file.content.replace(b"services:", b"servces:")) for file in files]
    done = run("release/upload", release="r-000000000001", stdin=sent((*broken,)))
    assert done.returncode == 1
    assert "servces" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("the template is templates/stack/docker-compose.yaml.j2.")
    assert names(machine) == []
