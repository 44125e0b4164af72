"""What Airflow's login may do in its database, and what root's own sessions there do for whoever holds it."""

import json
import shlex
import time
from collections.abc import Iterator

import pytest

from deploy.core.paths import ON_HOST
from deploy.core.run import StackRun
from deploy.core.shell import PROGRAMS, assigned, source

from .command import until
from .containers import containers, ids
from .database import sql
from .host import Host
from .machine import Machine

DATABASE = "flights-mlops-postgres-airflow-1"
# Runs SQL as any code in Airflow's containers could; each statement by itself. Says what became of each: the
# database's code of the error, or its message where one may not even log in.
CLIENT = """
import json, pathlib, sys, psycopg2
url = pathlib.Path("/run/secrets/sql_alchemy_conn").read_text().replace("+psycopg2", "")
def ask(statement, **login):
    try:
        connection = psycopg2.connect(url, **login)
        connection.autocommit = True
        connection.cursor().execute(statement)
    except psycopg2.Error as error:
        return error.pgcode or str(error)
    return "done"
logins = {statement: {} for statement in json.loads(sys.argv[1])}
said = {statement: ask(statement) for statement in logins}
said["to the database postgres"] = ask("select", dbname="postgres")
said["to template1"] = ask("select", dbname="template1")
said["as postgres"] = ask("select", user="postgres")
print(json.dumps(said))
"""
FORBIDDEN = (
    "copy (select 1) to program 'touch /tmp/pwned'",
    "create temporary table output (line text); copy output from program 'id'",
    "select pg_read_file('/run/secrets/postgres_password')",
    "select lo_import('/run/secrets/postgres_password')",
    "create role admin superuser login password 'admin'",
    "create role other",
    "create database other",
    "alter role airflow superuser",
    "alter role airflow createrole",
    "set role postgres",
    "grant pg_execute_server_program to airflow",
    "create extension file_fdw",
    "create function shell(cstring) returns int language c as 'libc.so.6', 'system'",
    "alter system set archive_command = 'id'",
    "select rolpassword from pg_authid",
    "select pg_reload_conf()",
    "create function pg_catalog.mine() returns int language sql as 'select 1'",
)
INSUFFICIENT_PRIVILEGE = "42501"


def webserver(host: Host) -> str:
    """Return the webserver's container, whose name has another number once it was replaced in turn."""
    return str(containers(host)["airflow-webserver"]["Id"])


def client(host: Host, *statements: str) -> dict[str, str]:
    """Run SQL from within the webserver's container."""
    command = ["docker", "exec", webserver(host), "python3", "-c", CLIENT, json.dumps(statements)]
    answers: dict[str, str] = json.loads(host.sudo(shlex.join(command)).stdout)
    return answers


def do(host: Host, *statements: str) -> None:
    """Run SQL from within the webserver's container, and expect it to work."""
    answers = client(host, *statements)
    assert {answers[statement] for statement in statements} == {"done"}, answers


def as_superuser(host: Host, query: str, container: str = DATABASE, database: str = "postgres") -> list[str]:
    """Ask as root on the host can, by the socket in the database's container."""
    psql = ["docker", "exec", container, "psql", "--username=postgres", f"--dbname={database}"]
    asked = [*psql, "--quiet", "--tuples-only", "--no-align", f"--command={query}"]
    return host.sudo(shlex.join(asked)).stdout.splitlines()


def test_the_login_of_airflow_commands_nothing_but_its_database(host: Host) -> None:
    """No command, file, role or setting of the server; and the superuser cannot log in over the network."""
    answers = client(host, *FORBIDDEN)
    assert {statement: answers[statement] for statement in FORBIDDEN} == dict.fromkeys(
        FORBIDDEN, INSUFFICIENT_PRIVILEGE
    )
    assert "permission denied for database" in answers["to the database postgres"]
    assert "permission denied for database" in answers["to template1"]
    assert 'password authentication failed for user "postgres"' in answers["as postgres"]
    assert as_superuser(host, "select rolname, rolcanlogin, rolpassword from pg_authid where rolsuper") == [
        "postgres|t|"
    ]
    assert as_superuser(host, "select pg_get_userbyid(datdba) from pg_database where datname = 'airflow'") == [
        "airflow"
    ]


HOLD = """
import pathlib, psycopg2
url = pathlib.Path("/run/secrets/sql_alchemy_conn").read_text().replace("+psycopg2", "")
connection = psycopg2.connect(url, application_name="holder")
connection.cursor().execute(
    "lock table dag_run, dag, alembic_version in access exclusive mode; select pg_sleep(600)"
)
"""


@pytest.fixture
def locked(bookworm: Machine) -> Iterator[Machine]:
    """Have what runs in a container keep everybody from tables of Airflow's."""
    bookworm.as_deployed()
    bookworm.sudo(shlex.join(["docker", "exec", "--detach", webserver(bookworm), "python3", "-c", HOLD]))
    holds = "select 1 from pg_locks where mode = 'AccessExclusiveLock' and relation = 'dag_run'::regclass"
    until("the lock", lambda: as_superuser(bookworm, holds, database="airflow"))
    yield bookworm
    end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'"
    as_superuser(bookworm, end)
    bookworm.as_deployed()


def migrated(machine: Machine) -> tuple[int, str]:
    """Have the database looked at as for another image: gives the exit code, and what was said."""
    machine.sudo("rm -f /var/lib/flights-mlops/.migrated")
    done = machine.pyinfra("deploy.stack.migrate")
    return done.returncode, done.stdout + done.stderr


def test_a_lock_holds_up_no_deploy(locked: Machine) -> None:
    """Steps that ask for the tables say so, or do without; none waits for the lock to be given up."""
    start = time.monotonic()
    dump = locked.pyinfra("deploy.database.dump")
    assert dump.returncode != 0
    assert f"the database on {locked.name} could not be dumped" in dump.stdout + dump.stderr
    # Which releases are needed is asked only where there may be one too many.
    status = locked.pyinfra("deploy.status.show", "--data", "keep_releases=1")
    assert status.returncode == 0, status.stdout + status.stderr
    code, said = migrated(locked)
    assert code != 0
    assert f"the revisions of the database on {locked.name} could not be read" in said, said
    assert time.monotonic() - start < 300


# What is called notes who does, and with which rights.
NOTE = """
create schema hostile;
create table hostile.noted (who text, program text, is_superuser text);
create function hostile.note() returns void language sql as $$
  insert into hostile.noted
  values (current_user, current_setting('application_name'), current_setting('is_superuser'))
$$
"""
FORGE = r"""
create function hostile.forge() returns text language plpgsql as $$
begin perform hostile.note(); return E'x\nalembic_version=forged\e[31m'; end $$;
create view public.alembic_version_x as select hostile.forge() as version_num
"""
ENDLESS = """
create or replace function hostile.forge() returns text language plpgsql as $$
begin
  perform hostile.note();
  while clock_timestamp() < now() + interval '15 minutes' loop
    begin perform pg_sleep(900); exception when query_canceled then null; end;
  end loop;
  return 'late';
end $$
"""
TAKE_NAMES = """
drop view public.alembic_version_x;
create function hostile.joined(text, text) returns text language plpgsql as $$
begin perform hostile.note(); return textcat($1, $2); end $$;
create function hostile.joined(text, varchar) returns text language plpgsql as $$
begin perform hostile.note(); return textcat($1, $2::text); end $$;
create operator hostile.|| (leftarg = text, rightarg = text, function = hostile.joined);
create operator hostile.|| (leftarg = text, rightarg = varchar, function = hostile.joined);
alter role airflow set search_path = hostile, public, pg_catalog
"""
CLEAN_UP = "alter role airflow reset search_path; drop schema if exists hostile cascade"


SESSIONS_OF_ROOT = """
select pg_terminate_backend(pid) from pg_stat_activity where usename = 'airflow' and application_name = 'psql'
"""


def end_sessions_of_root(host: Host) -> None:
    """End those as airflow; what catches its cancellation does not end by itself."""
    as_superuser(host, SESSIONS_OF_ROOT)


@pytest.fixture
def hostile(trixie: Machine) -> Iterator[Machine]:
    """Have a database with functions of somebody else's in it."""
    trixie.as_deployed()
    do(trixie, NOTE)
    yield trixie
    end_sessions_of_root(trixie)
    sql(trixie, CLEAN_UP)
    trixie.deploy()


def test_what_is_in_the_database_is_asked_with_care(hostile: Machine) -> None:
    """A revision that is none, one that never comes, operators that stand in for the system's own."""
    running = ids(hostile)
    do(hostile, FORGE)
    code, said = migrated(hostile)
    assert code != 0
    assert f"of the database on {hostile.name} holds an invalid revision" in said, said
    assert "forged" not in said
    assert "\x1b" not in said
    do(hostile, ENDLESS)
    start = time.monotonic()
    code, said = migrated(hostile)
    assert code != 0
    assert f"the revisions of the database on {hostile.name} could not be read" in said, said
    assert time.monotonic() - start < 300
    assert ids(hostile) == running
    end_sessions_of_root(hostile)

    do(hostile, "delete from hostile.noted where not (program = 'psql' and is_superuser = 'on')")
    assert sql(hostile, "select * from hostile.noted") == "", "a function of the task's ran as superuser"
    do(hostile, TAKE_NAMES)
    code, said = migrated(hostile)
    assert code == 0, said
    noted = sql(hostile, "select pg_catalog.count(*) from hostile.noted where program = 'psql'")
    assert noted == "0", "a root session used the task's operators"


# One of each kind that may be in a database, and roles that a superuser may have made.
OBJECTS = """
create table plain (id serial primary key, data bytea, number int);
create index on plain (number);
create view seen as select * from plain;
create materialized view kept as select * from plain;
create table whole (id int generated always as identity, day int) partition by range (day);
create table part partition of whole for values from (1) to (2);
create sequence counted;
create type listed as enum ('a');
create type composed as (x int);
create type ranged as range (subtype = int4);
create domain limited as text check (value <> 'x');
create function answer(int default 1) returns int language sql as 'select 42';
create procedure act() language sql as 'select 1';
create aggregate total (int) (sfunc = int4pl, stype = int);
create operator === (leftarg = int, rightarg = int, function = int4eq);
create statistics correlated on id, number from plain;
create collation plainly (locale = 'C');
create text search configuration searched (copy = simple);
create schema "An ""other";
create table "An ""other"."Its ""table" (id int);
insert into plain (data, number) values ('x', 1);
select lo_from_bytea(0, 'x');
create role second superuser createrole login password 'second';
create role postgres login password 'not the superuser';
create role reader login password 'reader';
grant airflow, second to reader;
grant select on plain to reader;
set role second;
create table of_the_second (id int);
reset role
"""
ROLES = """
select rolname, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles
where rolname !~ '^pg_' order by 1
"""
OWNERS = """
select pg_get_userbyid(relowner) from pg_class
  where oid >= 16384 and relnamespace::regnamespace::text !~ '^pg_'
union select pg_get_userbyid(typowner) from pg_type t where oid >= 16384 and typtype <> 'm'
  and typnamespace::regnamespace::text !~ '^pg_'
  and not exists (select from pg_type m where m.typarray = t.oid and m.typtype = 'm')
union select pg_get_userbyid(proowner) from pg_proc where oid >= 16384
union select pg_get_userbyid(oprowner) from pg_operator where oid >= 16384
union select pg_get_userbyid(nspowner) from pg_namespace where oid >= 16384 and nspname !~ '^pg_'
union select pg_get_userbyid(stxowner) from pg_statistic_ext
union select pg_get_userbyid(collowner) from pg_collation where oid >= 16384
union select pg_get_userbyid(cfgowner) from pg_ts_config where oid >= 16384
union select pg_get_userbyid(lomowner) from pg_largeobject_metadata
"""
SCRATCH = "scratch-database"
PASSWORD = "the password of before"  # noqa: S105 - made up for the test
COMMAND = "copy plain (data) from program 'echo x'"
# The stack's functions, and those of the program that makes the role an ordinary one, without what it then does.
ROLE, _, _ = source("stack/migrate").partition('echo "Starting the database"')
SQL = {f"{name}_sql": (PROGRAMS / f"stack/{name}.sql").read_text() for name in ("helper", "take_over")}
FUNCTIONS = "\n".join(
    [assigned({**ON_HOST, **SQL}), *map(source, StackRun.preludes[1:]), "named_release() { :; }", ROLE]
)
# Waits for a table of which an owner cannot be changed meanwhile.
HOLD_A_TABLE = "begin; lock table plain; select pg_sleep(120)"


def on_scratch(machine: Machine, lines: str) -> str:
    """Run shell lines behind the scripts that know of the database, with another database's container."""
    text = f"release=none\n{FUNCTIONS}\ndatabase={SCRATCH}\n{lines}"
    return machine.run(f"sudo bash -c {shlex.quote(text)}").stdout.strip()


def as_airflow(machine: Machine, *statements: str) -> str:
    """Ask the scratch database as airflow, by its socket."""
    commands = shlex.join(f"--command={statement}" for statement in statements)
    return on_scratch(machine, f"as airflow airflow 60 --command='set search_path = public' {commands} </dev/null")


def logs_in(machine: Machine, role: str, password: str, statement: str) -> bool:
    """Whether one may log in to the scratch database over the network, and do that."""
    address = machine.sudo(f"docker inspect --format '{{{{.NetworkSettings.IPAddress}}}}' {SCRATCH}").stdout.strip()
    command = ["docker", "exec", f"--env=PGPASSWORD={password}", SCRATCH, "psql", f"--host={address}"]
    asked = [*command, f"--username={role}", "--dbname=airflow", f"--command={statement}"]
    return machine.sudo(shlex.join(asked), check=False).returncode == 0


@pytest.fixture
def before(bookworm: Machine) -> Iterator[Machine]:
    """Have a database of before: airflow is its superuser, and the password is hashed by MD5."""
    bookworm.sudo(
        f"docker run --detach --name {SCRATCH} --env POSTGRES_USER=airflow --env POSTGRES_DB=airflow "
        f"--env POSTGRES_PASSWORD=x $(docker inspect --format '{{{{.Config.Image}}}}' {DATABASE})"
    )
    try:
        until(
            "the scratch database",
            lambda: bookworm.sudo(f"docker exec {SCRATCH} pg_isready --host 127.0.0.1"),
        )
        accept = "sed -i s/scram-sha-256/md5/ $PGDATA/pg_hba.conf && pg_ctl reload"
        bookworm.sudo(f"docker exec {SCRATCH} sh -c {shlex.quote(accept)}")
        hashed = ("set password_encryption = 'md5'", f"alter role airflow password '{PASSWORD}'")
        as_airflow(bookworm, *hashed, OBJECTS)
        yield bookworm
    finally:
        bookworm.sudo(f"docker rm --force --volumes {SCRATCH}")


def test_the_superuser_of_before_becomes_an_ordinary_role(before: Machine) -> None:
    """With what it owns and its password; also where that is cut short, wherever it is."""
    assert logs_in(before, "airflow", PASSWORD, COMMAND), "airflow is no superuser to begin with"
    hashed = as_airflow(before, "select rolpassword from pg_authid where rolname = 'airflow'")
    assert hashed.startswith("md5")

    # What was cut short in the middle goes on in the database, here behind a table that somebody holds.
    before.sudo(
        shlex.join(["docker", "exec", "--detach", SCRATCH, "psql", "--username=airflow", f"--command={HOLD_A_TABLE}"])
    )
    holds = "select 1 from pg_locks where mode = 'AccessExclusiveLock' and relation = 'plain'::regclass"
    until("the lock", lambda: as_airflow(before, holds))
    before.sudo(f"docker exec {SCRATCH} createuser --username=airflow --superuser flights_mlops_helper")
    on_scratch(before, "(take_over &) </dev/null >/dev/null 2>&1")
    waits = "select 1 from pg_stat_activity where usename = 'flights_mlops_helper' and wait_event_type = 'Lock'"
    until("the conversion that waits", lambda: as_airflow(before, waits), every=0.1)
    # And once more, before the last of it.
    on_scratch(before, "make_helper; take_over")
    # Twice, as it would be repeated.
    on_scratch(before, "demote; demote")

    roles = as_superuser(before, ROLES, SCRATCH)
    assert [role for role in roles if not role.endswith("|f|f|f|f|f")] == ["postgres|t|t|t|t|t"]
    names = [role.partition("|")[0] for role in roles]
    assert [name for name in names if not name.startswith("postgres_")] == [
        "airflow",
        "postgres",
        "reader",
        "second",
    ]
    assert as_superuser(before, OWNERS, SCRATCH, "airflow") == ["airflow"]
    members = "select count(*) from pg_auth_members where roleid >= 16384 or roleid = 10"
    assert as_superuser(before, members, SCRATCH) == ["0"]
    asked = "select rolpassword from pg_authid where rolname = 'airflow'"
    assert as_superuser(before, asked, SCRATCH) == [hashed]
    assert logs_in(before, "airflow", PASSWORD, "alter table plain add more int; refresh materialized view kept")
    assert logs_in(before, "reader", "reader", "select * from plain")
    assert not logs_in(before, "airflow", PASSWORD, COMMAND)
    assert not logs_in(before, "reader", "reader", "set role postgres")
    assert not logs_in(before, "postgres", PASSWORD, "select 1")

    on_scratch(before, "backups=$(mktemp -d); dump for-the-test >&2; stage $dumped; rm -r $backups")
    assert as_superuser(before, "select count(number) from plain", SCRATCH, "airflow_restored") == ["1"]
