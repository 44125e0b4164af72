"""Another project than this repository's own: what of it is taken, and what is wrong with it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import rendering
from deploy.release.checkout import LARGE, LFS_POINTER, REQUIREMENTS
from deploy.release.rendering import Placement, Release
from deploy.settings import Settings
from unit.conftest import git

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
    """What is missing, what is no file of its own, and each requirement that cannot be, with their paths."""
    root = checkout(**{"model.bin": POINTER, "requirements.txt": "-i x\npydantic<2\n"})
    git(root, "rm", "-r", "--quiet", "dags")
    found = faults(root, python_path=["lib"])
    assert len(found) == 5, found
    assert found[0] == f"{root} has no file in dags/ tracked by git; dags_path names the directory with the DAGs."
    assert found[1] == f'setting "python_path" names lib, and git tracks no file in it in {root}.'
    assert found[2].startswith(f"{root}/model.bin is a git LFS pointer")
    assert found[3].startswith(f"{root}/requirements.txt, line 1 is the option -i")
    assert found[4].startswith(f"{root}/requirements.txt, line 2 needs pydantic<2, but Airflow pins ")
    assert found[4].endswith("set project_environment to separate.")
    assert len(faults(root, python_path=["lib"], project_environment="separate")) == 4


def test_requirements_that_git_does_not_know_are_missing(checkout: Make) -> None:
    """They would be on no other machine that deploys; a pyproject.toml alone locks nothing."""
    root = checkout(**{"pyproject.toml": ""})
    (root / "requirements.txt").write_text("flask\n")
    (fault,) = faults(root)
    assert fault == (
        f"{root} has no requirements.txt, and no pyproject.toml with uv.lock, tracked by git; "
        "a project needs one of them, and requirements.txt may be empty."
    )


def test_requirements_that_are_a_link_are_refused(checkout: Make) -> None:
    """What it leads to may be another thing on another machine."""
    root = checkout()
    (root / "requirements.txt").symlink_to("README.md")
    git(root, "add", "--all")
    assert faults(root) == [f"{root}/requirements.txt is a symbolic link; make it a file."]


def test_requirements_in_several_files_are_one(checkout: Make) -> None:
    """Files that -r and -c name are part of it; comments, blank lines and where a line stands are not."""
    files = {
        "requirements.txt": "# ours\n-r requirements/base.txt\n\nflask  # the API\n",
        "requirements/base.txt": "-c limits.txt\ninflect==7.5.0 \\\n    --hash=sha256:0123\n",
        "requirements/limits.txt": "urllib3<3\n",
    }
    found = built(root := checkout(**files))
    assert content(found, "airflow/project-shared.txt") == "inflect==7.5.0 --hash=sha256:0123\nflask\n"
    assert content(found, "airflow/project-constraints.txt") == "urllib3<3\n"
    (root / "requirements.txt").write_text("-r requirements/base.txt\nflask\n")
    assert (built(root).image == found.image, built(root).id == found.id) == (True, False)
    (root / "requirements/limits.txt").write_text("urllib3<2\n")
    assert built(root).image != found.image
    (root / "requirements/limits.txt").write_text("urllib3>\n")
    assert faults(root)[0].startswith(f"{root}/requirements/limits.txt, line 1 is not a valid requirement")


def test_src_is_needed_by_nobody_else(checkout: Make) -> None:
    """A project may have its package at its root, or all its code in its DAGs."""
    root = checkout(**ANOTHER, **{"churn/__init__.py": ""})
    git(root, "rm", "-r", "--quiet", "src")
    assert "churn/__init__.py" in {file.path for file in built(root).files}


def test_a_layout_is_part_of_the_release_alone(checkout: Make) -> None:
    """Where its DAGs and its code are; the image is the same."""
    root = checkout(**ANOTHER, **{"airflow/dags/a.py": "", "lib/shared.py": ""})
    plain, other = built(root), built(root, dags_path="airflow/dags", python_path=["src", "lib"])
    assert json.loads(content(plain, rendering.LAYOUT)) == {"dags": "dags", "python_path": []}
    assert json.loads(content(other, rendering.LAYOUT)) == {"dags": "airflow/dags", "python_path": ["src", "lib"]}
    assert plain.id != other.id
    assert plain.image == other.image


LEFT_OUT = "Left out the project's airflow/ (2 files), where the stack has its own; "


def test_a_folder_of_the_stacks_name_is_left_out(checkout: Make) -> None:
    """A note says so. What a setting names in it stays where it is, beside the stack's own."""
    root = checkout(**ANOTHER, **{"airflow/webserver.py": "", "airflow/dags/a.py": "", "airflow.cfg": ""})
    found = built(root)
    assert found.notes == (f"{LEFT_OUT}DAGs in it need the setting dags_path",)
    paths = [file.path for file in found.files]
    assert "airflow.cfg" in paths
    assert not {"airflow/webserver.py", "airflow/dags/a.py"} & {*paths}
    git(root, "rm", "-r", "--quiet", "dags")
    (root / "airflow/more.py").write_text("")
    git(root, "add", "--all")
    found = built(root, dags_path="airflow/dags")
    assert found.notes == (f"{LEFT_OUT}only airflow/dags is kept",)
    paths = [file.path for file in found.files]
    assert len(paths) == len({*paths})
    assert {"airflow/dags/a.py", "airflow/Dockerfile"} <= {*paths}
    assert not {"airflow/webserver.py", "airflow/more.py"} & {*paths}


def test_a_file_in_the_place_of_the_stacks_own_is_refused(checkout: Make) -> None:
    """A directory cannot have the name of a file beside it."""
    root = checkout(**ANOTHER, **{"airflow/workspace/a.py": ""})
    (fault,) = faults(root, dags_path="airflow/workspace")
    assert fault == f"{root}/airflow/workspace is where a release has a file of the stack; rename it."


def test_notes_are_no_part_of_a_release(checkout: Make) -> None:
    """What is left out makes no other release."""
    root, other = checkout(**ANOTHER), checkout(**ANOTHER, **{"airflow/a.py": ""})
    assert built(root).id == built(other).id
    assert (built(root).notes, len(built(other).notes)) == ((), 1)


def test_packages_of_debian_are_part_of_the_image(checkout: Make) -> None:
    """In any order, one a line; without the setting there is no such file."""
    root = checkout(**ANOTHER)
    plain, found = built(root), built(root, image_packages=["libxml2", "libpq5", "libpq5"])
    assert content(found, rendering.PACKAGES) == "libpq5\nlibxml2\n"
    assert rendering.PACKAGES not in {file.path for file in plain.files}
    assert found.image != plain.image
    assert built(root, image_packages=["libpq5", "libxml2"]) == found


POINTER = f"{LFS_POINTER.decode()}\noid sha256:{'0' * 64}\nsize 12345\n"


def test_pointers_of_git_lfs_are_refused(checkout: Make) -> None:
    """A deploy would take them for the files; the first is named, and how many more there are."""
    root = checkout(**ANOTHER, **{f"models/{name}.bin": POINTER for name in "abc"})
    assert faults(root) == [
        f"{root}/models/a.bin and 2 more are git LFS pointers, not the files themselves; git lfs pull fetches them."
    ]
    git(root, "rm", "--quiet", "models/b.bin", "models/c.bin")
    assert faults(root) == [f"{root}/models/a.bin is a git LFS pointer, not the file itself; git lfs pull fetches it."]


def test_much_data_in_git_is_noted(checkout: Make) -> None:
    """With the largest file and the way out; up to the limit nothing is said."""
    root = checkout(**ANOTHER)
    with (root / "raw.bin").open("wb") as file:
        file.truncate(LARGE - 1000)
    git(root, "add", "--all")
    assert built(root).notes == ()
    with (root / "raw.bin").open("ab") as file:
        file.truncate(LARGE)
    (note,) = built(root).notes
    assert note == (
        "The project has 100 MB in git, most in raw.bin (100 MB), and each release and the image have a copy; "
        "keep data out of git, for example with DVC: see docs/projects.md"
    )


NAMES = (
    "two words.py",
    "[a-b]{c}.py",
    "12:30.py",
    "été 飛行機.py",
    "back\\slash.py",
    "new\nline.py",
    "-rf",
    "'\"$HOME`.py",
)


def test_files_may_have_any_name(checkout: Make) -> None:
    """Git lists them as they are."""
    root = checkout(**ANOTHER, **{f"data (old)/{name}": name for name in NAMES})
    found = {file.path: file.content.decode() for file in built(root).files}
    assert {name: found[f"data (old)/{name}"] for name in NAMES} == {name: name for name in NAMES}


@pytest.mark.parametrize("is_link", [False, True])
def test_a_name_that_is_not_utf8_is_refused(checkout: Make, *, is_link: bool) -> None:
    """Docker would not build from it; the sentence can be printed all the same."""
    root = checkout(**ANOTHER)
    odd = os.fsdecode(b"caf\xe9.py")
    if is_link:
        (root / "link.py").symlink_to(odd)
    else:
        (root / odd).write_text("")
    git(root, "add", "--all")
    (fault,) = faults(root)
    assert fault.encode().startswith(f"{root}/{'link' if is_link else 'caf'}".encode())
    assert fault.endswith("has a name, or is a link to one, that is not UTF-8; rename it.")


def test_a_second_environment_is_for_another_project() -> None:
    """What this repository's own needs is locked together with Airflow."""
    (fault,) = faults(rendering.ROOT, project_environment="separate")
    assert fault.startswith('setting "project_environment" requires project_path')


def test_what_a_project_has_to_have_is_documented() -> None:
    """By its names, where a user looks for it."""
    page = (rendering.ROOT / "docs/projects.md").read_text()
    for name in ("dags/", REQUIREMENTS, "pyproject.toml", "uv.lock"):
        assert f"`{name}" in page
