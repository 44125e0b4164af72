"""The image of the Airflow services: built on the host, built here and shipped, or pulled from a registry."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

from pyinfra import host

from deploy import base_image, configuration, egress, local_engine, package_index, project
from deploy.inventory import current
from deploy.machine import look
from deploy.script import Run
from deploy.settings import Settings
from deploy.shipment import Ship
from deploy.step import deploy, operation

# Of the file that says which Python index to ask, where a password may stand.
INDEX_MODE = "600"


@deploy("Image")
def build() -> None:
    """Have the image that the release runs on, beside whatever runs: built, shipped or pulled."""
    provide(name="Provide the Airflow image", settings=current())


@deploy("Old images")
def prune() -> None:
    """Remove the Airflow images that no release on the host runs on."""
    remove(name="Remove Airflow images that no release runs on")


@operation()
def provide(*, settings: Settings) -> Generator[Run]:
    """Build, ship or pull the image unless the host has one of that content."""
    machine, new = look(), project.wanted()
    source = local_engine.source(settings)
    found = new.image in machine.images
    if found and (source != "build" or machine["index"] == INDEX_MODE):
        host.noop(f"{new.image} is on the host")
    elif source == "registry":
        yield Run("pull_image", settings.airflow_image or "", new.image, machine["architecture"])
    elif source == "ship":
        python_image = base_image.chosen(settings.python_image, settings, machine)
        yield Ship(new.image, partial(local_engine.build, new, python_image, settings))
    else:
        # As set; else as pip is told on the host, which the script asks; else as pip is told here.
        indexes = (settings.python_index_url or "", package_index.of_this_machine())
        proxy = egress.proxy_variables(settings.proxy) if settings.proxy else ""
        text = "".join(f"{line}\n" for line in indexes) + proxy
        yield Run("image", new.id, new.image, "present" if found else "missing", text=text)


@operation()
def remove() -> Generator[Run]:
    """Remove the images that were built for releases which are gone."""
    machine = look()
    built = [name for name in machine.images if name.startswith(f"{configuration.IMAGE}:i-")]
    if unused := sorted(set(built) - set(machine.releases.values())):
        yield Run("prune_images", *unused)
    else:
        host.noop("every Airflow image is one that a release runs on")
