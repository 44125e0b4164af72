"""Secrets are rotated: the old ones are refused, the new ones taken, and what they protect is still there."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import requests
from cryptography.fernet import Fernet, InvalidToken
from itsdangerous import BadSignature, URLSafeTimedSerializer

from .airflow import Airflow, airflow
from .checkout import Checkout
from .containers import address, health, ids
from .database import sql
from .gated import edit, gated_run
from .machine import Machine
from .running import begun
from .secret import CONFIGURATION, secrets_of

ROTATE = "deploy.credentials.rotate"
CONNECTION_PASSWORD = "the password of a connection"  # noqa: S105 - made up for the test
# Whoever runs a script on a host has the lock open, with all that the script has started;
# all are killed at once, so that none sees another fail and tidies up.
KILL_SCRIPT = """
kill -KILL $(for process in /proc/[0-9]*
do [ "$(readlink $process/fd/9)" != /run/flights-mlops.lock ] || echo ${process#/proc/}; done)
"""
# As a rotation is for a moment: what is staged is in force in the database, and no file says so yet.
AHEAD = f"""
staged={CONFIGURATION}/rotation/postgres_password
(umask 077 && head -c 24 /dev/urandom | base64 --wrap=0 | tr '+/' '-_' >$staged)
{{ printf "alter role airflow password '"; cat $staged; echo "'"; }} |
docker exec -i flights-mlops-postgres-airflow-1 psql --quiet --username=airflow
"""


@pytest.fixture(scope="module")
def clone(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, with a DAG of one's own, and deploy it."""
    checkout = Checkout(tmp_path_factory.mktemp("rotation") / "clone")
    edit(checkout, "first")
    machine.deploy(checkout=checkout.path)
    return checkout.path


def changes(machine: Machine, clone: Path) -> int:
    """Deploy, and return how many operations had something to do."""
    return int(json.loads(machine.deploy("--json", checkout=clone).stdout)["results"]["totals"]["success"])


def keep_a_connection(api: Airflow) -> None:
    """Have a connection with a password, and a variable, both of which Airflow encrypts."""
    made = {"connection_id": "kept", "conn_type": "http", "password": CONNECTION_PASSWORD}
    for path, body in (("connections", made), ("variables", {"key": "kept", "value": CONNECTION_PASSWORD})):
        api.request("DELETE", f"/api/v2/{path}/kept")
        assert api.request("POST", f"/api/v2/{path}", json=body).status_code == requests.codes.created


def kept(machine: Machine, key: str) -> set[str]:
    """Return what Airflow has encrypted of it, as that key reads it."""
    queries = (
        "select password from connection where conn_id = 'kept'",
        "select val from variable where key = 'kept'",
    )
    rows = [row for query in queries for row in sql(machine, query).splitlines()]
    assert len(rows) == 2
    return {Fernet(key).decrypt(row).decode() for row in rows}


def database_takes(machine: Machine, password: str) -> bool:
    """Whether one may log in to the database over the network with that password."""
    with machine.tunnel(5432, address(machine, "postgres-airflow")) as (host, port):
        login = {"user": "airflow", "dbname": "airflow", "password": password}
        try:
            psycopg2.connect(host=host, port=port, **login).close()
        except psycopg2.OperationalError as refused:
            if "password authentication failed" not in str(refused):
                raise
            return False
        return True


def signs_with(api: Airflow, key: str) -> bool:
    """Whether the login page is signed with that key."""
    page = requests.get(f"{api.url}/auth/login/", timeout=30).text
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page)
    assert token, page
    try:
        URLSafeTimedSerializer(key, salt="wtf-csrf-token").loads(token[1])
    except BadSignature:
        return False
    return True


@contextmanager
def rotating(machine: Machine, *names: str) -> Iterator[None]:
    """See that in the block these secrets change, the services are well after it, and nothing is staged."""
    before = secrets_of(machine)
    yield
    after = secrets_of(machine)
    follows = {"sql_alchemy_conn"} if "postgres_password" in names else set()
    assert {name for name in before if before[name] != after[name]} == {*names} | follows
    assert set(health(machine).values()) == {"healthy"}
    assert machine.sudo(f"ls {CONFIGURATION}/rotation", check=False).returncode != 0


def test_all_are_rotated_while_a_task_runs(machine: Machine, clone: Path) -> None:
    """What runs ends well at its first try; each old value is refused, and each new one taken."""
    names = ("admin_password", "api_secret_key", "fernet_key", "jwt_secret", "postgres_password")
    before, running = secrets_of(machine), ids(machine)
    with airflow(machine) as api:
        keep_a_connection(api)
        assert signs_with(api, before["api_secret_key"])
        with rotating(machine, *names), gated_run(machine, api) as run, begun(machine, ROTATE) as rotation:
            rotation.wait_for("Draining the scheduler: 1 task may finish")
            run.open_gate()
            said = rotation.succeed()
        after = secrets_of(machine)
        assert api.request("GET", "/api/v2/dags").json()["detail"] == "Invalid JWT token"
        assert api.log_in(before["admin_password"]) == requests.codes.unauthorized
        assert api.log_in(after["admin_password"]) == requests.codes.created
        assert run.wait_for_end() == "success"
        assert run.outcome("wait") == run.outcome("follow") == ("success", 1)
        assert not signs_with(api, before["api_secret_key"])
        assert signs_with(api, after["api_secret_key"])
    assert not database_takes(machine, before["postgres_password"])
    assert database_takes(machine, after["postgres_password"])
    assert kept(machine, after["fernet_key"]) == {CONNECTION_PASSWORD}
    with pytest.raises(InvalidToken):
        kept(machine, before["fernet_key"])
    assert "4 services healthy" in said
    now = ids(machine)
    assert {name: found[0] for name, found in now.items()} == {n: found[0] for n, found in running.items()}
    assert [name for name in now if now[name] == running[name]] == ["postgres-airflow"]
    assert changes(machine, clone) == 0
    assert "rotated r-" in machine.pyinfra("deploy.status.history").stderr


def test_the_admin_password_restarts_nothing(machine: Machine) -> None:
    """It is known to Airflow's database alone."""
    running = ids(machine)
    with rotating(machine, "admin_password"):
        done = machine.pyinfra(ROTATE, "secret=admin_password")
        assert done.returncode == 0, done.stdout + done.stderr
    assert ids(machine) == running
    with airflow(machine) as api:  # logs in with the new one
        assert api.get("dags")


def test_a_rotation_that_is_killed_is_ended_by_the_next_deploy(machine: Machine, clone: Path) -> None:
    """In the middle, with the database a moment ahead of the files. A dump of before can still be read."""
    done = machine.pyinfra("deploy.database.dump")
    (dump,) = re.findall(r"/var/backups/flights-mlops/(\S+\.dump)", done.stdout + done.stderr)
    old = secrets_of(machine)["fernet_key"]
    with rotating(machine, "fernet_key", "postgres_password"):
        with begun(machine, ROTATE, "secret=postgres_password,fernet_key") as rotation:
            rotation.wait_for("Encrypting connections and variables")
            machine.sudo(KILL_SCRIPT)
            assert rotation.end().returncode != 0
        machine.sudo(AHEAD)
        machine.deploy(checkout=clone)
    new = secrets_of(machine)["fernet_key"]
    assert kept(machine, new) == {CONNECTION_PASSWORD}
    assert changes(machine, clone) == 0

    done = machine.pyinfra("deploy.database.restore", f"dump={dump}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept(machine, old) == {CONNECTION_PASSWORD}
    assert secrets_of(machine)["fernet_key"].split(",")[:2] == [new, old]
    machine.deploy(checkout=clone)
    with airflow(machine) as api:
        assert api.get("connections/kept")["connection_id"] == "kept"


def test_an_unknown_secret_is_refused(machine: Machine) -> None:
    """With those there are."""
    before = secrets_of(machine)
    done = machine.pyinfra(ROTATE, "secret=root_password,jwt_secret")
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{machine.name}: cannot rotate 'root_password'; choose from admin_password, api_secret_key," in said
    assert "traceback" not in said.lower()
    assert secrets_of(machine) == before
