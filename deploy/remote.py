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


def given() -> str:
    """Return the credentials in the environment of whoever deploys, as AWS's own file; else nothing."""
    if not all(os.environ.get(name) for name in REQUIRED):
        return ""
    lines = [f"{name.lower()} = {os.environ[name]}\n" for name in VARIABLES if os.environ.get(name)]
    return "".join(["[default]\n", *lines])


def faults(settings: Settings, machine: Machine) -> list[str]:
    """Return what the bucket lacks, a sentence each, and never what was given."""
    if not settings.dvc_bucket:
        if settings.dvc_endpoint:
            return ['setting "dvc_endpoint" should go with a dvc_remote that is s3://bucket/path.']
        return []
    if any("\n" in os.environ.get(name, "") for name in VARIABLES):
        return ["the credentials for dvc_remote in the environment here have line breaks; export them anew."]
    lacking = [name for name in REQUIRED if not os.environ.get(name)]
    if lacking and (not _kept(machine) or len(lacking) < len(REQUIRED)):
        return [
            f"dvc_remote is a bucket, and the environment here has no {', no '.join(lacking)}; export both."
        ]
    return []


def _kept(machine: Machine) -> Kept | None:
    """Return the credentials that the host has; the file of those that it had is empty."""
    kept = machine.secrets.get(SECRET)
    return kept if kept and kept.size else None


def due(settings: Settings, machine: Machine, found: str) -> list[Run]:
    """Return what has to be done for the tasks to have what they need; ``found`` is what was given here."""
    uid, kept = str(machine.uid), _kept(machine)
    runs = []
    if settings.dvc_directory and not machine["remote.directory"]:
        runs.append(Run("remote", uid, "directory", settings.dvc_directory))
    if kept and not settings.dvc_bucket:
        runs.append(Run("remote", uid, "none"))
    elif settings.dvc_bucket and found and machine["remote.credentials"] != fingerprint(found):
        runs.append(Run("remote", uid, "bucket", text=found))
    elif settings.dvc_bucket and kept and (kept.uid, kept.mode) != (machine.uid, MODE):
        runs.append(Run("remote", uid, "closed"))
    return runs


@operation()
def provide(*, settings: Settings) -> Generator[Run]:
    """Make the directory, or bring the credentials if others are given; remove those that nobody wants."""
    if runs := due(settings, look(), given()):
        yield from runs
    else:
        host.noop(
            "tasks have what they need for DVC" if settings.dvc_remote else "no DVC remote is asked for"
        )
