"""What a project requires by its pyproject.toml and uv.lock: as uv itself says it, without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT, LOCK = "pyproject.toml", "uv.lock"
# By what is in the two files alone: no configuration, no cache, and not --locked, which wants an interpreter that the
# project is for, and may build the project or ask an index to find out whether the lock is up to date.
EXPORT = (
    *("export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"),
    *("--format", "requirements-txt", "--offline", "--no-cache", "--no-config", "--no-progress", "--color", "never"),
)
# Where uv.lock has a dependency from, if not from an index; then it repeats no versions.
NO_INDEX = {"git", "url", "path", "directory", "editable", "virtual"}


def export(project: bytes, lock: bytes) -> str:
    """Return the requirements of the two files' project, pinned and with hashes, as a requirements.txt.

    Raises ``ValueError`` with half a sentence, which is about uv.lock.
    """
    with TemporaryDirectory() as work:
        (Path(work) / PROJECT).write_bytes(project)
        (Path(work) / LOCK).write_bytes(lock)
        done = subprocess.run(  # noqa: S603 - uv itself
            [_uv(), *EXPORT],
            cwd=work,
            env={name: value for name, value in os.environ.items() if not name.startswith("UV_")},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        reasons = re.findall(r"^(?:error|  cause): (.+)", done.stderr, re.MULTILINE)[:2] or ["it gave no reason"]
        raise ValueError(f"cannot be read by uv ({': '.join(reasons)}); correct it, or run uv lock.")
    try:
        differing = changed(tomllib.loads(project.decode()), tomllib.loads(lock.decode()))
    except InvalidRequirement as error:
        raise ValueError(f"cannot be compared with {PROJECT}, which has an invalid dependency; correct it.") from error
    if differing:
        raise ValueError(f"does not match {PROJECT} ({', '.join(differing)}); run uv lock.")
    if own := re.findall(r"^(?:-e )?(\.{1,2}/[^\s;]+)", done.stdout, re.MULTILINE):
        raise ValueError(
            f"needs {', '.join(own)}, of which the build sees nothing; write a requirements.txt with uv export "
            "--no-emit-local, and name the directories of that code with the setting python_path."
        )
    return done.stdout


def changed(project: dict[str, Any], lock: dict[str, Any]) -> list[str]:
    """Return the names of the dependencies that are others in pyproject.toml than they were when uv.lock was made."""
    roots = [found for found in lock.get("package", ()) if "." in found.get("source", {}).values()]
    about = project.get("project", {})
    if not roots or "dependencies" in about.get("dynamic", ()):
        return []
    entries = [
        found
        for found in roots[0].get("metadata", {}).get("requires-dist", ())
        if not re.search(r"\bextra\b", found.get("marker", ""))
    ]
    wanted = [Requirement(text) for text in about.get("dependencies", ())]
    locked = {
        name: {SpecifierSet(entry.get("specifier", "")) for entry in entries if entry["name"] == name}
        for name in {entry["name"] for entry in entries}
    }
    named = {
        name: {found.specifier for found in wanted if canonicalize_name(found.name) == name}
        for name in {canonicalize_name(found.name) for found in wanted}
    }
    elsewhere = {entry["name"] for entry in entries if NO_INDEX & entry.keys()}
    return sorted(
        name
        for name in named.keys() | locked.keys()
        if (name in named) != (name in locked) or (name not in elsewhere and named[name] != locked[name])
    )


def _uv() -> str:
    """Return the uv that belongs to this Python, or else any."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which("uv", path=beside)
    if found is None:
        raise ValueError("is read by uv, which is not installed here; make venv installs it.")
    return found
