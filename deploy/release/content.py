"""What a release is: which files, which id, which image tag. Pure; nothing here knows of a host."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Two characters more than hexadecimal digits, because pyinfra's command line reads 123e4567 as a number.
ID_DIGITS = 12
# What a release's id looks like, as a pattern.
NAME = f"r-[0-9a-f]{{{ID_DIGITS}}}"


@dataclass(frozen=True, order=True)
class File:
    """One file of a release: its path below the release's root, its content, and how it is kept."""

    path: str
    content: bytes
    executable: bool = False
    is_link: bool = False
    """Whether ``content`` is the target of a symbolic link."""


def tracked_files(root: Path, *paths: str) -> tuple[File, ...]:
    """Return the files of ``paths`` below ``root`` that git tracks, as they are in the working tree.

    Those of submodules are among them. Uncommitted edits are included, deleted files are not.
    Raises ``ValueError`` with a sentence where ``root`` is not a git checkout.
    """
    if shutil.which("git") is None:
        raise ValueError("git, which tells what belongs to the project, is not installed here; install it.")
    listed = subprocess.run(  # noqa: S603 - a fixed command
        ["git", "-C", str(root), "ls-files", "-z", "--recurse-submodules", "--", *paths],  # noqa: S607 - the user's git
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        reason = listed.stderr.decode().strip().splitlines()
        raise ValueError(
            f"git cannot read {root} ({reason[0] if reason else 'it gave no reason'}); deploy from a git checkout."
        )
    # A set, because git lists a file in conflict once for each side.
    names = sorted({name for name in listed.stdout.decode().split("\0") if name})
    return tuple(_read(root, name) for name in names if os.path.lexists(root / name))


def _read(root: Path, name: str) -> File:
    path = root / name
    if path.is_symlink():
        return File(name, os.fsencode(path.readlink()), is_link=True)
    if path.is_dir():
        raise ValueError(f"{path}, a submodule, is not checked out; git submodule update --init brings its files.")
    return read(root, name, name)


def read(root: Path, source: str, name: str) -> File:
    """Return the file ``source`` below ``root``, as ``name`` in the release.

    Raises ``ValueError`` with a sentence where it cannot be read.
    """
    path = root / source
    try:
        return File(name, path.read_bytes(), executable=path.stat().st_mode & 0o100 != 0)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); restore it with git checkout.") from error


def missing(files: Iterable[File], required: Iterable[str]) -> list[str]:
    """Return those of the ``required`` paths that none of ``files`` is or lies below."""
    tops = {file.path.split("/", 1)[0] for file in files}
    return [path for path in required if path not in tops]


def digest(files: Iterable[File]) -> str:
    """Return a hash of the files' paths, kinds and content: ``ID_DIGITS`` hexadecimal digits.

    It is the SHA-256 of a listing that any shell can make of a directory, as ``releases.sh`` does: so a host
    can tell whether a release is still what its name says.
    """
    ordered = sorted(files, key=lambda file: os.fsencode(file.path))
    regular = [file for file in ordered if not file.is_link]
    hashes = [f"{hashlib.sha256(file.content).hexdigest()}  {file.path}" for file in regular]
    executable = [file.path for file in regular if file.executable]
    links = [f"{file.path} {os.fsdecode(file.content)}" for file in ordered if file.is_link]
    links.sort(key=os.fsencode)  # by the whole line, as a shell has it
    listing = "".join(f"{line}\0" for part in (hashes, executable, links) for line in (*part, ""))
    return hashlib.sha256(os.fsencode(listing)).hexdigest()[:ID_DIGITS]


def identity(files: Iterable[File]) -> str:
    """Return the id of the release made of ``files``: the same files, the same id."""
    return f"r-{digest(files)}"


def image_tag(files: Iterable[File], python_image: str) -> str:
    """Return the tag of the image that is built from ``files`` and the base image of that name."""
    return f"i-{digest([*files, File('FROM', python_image.encode())])}"


def pulled_tag(reference: str) -> str:
    """Return the tag, on a host, of the image of a registry that is named by its digest."""
    return f"i-{reference.rpartition('@sha256:')[2][:ID_DIGITS]}"


def archive(files: Iterable[File]) -> bytes:
    """Return the files as a gzipped tar; the same files give the same bytes, on any machine."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for file in sorted(files):
            member = tarfile.TarInfo(file.path)
            if file.is_link:
                member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(file.content)
                tar.addfile(member)
            else:
                member.size, member.mode = len(file.content), 0o755 if file.executable else 0o644
                tar.addfile(member, io.BytesIO(file.content))
    return packed.getvalue()
