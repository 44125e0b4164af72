"""The images that the stack is built from: from the registry, or from Debian's packages on the host."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy.base_images.facts import RECIPES, Images, Recipe, chosen, first, needed
from deploy.core import hosts
from deploy.core.facts import ask
from deploy.core.run import Run
from deploy.core.step import deploy, operation
from deploy.core.template import text
from deploy.docker import local
from deploy.docker.ship import Ship
from deploy.settings import Settings


@deploy("Base images")
def ensure() -> None:
    """Provide the images of PostgreSQL, of Caddy with a domain, and of Python if the Airflow image is built."""
    settings = hosts.settings()
    for image in host.loop(needed(settings)):  # type: ignore[no-untyped-call] # pyinfra has no types here
        _ensure(name=f"Provide {image}", image=image, settings=settings)


@operation()
def _ensure(*, image: str, settings: Settings) -> Generator[Run]:
    """Ship an image, pull it or build it from Debian's packages, unless the host has it."""
    found = ask(Images)
    if (name := chosen(image, settings, found)) in found.images:
        host.noop(f"{name} is on the host")
        return
    yield provision(image, settings)


def provision(image: str, settings: Settings) -> Run:
    """Return what brings an image to the host, or a newer one if it has one.

    Raises ``DeployError`` where it cannot come from where the settings say.
    """
    found, recipe = ask(Images), RECIPES.get(image)
    name = chosen(image, settings, found)
    there = name if name in found.images else ""
    if not there and local.source(settings) == "ship" and name in local.images():
        return Ship(name, lambda _: name)
    if settings.base_images == "debian" and recipe is None:
        raise DeployError(
            f"{host.name}: {image} cannot be built from Debian's packages, only {', '.join(RECIPES)} can; "
            "change the setting base_images or the image."
        )
    made = recipe or Recipe("", "", "")
    source = settings.base_images if recipe else "registry"
    if first(name) == made.name:
        source = "debian"
    elif there:
        source = "registry"
    entrypoint = text("base_images/docker-entrypoint.sh") if made.entrypoint else ""
    return Run(
        "base_images/ensure",
        source=source,
        image=image,
        name=first(name) if there else name,
        built=made.name,
        there=there,
        suite=made.suite,
        packages=made.packages,
        hooks=made.hooks,
        changes=made.changes,
        runtime=made.runtime,
        lock_timeout=settings.apt_lock_timeout,
        # A password may stand in the mirror's address.
        stdin=f"{settings.debian_mirror or ''}\n{entrypoint}",
    )
