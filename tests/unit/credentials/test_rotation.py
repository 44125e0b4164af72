"""A rotation: new values wait closed, take the place of the old ones in order, and no key that was used is lost."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from deploy.core.run import StackRun
from deploy.core.shell import source
from deploy.credentials import facts
from deploy.credentials.table import GENERATED

Program = Callable[..., "CompletedProcess[str]"]
UID = 1234
SIZES = {secret.name: secret.size for secret in GENERATED}
# What a rotation has the stack do, told instead of done.
STACK = """
compose() { echo "compose $*" >>/run/told; }
end_initialise() { :; }
schema() { printf "$tables_there"; }
stop_airflow() { echo stop >>/run/told; }
as() { echo "psql $(sort --unique | wc -l)" >>/run/told; [ -z "$refuses" ]; }
one_shot() { shift; echo "one shot $*" >>/run/told; [[ " $* " != *" $breaks "* ]] || return 1; }
bring_up() { echo up >>/run/told; }
record() { echo "record $*" >>/run/told; }
current_release() { printf r-1; }
plain() { cat; }
long=9
"""


@pytest.fixture
def configuration(run: Program, machine: Path) -> Path:
    """Return where a machine keeps its secrets, and those to come."""
    assert stage(run, *SIZES, directory=facts.DIRECTORY).returncode == 0
    return machine / "etc/flights-mlops"


def stage(run: Program, *names: str, directory: str = facts.STAGED) -> "CompletedProcess[str]":
    """Generate new values of these secrets."""
    sizes = [str(SIZES[name]) for name in names]
    return run("credentials/make", uid=UID, directory=directory, names=names, sizes=sizes, login="")


def rotate(run: Program, **values: Any) -> "CompletedProcess[str]":
    """Put in force what is staged, on a stack that has tables unless these say otherwise."""
    given = {"start": True, "tables_there": "airflow=1", "breaks": "nothing", "refuses": False, "start_timeout": 5}
    lines = STACK + source("credentials/rotate")
    return run("credentials/rotate", lines=lines, preludes=StackRun.preludes, **(given | values))


def values(folder: Path) -> dict[str, str]:
    """Return the secrets in a folder, by name."""
    return {path.name: path.read_text() for path in folder.iterdir()}


def told(machine: Path) -> list[str]:
    """Return what the stack was told to do."""
    return (machine / "run/told").read_text().splitlines()


def test_new_values_are_staged(run: Program, configuration: Path) -> None:
    """Each like the one in use, where only root reaches it, and the connection with its password; none is shown."""
    done = stage(run, *SIZES)
    staged, used = values(configuration / "rotation"), values(configuration / "secrets")
    assert (configuration / "rotation").stat().st_mode & 0o777 == 0o700
    assert staged.keys() == {*SIZES, "sql_alchemy_conn"}
    for name, value in staged.items():
        assert len(value) == len(used[name])
        assert value != used[name]
        assert value not in done.stdout
    assert f":{staged['postgres_password']}@" in staged["sql_alchemy_conn"]


def test_what_is_staged_is_not_staged_again(run: Program, configuration: Path) -> None:
    """It may be in force already, where an earlier rotation was cut short."""
    stage(run, "jwt_secret")
    before = (configuration / "rotation/jwt_secret").read_text()
    stage(run, "jwt_secret", "fernet_key")
    assert (configuration / "rotation/jwt_secret").read_text() == before


def test_all_are_rotated(run: Program, configuration: Path, machine: Path) -> None:
    """Services stop first, the database's password is the first to change, and the services start at the end."""
    stage(run, *SIZES)
    staged = values(configuration / "rotation")
    done = rotate(run)
    assert done.returncode == 0, done.stdout
    assert values(configuration / "secrets") == staged
    assert not (configuration / "rotation").exists()
    assert told(machine) == [
        "compose --profile init up --detach --no-recreate --wait --wait-timeout 5 postgres-airflow",
        "stop",
        "psql 1",
        "one shot airflow rotate-fernet-key",
        "one shot set-password",
        f"record rotated r-1 {','.join(sorted(SIZES))}",
        "up",
    ]
    for path in (configuration / "secrets").iterdir():
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (UID, 0o440)
    assert not [value for value in staged.values() if value in done.stdout]


def test_the_admin_password_stops_nothing(run: Program, configuration: Path, machine: Path) -> None:
    """Nobody but Airflow's login knows it."""
    stage(run, "admin_password")
    assert rotate(run).returncode == 0
    assert "stop" not in told(machine)
    assert not (configuration / "rotation").exists()


def test_a_rejected_password_changes_nothing(run: Program, configuration: Path) -> None:
    """Files and database agree; what is staged is still to be done."""
    before = values(configuration / "secrets")
    stage(run, "postgres_password", "jwt_secret")
    done = rotate(run, refuses=True)
    assert done.returncode == 1
    assert "error: the database on vm1 rejected the new password" in done.stdout
    assert values(configuration / "secrets") == before
    assert (configuration / "rotation/postgres_password").exists()


def test_a_rotation_that_was_cut_short_is_finished(run: Program, configuration: Path, machine: Path) -> None:
    """Also between the connection and its password; starting the services is left to the deploy."""
    stage(run, "postgres_password", "jwt_secret")
    staged = values(configuration / "rotation")
    (configuration / "rotation/sql_alchemy_conn").rename(configuration / "secrets/sql_alchemy_conn")
    stage(run)
    done = rotate(run, start=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("The interrupted rotation is finished.\n")
    assert staged.items() <= values(configuration / "secrets").items()
    assert "up" not in told(machine)


def test_a_password_that_could_not_be_set_stays(run: Program, configuration: Path) -> None:
    """What else was rotated is, and the command fails with what is missing."""
    before = (configuration / "secrets/admin_password").read_text()
    stage(run, "admin_password", "jwt_secret")
    done = rotate(run, breaks="set-password")
    assert done.returncode == 1
    assert done.stdout.endswith(
        "error: some secrets on vm1 were not rotated; the reason is above. "
        "The password of the user airflow could not be changed and stays the same.\n"
    )
    assert (configuration / "secrets/admin_password").read_text() == before


def test_no_key_is_lost(run: Program, configuration: Path) -> None:
    """Whatever was in use is remembered, for root alone; what is encrypted with the old key stays readable."""
    used, previous = configuration / "secrets/fernet_key", configuration / "previous_fernet_keys"
    keys = [used.read_text()]
    for _ in range(2):
        stage(run, "fernet_key")
        keys.insert(0, (configuration / "rotation/fernet_key").read_text())
        rotate(run)
        assert used.read_text() == keys[0]
    assert previous.read_text().split() == keys[1:]
    assert (previous.stat().st_uid, previous.stat().st_mode & 0o777) == (0, 0o440)
    stage(run, "fernet_key")
    newest = (configuration / "rotation/fernet_key").read_text()
    done = rotate(run, breaks="rotate-fernet-key")
    assert done.returncode == 1
    assert used.read_text() == f"{newest},{keys[0]}"
    assert (used.stat().st_uid, used.stat().st_mode & 0o777) == (UID, 0o440)
    stage(run, "fernet_key")
    newest = (configuration / "rotation/fernet_key").read_text()
    rotate(run)
    assert used.read_text() == newest
    assert set(keys) <= set(previous.read_text().split())


def test_a_dump_is_read_with_the_keys_of_its_time(run: Program, configuration: Path) -> None:
    """A restore accepts every key that was ever in use, behind the one that is."""
    (configuration / "previous_fernet_keys").write_text("older,old\noldest")
    key = (configuration / "secrets/fernet_key").read_text()
    lines = 'accept_keys "$secrets/fernet_key" "$previous_keys"'
    done = run("credentials/rotate", lines=lines, preludes=StackRun.preludes)
    assert done.returncode == 0, done.stdout
    assert (configuration / "secrets/fernet_key").read_text() == f"{key},older,old,oldest"
