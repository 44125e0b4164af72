"""`make new`: what it writes can be tested and deployed as it is, and nothing that is there is overwritten."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import new_project
from deploy.core.paths import ROOT
from deploy.release import checkout, rendering
from deploy.release.rendering import Placement
from deploy.settings import Settings

PLACEMENT = Placement(1234, "python:3.13-slim-trixie", "postgres:13", 4096)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a new project."""
    target = tmp_path / "churn-model"
    new_project.create(target)
    return target


def test_its_own_tests_pass(project: Path) -> None:
    """In an environment with Airflow, as its README says; one that breaks the DAG fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (project / "dags/broken.py").write_text("import nothing_of_that_name\nfrom airflow.sdk import DAG\n")
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "No module named 'nothing_of_that_name'" in done.stdout


def test_it_can_be_deployed(project: Path) -> None:
    """Git tracks all of it, its inventory names it from anywhere, and a release can be made of it."""
    data: dict[str, list[tuple[str, dict[str, str]]]] = {"__file__": str(project / "inventory.py")}  # type: ignore[dict-item]
    exec((project / "inventory.py").read_text(), data)  # noqa: S102 - as pyinfra does
    settings = Settings.model_validate(data["airflow"][0][1])
    assert settings.project_path == str(project)
    found = {file.path for file in rendering.build(settings, PLACEMENT).files}
    written = {
        str(path.relative_to(project)) for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert written <= found
    assert "dags/churn_model.py" in written
    assert not checkout.chosen(settings, ROOT).own


def test_its_readme_names_files_that_exist(project: Path) -> None:
    """Relative to the project or to this checkout, wherever the two are."""
    text = (project / "README.md").read_text()
    test, deploy = (
        shlex.split(block.replace("\\\n", "")) for block in re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)
    )
    assert (project / Path(test[0]).parent.parent.parent).resolve() == ROOT
    names = [word for word in test if word.endswith(".txt")]
    assert [(project / name).resolve() for name in names] == [
        ROOT / "requirements/airflow.txt",
        project / "requirements.txt",
    ]
    assert [(ROOT / word).resolve() for word in deploy[1:]] == [project / "inventory.py", ROOT / "deploy.py"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("full", "exists and is not empty; name another directory."),
        ("file", "exists and is not empty; name another directory."),
        ("Churn", "cannot name a project; use small letters"),
        ("1churn", "cannot name a project; use small letters"),
    ],
)
def test_what_is_in_the_way_is_refused(tmp_path: Path, name: str, sentence: str) -> None:
    """In a sentence, with nothing written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=sentence):
        new_project.create(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_it_is_not_made_inside_this_checkout() -> None:
    """Where git would take it for a part of this repository."""
    with pytest.raises(ValueError, match=r"is inside this checkout; name a directory beside it, such as \.\./churn\."):
        new_project.create(ROOT / "examples/churn")


def test_the_command_says_what_comes_next(tmp_path: Path) -> None:
    """And without a name, how to give one."""
    run = [sys.executable, "-m", "deploy.new_project"]
    done = subprocess.run([*run, tmp_path / "churn"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"    pyinfra {tmp_path}/churn/inventory.py deploy.py" in done.stdout
    done = subprocess.run([*run, ""], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "Name the directory of the new project: make new PROJECT=../churn\n")
