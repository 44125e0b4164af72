"""The image of the Airflow services: built on the host, built on the control node and shipped, or pulled."""

from __future__ import annotations

import runpy
from collections.abc import Generator
from functools import partial

from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import DeployError

from deploy import base_images, outbound, release, system
from deploy.base_images.facts import Images, chosen, needed, superseded
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.paths import ROOT
from deploy.core.run import Run
from deploy.core.shell import FOREIGN
from deploy.core.step import deploy, operation
from deploy.docker import local
from deploy.docker.ship import Ship
from deploy.images import build_here, python_index
from deploy.images.facts import Index
from deploy.release.rendering import IMAGE
from deploy.settings import Settings


@deploy("Images")
def build() -> None:
    """Provide the image that the release runs on: built, shipped or pulled. What runs is not touched."""
    _build(name="Provide the Airflow image", settings=hosts.settings())


@deploy("Images")
def prune() -> None:
    """Remove the Airflow images and older base images that no release on the host runs on."""
    _prune(name="Remove unused images", _sudo=hosts.needs_sudo(host))


@deploy("Images")
def refresh() -> None:
    """Pull or rebuild the base images, then deploy: the Airflow image is built on them, the services are replaced.

    What runs is only replaced once the new images work. ``deploy.rollback.to`` goes back to the release before,
    on its own images.
    """
    if not release.on_host().current:
        raise DeployError(f"{host.name}: nothing is deployed yet; run pyinfra inventory.py deploy.py first.")
    renew()
    runpy.run_path(str(ROOT / "deploy.py"))


@deploy("Images")
def renew() -> None:
    """Pull or rebuild the base images beside those in use. The next deploy uses them."""
    settings = hosts.settings()
    images = needed(settings)
    if settings.python_image not in images:
        images.insert(0, settings.python_image)
    for each in host.loop(images):  # type: ignore[no-untyped-call] # pyinfra has no types here
        _renew(name=f"Pull or rebuild {each}", image=each, settings=settings)


def problems() -> list[str]:
    """Return why the Airflow image cannot come from where it should.

    The engine of the control node is asked only where the host lacks the image.
    """
    settings, _ = hosts.settings_and_problems()
    if local.source(settings) != "ship":
        return []
    try:
        lacking = release.wanted().image not in ask(Images).images
    except DeployError:  # reported by others
        return []
    problem = local.problem(ask(system.System).architecture) if lacking else ""
    return [problem] if problem else []


@operation()
def _build(*, settings: Settings) -> Generator[Run]:
    """Build, ship or pull the image unless the host has one of that content."""
    images, new, source = ask(Images), release.wanted(), local.source(settings)
    found = new.image in images.images
    if found and (source != "build" or ask(Index).is_closed):
        host.noop(f"{new.image} is on the host")
    elif source == "registry":
        architecture = ask(system.System).architecture
        reference = settings.airflow_image or ""
        yield Run("images/pull", reference=reference, image=new.image, architecture=architecture)
    elif source == "ship":
        python_image = chosen(settings.python_image, settings, images)
        yield Ship(new.image, partial(build_here.build, new, python_image, settings))
    else:
        # As set; else as pip is configured on the host, which the program reads; else as on the control node.
        indexes = (settings.python_index_url or "", python_index.of_control_node())
        proxy = outbound.proxy_variables(settings.proxy) if settings.proxy else ""
        text = "".join(f"{line}\n" for line in indexes) + proxy
        yield Run("images/build", release=new.id, image=new.image, is_there=found, stdin=text)


@operation()
def _renew(*, image: str, settings: Settings) -> Generator[Run]:
    """Provide a newer image than the one on the host, if there is one."""
    if reason := _fixed(image, settings):
        if host.state.is_executing:
            host.log(reason)
        host.noop(reason)
        return
    yield base_images.provision(image, settings)


def _fixed(image: str, settings: Settings) -> str:
    """Return why an image is left as it is, or nothing."""
    source = local.source(settings)
    if image == settings.python_image and source == "registry":
        return "The Airflow image is pinned by its digest: name a newer one with the setting airflow_image"
    if "@" in image:
        return f"{image} is pinned by its digest: name a newer one with its setting"
    name = chosen(image, settings, ask(Images))
    if source == "ship" and (image == settings.python_image or name in local.images()):
        return f"{image} comes from the control node: run pyinfra @local deploy.images.renew there"
    return ""


@operation()
def _prune() -> Generator[StringCommand]:
    """Remove the images that were built for releases which are gone; one that a container uses stays."""
    images, releases = ask(Images).images, release.on_host().releases.values()
    built = {name for name in images if name.startswith(f"{IMAGE}:i-")}
    unused = built - {found.image for found in releases}
    unused |= superseded(images, {name for found in releases for name in found.images})
    if not unused:
        host.noop("every image is used by a release")
    for name in sorted(unused):
        if host.state.is_executing:
            host.log(f"Removing the image {name}")
        yield StringCommand("env", *(f"--unset={one}" for one in FOREIGN), "docker", "image", "rm", name, "||", "true")
