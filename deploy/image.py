"""The image of the Airflow services, built on the host."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.deploy import deploy

from deploy import configuration, project
from deploy.machine import Machine, look
from deploy.script import Run
from deploy.settings import Settings, current

LATEST = f"{configuration.IMAGE}:latest"


def index_url(settings: Settings, machine: Machine) -> str:
    """Return the Python package index for a build: as set, as pip on the host is told, or as pip here is.

    Empty means pip's own default. An index on this machine's disk or loopback is none for the host.
    """
    here = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = settings.python_index_url or machine["pip.index"] or here.stdout.strip()
    return found if found.startswith(("http://", "https://")) else ""


def index_environment(url: str) -> str:
    """Return what tells pip and uv of the index, as lines of shell."""
    quoted = shlex.quote(url)
    return f"PIP_INDEX_URL={quoted}\nUV_DEFAULT_INDEX={quoted}\n" if url else "# pip's own default\n"


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
    """Build the image unless the host has one of that content; ``latest`` is another name of it."""
    machine, new = look(), project.wanted()
    environment = index_environment(index_url(settings, machine))
    known = hashlib.sha256(environment.encode()).hexdigest() == machine["index.digest"]
    found = machine.images.get(new.image)
    if found and found == machine.images.get(LATEST) and known:
        host.noop(f"{new.image} is on the host, and is {LATEST}")
        return
    yield Run("image", new.id, new.image, LATEST, "present" if found else "missing", text=environment)


@operation()
def remove() -> Generator[Run]:
    """Remove the images that were built for releases which are gone."""
    machine = look()
    built = [name for name in machine.images if name.startswith(f"{configuration.IMAGE}:i-")]
    if unused := sorted(set(built) - set(machine.releases.values())):
        yield Run("prune_images", *unused)
    else:
        host.noop("every Airflow image is one that a release runs on")
