"""What tasks need for DVC: decided from settings, environment and host; no credential is ever repeated."""  # noqa: INP001 - a package of the name `deploy` would hide the real one

import configparser
from dataclasses import replace

import pytest
import yaml

from deploy import remote
from deploy.configuration import Placement, render
from deploy.egress import fingerprint
from deploy.inventory import load
from deploy.machine import Kept, Machine
from deploy.settings import Settings

BUCKET = Settings(dvc_remote="s3://flights/dvc", dvc_endpoint="https://s3.example.com:9000")
DIRECTORY = Settings(dvc_remote="/srv/dvc")
KEY, SECRET = "AKIAEXAMPLE", "s3cr3t/canary+value"
MACHINE = Machine(directories={"data": Kept(1234, "750")})


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have credentials in the environment, as an operator exports them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none."""
    for name in remote.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def with_credentials(text: str, mode: str = "440") -> Machine:
    """Return a machine that has such credentials."""
    return replace(
        MACHINE,
        values={"remote.credentials": fingerprint(text)},
        secrets={remote.SECRET: Kept(1234, mode, len(text))},
    )


def asked(settings: Settings, machine: Machine) -> list[tuple[str, ...]]:
    """Return the arguments of each script that is due."""
    return [run.arguments for run in remote.due(settings, machine, remote.given())]


@pytest.mark.usefixtures("keys")
def test_credentials_are_written_as_awss_own_tools_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """By their names, in the profile that is the default."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(remote.given())
    assert dict(parser["default"]) == {
        "aws_access_key_id": KEY,
        "aws_secret_access_key": SECRET,
        "aws_session_token": "a-token",
    }


@pytest.mark.usefixtures("keys")
def test_a_bucket_gets_its_credentials_on_standard_input() -> None:
    """They are in no argument; with the same ones on the host there is nothing to do."""
    (run,) = remote.due(BUCKET, MACHINE, remote.given())
    assert run.arguments == ("1234", "bucket")
    assert SECRET not in str(run.get_raw_value())
    assert run.connector_arguments["_stdin"] == remote.given()
    assert asked(BUCKET, with_credentials(remote.given())) == []
    assert asked(BUCKET, with_credentials("others")) == [("1234", "bucket")]
    assert asked(BUCKET, with_credentials(remote.given(), "644")) == [("1234", "closed")]


@pytest.mark.usefixtures("no_keys")
def test_whoever_has_none_leaves_those_on_the_host() -> None:
    """A colleague deploys a DAG; where there are none at all, that is a fault, and one of two is another."""
    assert asked(BUCKET, with_credentials("theirs")) == []
    assert remote.faults(BUCKET, with_credentials("theirs")) == []
    (fault,) = remote.faults(BUCKET, MACHINE)
    assert "no AWS_ACCESS_KEY_ID, no AWS_SECRET_ACCESS_KEY" in fault


@pytest.mark.usefixtures("keys")
def test_half_of_the_credentials_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beside those on the host, which the operator seems to want to replace."""
    assert remote.faults(BUCKET, MACHINE) == []
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (fault,) = remote.faults(BUCKET, with_credentials("theirs"))
    assert "no AWS_ACCESS_KEY_ID;" in fault
    assert SECRET not in fault
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{KEY}\n[profile]")
    (fault,) = remote.faults(BUCKET, MACHINE)
    assert "line breaks" in fault
    assert KEY not in fault


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("settings", [Settings(), DIRECTORY])
def test_what_no_bucket_needs_is_not_brought(settings: Settings) -> None:
    """Credentials that happen to be in the environment stay there; those on the host stay as well."""
    machine = replace(MACHINE, values={"remote.directory": "open"})
    assert asked(settings, machine) == []
    kept = replace(with_credentials("theirs"), values=machine.values)
    assert asked(settings, kept) == []
    assert asked(settings, replace(with_credentials("theirs", "644"), values=machine.values)) == [
        ("1234", "closed")
    ]


def test_credentials_go_with_the_last_release_that_uses_them() -> None:
    """One that one may go back to would lack them, and so would the one that is being made."""
    kept = with_credentials("theirs")
    needed = replace(kept, values=kept.values | {"remote.bucket": "named"})
    assert remote.superfluous(Settings(), kept)
    assert remote.superfluous(DIRECTORY, kept)
    assert not remote.superfluous(Settings(), needed)
    assert not remote.superfluous(BUCKET, kept)
    assert not remote.superfluous(Settings(), MACHINE)


def test_a_directory_is_made_once() -> None:
    """And one that is there is left to whoever it belongs to."""
    assert asked(DIRECTORY, MACHINE) == [("1234", "directory", "/srv/dvc")]
    assert asked(DIRECTORY, replace(MACHINE, values={"remote.directory": "open"})) == []


def test_a_directory_that_tasks_cannot_write_to_is_a_fault() -> None:
    """The sentence names the directory, who tasks are, and the way out; another remote does not need it."""
    closed = replace(MACHINE, values={"remote.directory": "closed"})
    (fault,) = remote.faults(DIRECTORY, closed)
    assert fault == (
        "tasks, which run as the user id 1234 and the group root, cannot write to the directory /srv/dvc "
        "of dvc_remote; chown it to 1234 with a mode such as 0750, or name another."
    )
    assert remote.faults(DIRECTORY, replace(MACHINE, values={"remote.directory": "open"})) == []
    assert remote.faults(DIRECTORY, MACHINE) == []


def test_what_is_in_the_directorys_place_is_a_fault() -> None:
    """A file is left to whoever it belongs to."""
    taken = replace(MACHINE, values={"remote.obstacle": "/srv/dvc"})
    assert remote.faults(DIRECTORY, taken) == [
        "/srv/dvc is no directory, which dvc_remote /srv/dvc needs; move it, or name another."
    ]


def test_an_endpoint_is_for_a_bucket() -> None:
    """Alone, it is a fault."""
    assert remote.faults(Settings(dvc_endpoint="https://s3.example.com"), MACHINE) != []
    assert remote.faults(Settings(), MACHINE) == []


@pytest.mark.parametrize(
    "value",
    [
        *("/", "gs://bucket", "dvc", "srv/dvc", "", "s3://", "s3:/bucket", "s3://a b", "s3://bucket/#part"),
        *("/srv/dvc:/etc", "/srv/$HOME", "/srv/dvc\n", "s3://bucket:9000/p"),
    ],
)
def test_another_kind_of_remote_is_refused(value: str) -> None:
    """What could mean something else to compose or to DVC's configuration as well."""
    _, (fault,) = load({"dvc_remote": value}, where="vm1")
    assert fault == (
        'vm1: setting "dvc_remote" should be s3://bucket/path, with no credentials in it, '
        "or the absolute path of a directory."
    )


@pytest.mark.parametrize(
    "data",
    [
        {"dvc_remote": f"s3://{KEY}:{SECRET}@bucket/p"},
        {"dvc_remote": f"s3://{KEY}@bucket/p"},
        {"dvc_remote": BUCKET.dvc_remote, "dvc_endpoint": f"https://{KEY}:{SECRET}@s3.example.com"},
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(data: dict[str, str]) -> None:
    """A release, and DVC's configuration in it, is for all to read."""
    _, (fault,) = load(data, where="vm1")
    assert KEY not in fault
    assert SECRET not in fault


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        *((f"/{name}/dvc", f"/{name}") for name in ("app", "bin", "boot", "dev", "etc", "lib", "lib64")),
        *(
            (f"/{name}/dvc", f"/{name}")
            for name in ("opt", "proc", "root", "run", "sbin", "sys", "tmp", "usr")
        ),
        ("/opt/flights-mlops/releases", "/opt"),
        ("//etc//dvc/", "/etc"),
        ("/./etc/dvc", "/etc"),
        ("/var/lib", "/var/lib/containerd"),
        ("/var/lib/docker/volumes", "/var/lib/docker"),
        ("/var/lib/flights-mlops", "/var/lib/flights-mlops"),
    ],
)
def test_a_directory_of_the_system_or_the_stack_is_refused(value: str, taken: str) -> None:
    """Tasks could write there, or what is there would be in their way."""
    _, (fault,) = load({"dvc_remote": value}, where="vm1")
    assert fault == (
        f'vm1: setting "dvc_remote" should be a directory apart from {taken}, '
        "which is not for tasks to write to."
    )


@pytest.mark.parametrize("value", ["/etc", "/dvc", "/srv/", "/srv/../etc/dvc", "/srv/.."])
def test_a_directory_is_below_another(value: str) -> None:
    """What is directly below / is the system's, or was meant to be another."""
    _, (fault,) = load({"dvc_remote": value}, where="vm1")
    assert fault == (
        'vm1: setting "dvc_remote" should be a directory two or more levels below /, such as /srv/dvc.'
    )


@pytest.mark.parametrize(
    ("value", "directory"),
    [
        ("/srv/dvc", "/srv/dvc"),
        ("/srv//dvc/", "/srv/dvc"),
        ("/mnt/disk/dvc@2", "/mnt/disk/dvc@2"),
        ("/var/lib/dvc", "/var/lib/dvc"),
        ("/var/lib/docker-dvc", "/var/lib/docker-dvc"),
        ("/library/dvc", "/library/dvc"),
        ("/home/jo/dvc", "/home/jo/dvc"),
    ],
)
def test_any_other_directory_is_taken(value: str, directory: str) -> None:
    """By one spelling, so that it makes one release."""
    assert Settings(dvc_remote=value).dvc_directory == directory


def rendered(settings: Settings) -> dict[str, str]:
    """Return each rendered file, by its path."""
    files = render(settings, Placement(1234, "python:3.13", "postgres:13", 4096), "image:i-1")
    return {file.path: file.content.decode() for file in files}


def test_tasks_alone_get_what_dvc_needs() -> None:
    """The scheduler's container, in which they run, has the credentials or the directory; no other has."""
    bucket = yaml.safe_load(rendered(BUCKET)["airflow/docker-compose.yaml"])
    directory = yaml.safe_load(rendered(DIRECTORY)["airflow/docker-compose.yaml"])
    having = {
        name for name, service in bucket["services"].items() if remote.SECRET in service.get("secrets", ())
    }
    assert having == {"airflow-scheduler"}
    scheduler = bucket["services"]["airflow-scheduler"]
    others = set(bucket["services"]["airflow-dag-processor"]["secrets"])
    assert set(scheduler["secrets"]) == others | {remote.SECRET}
    assert scheduler["environment"]["AWS_SHARED_CREDENTIALS_FILE"] == f"/run/secrets/{remote.SECRET}"
    mounting = {
        name
        for name, service in directory["services"].items()
        if "/srv/dvc:/srv/dvc" in service.get("volumes", ())
    }
    assert mounting == {"airflow-scheduler"}
    for text in (rendered(DIRECTORY), rendered(Settings())):
        assert remote.SECRET not in "".join(text.values())


def test_the_working_tree_has_the_data_of_the_stack() -> None:
    """As directories of their own, because DVC follows no links."""
    volumes = yaml.safe_load(rendered(Settings())["airflow/docker-compose.yaml"])["services"][
        "airflow-scheduler"
    ]["volumes"]
    for name in ("data", "models"):
        assert f"/var/lib/flights-mlops/{name}:/var/lib/flights-mlops/workspace/{name}" in volumes


def test_dvc_is_told_of_the_remote() -> None:
    """In its own configuration, without a remote as well: there, no git has to be found."""
    assert (
        "url = s3://flights/dvc\n    endpointurl = https://s3.example.com:9000\n"
        in rendered(BUCKET)["airflow/dvc.config"]
    )
    assert "url = /srv/dvc\n" in rendered(DIRECTORY)["airflow/dvc.config"]
    alone = rendered(Settings())["airflow/dvc.config"]
    assert "no_scm = true" in alone
    assert "remote" not in alone
