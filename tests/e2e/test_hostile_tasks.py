"""What a task can write is input to root, and never more: attacks from within the containers, on a real host.

Each of them worked once. A task can do what any process in its container can, as its user; so that is where
the attacks are started.
"""

import re
import shlex
from collections.abc import Iterator

import pytest

from .airflow import airflow
from .checkout import Checkout
from .command import Finished, run
from .containers import PROJECT, containers, ids
from .database import sql
from .gated import current_release
from .machine import Machine

STATE = "/var/lib/flights-mlops"
WITH_TASKS = ("airflow-scheduler", "airflow-dag-processor", "airflow-webserver")
# Asks Airflow's database from within a container, by the connection that is mounted there.
ASK = """
import sys, psycopg2
url = open("/run/secrets/sql_alchemy_conn").read().replace("postgresql+psycopg2", "postgresql")
with psycopg2.connect(url) as connection, connection.cursor() as cursor:
    cursor.execute(sys.argv[1])
"""
EVIL = f"{STATE}/data/evil"
# A release of a task's own, whose compose file would start a container that is root on the host.
COMPOSE = f"""\
name: flights-mlops
services:
  evil:
    image: flights-mlops-airflow:latest
    user: "0"
    privileged: true
    network_mode: host
    command: [touch, {STATE}/data/owned]
"""


def inside(machine: Machine, command: str, service: str = "airflow-scheduler") -> Finished:
    """Run a shell command in a service's container, as what runs there can."""
    container = containers(machine)[service]["Id"]
    return machine.sudo(f"docker exec {container} bash -c {shlex.quote(command)}", check=False)


def write_row(machine: Machine, statement: str) -> None:
    """Change the database as a task can."""
    done = inside(machine, f"python3 -c {shlex.quote(ASK)} {shlex.quote(statement)}")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def rows(machine: Machine) -> Iterator[None]:
    """Leave no run of a DAG that there is not, and no view in the place of a table."""
    yield
    sql(machine, "delete from public.dag_run where dag_id = 'evil'")
    machine.sudo(f"rm -rf {EVIL}")


def running(machine: Machine, version: str) -> None:
    """Have a run that has not ended, of a release of that name."""
    columns = "dag_id, run_id, run_type, state, run_after, clear_number, bundle_version"
    values = f"'evil', '{version[:20]}', 'manual', 'running', now(), 0, E'{version}'"
    write_row(machine, f"insert into dag_run ({columns}) values ({values})")  # noqa: S608 - an attack


@pytest.mark.usefixtures("rows")
def test_a_row_is_no_fact(machine: Machine) -> None:
    """A line break in it forges no line, and a rollback goes to no directory of a task's."""
    release = current_release(machine)
    releases = machine.run("ls /opt/flights-mlops/releases").stdout.split()
    evil = f"{EVIL}/airflow"
    written = inside(
        machine,
        f"mkdir -p {evil} && printf %s {shlex.quote(COMPOSE)} >{evil}/docker-compose.yaml && "
        f"printf \"AIRFLOW_IMAGE='flights-mlops-airflow:latest'\\nUI_PORT='8080'\\n\" >{evil}/.env",
    )
    assert written.returncode == 0, written.stderr
    path = f"../../..{EVIL}"
    for forged in (
        rf"r-000000000000\nstarted {path} ",
        rf"r-000000000001\nrelease 1 {path} 000000000000 flights-mlops-airflow:latest",
        r"r-000000000002\ndirectory data 50001 755",
        r"r-000000000003\nuid 0",
    ):
        running(machine, forged)
    before = ids(machine)
    keep = ("--data", "keep_releases=1")
    done = machine.deploy(*keep)
    assert "Traceback" not in done.stdout + done.stderr
    assert current_release(machine) == release
    planned = machine.pyinfra("deploy.rollback.to", *keep, "--dry")
    said = planned.stdout + planned.stderr
    assert EVIL not in said
    assert set(re.findall(r"Roll back to (\S+)", said)) <= set(releases)
    assert ids(machine).keys() == before.keys()
    users = {name: found["Config"]["User"] for name, found in containers(machine).items()}
    stack = machine.run("id -u flights-mlops").stdout.strip()
    assert {user for name, user in users.items() if name.startswith("airflow-")} == {f"{stack}:0"}
    listed = machine.sudo(f"docker ps --all --filter {PROJECT} --format '{{{{.Names}}}}'").stdout
    assert "evil" not in listed
    assert machine.sudo(f"ls {STATE}/data/owned", check=False).returncode


def test_a_table_that_is_another_stops_the_deploy_with_a_sentence(machine: Machine) -> None:
    """A task can put a view in its place; what that says is no release, and nothing is made of it."""
    write_row(
        machine,
        "alter table dag rename to dag_kept; create view dag as select false as is_stale, "
        r"E'r-00000000000\x1b[2J\nstarted /tmp'::text as bundle_version",
    )
    try:
        # What the view says is no release, and so none that is in use.
        assert machine.pyinfra("deploy.status.show", "--data", "keep_releases=1").returncode == 0
        # And where the pattern that it is held against is a task's own, it is still none here.
        write_row(
            machine,
            "create function public.evil(text, text) returns boolean language sql as 'select true'; "
            "create operator public.~ (leftarg = text, rightarg = text, function = public.evil); "
            "alter role airflow set search_path = public, pg_catalog",
        )
        done = machine.pyinfra("deploy.status.show", "--data", "keep_releases=1")
        said = done.stdout + done.stderr
        assert "\x1b" not in said
        assert done.returncode == 0 or "the database answers 'r-00000000000" in said
    finally:
        sql(
            machine,
            "drop view if exists public.dag; alter table if exists public.dag_kept rename to dag; "
            "drop operator if exists public.~ (text, text); drop function if exists public.evil(text, text); "
            "alter role airflow reset search_path",
        )


def test_what_tasks_write_cannot_be_put_in_roots_way(machine: Machine) -> None:
    """No link, no pipe and no file of a task is where root writes or mounts; the scheduler starts anew."""
    before = machine.sudo(f"ls -A {STATE} {STATE}/workspace").stdout
    for service in WITH_TASKS:
        inside(
            machine,
            f"cd {STATE}; ln -sfn /etc .started.new; mkfifo .draining.new; "
            f"cd {STATE}/workspace && {{ rm -rf data models; mv data gone; rmdir models; mkfifo data; "
            f"ln -s {STATE}/.started.new models; }}",
            service,
        )
    after = machine.sudo(f"ls -A {STATE} {STATE}/workspace").stdout
    assert after == before
    machine.deploy("--data", "parallelism=3")
    # Nor as the same user where these are no mount points: what is root's in a sticky directory stays.
    image = containers(machine)["airflow-scheduler"]["Config"]["Image"]
    user = containers(machine)["airflow-scheduler"]["Config"]["User"]
    tried = machine.sudo(
        f"docker run --rm --user {user} --volume {STATE}/workspace:/tree {image} "
        "sh -c 'touch /tree/mine && rm /tree/mine && ! rmdir /tree/data && ! mv /tree/models /tree/gone'",
        check=False,
    )
    assert tried.returncode == 0, tried.stderr
    assert machine.sudo(f"ls -A {STATE}/workspace").stdout in before


def test_a_pipe_in_the_place_of_a_directory_is_said_and_moved_aside(machine: Machine) -> None:
    """As an attack on an earlier version left it: the deploy names it and the way out, which is a command."""
    machine.sudo(f"rmdir {STATE}/workspace/data && mkfifo {STATE}/workspace/data")
    done = machine.pyinfra("deploy.py")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"{STATE}/workspace/data is a fifo and not a directory" in said
    assert "deploy.storage.repair" in said
    assert machine.pyinfra("deploy.storage.repair").returncode == 0
    machine.deploy()
    assert machine.sudo(f"stat -c '%F %U %a' {STATE}/workspace/data").stdout == "directory root 755\n"
    machine.sudo(f"rm {STATE}/.aside-*")


def test_a_setuid_file_makes_nobody_another(machine: Machine) -> None:
    """Others do not reach it, and where they would, it runs as themselves or not at all."""
    planted = inside(
        machine,
        f"for place in {STATE}/data {STATE}/workspace; do "
        "cp /bin/bash $place/shell && chmod 6755 $place/shell; done; "
        f"chmod 777 {STATE}/data; chmod 777 {STATE}/workspace; true",
    )
    assert planted.returncode == 0, planted.stderr
    try:
        tried = machine.sudo(f"runuser -u guest -- {STATE}/data/shell -p -c id", check=False)
        assert tried.returncode
        assert "Permission denied" in tried.stderr
        # By a way that no directory is on: root opens the file, and hands it to the other user.
        as_guest = "setpriv --reuid=guest --regid=guest --init-groups /proc/self/fd/5 -p -c 'id -u; id -g'"
        tried = machine.sudo(f"exec 5<{STATE}/data/shell; {as_guest}", check=False)
        assert tried.returncode, tried.stdout
        guest = machine.run("id -u guest; id -g guest").stdout
        assert machine.sudo(f"exec 5<{STATE}/workspace/shell; {as_guest}").stdout == guest
    finally:
        machine.sudo(f"rm {STATE}/data/shell {STATE}/workspace/shell")
        machine.deploy()
    assert machine.sudo(f"stat -c %a {STATE}/data").stdout == "750\n"


def test_the_stack_is_nobodys_login(machine: Machine) -> None:
    """A system user without a shell, a home or sudo, which Airflow's processes and secrets belong to."""
    found = machine.run("getent passwd flights-mlops").stdout.strip()
    name, _, uid, _, _, home, shell = found.split(":")
    assert (name, home, shell) == ("flights-mlops", "/nonexistent", "/usr/sbin/nologin")
    assert 100 < int(uid) < 1000
    assert "not allowed to run sudo" in machine.sudo("sudo -l -U flights-mlops").stdout
    for service in WITH_TASKS:
        assert inside(machine, "id -u", service).stdout.strip() == uid
    owners = machine.sudo("stat -c %u /etc/flights-mlops/secrets/*").stdout.split()
    assert set(owners) == {uid}


LOUD = '''\
"""A DAG that cannot be imported, and says so to the terminal itself."""

from airflow.sdk import dag

raise ValueError("title \\x1b]0;owned\\x07 clear \\x1b[2J \\udcff bidi \\u202e end")
'''


def test_an_import_error_stays_text(machine: Machine, checkout: Checkout) -> None:
    """Escape codes and broken UTF-8 of a DAG reach no terminal, and the deploy ends as it should."""
    checkout.write("dags/loud.py", LOUD)
    # At a terminal: elsewhere, pyinfra itself takes codes out of what it prints.
    words = shlex.join(map(str, machine.pyinfra_command("deploy.py")))
    log = checkout.path.parent / "typescript"
    done = run(["script", "--quiet", "--return", "--command", words, log], check=False, cwd=checkout.path)
    said = log.read_text(errors="surrogateescape")
    assert done.returncode != 0
    assert "clear" in said
    assert "cannot be imported on trixie" in said
    for code in ("\x1b]0;", "\x07", "\x1b[2J", "\u202e", "\udcff"):
        assert code not in said


def test_a_run_of_another_directory_fails(machine: Machine) -> None:
    """A task is taken into the release its run names, and what is not the name of one is not a way to it."""
    with airflow(machine) as api:
        run_id = api.run("flights_bronze")
        assert api.state("flights_bronze", run_id) == "success"
    code = (
        "from airflow.dag_processing.bundles.manager import DagBundlesManager as M\n"
        f"b = M().get_bundle('release', version='../../..{STATE}/data')\nb.initialize()\n"
    )
    tried = inside(machine, f"python3 -c {shlex.quote(code)}")
    assert tried.returncode
    assert "is not the name of a release" in tried.stderr
