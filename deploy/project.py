"""The project on the host, as releases: uploaded beside the running one, then switched to."""

from __future__ import annotations

import base64
from collections.abc import Generator
from functools import cache

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import DeployError

from deploy import base_image, configuration, release
from deploy.configuration import Placement, Release
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings, current

STATE_DIRECTORIES = ("data", "models", "logs")
STATE_MODE = "755"


def build(settings: Settings, machine: Machine) -> Release:
    """Put together the release for a host as it is. Raises ``ValueError`` with a sentence."""
    placement = Placement(
        machine.uid,
        base_image.chosen(settings.python_image, settings, machine),
        base_image.chosen(settings.postgres_image, settings, machine),
    )
    return _build(settings.model_dump_json(), placement)


@cache
def _build(settings: str, placement: Placement) -> Release:
    # Once a run: a file that is saved in the middle of a deploy belongs to the next one.
    return configuration.build(Settings.model_validate_json(settings), placement)


def wanted() -> Release:
    """Return the release that the host in context should run. Raises ``DeployError``."""
    try:
        return build(current(), look())
    except ValueError as fault:
        raise DeployError(f"{host.name}: {fault}") from fault


@deploy("Project")
def upload() -> None:
    """Have the release, whole, and the directories that runs write to; what runs is not touched."""
    directories(name="Make the directories that runs write to")
    transfer(name="Upload the release")


@deploy("Project")
def activate() -> None:
    """Make the release the current one, at once."""
    switch(name="Switch to the release")


@deploy("Old releases")
def prune() -> None:
    """Remove the oldest releases, never the current one, so that ``keep_releases`` stay."""
    remove(name="Remove old releases", keep=current().keep_releases)


@operation()
def directories() -> Generator[Run]:
    """Make data, models and logs, owned by the stack's user."""
    machine = look()
    kept = [machine.directories.get(name) for name in STATE_DIRECTORIES]
    if all(found and (found.uid, found.mode) == (machine.uid, STATE_MODE) for found in kept):
        host.noop("data, models and logs are there")
        return
    yield Run("directories", str(machine.uid), *STATE_DIRECTORIES)


@operation()
def transfer() -> Generator[Run]:
    """Send the release as one archive, check its compose file, and only then give it its name."""
    new = wanted()
    if new.id in look().releases:
        host.noop(f"{new.id} is on the host")
        return
    yield Run("upload", new.id, text=base64.encodebytes(release.archive(new.files)).decode())


@operation()
def switch() -> Generator[Run]:
    """Point ``current`` at the release."""
    new = wanted()
    if look()["current"] == new.id:
        host.noop(f"{new.id} is the current release")
        return
    yield Run("activate", new.id)


@operation()
def remove(*, keep: int) -> Generator[Run]:
    """Remove all releases but the current one and the newest."""
    machine = look()
    others = [name for name in machine.releases if name != machine["current"]]
    if old := others[: max(0, len(others) - (keep - 1))]:
        yield Run("prune_releases", *old)
    else:
        host.noop(f"{len(machine.releases)} of at most {keep} releases are on the host")
