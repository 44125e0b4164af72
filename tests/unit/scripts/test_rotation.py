"""What of a rotation needs no engine: new values wait closed, and no key that was used is lost."""

import subprocess
from pathlib import Path

import pytest

from deploy import credentials

from .conftest import Script

UID = 1234
LIMITS = ("1", "1", "wait")


@pytest.fixture
def configuration(run: Script, machine: Path) -> Path:
    """Return where a machine keeps its secrets, and those to come."""
    assert run("credentials", str(UID), "generated").returncode == 0
    return machine / "etc/flights-mlops"


def rotation(run: Script, lines: str) -> "subprocess.CompletedProcess[str]":
    """Run these lines behind what rotate.sh uses."""
    done = run("rotate", str(UID), *LIMITS, lines=f"uid={UID}\n{lines}")
    assert done.returncode == 0, done.stdout
    return done


def test_every_secret_that_is_rotated_can_be_staged(run: Script, configuration: Path) -> None:
    """A new value of each, like the one in use, that only root can reach; none is shown."""
    done = rotation(run, f"stage_secrets {' '.join(credentials.ROTATED)}")
    assert done.stdout == ""
    staged = configuration / "rotation"
    assert (staged.stat().st_uid, staged.stat().st_mode & 0o777) == (0, 0o700)
    assert {path.name for path in staged.iterdir()} == set(credentials.ROTATED)
    for path in staged.iterdir():
        used = (configuration / "secrets" / path.name).read_text()
        assert len(path.read_text()) == len(used)
        assert path.read_text() != used
        assert path.stat().st_mode & 0o777 == 0o440


def test_what_is_staged_is_not_staged_anew(run: Script, configuration: Path) -> None:
    """It may be in force already, where an earlier rotation was cut short."""
    rotation(run, "stage_secrets jwt_secret")
    before = (configuration / "rotation/jwt_secret").read_text()
    rotation(run, "stage_secrets jwt_secret fernet_key")
    assert (configuration / "rotation/jwt_secret").read_text() == before


def test_what_is_taken_is_in_use_and_due_no_more(run: Script, configuration: Path) -> None:
    """The file is the stack's, and closed, as the one before it."""
    rotation(run, "stage_secrets jwt_secret; take jwt_secret")
    used = configuration / "secrets/jwt_secret"
    assert (used.stat().st_uid, used.stat().st_mode & 0o777) == (UID, 0o440)
    assert list((configuration / "rotation").iterdir()) == []


def test_no_key_is_lost(run: Script, configuration: Path) -> None:
    """Whatever was in use is remembered, for root alone; the file in use is a line, the new key first."""
    used, previous = configuration / "secrets/fernet_key", configuration / "previous_fernet_keys"
    keys = [used.read_text()]
    change = "stage_secrets fernet_key; remember_keys; accept_keys $staged/fernet_key $secrets/fernet_key"
    for _ in range(2):
        rotation(run, change)
        keys.insert(0, (configuration / "rotation/fernet_key").read_text())
        assert used.read_text() == ",".join(keys[:2])
        rotation(run, change)  # as after it was cut short
        assert used.read_text() == ",".join(keys[:2])
        rotation(run, "take fernet_key")
        assert used.read_text() == keys[0]
    assert set(previous.read_text().split()) == set(keys)
    assert len(previous.read_text().split()) == len(keys)
    assert (previous.stat().st_uid, previous.stat().st_mode & 0o777) == (0, 0o440)
    rotation(run, "accept_keys $secrets/fernet_key $previous_keys")
    assert used.read_text().split(",")[0] == keys[0]
    assert set(used.read_text().split(",")) == set(keys)
    assert (used.stat().st_uid, used.stat().st_mode & 0o777) == (UID, 0o440)


def test_the_connection_follows_a_staged_password(run: Script, configuration: Path) -> None:
    """Before the password itself is taken: as long as it is staged, the connection is made again."""
    rotation(run, "stage_secrets postgres_password; keep_connection $staged/postgres_password")
    staged = (configuration / "rotation/postgres_password").read_text()
    assert f":{staged}@" in (configuration / "secrets/sql_alchemy_conn").read_text()
