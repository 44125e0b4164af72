"""Whether a release on a host is still what its name says: one hash, by Python here and by a shell there."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.release.content import File, archive, identity
from deploy.release.facts import Found, Releases
from deploy.release.rendering import IMAGE

See = Callable[..., Any]

PLAIN = (
    File("airflow/.env", f"AIRFLOW_IMAGE='{IMAGE}:i-1'\n".encode()),
    File("airflow/initialise", b"#!/bin/sh\n", executable=True),
    File("dags/flights.py", b"import src\n"),
    File("dags/link.py", b"flights.py", is_link=True),
    File("src/__init__.py", b""),
    File("src/deep/er/still.bin", bytes(range(256)) * 300),
)
ODD_NAMES = (
    "two words.py",
    " ",
    "it's.py",
    'a "quoted" one.py',
    "back\\slash.py",
    "new\nline.py",
    "tab\t.py",
    "-n",
    "--zero",
    "$HOME",
    "*.py",
    "été.py",
    "飛行機.py",
    "\N{ROCKET}.py",
    "\ufffd.py",
    "Zebra",
    "a",
    "a.b",
    "a-b",
    "ab/c",
)
ODD = (
    *(File(f"src/{name}", name.encode()) for name in ODD_NAMES),
    *(File(f"bin/{name}", b"", executable=True) for name in ODD_NAMES),
    *(File(f"links/{name}", f"../src/{name}".encode(), is_link=True) for name in ODD_NAMES),
)

Unpack = Callable[[tuple[File, ...]], Path]


@pytest.fixture
def unpack(machine: Path) -> Unpack:
    """Return a function that unpacks a release as release/upload.sh does, under its name."""

    def unpack(files: tuple[File, ...]) -> Path:
        root = machine / "opt/flights-mlops/releases" / identity(files)
        root.mkdir(parents=True)
        extract = ["tar", "--extract", "--gzip", "--touch", "--no-same-owner", "--same-permissions"]
        subprocess.run([*extract, "--directory", root], input=archive(files), check=True)
        subprocess.run(["chmod", "-R", "u=rwX,go=rX", root], check=True)
        return root

    return unpack


def seen(see: See) -> Found:
    """Return the releases of the machine."""
    found: Found = see(Releases, keep=5)
    return found


def changed(found: Found) -> set[str]:
    """Return those that are no longer what their names say."""
    return {name for name, release in found.releases.items() if release.is_changed}


@pytest.mark.parametrize("files", [PLAIN, (*PLAIN, *ODD), ()], ids=["plain", "odd", "empty"])
def test_a_release_is_what_its_name_says(see: See, unpack: Unpack, files: tuple[File, ...]) -> None:
    """Executables, links, no content or much, and names that a shell stumbles over."""
    root = unpack(files)
    found = seen(see)
    assert list(found.releases) == [root.name]
    assert not changed(found)


def edit(root: Path) -> None:
    """Change one byte, and neither size nor time."""
    path = root / "dags/flights.py"
    times = path.stat()
    path.write_text("import sys\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "edited": edit,
    "added": lambda root: (root / "dags/more.py").write_text(""),
    "added, hidden": lambda root: (root / ".more").write_text(""),
    "removed": lambda root: (root / "src/__init__.py").unlink(),
    "renamed": lambda root: (root / "dags/flights.py").rename(root / "dags/flight.py"),
    "executable": lambda root: (root / "dags/flights.py").chmod(0o755),
    "no longer executable": lambda root: (root / "airflow/initialise").chmod(0o644),
    "linked elsewhere": lambda root: (
        (root / "dags/link.py").unlink(),
        (root / "dags/link.py").symlink_to("more.py"),
    ),
    "a link made a file": lambda root: (
        (root / "dags/link.py").unlink(),
        (root / "dags/link.py").write_text("import src\n"),
    ),
    "a link added": lambda root: (root / "dags/other.py").symlink_to("flights.py"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_release_that_was_changed_is_seen(see: See, unpack: Unpack, change: Callable[[Path], object]) -> None:
    """That one, and not the other beside it."""
    other = (*PLAIN, File("dags/other.py", b""))
    root, _ = unpack(PLAIN), unpack(other)
    change(root)
    found = seen(see)
    assert len(found.releases) == 2
    assert changed(found) == {identity(PLAIN)}


def test_a_directory_that_lacks_everything_is_changed(see: See, unpack: Unpack) -> None:
    """Its .env as well: it has no image."""
    root = unpack(PLAIN)
    subprocess.run(["find", root, "-mindepth", "1", "-delete"], check=True)
    found = seen(see)
    assert found.releases[root.name].image == ""
    assert changed(found) == {root.name}


def test_other_times_owners_and_umasks_are_no_change(see: See, unpack: Unpack) -> None:
    """What is not in a release's name does not make it another."""
    root = unpack(PLAIN)
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
        os.chown(path, 1234, 1234, follow_symlinks=False)
    (root / "dags/flights.py").chmod(0o664)
    assert not changed(seen(see))
