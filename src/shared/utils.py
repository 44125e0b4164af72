"""Paths, parameters, atomic writes and logging, the same under DVC, Airflow and by hand.

Nothing here imports more than the standard library and PyYAML: a DAG file may import it at every parse.
"""

import fcntl
import hashlib
import inspect
import json
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped,unused-ignore]  # PyYAML has no types of its own

# Seconds after which a temporary file that is not written to is abandoned: many times what a task may take.
_ABANDONED = 24 * 60 * 60


def project_root() -> Path:
    """Return the directory that holds `src/`; in the containers it is read-only."""
    return Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Return where runs write: FLIGHTS_DATA_DIR, else `data/` below the project root; it need not exist."""
    return Path(os.environ.get("FLIGHTS_DATA_DIR") or project_root() / "data").absolute()


def models_dir() -> Path:
    """Return where models go: FLIGHTS_MODELS_DIR, else `models/` below the project root."""
    return Path(os.environ.get("FLIGHTS_MODELS_DIR") or project_root() / "models").absolute()


class ParameterError(ValueError):
    """What params.yaml says is of no use; the message says why in one sentence."""


def load_params(section: str, stage: Callable[..., object]) -> dict[str, Any]:
    """Return what a section of params.yaml gives a stage for its keyword-only parameters.

    Raises ParameterError, which names it, for a section that is missing, for a parameter that the stage has
    not (one that takes any checks them itself), and for a value that is no number, or missing.
    """
    path = project_root() / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    if section not in params:
        raise ParameterError(f"{path} has no section {section!r}; it has: {', '.join(params)}")
    given, expected = dict(params[section]), inspect.signature(stage).parameters.values()
    named = [parameter.name for parameter in expected if parameter.kind is parameter.KEYWORD_ONLY]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in expected)
    if unknown := [] if takes_any else [name for name in given if name not in named]:
        there = ", ".join(named)
        raise ParameterError(f"{path}: {section} has no parameter {unknown[0]}; there is: {there}")
    for name in named:
        values = given.get(name)
        for value in values.values() if isinstance(values, dict) else [values]:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ParameterError(f"{path}: {name} of {section} is {value!r}, and has to be a number")
    return given


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path to write to; when the block ends well it becomes `path`, at once and on disk.

    A reader of `path` sees the old content or the new, never half of it. After an exception the old content
    stands and nothing is left beside it. Missing directories are made; modes are what the umask says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, for a rename across file systems is a copy; tempfile's would be readable by us alone.
    temporary = _temporary(path)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_directory(path: Path) -> Iterator[Path]:
    """Yield an empty directory beside `path`, hidden, which is removed when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    directory = _temporary(path)
    directory.mkdir()
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _temporary(path: Path) -> Path:
    """Return a new hidden path beside `path`; remove those that processes left which were killed."""
    for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with suppress(OSError):  # another process may be at it
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Let one process at a time into the block, of those that name the same directory; the others wait."""
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_json(path: Path, content: object) -> None:
    """Write `content` atomically as indented JSON in UTF-8: the same content is the same bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(as_json(content), encoding="utf-8")


def as_json(content: object) -> str:
    """Return `content` as indented JSON, with a line end: the same content is the same text."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def configure_logging() -> None:
    """Let a command say on standard error what the stages log; under Airflow its own handlers do that."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
