"""Which secrets there are, what is seen of them on a host, and what has to be done; no value is ever repeated."""

import configparser
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api.exceptions import DeployError

from deploy import credentials
from deploy.core.facts import MalformedLineError
from deploy.core.paths import ROOT
from deploy.credentials import facts, table
from deploy.credentials.facts import MODE, Found, Kept, Secrets, fingerprint
from deploy.credentials.table import AWS, GENERATED, SECRETS
from deploy.settings import Settings
from deploy.storage import facts as storage

See = Callable[..., Any]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
BUCKET = Settings(dvc_remote="s3://flights/dvc")
DOMAIN = Settings(domain="flights.example.com")
KEY, SECRET = "AKIAEXAMPLE", "s3cr3t/canary+value"
UID = 1234
CLOSED = Kept(UID, MODE)
WHOLE = Found({secret.name: CLOSED for secret in SECRETS if not secret.given}, is_closed=True)
SERVICES = ("airflow-init", "airflow-webserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no credentials in the environment."""
    for name in (*AWS.required, *AWS.optional):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def keys(no_keys: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 - comes after it
    """Have credentials in the environment, as an operator exports them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


def with_credentials(text: str) -> Found:
    """Return a host that has these credentials for a bucket."""
    return replace(WHOLE, kept=WHOLE.kept | {"aws_credentials": replace(CLOSED, fingerprint=fingerprint(text))})


def test_each_service_gets_what_it_reads() -> None:
    """Tasks alone the credentials for a bucket, where there is one; the database nothing but its password."""
    common = ("api_secret_key", "fernet_key", "jwt_secret", "sql_alchemy_conn")
    without = dict.fromkeys(SERVICES, common) | {
        "airflow-init": ("admin_password", *common),
        "postgres-airflow": ("postgres_password",),
    }
    assert table.by_service(Settings()) == without
    assert table.by_service(BUCKET) == without | {
        "airflow-scheduler": ("api_secret_key", "aws_credentials", *common[1:]),
    }
    assert table.names(BUCKET) == tuple(secret.name for secret in SECRETS)
    assert set(table.names(BUCKET)) - set(table.names(Settings())) == {"aws_credentials"}


def test_a_secret_is_generated_given_or_made_of_another() -> None:
    """One of the three; a given one names the setting that asks for it."""
    for secret in SECRETS:
        assert not (secret.size and secret.given)
        assert bool(secret.given) is (secret.setting in Settings.model_fields)
    others = [secret.name for secret in SECRETS if not secret.size and not secret.given]
    assert others == ["sql_alchemy_conn"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("", tuple(secret.name for secret in GENERATED)),
        ("jwt_secret", ("jwt_secret",)),
        ("postgres_password, fernet_key", ("postgres_password", "fernet_key")),
    ],
)
def test_one_or_several_or_all_are_rotated(given: str, names: tuple[str, ...]) -> None:
    """As they are named; what is made of another secret follows that one."""
    assert tuple(secret.name for secret in facts.chosen(given)) == names


@pytest.mark.parametrize("given", ["sql_alchemy_conn", "aws_credentials", "jwt", "jwt_secret,", "all"])
def test_an_unknown_name_is_refused(given: str) -> None:
    """With the names there are."""
    with pytest.raises(ValueError, match=r"^cannot rotate '") as refused:
        facts.chosen(given)
    assert str(refused.value).endswith(f"choose from {', '.join(secret.name for secret in GENERATED)}.")


def test_a_whole_host_has_nothing_to_do() -> None:
    """What is missing, open or another user's is put right."""
    assert facts.is_complete(WHOLE, UID)
    assert facts.is_complete(with_credentials("x"), UID)
    assert not facts.is_complete(WHOLE, 999)
    assert not facts.is_complete(replace(WHOLE, is_closed=False), UID)
    for name in WHOLE.kept:
        kept = {other: each for other, each in WHOLE.kept.items() if other != name}
        assert not facts.is_complete(replace(WHOLE, kept=kept), UID)
        assert not facts.is_complete(replace(WHOLE, kept=kept | {name: Kept(UID, "444")}), UID)


def test_what_a_database_was_made_with_is_not_generated_again() -> None:
    """The sentence names the file and both ways out; without a database there is nothing to lose."""
    found = replace(WHOLE, kept={}, has_database=True)
    problems = facts.lost(found)
    assert len(problems) == len(GENERATED)
    assert problems[0] == (
        "/etc/flights-mlops/secrets/admin_password is missing, but the database that was made with it is still "
        "there; restore the file from a backup, or remove the volume flights-mlops_postgres-airflow-data, "
        "which deletes all Airflow data."
    )
    assert facts.lost(replace(found, has_database=False)) == []
    assert facts.lost(replace(WHOLE, has_database=True)) == []
    connection = {name: kept for name, kept in WHOLE.kept.items() if name != "sql_alchemy_conn"}
    assert facts.lost(replace(WHOLE, kept=connection, has_database=True)) == []


def test_a_domain_does_not_open_a_known_login() -> None:
    """Without a domain only the loopback address reaches it."""
    known = replace(WHOLE, is_default_login=True)
    (problem,) = facts.login_problems(known, DOMAIN)
    assert "deploy.credentials.rotate secret=admin_password" in problem
    assert facts.login_problems(known, Settings()) == []
    assert facts.login_problems(WHOLE, DOMAIN) == []


@pytest.mark.usefixtures("keys")
def test_credentials_are_written_as_awss_own_tools_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their names, in the profile that is the default."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(AWS.text())
    assert dict(parser["default"]) == {
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_session_token": "a-token",
    }


@pytest.mark.usefixtures("keys")
def test_a_given_secret_is_delivered_once() -> None:
    """Where it is missing or another; what no setting asks for stays in the environment."""
    assert facts.due(WHOLE, BUCKET) == [("aws_credentials", AWS.text())]
    assert facts.due(with_credentials("others"), BUCKET) == [("aws_credentials", AWS.text())]
    assert facts.due(with_credentials(AWS.text()), BUCKET) == []
    assert facts.due(WHOLE, Settings()) == []
    assert facts.due(WHOLE, Settings(dvc_remote="/srv/dvc")) == []


def test_whoever_has_none_leaves_those_on_the_host() -> None:
    """A colleague deploys a DAG; where there are none at all, that is a problem."""
    assert facts.due(with_credentials("theirs"), BUCKET) == []
    assert facts.given_problems(with_credentials("theirs"), BUCKET) == []
    (problem,) = facts.given_problems(WHOLE, BUCKET)
    assert problem == (
        "dvc_remote needs the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the control node; "
        "export them."
    )


@pytest.mark.usefixtures("keys")
def test_half_of_the_credentials_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside those on the host, which the operator seems to want to replace; no value is repeated."""
    assert facts.given_problems(WHOLE, BUCKET) == []
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (problem,) = facts.given_problems(with_credentials("theirs"), BUCKET)
    assert "the environment variable AWS_ACCESS_KEY_ID on the control node; export it." in problem
    assert SECRET not in problem
    assert facts.due(with_credentials("theirs"), BUCKET) == []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{KEY}\n[profile]")
    (problem,) = facts.given_problems(WHOLE, BUCKET)
    assert "must not contain line breaks" in problem
    assert KEY not in problem


def test_credentials_go_with_the_last_release_that_uses_them() -> None:
    """One that one may roll back to would lack them, and so would the one that is being made."""
    kept = with_credentials("theirs")
    assert facts.superfluous(kept, Settings()) == ["aws_credentials"]
    assert facts.superfluous(replace(kept, in_releases=frozenset({"aws_credentials"})), Settings()) == []
    assert facts.superfluous(kept, BUCKET) == []
    assert facts.superfluous(WHOLE, Settings()) == []


def test_a_given_secret_arrives_closed_and_in_place(run: Run, machine: Path) -> None:
    """In the same file, which a container that runs has mounted; without the line break that pyinfra adds."""
    path = machine / "etc/a_secret"

    def deliver(text: str, size: int) -> int:
        given = {"file": "/etc/a_secret", "size": size, "uid": UID}
        return run("credentials/deliver", stdin=f"{text}\n", **given).returncode

    assert deliver("one\ntwo", 7) == 0
    assert path.read_text() == "one\ntwo"
    before = path.stat()
    assert (before.st_uid, before.st_gid, before.st_mode & 0o777) == (UID, 0, 0o440)
    path.chmod(0o644)
    assert deliver("other é", 8) == 0
    assert path.read_text() == "other é"
    assert (path.stat().st_ino, path.stat().st_mode & 0o777) == (before.st_ino, 0o440)
    assert deliver("oth", 5) == 1
    assert path.read_text() == "other é"


def test_a_new_machine_has_none(see: See) -> None:
    """And nothing else that the fact could say."""
    assert see(Secrets) == Found()


@pytest.fixture
def configured(machine: Path) -> Path:
    """Return the configuration of a machine with secrets of its own and a given one."""
    folder = machine / "etc/flights-mlops/secrets"
    folder.mkdir(parents=True, mode=0o700)
    for name, text in {"admin_password": "airflow", "aws_credentials": "[default]", "jwt_secret": ""}.items():
        (folder / name).write_text(text)
        os.chown(folder / name, UID, 0)
        (folder / name).chmod(0o440)
    return folder.parent


def test_secrets_are_seen_without_their_values(see: See, configured: Path, machine: Path) -> None:
    """An empty file is none, and one that the table does not have is not looked at."""
    (configured / "secrets/of somebody").touch()
    found = see(Secrets)
    assert found.kept == {
        "admin_password": CLOSED,
        "aws_credentials": replace(CLOSED, fingerprint=fingerprint("[default]")),
    }
    assert found.is_closed
    assert found.is_default_login
    assert not found.has_stack
    (configured / "secrets").chmod(0o755)
    (configured / "rotation").mkdir()
    (configured / "secrets/admin_password").write_text("another")
    (machine / "var/lib/docker/volumes/flights-mlops_postgres-airflow-data").mkdir(parents=True)
    found = see(Secrets)
    assert not found.is_closed
    assert not found.is_default_login
    assert found.is_rotating
    assert found.has_database


def test_what_releases_mount_is_seen(see: See, machine: Path) -> None:
    """As their compose files say it; one of no release has a say as well, but none has to be there."""
    for number, name in enumerate(("jwt_secret", "aws_credentials"), 1):
        airflow = machine / f"opt/flights-mlops/releases/r-{number:012}/airflow"
        airflow.mkdir(parents=True)
        lines = f"secrets:\n  {name}:\n    file: /etc/flights-mlops/secrets/{name}\n  ca:\n    file: /etc/ssl/ca.crt\n"
        (airflow / "docker-compose.yaml").write_text(lines)
    assert see(Secrets).in_releases == {"jwt_secret", "aws_credentials"}


def test_the_compose_template_names_secrets_as_the_fact_reads_them() -> None:
    """Else credentials would be removed that a release mounts."""
    (template,) = (ROOT / "templates").rglob("docker-compose.yaml.j2")
    assert "    file: {{ configuration_root }}/secrets/{{ name }}\n" in template.read_text()


@pytest.mark.parametrize("line", ["secret a 0 400 x -", "mounted", "has_stack yes", "secret a"])
def test_any_other_line_is_an_error(line: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(MalformedLineError):
        Secrets().read([line])


@pytest.mark.usefixtures("local")
def test_a_rotation_needs_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """And names that exist; both are said with the host."""
    step = credentials.rotate
    while hasattr(step, "__wrapped__"):
        step = step.__wrapped__
    monkeypatch.setattr(credentials, "ask", lambda _: Found())
    with pytest.raises(DeployError, match=r"^@local: no stack is deployed here; deploy first\.$"):
        step()
    with pytest.raises(DeployError, match=r"^@local: cannot rotate 'x'; choose from "):
        step(secret="x")  # noqa: S106 - its name


def test_the_benchs_peer_wants_the_same_modes() -> None:
    """Else it changes what we have made, and the bench compares two hosts."""
    playbook = yaml.safe_load((ROOT / "bench/peers/ansible/playbook.yml").read_text())
    tasks = {task["name"]: task for task in playbook[0]["tasks"]}
    wanted = {
        "Make the directories": storage.MODE,
        "Have the secrets readable by the stack's user alone": MODE,
    }
    assert {name: tasks[name]["ansible.builtin.file"]["mode"] for name in wanted} == {
        name: f"0{mode}" for name, mode in wanted.items()
    }
