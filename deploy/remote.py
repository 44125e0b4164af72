"""The DVC remote of the tasks: a directory of the host, or a bucket and the credentials for it."""

from __future__ import annotations

import os
from collections.abc import Generator

from pyinfra import host

from deploy.credentials import MODE
from deploy.egress import fingerprint
from deploy.inventory import current
from deploy.machine import Kept, Machine, look
from deploy.script import Run
from deploy.settings import Settings
from deploy.step import deploy, operation

# One of the files that compose mounts, as AWS's own tools write it.
SECRET = "aws_credentials"  # noqa: S105 - where it is, not what it is
REQUIRED = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
VARIABLES = (*REQUIRED, "AWS_SESSION_TOKEN")


@deploy("DVC remote")
def ensure() -> None:
    """Have what tasks need for ``dvc_remote``: the directory, or the credentials for the bucket."""
    provide(name="Provide the DVC remote", settings=current())


@deploy("Old credentials")
def prune() -> None:
    """Remove the credentials for a bucket where no release on the host names one."""
    remove(name="Remove credentials that no release uses", settings=current())


def given() -> str:
    """Return the credentials in the environment of whoever deploys, as AWS's own file; else nothing."""
    if not all(os.environ.get(name) for name in REQUIRED):
        return ""
    lines = [f"{name.lower()} = {os.environ[name]}\n" for name in VARIABLES if os.environ.get(name)]
    return "".join(["[default]\n", *lines])


def faults(settings: Settings, machine: Machine) -> list[str]:
    """Return what the bucket or the directory lacks, a sentence each, and never what was given."""
    if settings.dvc_bucket:
        return _bucket_faults(machine)
    found = _directory_faults(settings.dvc_directory, machine)
    if settings.dvc_endpoint:
        found.append('setting "dvc_endpoint" should go with a dvc_remote that is s3://bucket/path.')
    return found


def _directory_faults(directory: str, machine: Machine) -> list[str]:
    if obstacle := machine["remote.obstacle"]:
        return [f"{obstacle} is no directory, which dvc_remote {directory} needs; move it, or name another."]
    if machine["remote.directory"] == "closed":
        uid = machine.uid
        fault = (
            f"tasks, which run as the user id {uid} and the group root, cannot write to the directory "
            f"{directory} of dvc_remote; chown it to {uid} with a mode such as 0750, or name another."
        )
        return [fault]
    return []


def _bucket_faults(machine: Machine) -> list[str]:
    if any("\n" in os.environ.get(name, "") for name in VARIABLES):
        return ["the credentials for dvc_remote in the environment here have line breaks; export them anew."]
    lacking = [name for name in REQUIRED if not os.environ.get(name)]
    if lacking and (not _kept(machine) or len(lacking) < len(REQUIRED)):
        return [
            f"dvc_remote is a bucket, and the environment here has no {', no '.join(lacking)}; export both."
        ]
    return []


def _kept(machine: Machine) -> Kept | None:
    """Return the credentials that the host has; an empty file has none."""
    kept = machine.secrets.get(SECRET)
    return kept if kept and kept.size else None


def due(settings: Settings, machine: Machine, found: str) -> list[Run]:
    """Return what has to be done for the tasks to have what they need; ``found`` is what was given here."""
    uid, kept = str(machine.uid), _kept(machine)
    runs = []
    if settings.dvc_directory and not machine["remote.directory"]:
        runs.append(Run("remote", uid, "directory", settings.dvc_directory))
    if settings.dvc_bucket and found and machine["remote.credentials"] != fingerprint(found):
        runs.append(Run("remote", uid, "bucket", text=found))
    elif kept and (kept.uid, kept.mode) != (machine.uid, MODE):
        runs.append(Run("remote", uid, "closed"))
    return runs


def superfluous(settings: Settings, machine: Machine) -> bool:
    """Whether the host has credentials, and no release that is there or comes would hand them to tasks."""
    return bool(_kept(machine)) and not settings.dvc_bucket and not machine["remote.bucket"]


@operation()
def provide(*, settings: Settings) -> Generator[Run]:
    """Make the directory, or bring the credentials if others are given."""
    if runs := due(settings, look(), given()):
        yield from runs
    else:
        host.noop(
            "tasks have what they need for DVC" if settings.dvc_remote else "no DVC remote is asked for"
        )


@operation()
def remove(*, settings: Settings) -> Generator[Run]:
    """Remove the credentials that no release would use; one that does may be gone back to."""
    machine = look()
    if superfluous(settings, machine):
        yield Run("remote", str(machine.uid), "none")
    else:
        host.noop("a release names the bucket" if _kept(machine) else "there are no credentials for a bucket")
