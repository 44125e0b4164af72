"""The credentials for DVC's bucket arrive closed, are replaced in place, and go; and a directory is made."""

from pathlib import Path

import pytest

from deploy import remote
from deploy.egress import fingerprint
from deploy.machine import Kept, parse
from deploy.settings import Settings

from .conftest import Script

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


def test_they_go(run: Script, kept: Path) -> None:
    """Where no bucket is wanted any more; the file stays, which a release to go back to mounts."""
    run("remote", UID, "bucket", stdin=CREDENTIALS)
    assert run("remote", UID, "none").returncode == 0
    assert kept.read_text() == ""
    seen = parse(run("look", "1", "5", "no", "").stdout.splitlines())
    assert remote.due(Settings(), seen, "") == []
    assert remote.due(BUCKET, seen, CREDENTIALS)[0].arguments[1] == "bucket"


def test_a_directory_is_made_for_the_stacks_user(run: Script, machine: Path) -> None:
    """With those above it; look sees it then, and not before."""
    look = ("look", "1", "5", "no", "/var/remote/dvc")
    assert parse(run(*look).stdout.splitlines())["remote.directory"] == ""
    assert run("remote", UID, "directory", "/var/remote/dvc").returncode == 0
    made = (machine / "var/remote/dvc").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (int(UID), 0o750)
    assert parse(run(*look).stdout.splitlines())["remote.directory"] == "present"
