"""What a task finds in its process, with real directories and real processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.core.paths import ROOT

FOLDER = ROOT / "files/images"
SETUP = """
import os, sys
from pathlib import Path
import task_environment
root = Path({root!r})
task_environment.COPIES, task_environment.SECRETS = root / "copies", root / "secrets"
task_environment.SEPARATE = root / "project/bin"
copy = lambda: task_environment.working_copy(root / "release")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a directory with a release, and the stack's directories for data and models."""
    for name in ("release/src/deep", "release/data/raw", "release/reports", "data", "models"):
        (tmp_path / name).mkdir(parents=True)
    release = tmp_path / "release"
    (release / "src/code.py").write_text("VALUE = 1\n")
    (release / "src/deep/run.sh").write_text("#!/bin/sh\necho ran\n")
    (release / "src/deep/run.sh").chmod(0o755)
    (release / "large.bin").write_bytes(bytes(1 << 20))
    (release / "link").symlink_to("src/code.py")
    (release / "data/raw/small.csv").write_text("a,b\n")
    (release / "data/raw/flights.csv.dvc").write_text("outs: []\n")
    (release / "data/.gitignore").write_text("*\n")
    for path in (release, *release.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o555)
    return tmp_path


def task(root: Path, code: str, **env: str) -> str:
    """Run code in a process that can use the module, as a user who is not root; gives what it printed."""
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(FOLDER)}
    given |= {"FLIGHTS_DATA_DIR": str(root / "data"), "FLIGHTS_MODELS_DIR": str(root / "models")}
    done = subprocess.run(
        [sys.executable, "-c", SETUP.format(root=str(root)) + code],
        env=given | env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_can_write_next_to_any_file_of_its_release(root: Path) -> None:
    """New files, new directories and files of the release, whose own stay as they are; programs can be run."""
    said = task(
        root,
        "os.chdir(copy())\n"
        "Path('out.txt').write_text('x'); Path('reports/a.html').write_text('x'); os.makedirs('logs/deep')\n"
        "Path('src/code.py').write_text('VALUE = 2'); Path('src/new.py').write_text('')\n"
        "print(Path('link').read_text())\n"
        "print(os.system('src/deep/run.sh'), Path('large.bin').stat().st_size)\n"
        "print(Path('src/code.py').resolve().is_relative_to(root / 'copies'))",
    )
    assert said.splitlines() == ["ran", "VALUE = 2", "0 1048576", "True"]
    release = root / "release"
    assert (release / "src/code.py").read_text() == "VALUE = 1\n"
    assert not {path.name for path in release.rglob("*")} & {"out.txt", "a.html", "logs", "new.py"}


def test_data_and_models_are_the_stacks(root: Path) -> None:
    """What is written there stays; files of the release appear there, unless a task wrote one of that name."""
    (root / "data/raw").mkdir()
    (root / "data/raw/other.csv").write_text("task's own")
    task(root, "os.chdir(copy()); Path('data/made.csv').write_text('x'); Path('models/m.txt').write_text('y')")
    assert (root / "data/made.csv").read_text() == "x"
    assert (root / "models/m.txt").read_text() == "y"
    assert str((root / "data/raw/small.csv").readlink()) == "/app/data/raw/small.csv"
    assert sorted(path.name for path in (root / "data").rglob("*")) == ["made.csv", "other.csv", "raw", "small.csv"]
    (root / "data/raw/small.csv").unlink()
    (root / "data/raw/small.csv").write_text("task's own")
    task(root, "copy()")
    assert (root / "data/raw/small.csv").read_text() == "task's own"


def test_the_directory_goes_with_the_process(root: Path) -> None:
    """Also where that fails; a process that it has forked does not take it along."""
    said = task(
        root,
        "made = copy()\npid = os.fork()\nif not pid: sys.exit()\nos.waitpid(pid, 0); print(made.is_dir(), flush=True)",
    )
    assert said.split() == ["True"]
    assert list((root / "copies").iterdir()) == []
    task(root, "try:\n    copy(); raise RuntimeError\nexcept RuntimeError: pass")
    assert list((root / "copies").iterdir()) == []


def test_what_a_killed_task_left_goes_with_the_next(root: Path) -> None:
    """And not what one has that still runs."""
    said = task(
        root,
        "import signal\n"
        "pid = os.fork()\n"
        "if not pid: copy(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "os.waitpid(pid, 0)\n"
        "left = list(task_environment.COPIES.iterdir()); own = copy(); copy()\n"
        "print(len(left), left[0].exists(), own.exists())",
    )
    assert said.split() == ["1", "False", "True"]


def test_secrets_are_read_anew(root: Path) -> None:
    """A new value, a new secret and a removed one; hidden files are none, and what task_env says of the index holds."""
    for name, text in {"env/SETTING": "new\n", "env/MORE": "x", "env/.MORE": "half", "host/KEPT": "other"}.items():
        (root / "secrets" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "secrets" / name).write_text(text)
    said = task(
        root,
        "task_environment.load_secrets()\n"
        "print([os.environ.get(name) for name in ('SETTING', 'MORE', 'GONE', '.MORE', 'KEPT')])",
        SETTING="old", GONE="x", KEPT="y", TASK_SECRETS=" SETTING GONE",
    )  # fmt: skip
    assert said.strip() == "['new\\n', 'x', None, None, 'y']"


def test_programs_of_the_projects_own_environment_come_first(root: Path) -> None:
    """Where there is one."""
    code = "task_environment.prefer_project_environment(); print(os.environ['PATH'].split(':')[0])"
    assert task(root, code).strip() == os.environ["PATH"].split(":")[0]
    (root / "project/bin").mkdir(parents=True)
    assert task(root, code).strip() == str(root / "project/bin")
