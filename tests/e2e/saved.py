"""Machines that are kept as they are after their first deploy, for others to begin from."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from .command import run

# Who is not root asks sudo: what Docker keeps is closed to others.
from .localhost import AS_ROOT

DOCKER, CONTAINERD = "/var/lib/docker", "/var/lib/containerd"
# Copies all that is in $1 to $2, but not what is named after them. Docker's layers are the same files in both, which
# takes no room and little time: nothing writes to those of an image, and uv and pip put whole files into their cache.
# A container does write to its own.
COPY = """
from=$1 to=$2
shift 2
cd "$from"
shopt -s nullglob
for name in *; do
  case " $* overlay2 engine-id " in *" $name "*) ;; *) cp --archive --target-directory="$to" -- "$name" ;; esac
done
[ -d overlay2 ] || exit 0
install -d -m 0710 "$to/overlay2"
written=$(for file in image/overlay2/layerdb/mounts/*/mount-id; do printf ' %s ' "$(<"$file")"; done)
for layer in overlay2/*; do
  case $written in *" ${layer#*/} "*) link= ;; *) link=--link ;; esac
  cp --archive --one-file-system $link --target-directory="$to/overlay2" -- "$layer"
done
"""
# What Docker knows of containers and volumes, and not of images and of what builds have kept.
NOT_OF_IMAGES = ("containers", "volumes", "network")
MOUNTED = f"{DOCKER}/image/overlay2/layerdb/mounts"


@dataclass(frozen=True)
class Saved:
    """A machine as it was: an image of its files, and a container, never started, that has its volumes.

    And what its first deploy said.
    """

    image: str
    container: str
    stdout: str
    stderr: str


def volumes(container: str) -> dict[str, str]:
    """Return where the volumes of a container are on this machine, by where it has them."""
    mounts = json.loads(run(["docker", "inspect", "--format", "{{json .Mounts}}", container]).stdout)
    return {mount["Destination"]: mount["Source"] for mount in mounts if mount["Type"] == "volume"}


def copy_volumes(source: str, target: str) -> None:
    """Have in the volumes of one container what is in those of another."""
    there = volumes(target)
    for path, directory in volumes(source).items():
        run([*AS_ROOT, "bash", "-euc", COPY, "copy", directory, there[path]])


def copy_images(source: str, target: str) -> None:
    """Have in one container's Docker the images of another's, and what its builds can go on from."""
    there = volumes(target)[DOCKER]
    run([*AS_ROOT, "bash", "-euc", COPY, "copy", volumes(source)[DOCKER], there, *NOT_OF_IMAGES])
    run([*AS_ROOT, "bash", "-c", 'rm -rf "$1"/*', "clear", MOUNTED.replace(DOCKER, there)])


class Shelf:
    """Where the processes of one run of the tests find what any of them has saved."""

    def __init__(self, directory: Path) -> None:
        """Share a directory with the others."""
        self.directory = directory

    @contextmanager
    def alone_with(self, name: str) -> Iterator[None]:
        """Have all others wait who want the machine of this name, as long as the block lasts."""
        with (self.directory / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def find(self, name: str) -> Saved | None:
        """Return the machine that was saved under this name, if there is one yet."""
        path = self.directory / f"{name}.json"
        return Saved(**json.loads(path.read_text())) if path.exists() else None

    def put(self, name: str, saved: Saved) -> None:
        """Let the others find it, whole."""
        unfinished = self.directory / f"{name}.new"
        unfinished.write_text(json.dumps(asdict(saved)))
        unfinished.rename(self.directory / f"{name}.json")
