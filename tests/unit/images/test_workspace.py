"""DVC in the tree that tasks work in: the release's files, the stack's data, and DVC at work on them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release.rendering import Placement, render
from deploy.settings import Settings
from unit.conftest import BIND

ROOT = Path(__file__).resolve().parents[3]
PIPELINE = """\
stages:
  copy:
    cmd: mkdir -p data/raw && cp src/text.txt data/raw/copied.txt
    deps: [src/text.txt]
    outs: [data/raw/copied.txt]
"""
Workspace = Callable[..., "subprocess.CompletedProcess[str]"]


def release(machine: Path, name: str, **files: str) -> Path:
    """Put a release on the machine, with DVC's configuration as the deploy renders it."""
    root = machine / "opt/flights-mlops/releases" / name
    rendered = render(Settings(dvc_remote="/var/remote"), Placement(0, "python:3.13", "postgres:13", 4096), "image:i-1")
    texts = {file.path: file.content.decode() for file in rendered} | {".dvc/config": "[core]\n"} | files
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def tree(machine: Path) -> Path:
    """Return the tree, on a machine that has a remote and data of the stack."""
    (machine / "var/remote").mkdir()
    for name in ("data", "models", "workspace"):
        (machine / "var/lib/flights-mlops" / name).mkdir(parents=True)
    return machine / "var/lib/flights-mlops/workspace"


@pytest.fixture
def workspace(machine: Path, tree: Path) -> Workspace:
    """Return a function that runs a shell command in the tree, as a task of a release does."""
    mounted = [str(machine / "opt"), "/opt", str(machine / "var"), "/var"]
    for name in ("data", "models"):
        (tree / name).mkdir()
        mounted += [f"/var/lib/flights-mlops/{name}", f"/var/lib/flights-mlops/workspace/{name}"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def run(name: str, line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", BIND, "sh", *mounted, "--",
             ROOT / "files/images/workspace", "sh", "-ec", line],
            env=os.environ | {"PATH": path, "PYTHONPATH": f"/opt/flights-mlops/releases/{name}:/elsewhere"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )  # fmt: skip

    return run


def test_dvc_pushes_and_pulls(machine: Path, tree: Path, workspace: Workspace) -> None:
    """What a stage made and what was added: gone from data and cache, both come back from the remote."""
    release(machine, "r-1", **{"dvc.yaml": PIPELINE, "src/text.txt": "of the release"})
    data = machine / "var/lib/flights-mlops/data"
    (data / "added.csv").write_text("of a task")
    done = workspace("r-1", "dvc add --quiet data/added.csv && dvc repro --quiet && dvc push --quiet")
    assert done.returncode == 0, done.stderr
    assert (data / "raw/copied.txt").read_text() == "of the release"

    shutil.rmtree(data / "raw")
    (data / "added.csv").unlink()
    done = workspace("r-1", "rm -rf .dvc/cache && dvc pull --quiet && dvc status")
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout
    assert (data / "raw/copied.txt").read_text() == "of the release"
    assert (data / "added.csv").read_text() == "of a task"
    assert not (tree / "airflow").exists()


def test_the_tree_is_that_of_the_tasks_release(machine: Path, tree: Path, workspace: Workspace) -> None:
    """What came from another release goes with it; what tasks have written stays."""
    release(machine, "r-1", **{"src/text.txt": "1", "src/old name.py": "", "data/kept.csv.dvc": "outs: []\n"})
    release(machine, "r-2", **{"src/text.txt": "2", "src/new.py": ""})
    assert workspace("r-1", "cat src/text.txt; echo mine >data/mine.csv").stdout == "1"
    assert workspace("r-1", "echo edited >src/text.txt").returncode == 0
    assert workspace("r-1", "cat src/text.txt").stdout == "edited\n"
    assert (machine / "var/lib/flights-mlops/data/kept.csv.dvc").exists()

    assert workspace("r-2", "cat src/text.txt").stdout == "2"
    assert {path.name for path in (tree / "src").iterdir()} == {"text.txt", "new.py"}
    assert {path.name for path in (machine / "var/lib/flights-mlops/data").iterdir()} == {"mine.csv"}
    assert workspace("r-1", "cat src/text.txt").stdout == "1"


def test_a_tree_that_was_not_finished_is_made_again(machine: Path, tree: Path, workspace: Workspace) -> None:
    """As after a task that was killed; and the release itself is not touched."""
    root = release(machine, "r-1", **{"src/text.txt": "1"})
    workspace("r-1", "true")
    (tree / ".dvc/release").unlink()
    (tree / "src/text.txt").unlink()
    assert workspace("r-1", "cat src/text.txt; echo changed >src/text.txt").stdout == "1"
    assert (root / "src/text.txt").read_text() == "1"


def test_the_exit_code_is_that_of_the_command(machine: Path, workspace: Workspace) -> None:
    """A task fails with it."""
    release(machine, "r-1")
    assert workspace("r-1", "exit 7").returncode == 7


def test_one_at_a_time(machine: Path, workspace: Workspace) -> None:
    """A second command waits for the first, whichever release it is of."""
    release(machine, "r-1")
    done = workspace("r-1", "flock --nonblock .dvc/workspace.lock true || echo held")
    assert done.stdout == "held\n"
