"""The archive of an image that is here, without the layers that an engine elsewhere has."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import IO

from deploy.docker import local

# zstd takes a fifth of gzip's time, and not every host has it.
PACKERS = {"gzip": ["gzip", "--fast"], "zstd": ["zstd", "--quiet", "-3", "-T0"]}
ONCE = Lock()


def common(wanted: list[str], images: Iterable[list[str]]) -> int:
    """Return how many of the lowest layers of ``wanted`` are those of one of the images.

    An engine keeps a layer as what it is on top of those below it: the same one elsewhere is another.
    """
    most = 0
    for image in images:
        same = 0
        while same < min(len(wanted), len(image)) and wanted[same] == image[same]:
            same += 1
        most = max(most, same)
    return most


def without(archive: IO[bytes], digests: set[str], to: IO[bytes]) -> None:
    """Copy what ``docker save`` writes, without the layers of these digests.

    Only engines from 25 on name a layer's file by its digest; of others all is copied.
    """
    unwanted = {f"blobs/{digest.replace(':', '/')}" for digest in digests}
    with tarfile.open(fileobj=archive, mode="r|") as source, tarfile.open(fileobj=to, mode="w|") as copy:
        for member in source:
            if member.name not in unwanted:
                copy.addfile(member, source.extractfile(member) if member.isreg() else None)


@cache
def directory() -> TemporaryDirectory[str]:
    """Return where the archives of this run are, which are removed at its end."""
    return TemporaryDirectory(prefix="flights-mlops-")


def pack(image: str, known: int, packer: str) -> Path:
    """Return a file with the archive of an image that is here, without its ``known`` lowest layers.

    Made once a run, whichever hosts it is for. Raises ``ValueError``, one sentence, where that fails.
    """
    digests: list[str] = json.loads(local.layers(image))
    file = Path(directory().name) / f"{image.replace(':', '-')}.{known}.{packer}"
    with ONCE:
        if file.exists():
            return file
        partial = file.with_suffix(".partial")
        with (
            partial.open("wb") as packed,
            subprocess.Popen(PACKERS[packer], stdin=subprocess.PIPE, stdout=packed) as packing,  # noqa: S603 - fixed
            subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,  # noqa: S603, S607 - fixed
        ):
            try:
                if saving.stdout and packing.stdin:
                    without(saving.stdout, set(digests[:known]) - set(digests[known:]), packing.stdin)
                    packing.stdin.close()
            except (OSError, tarfile.TarError) as error:
                saving.kill()
                raise ValueError(
                    f"{image} could not be packed on this machine ({error}); make room in {file.parent}."
                ) from error
        if saving.returncode or packing.returncode:
            raise ValueError(f"{image} could not be packed on this machine; make room in {file.parent}.")
        partial.rename(file)
    return file
