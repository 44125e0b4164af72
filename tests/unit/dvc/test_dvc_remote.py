"""What tasks need for DVC: a directory that they can write to, or a bucket; no credential is ever repeated."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import dvc
from deploy.core.hosts import load
from deploy.credentials.facts import Secrets
from deploy.dvc import Found, Remote
from deploy.release.rendering import Placement, render
from deploy.settings import Settings

See = Callable[..., Any]
BUCKET = Settings(dvc_remote="s3://flights/dvc", dvc_endpoint="https://s3.example.com:9000")
DIRECTORY = Settings(dvc_remote="/srv/dvc")
KEY, CANARY = "AKIAEXAMPLE", "s3cr3t/canary+value"
SECRET = "aws_credentials"  # noqa: S105 - its name
UID = 1234


def test_a_directory_that_tasks_cannot_write_to_is_a_problem() -> None:
    """The sentence names the directory, who tasks are, and the way out; one that is not there yet is created."""
    (problem,) = dvc.problems_of(Found(exists=True), DIRECTORY, UID)
    assert problem == (
        "tasks, which run as the user id 1234 and the group root, cannot write to the directory /srv/dvc "
        "of dvc_remote; chown it to 1234 with a mode such as 0750, or name another."
    )
    assert dvc.problems_of(Found(exists=True, is_writable=True), DIRECTORY, UID) == []
    assert dvc.problems_of(Found(), DIRECTORY, UID) == []


def test_what_is_in_the_directorys_place_is_a_problem() -> None:
    """A file is left to whoever it belongs to."""
    assert dvc.problems_of(Found("/srv/dvc"), DIRECTORY, UID) == [
        "/srv/dvc is not a directory, as dvc_remote /srv/dvc needs; move it, or name another."
    ]


def test_an_endpoint_is_for_a_bucket() -> None:
    """With a directory, or alone, it is a problem."""
    alone = Settings(dvc_endpoint="https://s3.example.com")
    assert dvc.endpoint_problems(alone) != []
    assert dvc.endpoint_problems(alone.model_copy(update={"dvc_remote": "/srv/dvc"})) != []
    assert dvc.endpoint_problems(BUCKET) == []
    assert dvc.endpoint_problems(Settings()) == []


def test_a_directory_that_is_not_there_is_no_obstacle(see: See, machine: Path) -> None:
    """It is created, with those above it."""
    assert see(Remote, directory="/var/remote/dvc", uid=UID) == Found()
    (machine / "var/remote").mkdir()
    assert see(Remote, directory="/var/remote/dvc", uid=UID) == Found()


@pytest.mark.parametrize(
    ("kept", "is_writable"),
    [
        ((UID, 0, 0o750), True),
        ((0, 0, 0o770), True),
        ((0, 0, 0o1777), True),
        ((0, 0, 0o755), False),
        ((UID, 0, 0o550), False),
        ((0, UID, 0o770), False),
    ],
)
def test_whether_tasks_can_write_is_seen(
    see: See, machine: Path, kept: tuple[int, int, int], *, is_writable: bool
) -> None:
    """As the user id that they have or will have, for which no name is known, in the group root alone."""
    owner, group, mode = kept
    (machine / "var/remote/dvc").mkdir(parents=True)
    os.chown(machine / "var/remote/dvc", owner, group)
    (machine / "var/remote/dvc").chmod(mode)
    (machine / "var/remote").chmod(0o700)  # which no task has to pass
    assert see(Remote, directory="/var/remote/dvc", uid=UID) == Found(exists=True, is_writable=is_writable)


def test_a_directory_of_the_user_before_is_handed_over_with_the_rest(see: See, machine: Path) -> None:
    """The user id of the current release is in its .env; a directory of any other user is closed."""
    (machine / "var/remote").mkdir()
    (machine / "var/remote").chmod(0o750)
    os.chown(machine / "var/remote", 4321, 0)
    assert not see(Remote, directory="/var/remote", uid=UID).is_writable
    (machine / "opt/flights-mlops/airflow").mkdir(parents=True)
    (machine / "opt/flights-mlops/airflow/.env").write_text("AIRFLOW_UID='4321'\n")
    assert see(Remote, directory="/var/remote", uid=UID).is_writable


@pytest.mark.parametrize("directory", ["/var/remote", "/var/remote/dvc/flights"])
@pytest.mark.parametrize("link", [False, True], ids=["file", "dangling link"])
def test_what_is_in_the_way_is_seen(see: See, machine: Path, directory: str, *, link: bool) -> None:
    """At the place itself or above it: no directory can be made there."""
    if link:
        (machine / "var/remote").symlink_to("/var/nowhere")
    else:
        (machine / "var/remote").write_text("somebody's")
    assert see(Remote, directory=directory, uid=UID) == Found("/var/remote")


@pytest.mark.parametrize(
    "value",
    [
        *("/", "gs://bucket", "dvc", "srv/dvc", "", "s3://", "s3:/bucket", "s3://a b", "s3://bucket/#part"),
        *("/srv/dvc:/etc", "/srv/$HOME", "/srv/dvc\n", "s3://bucket:9000/p"),
    ],
)
def test_another_kind_of_remote_is_refused(value: str) -> None:
    """What could mean something else to compose or to DVC's configuration as well."""
    _, (problem,) = load({"dvc_remote": value}, where="vm1")
    assert problem == (
        'vm1: setting "dvc_remote" should be s3://bucket/path, with no credentials in it, '
        "or the absolute path of a directory."
    )


@pytest.mark.parametrize(
    "data",
    [
        {"dvc_remote": f"s3://{KEY}:{CANARY}@bucket/p"},
        {"dvc_remote": f"s3://{KEY}@bucket/p"},
        {"dvc_remote": BUCKET.dvc_remote, "dvc_endpoint": f"https://{KEY}:{CANARY}@s3.example.com"},
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(data: dict[str, str]) -> None:
    """A release, and DVC's configuration in it, is for all to read."""
    _, (problem,) = load(data, where="vm1")
    assert KEY not in problem
    assert CANARY not in problem


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        *((f"/{name}/dvc", f"/{name}") for name in ("app", "bin", "boot", "dev", "etc", "lib", "lib64")),
        *((f"/{name}/dvc", f"/{name}") for name in ("opt", "proc", "root", "run", "sbin", "sys", "tmp", "usr")),
        ("/opt/flights-mlops/releases", "/opt"),
        ("//etc//dvc/", "/etc"),
        ("/./etc/dvc", "/etc"),
        ("/home/jo/dvc", "/home"),
        ("/var/lib", "/var/lib/containerd"),
        ("/var/lib/docker/volumes", "/var/lib/docker"),
        ("/var/lib/flights-mlops", "/var/lib/flights-mlops"),
    ],
)
def test_a_directory_of_the_system_or_the_stack_is_refused(value: str, taken: str) -> None:
    """Tasks could write there, or what is there would be in their way."""
    _, (problem,) = load({"dvc_remote": value}, where="vm1")
    assert problem == (
        f'vm1: setting "dvc_remote" should be a directory apart from {taken}, which is not for tasks to write to.'
    )


@pytest.mark.parametrize("value", ["/etc", "/dvc", "/srv/", "/srv/../etc/dvc", "/srv/.."])
def test_a_directory_is_below_another(value: str) -> None:
    """What is directly below / is the system's, or was meant to be another."""
    _, (problem,) = load({"dvc_remote": value}, where="vm1")
    assert problem == ('vm1: setting "dvc_remote" should be a directory two or more levels below /, such as /srv/dvc.')


@pytest.mark.parametrize(
    ("value", "directory"),
    [
        ("/srv/dvc", "/srv/dvc"),
        ("/srv//dvc/", "/srv/dvc"),
        ("/mnt/disk/dvc@2", "/mnt/disk/dvc@2"),
        ("/var/lib/dvc", "/var/lib/dvc"),
        ("/var/lib/docker-dvc", "/var/lib/docker-dvc"),
        ("/library/dvc", "/library/dvc"),
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
    having = {name for name, service in bucket["services"].items() if SECRET in service.get("secrets", ())}
    assert having == {"airflow-scheduler"}
    scheduler = bucket["services"]["airflow-scheduler"]
    others = set(bucket["services"]["airflow-dag-processor"]["secrets"])
    assert set(scheduler["secrets"]) == others | {SECRET}
    assert scheduler["environment"]["AWS_SHARED_CREDENTIALS_FILE"] == f"/run/secrets/{SECRET}"
    mounting = {
        name for name, service in directory["services"].items() if "/srv/dvc:/srv/dvc" in service.get("volumes", ())
    }
    assert mounting == {"airflow-scheduler"}
    for text in (rendered(DIRECTORY), rendered(Settings())):
        assert SECRET not in "".join(text.values())


def test_the_working_tree_has_the_data_of_the_stack() -> None:
    """As directories of their own, because DVC follows no links."""
    volumes = yaml.safe_load(rendered(Settings())["airflow/docker-compose.yaml"])["services"]["airflow-scheduler"][
        "volumes"
    ]
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


def test_a_release_that_names_a_bucket_keeps_its_credentials(see: See, machine: Path) -> None:
    """As its compose file says it, which is how the fact knows it."""
    for number, settings in enumerate((DIRECTORY, Settings(), BUCKET), start=1):
        airflow = machine / f"opt/flights-mlops/releases/r-{number:012}/airflow"
        airflow.mkdir(parents=True)
        (airflow / "docker-compose.yaml").write_text(rendered(settings)["airflow/docker-compose.yaml"])
        assert (SECRET in see(Secrets).in_releases) is settings.dvc_bucket
        assert "jwt_secret" in see(Secrets).in_releases
