"""The requirements of a project that has a pyproject.toml and uv's lock file instead of a requirements.txt."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import uv

NAMES = ("pyproject.toml", "uv.lock")
EXPORT = (
    *("export", "--quiet", "--offline", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"),
    *("--format", "requirements-txt"),
)
NO_INTERPRETER = "No interpreter found"


def requirements(root: Path) -> str:
    """Return what uv.lock in ``root`` pins, without development groups, as a requirements.txt with hashes.

    Needs no network. Raises ``ValueError``, a sentence, where the lock file is not what pyproject.toml asks for.
    """
    done = _export(root, "--locked")
    if done.returncode and NO_INTERPRETER in done.stderr:
        # What the project asks of Python concerns the image, which has another one: the build holds it against that.
        done = _export(root, "--frozen")
    if done.returncode:
        raise ValueError(f"{root / 'uv.lock'} does not match {root / 'pyproject.toml'}; run uv lock there.")
    return done.stdout


def _export(root: Path, how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - uv's own program
        [uv.find_uv_bin(), *EXPORT, how, "--project", str(root)],
        env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        capture_output=True,
        text=True,
        check=False,
    )
