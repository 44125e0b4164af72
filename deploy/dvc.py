"""The DVC remote of the tasks where it is a directory on the host. Credentials for a bucket are one of the secrets."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import QuoteString, StringCommand
from typing_extensions import override

from deploy import service_user
from deploy.core import hosts
from deploy.core.facts import Fact, ask, look, pairs
from deploy.core.step import deploy, operation
from deploy.settings import Settings


@dataclass(frozen=True)
class Found:
    """What is at the place of the directory."""

    obstacle: str = ""
    """The path at which something else is, at the place itself or above it."""
    exists: bool = False
    is_writable: bool = False
    """Whether tasks can write to it."""


class Remote(Fact[Found]):
    """A directory that tasks, which run as the user id ``uid`` and the group root, are to write to."""

    def command(self, directory: str, uid: int) -> StringCommand:
        """Return the command, which only reads."""
        return look("dvc", directory=directory, uid=uid)

    @override
    def read(self, lines: list[str]) -> Found:
        found = pairs(lines, obstacle="/.*", directory="writable|closed")
        return Found(found.get("obstacle", ""), "directory" in found, found.get("directory") == "writable")


@deploy("DVC remote")
def ensure() -> None:
    """Create the directory of ``dvc_remote``, writable for tasks, where it is one on the host."""
    _ensure(name="Create the directory of the DVC remote", settings=hosts.settings(), _sudo=hosts.needs_sudo(host))


def problems() -> list[str]:
    """Return why tasks could not use the directory, and settings that contradict each other."""
    settings, _ = hosts.settings_and_problems()
    if settings.dvc_directory:
        uid = service_user.uid()
        return [*endpoint_problems(settings), *problems_of(_found(settings), settings, uid)]
    return endpoint_problems(settings)


def endpoint_problems(settings: Settings) -> list[str]:
    """Return a sentence where there is an endpoint and no bucket."""
    if not settings.dvc_endpoint or settings.dvc_bucket:
        return []
    return ['setting "dvc_endpoint" requires a dvc_remote that is s3://bucket/path.']


def problems_of(found: Found, settings: Settings, uid: int) -> list[str]:
    """Return why tasks could not use the directory."""
    directory = settings.dvc_directory
    if found.obstacle:
        return [f"{found.obstacle} is not a directory, as dvc_remote {directory} needs; move it, or name another."]
    if found.exists and not found.is_writable:
        problem = (
            f"tasks, which run as the user id {uid} and the group root, cannot write to the directory {directory} of "
            f"dvc_remote; chown it to {uid} with a mode such as 0750, or name another."
        )
        return [problem]
    return []


def _found(settings: Settings) -> Found:
    return ask(Remote, directory=settings.dvc_directory, uid=service_user.uid())


@operation()
def _ensure(*, settings: Settings) -> Generator[StringCommand]:
    """Create the directory unless it is there; one that is stays whose it is."""
    if not settings.dvc_directory:
        host.noop("no directory configured")
    elif _found(settings).exists:
        host.noop("already exists")
    else:
        owner = ("-o", str(service_user.uid()), "-g", "root")
        yield StringCommand("install", "-d", "-m", "0750", *owner, QuoteString(settings.dvc_directory))
