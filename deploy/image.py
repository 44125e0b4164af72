"""The image of the Airflow services, built on the host."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host

from deploy import configuration, package_index, project
from deploy.machine import look
from deploy.script import Run
from deploy.settings import Settings, current
from deploy.step import deploy, operation

# Of the file that says which Python index to ask, where a password may stand.
INDEX_MODE = "600"


@deploy("Image")
def build() -> None:
    """Have the image that the release runs on, built beside whatever runs."""
    make(name="Build the Airflow image", settings=current())


@deploy("Old images")
def prune() -> None:
    """Remove the Airflow images that no release on the host runs on."""
    remove(name="Remove Airflow images that no release runs on")


@operation()
def make(*, settings: Settings) -> Generator[Run]:
    """Build the image unless the host has one of that content."""
    machine, new = look(), project.wanted()
    found = machine.images.get(new.image)
    if found and machine["index"] == INDEX_MODE:
        host.noop(f"{new.image} is on the host")
        return
    # As set; else as pip is told on the host, which the script asks; else as pip is told here.
    indexes = f"{settings.python_index_url or ''}\n{package_index.of_this_machine()}\n"
    yield Run("image", new.id, new.image, "present" if found else "missing", text=indexes)


@operation()
def remove() -> Generator[Run]:
    """Remove the images that were built for releases which are gone."""
    machine = look()
    built = [name for name in machine.images if name.startswith(f"{configuration.IMAGE}:i-")]
    if unused := sorted(set(built) - set(machine.releases.values())):
        yield Run("prune_images", *unused)
    else:
        host.noop("every Airflow image is one that a release runs on")
