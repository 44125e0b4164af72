"""The images that the stack is built from: from the registry, or from Debian's packages on the host."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api.exceptions import DeployError

from deploy import local_engine
from deploy.configuration import ROOT
from deploy.inventory import current
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings
from deploy.shipment import Ship
from deploy.step import deploy, operation


@dataclass(frozen=True)
class Recipe:
    """How a base image is made of Debian's packages: its name on the host, the suite, what is installed."""

    name: str
    kind: str
    suite: str
    packages: str


# Debian has these versions, and no other: for another one, the registry has to answer.
# A number at the end of a name rises when the image is made in another way.
RECIPES = {
    "python:3.13-slim-trixie": Recipe(
        "flights-mlops-python:3.13-trixie-debian-packages-2",
        "python",
        "trixie",
        "python3.13,python3.13-venv,python3-venv,ca-certificates,libgomp1",
    ),
    "postgres:13": Recipe(
        "flights-mlops-postgres:13-bullseye-debian-packages-2",
        "postgres",
        "bullseye",
        "postgresql-13,ca-certificates",
    ),
    # busybox is for the health check, as the registry's image has it.
    "caddy:2": Recipe(
        "flights-mlops-caddy:2-trixie-debian-packages",
        "caddy",
        "trixie",
        "caddy,ca-certificates,busybox",
    ),
}


def chosen(image: str, settings: Settings, machine: Machine) -> str:
    """Return the name, on the host, of the base image that is called ``image`` in the registry.

    With ``auto``, the one that the current release uses stays chosen: an answer of the registry that
    comes and goes must not rebuild everything, nor put a database under another system's PostgreSQL.
    """
    recipe = RECIPES.get(image)
    if settings.base_images == "registry" or recipe is None:
        return image
    if settings.base_images == "debian":
        return recipe.name
    in_use = {machine[name] for name in ("PYTHON_IMAGE", "POSTGRES_IMAGE", "CADDY_IMAGE")}
    if image in in_use:
        return image
    if _repository(recipe.name) in map(_repository, in_use):
        return recipe.name
    there = machine.images.keys() | (
        local_engine.images() if local_engine.source(settings) == "ship" else set()
    )
    return recipe.name if recipe.name in there and image not in there else image


def _repository(image: str) -> str:
    return image.rpartition(":")[0]


@deploy("Base images")
def ensure() -> None:
    """Have the images of PostgreSQL, of Caddy with a domain, and of Python if Airflow's image is built."""
    settings = current()
    images = [settings.postgres_image]
    if local_engine.source(settings) == "build":
        images.insert(0, settings.python_image)
    if settings.domain:
        images.append(settings.caddy_image)
    for image in host.loop(images):  # type: ignore[no-untyped-call] # pyinfra has no types here
        provide(name=f"Provide {image}", image=image, settings=settings)


@operation()
def provide(*, image: str, settings: Settings) -> Generator[Run]:
    """Ship an image, pull it or build it from Debian's packages, unless the host has it."""
    machine = look()
    name = chosen(image, settings, machine)
    if name in machine.images:
        host.noop(f"{name} is on the host")
        return
    if local_engine.source(settings) == "ship" and name in local_engine.images():
        yield Ship(name, lambda _: name)
        return
    recipe = RECIPES.get(image)
    if settings.base_images == "debian" and recipe is None:
        raise DeployError(
            f"{host.name}: {image} cannot be built from Debian's packages, only {', '.join(RECIPES)} can; "
            "change the setting base_images or the image."
        )
    source = settings.base_images if recipe else "registry"
    made = recipe or Recipe("", "", "", "")
    entrypoint = (ROOT / "files/postgres/docker-entrypoint.sh").read_text() if made.kind == "postgres" else ""
    yield Run(
        "base_image",
        source,
        image,
        made.name,
        made.kind,
        made.suite,
        made.packages,
        text=f"{settings.debian_mirror or ''}\n{entrypoint}",
    )
