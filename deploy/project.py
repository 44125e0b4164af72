"""The project on the host, as releases: uploaded beside the running one, then switched to."""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import replace
from functools import cache

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import base_image, configuration, release
from deploy.configuration import Placement, Release
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings, limits
from deploy.step import deploy, operation

STATE_DIRECTORIES = ("data", "models", "logs", "workspace")
# What tasks write and print is theirs: other users of the host have no part in it.
STATE_MODE = "750"
LATEST = f"{configuration.IMAGE}:latest"
# What look.sh says beside the releases that are in use, if the database has answered at all.
ASKED = "asked"


def build(settings: Settings, machine: Machine) -> Release:
    """Put together the release for a host as it is. Raises ``ValueError`` with a sentence."""
    placement = Placement(
        machine.uid,
        base_image.chosen(settings.python_image, settings, machine),
        base_image.chosen(settings.postgres_image, settings, machine),
        machine.number("memory.kib") // 1024 // 512 * 512,
        base_image.chosen(settings.caddy_image, settings, machine) if settings.domain else "",
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
def check() -> None:
    """Import the DAGs of a release that has not run yet: a gate, whose failure stops the deploy here."""
    import_dags(name="Import the DAGs of the release")


@deploy("Project")
def activate() -> None:
    """Make the release the current one, at once."""
    switch(name="Switch to the release")


@deploy("Old releases")
def prune() -> None:
    """Remove the oldest releases, so that ``keep_releases`` stay, and none that somebody still needs.

    Those are the current one, the one before it, and those on which a run has begun and not ended.
    """
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
    machine = look()
    if new.id in machine.releases and new.id not in machine.changed:
        host.noop(f"{new.id} is on the host, and is what its name says")
        return
    yield Run("upload", new.id, text=base64.encodebytes(release.archive(new.files)).decode())


@operation()
def import_dags() -> Generator[Run]:
    """Import every DAG with the release's image. A host where nothing ran yet has nothing to lose by them."""
    machine, new = look(), wanted()
    if machine.started in {"", new.id}:
        host.noop(f"{new.id} is what runs" if machine.started else "nothing has run yet")
        return
    database = machine.found.get("postgres-airflow")
    if database is None or not database.healthy:
        host.noop("the database, which DAGs may ask at their top, is not up, and so nothing else is")
        return
    yield Run("check_dags", new.id, new.image, keeps=True)


@operation()
def switch() -> Generator[Run]:
    """Point ``current`` at the release, and the alias of the image at its image."""
    machine, new = look(), wanted()
    image = machine.images.get(new.image)
    if machine["current"] == new.id and image and image == machine.images.get(LATEST):
        host.noop(f"{new.id} is the current release")
        return
    yield Run("activate", new.id, *limits(current()))


@operation()
def remove(*, keep: int) -> Generator[Run]:
    """Remove the oldest of the releases that nobody needs."""
    machine = look()
    if not host.state.is_executing:
        new = wanted()
        values = {**machine.values, "current": new.id}
        machine = replace(machine, values=values, releases={**machine.releases, new.id: new.image})
    if old := superfluous(machine, keep):
        yield Run("prune_releases", *old)
    else:
        host.noop(f"{len(machine.releases)} releases are on the host, and {keep} or more are to stay")


def superfluous(machine: Machine, keep: int) -> list[str]:
    """Return the releases that may be removed, the oldest first, for ``keep`` to stay; see ``prune``."""
    if ASKED not in machine.unfinished:
        return []
    needed = {machine["current"], machine.started, machine.before, *machine.unfinished}
    others = [name for name in machine.releases if name not in needed]
    return others[: max(0, len(machine.releases) - keep)]
