"""Docker on the control node, where an image is built that is shipped to a host."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from pyinfra import host
from pyinfra.connectors.local import LocalConnector

from deploy.settings import Settings

OTHERWISE = "or set image_source to build or registry"


def docker(*arguments: str) -> str:
    """Return what docker prints on the control node. Raises ``ValueError``, one sentence, where that fails."""
    if shutil.which("docker") is None:
        raise ValueError(
            "image_source=ship builds on the control node, where Docker is not installed; "
            f"install it (pyinfra @local deploy.docker.install), {OTHERWISE}."
        )
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - the user's docker
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise ValueError(
            f"image_source=ship builds on the control node, where Docker fails ({reason}); fix it there, {OTHERWISE}."
        )
    return done.stdout.strip()


@cache
def architecture() -> str:
    """Return what the engine here builds for, as Debian calls it; see ``docker``."""
    docker("buildx", "version")
    return docker("version", "--format", "{{.Server.Arch}}")


@cache
def images() -> frozenset[str]:
    """Return the names of the images that were here when this was first asked, none without an engine."""
    try:
        return frozenset(docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())
    except ValueError:
        return frozenset()


def source(settings: Settings) -> str:
    """Return where the image of the host in context comes from. The control node sends itself nothing."""
    if settings.image_source == "ship" and isinstance(host.connector, LocalConnector):
        return "build"
    return settings.image_source


def layers(image: str) -> str:
    """Return the layers of an image that is here, as a JSON list; see ``docker``."""
    return docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image)


def problem(target: str) -> str:
    """Return why no image can be built here for a host of the architecture ``target``, or nothing."""
    try:
        here = architecture()
    except ValueError as reason:
        return str(reason)
    if here == target:
        return ""
    return (
        f"image_source=ship builds on the control node, for {here}, and the host is {target}; "
        f"deploy from a control node that is {target}, {OTHERWISE}."
    )
