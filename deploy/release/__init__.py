"""The project on the host, as releases: uploaded beside the running one, and removed when they are old."""

from __future__ import annotations

import base64
from collections.abc import Generator
from dataclasses import replace
from typing import cast

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy import service_user, system
from deploy.base_images.facts import Images, chosen, is_decided
from deploy.core import batch, hosts, paths
from deploy.core.facts import ask
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.release import content, rendering
from deploy.release.facts import Found, OnHost, Releases
from deploy.release.rendering import Placement, Release
from deploy.settings import Settings

KEY = "flights_mlops_wanted"


@deploy("Release")
def upload() -> None:
    """Upload the release. What runs is not touched."""
    _upload(name="Upload the release")


@deploy("Release")
def prune() -> None:
    """Remove the oldest releases beyond ``keep_releases``, except those that are still needed.

    Needed are the current one, the one before it, and those on which a run has begun and not ended.
    """
    _prune(name="Remove old releases", keep=hosts.settings().keep_releases, _sudo=hosts.needs_sudo(host))


def wanted() -> Release:
    """Return the release that the host in context should run; put together once a run.

    It is put together again where a base image came from another place than expected, which is known once the
    host has it; see ``is_final``. Raises ``DeployError``.
    """
    try:
        return _built(hosts.settings())
    except ValueError as error:
        raise DeployError("\n".join(f"{host.name}: {line}" for line in str(error).splitlines())) from error


def _built(settings: Settings) -> Release:
    placement = _placement(settings)
    kept = cast("tuple[Placement, Release] | None", host.connector_data.get(KEY))
    if kept is None or kept[0] != placement:
        kept = host.connector_data[KEY] = placement, rendering.build(settings, placement)
    return kept[1]


def is_final() -> bool:
    """Whether ``wanted`` is certainly what a deploy would come to: all its base images are decided."""
    settings, images = hosts.settings(), ask(Images)
    names = [settings.python_image, settings.postgres_image, *([settings.caddy_image] if settings.domain else [])]
    return all(is_decided(name, settings, images) for name in names)


def _placement(settings: Settings) -> Placement:
    batch.gather(lambda: ask(Images), service_user.uid, lambda: ask(system.System))
    images = ask(Images)
    return Placement(
        service_user.uid(),
        chosen(settings.python_image, settings, images),
        chosen(settings.postgres_image, settings, images),
        ask(system.System).memory_kib // 1024 // 512 * 512,
        chosen(settings.caddy_image, settings, images) if settings.domain else "",
    )


def on_host() -> Found:
    """Return the releases of the host in context."""
    hosts.settings()
    return on_host_as_set()


def on_host_as_set() -> Found:
    """Return the releases of the host in context, also where other settings are invalid."""
    settings, _ = hosts.settings_and_problems()
    return ask(Releases, keep=settings.keep_releases)


def problems() -> list[str]:
    """Return what is wrong with the project or the templates, a sentence each."""
    settings, _ = hosts.settings_and_problems()
    # What the database says of releases is refused here as well, with nothing changed.
    batch.gather(on_host_as_set, lambda: _placement(settings))
    on_host_as_set()
    try:
        _built(settings)
    except ValueError as error:
        return str(error).splitlines()
    return []


def problems_anywhere() -> list[str]:
    """Return what is wrong with the project or the templates, whatever the host."""
    settings, _ = hosts.settings_and_problems()
    images = settings.python_image, settings.postgres_image
    try:
        rendering.build(settings, Placement(1000, *images, 4096, settings.caddy_image if settings.domain else ""))
    except ValueError as error:
        return str(error).splitlines()
    return []


@operation()
def _upload() -> Generator[Run]:
    """Send the release as one archive, check its compose file, and only then give it its name."""
    new, found = wanted(), on_host()
    if new.id in found.releases and not found.releases[new.id].is_changed:
        host.noop(f"{new.id} is on the host")
        return
    # Packed only where it is sent: an operation is tried first, and a project may be large.
    is_sent = host.state.is_executing and not batch.is_trial()
    packed = base64.encodebytes(content.archive(new.files)).decode() if is_sent else ""
    yield Run("release/upload", release=new.id, stdin=packed)


@operation()
def _prune(*, keep: int) -> Generator[StringCommand]:
    """Remove the oldest of the releases that nobody needs."""
    found = on_host()
    if not host.state.is_executing:
        new = wanted()
        releases = found.releases | {new.id: OnHost((new.image,))}
        found = replace(found, current=new.id, releases=releases)
    old = found.removable(keep)
    if not old:
        host.noop(f"{len(found.releases)} releases, at least {keep} are kept")
        return
    if host.state.is_executing:
        host.log(f"Removing {', '.join(old)}")
    for name in old:
        path, partial = (f"{paths.PROJECT}/releases/{kind}{name}" for kind in ("", ".partial-"))
        # Without its name first, so that no part of a release is ever taken for a whole one.
        yield StringCommand("mv", "--no-target-directory", path, partial)
        yield StringCommand("rm", "--recursive", "--force", partial)
