"""Another project than this repository's own: what of it is taken, and what is wrong with it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import rendering
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
    """What is missing, and each requirement that cannot be, with their paths."""
    root = checkout(**{"requirements.txt": "-r base.txt\npydantic<2\n"})
    subprocess.run(["git", "-C", root, "rm", "-r", "--quiet", "dags"], check=True)
    found = faults(root, python_path=["lib"])
    assert len(found) == 3, found
    assert found[0] == f"{root} has no dags or lib tracked by git; the setting dags_path names another place."
    assert found[1].startswith(f"{root}/requirements.txt, line 1 names base.txt, which git does not track")
    assert found[2].startswith(f"{root}/requirements.txt, line 2 needs pydantic<2, but Airflow pins ")
    assert found[2].endswith("set project_environment to separate.")
    assert len(faults(root, project_environment="separate")) == 2


def test_requirements_that_git_does_not_know_are_missing(checkout: Make) -> None:
    """They would be on no other machine that deploys."""
    root = checkout()
    (root / "requirements.txt").write_text("flask\n")
    (fault,) = faults(root)
    assert fault.startswith(f"{root}/requirements.txt is not tracked by git; a project needs it, be it empty, or ")


def test_a_comment_is_no_other_image(checkout: Make) -> None:
    """Nor is a blank line, or another file that says the same."""
    root = checkout(**ANOTHER)
    before = built(root)
    (root / "requirements.txt").write_text("# of the web\n\nflask # it is\n")
    commented = built(root)
    assert (commented.image, commented.id != before.id) == (before.image, True)
    (root / "requirements.txt").write_text("-r src/base.txt\n")
    (root / "src/base.txt").write_text("flask\n")
    subprocess.run(["git", "-C", root, "add", "."], check=True)
    assert built(root).image == before.image


def test_constraints_are_a_file_of_their_own(checkout: Make) -> None:
    """Which the build takes along."""
    root = checkout(**{"requirements.txt": "-c pins.txt\nflask\n", "pins.txt": "werkzeug<4\n"})
    assert content(built(root), "airflow/project-constraints.txt") == "werkzeug<4\n"


LOCKED_BY_UV = {
    "pyproject.toml": """\
[project]
name = "churn"
version = "1"
requires-python = ">=3.11"
dependencies = ["plotlib>=3"]
[dependency-groups]
dev = ["iniconfig"]
""",
    "uv.lock": """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "churn"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "plotlib" }]

[package.dev-dependencies]
dev = [{ name = "iniconfig" }]

[package.metadata]
requires-dist = [{ name = "plotlib", specifier = ">=3" }]

[package.metadata.requires-dev]
dev = [{ name = "iniconfig" }]

[[package]]
name = "plotlib"
version = "3.7"
source = { registry = "https://index.example.com/simple" }
wheels = [{ url = "https://index.example.com/plotlib-3.7-py3-none-any.whl", hash = "sha256:HASH", size = 1 }]

[[package]]
name = "iniconfig"
version = "2.0.0"
source = { registry = "https://index.example.com/simple" }
wheels = [{ url = "https://index.example.com/iniconfig-2.0.0-py3-none-any.whl", hash = "sha256:HASH", size = 1 }]
""".replace("HASH", "82fe" * 16),
}


def test_requirements_come_from_uvs_lock(checkout: Make) -> None:
    """Where there is no requirements.txt: what is pinned, with hashes, without development groups and the network."""
    root = checkout(**LOCKED_BY_UV)
    assert content(built(root), "airflow/project-shared.txt") == f"plotlib==3.7 --hash=sha256:{'82fe' * 16}\n"
    (root / "requirements.txt").write_text("flask\n")
    subprocess.run(["git", "-C", root, "add", "."], check=True)
    assert content(built(root), "airflow/project-shared.txt") == "flask\n"


def test_a_lock_that_is_not_of_the_project_is_refused(checkout: Make) -> None:
    """With the command that makes it one."""
    root = checkout(**LOCKED_BY_UV)
    (root / "pyproject.toml").write_text(LOCKED_BY_UV["pyproject.toml"].replace("plotlib>=3", "plotlib>=3.8"))
    assert faults(root) == [f"{root}/uv.lock does not match {root}/pyproject.toml; run uv lock there."]


def test_an_airflow_folder_of_the_project_is_left_out(checkout: Make) -> None:
    """But for its DAGs, where a setting names them; what was left out is said."""
    more = {"airflow/docker-compose.yaml": "theirs\n", "airflow/dags/a.py": "", "airflow/dags/sql/a.sql": ""}
    root = checkout(**ANOTHER, **more)
    found = built(root)
    assert content(found, "airflow/docker-compose.yaml") != "theirs\n"
    assert found.notes == ("Left out the project's own airflow/ (3 files), where the stack has its configuration",)
    found = built(root, dags_path="airflow/dags")
    assert {"airflow/dags/a.py", "airflow/dags/sql/a.sql"} <= {file.path for file in found.files}
    assert found.notes == ("Left out the project's own airflow/ (1 file), where the stack has its configuration",)
    assert content(found, "airflow/layout.json") == '{"dags": "airflow/dags", "python_path": []}\n'
    assert 'AIRFLOW__CORE__DAGS_FOLDER: "/app/airflow/dags"' in content(found, "airflow/docker-compose.yaml")


def test_a_further_directory_of_code(checkout: Make) -> None:
    """In the environment of every process, and in the release for the runs that continue on it."""
    found = built(checkout(**ANOTHER), python_path=["src", "dags"])
    assert 'PYTHONPATH: "/app:/app/src:/app/dags"' in content(found, "airflow/docker-compose.yaml")
    assert content(found, "airflow/layout.json") == '{"dags": "dags", "python_path": ["src", "dags"]}\n'
    assert "PYTHONPATH" not in content(built(checkout(**ANOTHER)), "airflow/docker-compose.yaml")


def test_pointers_of_git_lfs_are_refused(checkout: Make) -> None:
    """With the command that brings the files."""
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    root = checkout(**ANOTHER, **{"src/a.bin": pointer, "src/b.bin": pointer})
    assert faults(root) == [
        f"{root}/src/a.bin and 1 more files are git LFS pointers, without the content; run git lfs pull there."
    ]


def test_a_large_project_is_named_with_its_largest_file(checkout: Make) -> None:
    """And how to make it small; it is deployed nevertheless."""
    root = checkout(**ANOTHER)
    for name, size in (("small.bin", 40), ("large.bin", 70)):
        with (root / name).open("wb") as file:
            file.truncate(size * 1000 * 1000)
    subprocess.run(["git", "-C", root, "add", "--intent-to-add", "."], check=True)
    (note,) = built(root).notes
    assert note.startswith("The project has 110 MB in git, of which large.bin has 70; each release")
    assert note.endswith("keep data out of git, for example with DVC")


def test_packages_of_debian_are_part_of_the_image(checkout: Make) -> None:
    """In whatever order they are named."""
    root = checkout(**ANOTHER)
    found = built(root, image_packages=["libpq5", "graphviz"])
    assert content(found, "airflow/packages.txt") == "graphviz\nlibpq5\n"
    assert found.image == built(root, image_packages=["graphviz", "libpq5"]).image
    assert found.image != built(root).image


def test_a_second_environment_is_for_another_project() -> None:
    """What this repository's own needs is locked together with Airflow."""
    (fault,) = faults(rendering.ROOT, project_environment="separate")
    assert fault.startswith('setting "project_environment" requires project_path')
