"""Another project than this repository's own: what of it is taken, and what is wrong with it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import rendering
from deploy.release.checkout import REQUIRED
from deploy.release.rendering import Placement, Release
from deploy.settings import Settings

Make = Callable[..., Path]
ANOTHER = {"requirements.txt": "flask\n", "sql/flights.sql": "select 1\n"}


def built(root: Path | str, **settings: object) -> Release:
    """Return the release of the project in a checkout, as this repository deploys it."""
    given = Settings.model_validate({"project_path": str(root), **settings})
    return rendering.build(given, Placement(1000, "python:3.13", "postgres:13", 4096))


def content(release: Release, path: str) -> str:
    """Return what a file of the release says."""
    (found,) = (file for file in release.files if file.path == path)
    return found.content.decode()


def test_all_that_git_tracks_is_the_project(checkout: Make) -> None:
    """Whatever its directories are called, and nothing of this repository's own project."""
    found = built(checkout(**ANOTHER))
    paths = {file.path for file in found.files if not file.path.startswith("airflow/")}
    assert paths == {
        *("src/__init__.py", "src/pipelines/bronze.py", "dags/flights.py", "dvc.yaml", "README.md"),
        *ANOTHER,
    }


def test_its_stack_is_the_same(checkout: Make) -> None:
    """The deploy's own part of the release is that of this repository's project, but for the image's name."""
    another, own = built(checkout(**ANOTHER)), built(rendering.ROOT)
    compose = "airflow/docker-compose.yaml"
    assert content(another, compose) == content(own, compose)
    assert another.image != own.image


def test_airflow_is_installed_without_what_the_flights_project_imports(checkout: Make) -> None:
    """Its lock is another one, which all the requirements of the project go beside."""
    found = built(checkout(**ANOTHER))
    lock = content(found, "airflow/requirements.txt")
    assert "\napache-airflow==" in lock
    assert "\npolars==" not in lock
    assert content(found, "airflow/project-shared.txt") == "flask\n"


def test_a_second_environment_is_another_image(checkout: Make) -> None:
    """The same requirements, in another place."""
    root = checkout(**ANOTHER)
    shared, separate = built(root), built(root, project_environment="separate")
    assert content(separate, "airflow/project-separate.txt") == "flask\n"
    assert "airflow/project-shared.txt" not in {file.path for file in separate.files}
    assert shared.image != separate.image


def test_only_its_requirements_are_part_of_the_image(checkout: Make) -> None:
    """An edit of its code needs no build; a requirement more does."""
    root = checkout(**ANOTHER)
    before = built(root)
    (root / "src/pipelines/bronze.py").write_text("print('silver')\n")
    edited = built(root)
    assert edited.id != before.id
    assert edited.image == before.image
    (root / "requirements.txt").write_text("flask\nrequests\n")
    assert built(root).image != before.image


def test_this_repository_by_its_path_is_what_it_is_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to where pyinfra runs."""
    own = rendering.build(Settings(), Placement(1000, "python:3.13", "postgres:13", 4096))
    assert built(rendering.ROOT) == own
    monkeypatch.chdir(rendering.ROOT / "docs")
    assert built("..") == own


def test_a_path_from_home(checkout: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the user's home."""
    root = checkout(**ANOTHER)
    monkeypatch.setenv("HOME", str(root.parent))
    assert built(f"~/{root.name}") == built(root)


def test_a_directory_of_a_checkout_is_a_project(checkout: Make) -> None:
    """As in a repository that holds several."""
    root = checkout(**{f"flights/{name}": text for name, text in ANOTHER.items()}, **{
        "flights/src/a.py": "", "flights/dags/a.py": "", "other/b.py": "",
    })  # fmt: skip
    paths = {file.path for file in built(root / "flights").files if not file.path.startswith("airflow/")}
    assert paths == {"src/a.py", "dags/a.py", *ANOTHER}


def test_files_of_a_submodule_are_part(checkout: Make) -> None:
    """Where it is checked out; where it is not, that is said."""
    root, inner = checkout(**ANOTHER), checkout()
    allowed = ("git", "-C", root, "-c", "protocol.file.allow=always")
    subprocess.run([*allowed, "submodule", "--quiet", "add", inner, "src/inner"], check=True)
    assert "src/inner/src/pipelines/bronze.py" in {file.path for file in built(root).files}
    subprocess.run([*allowed, "submodule", "--quiet", "deinit", "--force", "src/inner"], check=True)
    with pytest.raises(ValueError, match=f"{root}/src/inner, a submodule, .*git submodule update --init"):
        built(root)


def faults(root: Path, **settings: object) -> list[str]:
    """Return what is said to be wrong with a project, line by line."""
    with pytest.raises(ValueError, match=r".") as caught:
        built(root, **settings)
    return str(caught.value).splitlines()


def test_a_path_that_leads_nowhere(tmp_path: Path) -> None:
    """The line names the setting and the whole path."""
    (fault,) = faults(tmp_path / "nothing")
    assert fault == f'setting "project_path" names {tmp_path}/nothing, which is not a directory on the control node.'


def test_all_that_is_wrong_is_said_at_once(checkout: Make) -> None:
    """What is missing, what is in the way, and each requirement that cannot be, with their paths."""
    root = checkout(**{
        "airflow/notes.txt": "", "requirements.txt": "-r base.txt\npydantic<2\n",
    })  # fmt: skip
    subprocess.run(["git", "-C", root, "rm", "-r", "--quiet", "dags"], check=True)
    found = faults(root)
    assert len(found) == 4, found
    assert found[0] == f"{root} has no dags tracked by git; a project needs src, dags, requirements.txt."
    assert found[1].startswith(f"{root}/airflow/notes.txt conflicts with the stack's own airflow/")
    assert found[2].startswith(f"{root}/requirements.txt, line 1 is the option -r")
    assert found[3].startswith(f"{root}/requirements.txt, line 2 needs pydantic<2, but Airflow pins ")
    assert found[3].endswith("set project_environment to separate.")
    assert len(faults(root, project_environment="separate")) == 3


def test_requirements_that_git_does_not_know_are_missing(checkout: Make) -> None:
    """They would be on no other machine that deploys."""
    root = checkout()
    (root / "requirements.txt").write_text("flask\n")
    assert faults(root)[0].startswith(f"{root} has no requirements.txt tracked by git")


def test_a_second_environment_is_for_another_project() -> None:
    """What this repository's own needs is locked together with Airflow."""
    (fault,) = faults(rendering.ROOT, project_environment="separate")
    assert fault.startswith('setting "project_environment" requires project_path')


def test_what_a_project_has_to_have_is_documented() -> None:
    """By its names, where a user looks for it."""
    page = (rendering.ROOT / "docs/projects.md").read_text()
    for name in REQUIRED:
        assert f"`{name}" in page
