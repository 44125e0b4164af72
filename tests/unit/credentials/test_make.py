"""Secrets are born on the host: made once, closed to all but the stack's user, and never shown."""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from deploy.credentials import facts
from deploy.credentials.table import GENERATED, SECRETS

Program = Callable[..., "CompletedProcess[str]"]
UID = 1234
NAMES = sorted(secret.name for secret in SECRETS if not secret.given)


def make(run: Program, login: str = "") -> "CompletedProcess[str]":
    """Make the secrets that are missing."""
    names, sizes = [secret.name for secret in GENERATED], [str(secret.size) for secret in GENERATED]
    return run("credentials/make", uid=UID, directory=facts.DIRECTORY, names=names, sizes=sizes, login=login)


@pytest.fixture
def secrets(machine: Path) -> Path:
    """Return where the machine keeps its secrets."""
    return machine / "etc/flights-mlops/secrets"


def values(secrets: Path) -> dict[str, str]:
    """Return every secret by its name."""
    return {path.name: path.read_text() for path in secrets.iterdir()}


def test_every_secret_is_made(run: Program, secrets: Path) -> None:
    """Those that the deploy knows and no others, each its own, long enough, in the form its reader wants."""
    done = make(run)
    assert done.returncode == 0, done.stdout
    made = values(secrets)
    assert made.keys() == set(NAMES)
    assert len(set(made.values())) == len(made)
    assert len(base64.urlsafe_b64decode(made["fernet_key"])) == 32
    assert min(len(value) for value in made.values()) >= 24
    assert "\n" not in "".join(made.values())
    password = made["postgres_password"]
    assert made["sql_alchemy_conn"] == f"postgresql+psycopg2://airflow:{password}@postgres-airflow/airflow"


def test_no_secret_is_shown(run: Program, secrets: Path) -> None:
    """The output names what was made, never what is in it."""
    done = make(run)
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == [f"Generated /etc/flights-mlops/secrets/{name}" for name in NAMES]
    assert not [name for name, value in values(secrets).items() if value in done.stdout]


def test_secrets_are_closed(run: Program, secrets: Path) -> None:
    """Readable by the stack's user alone, in a directory of root's, however open the umask was."""
    before = os.umask(0)
    try:
        make(run)
    finally:
        os.umask(before)
    assert (secrets.stat().st_uid, secrets.stat().st_mode & 0o777) == (0, 0o700)
    for path in secrets.iterdir():
        assert (path.stat().st_uid, f"{path.stat().st_mode & 0o777:o}") == (UID, facts.MODE), path


def test_two_hosts_have_different_secrets(run: Program, secrets: Path) -> None:
    """Nothing is derived from what two machines have in common."""
    make(run)
    first = values(secrets)
    for path in secrets.iterdir():
        path.unlink()
    make(run)
    assert not set(first.values()) & set(values(secrets).values())


def test_the_login_of_loopback_is_known(run: Program, secrets: Path) -> None:
    """`airflow` on a machine that deploys to itself; everything else is generated there as well."""
    make(run, "airflow")
    made = values(secrets)
    assert made.pop("admin_password") == "airflow"
    assert "airflow" not in made.values()


def test_what_is_there_stays(run: Program, secrets: Path) -> None:
    """A second run makes nothing, whichever admin password it would make."""
    make(run)
    before = {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in secrets.iterdir()}
    done = make(run, "airflow")
    assert (done.returncode, done.stdout) == (0, "")
    assert {path.name: (path.read_text(), path.stat().st_mtime_ns) for path in secrets.iterdir()} == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_gone_or_empty_is_made_again(run: Program, secrets: Path, name: str) -> None:
    """That secret and no other, where no database was made with it; the connection follows its password."""
    make(run)
    before = values(secrets)
    (secrets / name).write_text("")
    assert make(run).returncode == 0
    after = values(secrets)
    follows = {"sql_alchemy_conn"} if name == "postgres_password" else set()
    changed = {key for key in before if after[key] != before[key]}
    assert changed == ({name} | follows) - ({name} if name == "sql_alchemy_conn" else set())
    assert all(after.values())


def test_a_password_from_a_backup_reaches_the_connection(run: Program, secrets: Path) -> None:
    """What was put back by hand is taken, closed, and used."""
    make(run)
    (secrets / "postgres_password").write_text("from-a-backup")
    (secrets / "postgres_password").chmod(0o644)
    make(run)
    assert ":from-a-backup@" in (secrets / "sql_alchemy_conn").read_text()
    assert (secrets / "postgres_password").stat().st_mode & 0o777 == 0o440
