"""What the project's code finds where it runs: its layout, secrets, and for a task a directory of its own."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

COPIES = Path("/tmp/tasks")  # noqa: S108 - of a container in which nobody else is
SECRETS = Path("/run/tasks")
# Bytes from which a file is a link in a copy, and not copied.
LARGE = 1 << 20
# Of this name a release may have a directory, but tasks keep what they write in the stack's.
KEPT = {"data": "FLIGHTS_DATA_DIR", "models": "FLIGHTS_MODELS_DIR"}
# The environment that has the project's requirements, where they are not with Airflow's.
SEPARATE = Path("/opt/project/bin")


def layout(release: Path) -> tuple[str, list[str]]:
    """Return which directory of a release has its DAGs, and which are on PYTHONPATH besides its root."""
    path = release / "airflow/layout.json"
    found = json.loads(path.read_text()) if path.exists() else {}  # a release of before has none
    return found.get("dags", "dags"), found.get("python_path", [])


def working_copy(release: Path) -> Path:
    """Return a new directory with the files of a release, for this process to change; it is removed when this ends.

    Large files are links to the release. ``data`` and ``models`` are links to the stack's own directories, where files
    of the release appear as links to the current one unless a task wrote a file of that name.
    """
    COPIES.mkdir(mode=0o700, exist_ok=True)
    _sweep()
    copy = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=COPIES))
    atexit.register(_remove, copy, os.getpid())
    kept = {name: Path(os.environ[variable]) for name, variable in KEPT.items() if variable in os.environ}
    shutil.copytree(
        release,
        copy,
        symlinks=True,
        ignore=lambda directory, _: kept if Path(directory) == release else (),
        copy_function=_copy,
        dirs_exist_ok=True,
    )
    copy.chmod(0o700)
    for name, directory in kept.items():
        (copy / name).symlink_to(directory)
        _show_tracked(release, name, directory)
    return copy


def _copy(source: str, target: str) -> str:
    if Path(source).stat().st_size < LARGE:
        return shutil.copy(source, target)
    Path(target).symlink_to(source)
    return target


def _show_tracked(release: Path, name: str, directory: Path) -> None:
    """Make the files that a release has below ``name`` visible in the stack's directory of that name."""
    for path in (release / name).rglob("*"):
        if path.is_dir() or path.name in {".gitignore", ".gitkeep"} or path.suffix == ".dvc":
            continue
        shown = directory / path.relative_to(release / name)
        with suppress(OSError):  # what a task wrote takes precedence
            shown.parent.mkdir(parents=True, exist_ok=True)
            shown.symlink_to(Path("/app", path.relative_to(release)))


def _remove(copy: Path, owner: int) -> None:
    if os.getpid() == owner:  # and not a process that this one has forked
        shutil.rmtree(copy, ignore_errors=True)


def _sweep() -> None:
    """Remove the directories of tasks that were killed."""
    for copy in COPIES.iterdir():
        if not Path("/proc", copy.name.partition("-")[0]).exists():
            shutil.rmtree(copy, ignore_errors=True)


def load_secrets() -> None:
    """Have the secrets of tasks in the environment of this process, as they are now, and none that was removed."""
    for name in os.environ.pop("TASK_SECRETS", "").split():
        os.environ.pop(name, None)
    # What the host says of package index and proxy, the setting task_env may say otherwise.
    found = {name: text for name, text in _read("host") if name not in os.environ} | dict(_read("env"))
    os.environ.update(found, TASK_SECRETS=" ".join(sorted(found)))


def _read(directory: str) -> Iterator[tuple[str, str]]:
    for path in (SECRETS / directory).glob("[!.]*"):
        yield path.name, os.fsdecode(path.read_bytes())


def prefer_project_environment() -> None:
    """Have programs of the project's requirements found first, where these have an environment of their own."""
    path = os.environ.get("PATH", "")
    if SEPARATE.is_dir() and str(SEPARATE) not in path.split(":"):
        os.environ["PATH"] = f"{SEPARATE}:{path}"
