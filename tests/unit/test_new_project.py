"""`make new` starts a project that its own test, ruff, pyinfra and a release accept."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import new_project
from deploy.release import rendering
from deploy.release.rendering import Placement
from deploy.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
Finished = subprocess.CompletedProcess[str]
FILES = {
    ".gitignore",
    "README.md",
    "dags/customer_churn.py",
    "inventory.py",
    "pytest.ini",
    "requirements.txt",
    "src/__init__.py",
    "src/forecast.py",
    "tests/requirements.txt",
    "tests/test_dags.py",
}


def run(*command: str | Path, cwd: Path = ROOT) -> Finished:
    """Run a command of a user whose environment says nothing of a project."""
    env = {key: value for key, value in os.environ.items() if key not in {"PROJECT", "PYTHONPATH"}}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


def make_new(*arguments: str) -> Finished:
    """Type `make new` in this repository, whose environment is there already."""
    return run("make", "--old-file=.venv/.deploy", "new", *arguments)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Start a project, as its own commands need it: the first files of a repository."""
    root = tmp_path / "customer-churn"
    new_project.create(root)
    return root


def tracked(root: Path) -> set[str]:
    """Return the files that git tracks in a directory."""
    return set(run("git", "-C", root, "ls-files").stdout.splitlines())


def test_make_new_says_what_to_do_next(tmp_path: Path) -> None:
    """The commands are those of the project's README, from the directory that is to be entered first."""
    root = tmp_path / "customer-churn"
    done = make_new(f"PROJECT={os.path.relpath(root, ROOT)}")
    assert done.returncode == 0, done.stderr
    first, enter, *commands = done.stdout.splitlines()
    assert first == f"Created {root}: {len(FILES)} files, tracked by git. Next:"
    assert enter == f"    cd {root}"
    readme = (root / "README.md").read_text()
    assert all(f"\n\n{command}\n\n" in readme for command in commands)
    assert [command.split()[0] for command in commands] == [".", "uv", "pyinfra"]


def test_git_tracks_all_of_it(project: Path) -> None:
    """As a repository of its own, in which nothing is left to add; what runs leave is ignored."""
    assert tracked(project) == FILES
    assert (project / ".git").is_dir()
    for left in ("data/customer_churn/a.json", "models/a", ".venv/bin/python", "src/__pycache__/a.pyc"):
        (project / left).parent.mkdir(parents=True, exist_ok=True)
        (project / left).write_text("")
    assert run("git", "-C", project, "status", "--porcelain", "--untracked-files").stdout.count("??") == 0


def test_a_project_inside_a_repository_is_part_of_it(checkout: Callable[..., Path]) -> None:
    """As one of several; a repository in a repository would be lost to the outer one."""
    outer = checkout()
    new_project.create(outer / "projects" / "customer-churn")
    assert {f"projects/customer-churn/{path}" for path in FILES} <= tracked(outer)
    assert not (outer / "projects" / "customer-churn" / ".git").exists()


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    """Somebody may have made it first."""
    root = tmp_path / "customer-churn"
    root.mkdir()
    new_project.create(root)
    assert tracked(root) == FILES


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    """In one sentence, and nothing in it is changed."""
    root = tmp_path / "churn"
    root.mkdir()
    (root / "README.md").write_text("mine\n")
    done = make_new(f"PROJECT={root}")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == f"{root} exists and is not an empty directory; choose another path."
    assert done.stdout == ""
    assert [path.read_text() for path in root.iterdir()] == ["mine\n"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("notes.txt", "'notes.txt' cannot name a DAG; choose a directory name of letters, digits, - and _,"),
        ("2025-churn", "'2025-churn' cannot name a DAG"),
        ("class", "'class' cannot name a DAG"),
        ("file", "file exists and is not an empty directory"),
        ("file/churn", "churn cannot be written (Not a directory); choose another path."),
    ],
)
def test_a_path_that_does_not_fit_is_refused(tmp_path: Path, path: str, sentence: str) -> None:
    """Whether by its name, or by what is there."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        new_project.create(tmp_path / path)
    assert "\n" not in str(caught.value)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_this_repository_is_refused() -> None:
    """A project in it would be part of it, or lost in it."""
    with pytest.raises(ValueError, match=r"is inside the checkout .*; choose a path beside it, such as \.\./churn\.$"):
        new_project.create(ROOT / "churn")
    assert not (ROOT / "churn").exists()


def test_without_git_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says to install it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match=r"^git, .* is not installed here; install it\.$"):
        new_project.create(tmp_path / "churn")
    assert list(tmp_path.iterdir()) == []


def test_what_git_does_not_take_is_said(checkout: Callable[..., Path]) -> None:
    """An outer repository may ignore the directory, and a deploy would find nothing."""
    outer = checkout(**{".gitignore": "churn/\n"})
    with pytest.raises(ValueError, match=r"^git cannot track .*/churn \(.*ignored.*\); correct that, then run git add"):
        new_project.create(outer / "churn")


@pytest.mark.parametrize("arguments", [(), ("PROJECT=",)])
def test_a_missing_path_is_asked_for(arguments: tuple[str, ...]) -> None:
    """With the command that has one."""
    done = make_new(*arguments)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == "Name the directory of the new project: make new PROJECT=../churn"


def test_its_own_test_passes_and_finds_a_broken_dag(project: Path) -> None:
    """In the locked Airflow, and with the project's `src` rather than this repository's."""
    done = run(BIN / "pytest", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
    (project / "src" / "forecast.py").write_text("")
    done = run(BIN / "pytest", "-p", "no:cacheprovider", cwd=project)
    assert done.returncode == 1, done.stdout
    assert "cannot import name 'moving_average'" in done.stdout


def test_its_test_runs_with_the_locked_airflow(project: Path) -> None:
    """Its requirements lead to this repository's lock and to the project's own, for a Python that the lock is for."""
    text = (project / "tests" / "requirements.txt").read_text()
    named = [(project / "tests" / path).resolve() for path in re.findall(r"^-r (.+)$", text, re.MULTILINE)]
    assert named == [ROOT / "requirements/airflow.txt", project / "requirements.txt"]
    pythons = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f"--python '{pythons}' --with-requirements tests/requirements.txt " in (project / "README.md").read_text()


def test_ruff_accepts_it(project: Path) -> None:
    """By its own defaults, for the project has no configuration."""
    for command in (("check",), ("format", "--check")):
        done = run(BIN / "ruff", *command, "--isolated", "--no-cache", ".", cwd=project)
        assert done.returncode == 0, done.stdout


def test_its_inventory_names_the_project(project: Path) -> None:
    """Wherever pyinfra runs: as the README says, from the project into this repository's checkout."""
    command = next(line for line in (project / "README.md").read_text().splitlines() if "pyinfra --chdir" in line)
    words = command.strip().removesuffix("deploy.py").split()
    done = run(BIN / words[0], *words[1:], "debug-inventory", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    (host,) = json.loads(done.stdout[done.stdout.index("[{") :])
    assert host["name"] == "@local"
    (path,) = host["data"].values()
    assert (ROOT / path).resolve() == project


def test_it_is_a_release(project: Path) -> None:
    """With all that preflight asks of a project; what Airflow needs is this repository's."""
    settings = Settings.model_validate({"project_path": str(project)})
    found = rendering.build(settings, Placement(1000, "python:3.13", "postgres:13", 4096))
    assert {file.path for file in found.files if not file.path.startswith("airflow/")} == FILES


@pytest.mark.parametrize("checkout_name", ["flights-mlops", "my flights"])
def test_commands_are_what_a_shell_needs(tmp_path: Path, checkout_name: str) -> None:
    """Relative paths, so that they are the same for all who have both beside each other; quoted where they must be."""
    files = new_project.render(tmp_path / "churn", tmp_path / checkout_name)
    activate, _, deploy = new_project.commands(files["README.md"])
    quoted = f"'../{checkout_name}'" if " " in checkout_name else f"../{checkout_name}"
    assert activate == f". {quoted}/.venv/bin/activate"
    assert deploy == f"pyinfra --chdir {quoted} ../churn/inventory.py deploy.py"
    assert f"-r ../../{checkout_name}/requirements/airflow.txt\n" in files["tests/requirements.txt"]


def test_the_documentation_has_its_files(tmp_path: Path) -> None:
    """As they are made; its commands are typed by the end-to-end test of the tutorial."""
    files = new_project.render(tmp_path / "churn", tmp_path / "flights-mlops")
    page = (ROOT / "docs" / "projects.md").read_text()
    described = set(re.findall(r"^\| `([^`]+\.\w+)` \|", page.split("## What a project")[0], re.MULTILINE))
    assert described
    assert described <= files.keys()
