"""The credentials for DVC's bucket arrive closed, are replaced in place, and go; and a directory is made."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import remote
from deploy.configuration import Placement, render
from deploy.egress import fingerprint
from deploy.machine import DEFAULT_UID, Kept, Machine, parse
from deploy.settings import Settings

from .conftest import Script

LookAs = Callable[[str, str], Machine]
UID = "1234"
BUCKET = Settings(dvc_remote="s3://flights/dvc")
CREDENTIALS = "[default]\naws_access_key_id = one\naws_secret_access_key = canary\n"


@pytest.fixture
def kept(machine: Path) -> Path:
    """Return where the machine keeps the credentials."""
    return machine / "etc/flights-mlops/secrets/aws_credentials"


def test_credentials_arrive_closed_and_unseen(run: Script, kept: Path) -> None:
    """The directory is root's alone, the file the stack's, the output says nothing of what is in it."""
    done = run("remote", UID, "bucket", stdin=CREDENTIALS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "canary" not in done.stdout
    assert kept.read_text() == CREDENTIALS
    seen = parse(run("look", "1", "5", "no", "").stdout.splitlines())
    assert seen.directories["secrets"] == Kept(0, "700")
    assert seen.secrets == {"aws_credentials": Kept(int(UID), "440", len(CREDENTIALS))}
    assert seen["remote.credentials"] == fingerprint(CREDENTIALS)


def test_others_take_their_place(run: Script, kept: Path) -> None:
    """In the same file, which a container that runs has mounted."""
    run("remote", UID, "bucket", stdin=CREDENTIALS)
    before = kept.stat().st_ino
    kept.chmod(0o644)
    assert run("remote", UID, "bucket", stdin="[default]\n").returncode == 0
    assert (kept.read_text(), kept.stat().st_ino, kept.stat().st_mode & 0o777) == (
        "[default]\n",
        before,
        0o440,
    )


def test_a_mode_is_put_right(run: Script, kept: Path) -> None:
    """With nothing given, what is in the file stays."""
    run("remote", UID, "bucket", stdin=CREDENTIALS)
    kept.chmod(0o644)
    assert run("remote", UID, "closed").returncode == 0
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (CREDENTIALS, 0o440)


def look(run: Script, directory: str = "") -> Machine:
    """Return the machine as it is seen, with that directory as DVC's remote."""
    done = run("look", "1", "5", "no", directory)
    assert done.stderr == ""
    return parse(done.stdout.splitlines())


@pytest.fixture
def look_as(run: Script, monkeypatch: pytest.MonkeyPatch) -> LookAs:
    """Return a function that looks as a user with sudo does, or as root."""

    def look_as(uid: str, directory: str) -> Machine:
        monkeypatch.setenv("SUDO_UID", uid) if uid else monkeypatch.delenv("SUDO_UID", raising=False)
        return look(run, directory)

    return look_as


def data_of_the_stack(machine: Path) -> None:
    """Make the directory whose owner is the stack's user."""
    data = machine / "var/lib/flights-mlops/data"
    data.mkdir(parents=True)
    os.chown(data, int(UID), 0)


def test_they_go(run: Script, machine: Path, kept: Path) -> None:
    """With the last release that names a bucket, as DVC's configuration in it is rendered."""
    data_of_the_stack(machine)
    run("remote", UID, "bucket", stdin=CREDENTIALS)
    releases = machine / "opt/flights-mlops/releases"
    for number, settings in enumerate((BUCKET, Settings(dvc_remote="/srv/dvc"), Settings()), start=1):
        files = render(settings, Placement(int(UID), "python:3.13", "postgres:13", 4096), "image:i-1")
        (config,) = (file for file in files if file.path == "airflow/dvc.config")
        (releases / f"r-{number}/airflow").mkdir(parents=True)
        (releases / f"r-{number}" / config.path).write_bytes(config.content)
    (releases / "r-4").mkdir()  # as an earlier version has made them
    assert not remote.superfluous(Settings(), look(run))
    assert run("prune_releases", "r-1").returncode == 0
    seen = look(run)
    assert remote.due(Settings(), seen, "") == []
    assert remote.superfluous(Settings(), seen)
    assert run("remote", UID, "none").returncode == 0
    assert not kept.exists()
    seen = look(run)
    assert not remote.superfluous(Settings(), seen)
    assert remote.due(BUCKET, seen, CREDENTIALS)[0].arguments[1] == "bucket"


def test_a_directory_is_made_for_the_stacks_user(run: Script, machine: Path) -> None:
    """With those above it; look sees it then, and not before."""
    data_of_the_stack(machine)
    seen = look(run, "/var/remote/dvc")
    assert (seen["remote.directory"], seen["remote.obstacle"]) == ("", "")
    assert run("remote", UID, "directory", "/var/remote/dvc").returncode == 0
    made = (machine / "var/remote/dvc").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (int(UID), 0o750)
    assert look(run, "/var/remote/dvc")["remote.directory"] == "open"


@pytest.mark.parametrize("has_data", [True, False], ids=["has data", "is fresh"])
@pytest.mark.parametrize(
    ("kept", "seen"),
    [
        ((int(UID), 0, 0o750), "open"),
        ((0, 0, 0o770), "open"),
        ((0, 0, 0o1777), "open"),
        ((0, 0, 0o755), "closed"),
        ((int(UID), 0, 0o550), "closed"),
        ((0, int(UID), 0o770), "closed"),
    ],
)
def test_whether_tasks_can_write_is_seen(
    look_as: LookAs, machine: Path, kept: tuple[int, int, int], seen: str, *, has_data: bool
) -> None:
    """As the user id that they have or will have, for which no name is known, in the group root alone."""
    if has_data:
        data_of_the_stack(machine)
    owner, group, mode = kept
    (machine / "var/remote/dvc").mkdir(parents=True)
    os.chown(machine / "var/remote/dvc", owner, group)
    (machine / "var/remote/dvc").chmod(mode)
    (machine / "var/remote").chmod(0o700)  # which no task has to pass
    found = look_as("" if has_data else UID, "/var/remote/dvc")
    assert (found.uid, found["remote.directory"]) == (int(UID), seen)


def test_on_a_host_of_roots_tasks_are_no_root(look_as: LookAs, machine: Path) -> None:
    """There, the user id is the one that Airflow's image has, as the deploy has it."""
    (machine / "var/remote/dvc").mkdir(parents=True)
    assert look_as("", "/var/remote/dvc")["remote.directory"] == "closed"
    os.chown(machine / "var/remote/dvc", DEFAULT_UID, 0)
    assert look_as("", "/var/remote/dvc")["remote.directory"] == "open"


@pytest.mark.parametrize("directory", ["/var/remote", "/var/remote/dvc/flights"])
@pytest.mark.parametrize("link", [False, True], ids=["file", "dangling link"])
def test_what_is_in_the_way_is_seen(run: Script, machine: Path, directory: str, *, link: bool) -> None:
    """At the place itself or above it: no directory can be made there."""
    if link:
        (machine / "var/remote").symlink_to("/var/nowhere")
    else:
        (machine / "var/remote").write_text("somebody's")
    found = look(run, directory)
    assert (found["remote.obstacle"], found["remote.directory"]) == ("/var/remote", "")
