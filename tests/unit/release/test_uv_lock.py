"""Requirements from pyproject.toml and uv.lock: the real uv, and nothing but the two files."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.release import rendering, uv_lock
from deploy.release.rendering import Placement, Release
from deploy.settings import Settings

Make = Callable[..., Path]

PROJECT = """\
[project]
name = "churn"
version = "0.1.0"
requires-python = ">=3.99"
dependencies = ["Inflect <8, >=7; sys_platform != 'win32'", "six"]

[project.optional-dependencies]
plots = ["packaging"]

[dependency-groups]
dev = ["iniconfig"]
"""
PACKAGE = """
[[package]]
name = "{name}"
version = "{version}"
source = {{ registry = "https://index.test/simple" }}
wheels = [
    {{ url = "https://index.test/{name}-{version}-py3-none-any.whl", hash = "sha256:{digit}", size = 1 }},
]
"""
VERSIONS = {"inflect": "7.5.0", "iniconfig": "2.0", "packaging": "99.0", "six": "1.17.0"}
LOCK = """\
version = 1
revision = 3
requires-python = ">=3.99"

[[package]]
name = "churn"
version = "0.1.0"
source = { virtual = "." }
dependencies = [
    { name = "inflect", marker = "sys_platform != 'win32'" },
    { name = "six" },
]

[package.optional-dependencies]
plots = [
    { name = "packaging" },
]

[package.dev-dependencies]
dev = [
    { name = "iniconfig" },
]

[package.metadata]
requires-dist = [
    { name = "inflect", specifier = ">=7,<8", marker = "sys_platform != 'win32'" },
    { name = "packaging", marker = "extra == 'plots'" },
    { name = "six" },
]
provides-extras = ["plots"]

[package.metadata.requires-dev]
dev = [{ name = "iniconfig" }]
""" + "".join(
    PACKAGE.format(name=name, version=version, digit=str(at) * 64)
    for at, (name, version) in enumerate(VERSIONS.items())
)


def exported(project: str = PROJECT, lock: str = LOCK) -> str:
    """Return what is required."""
    return uv_lock.export(project.encode(), lock.encode())


def problem(project: str = PROJECT, lock: str = LOCK) -> str:
    """Return why it cannot be said."""
    with pytest.raises(ValueError, match=r".") as caught:
        exported(project, lock)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_locked_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pinned and hashed, without the tools of developers; for a Python that is not here, whatever uv is told."""
    monkeypatch.setenv("UV_LOCKED", "1")
    monkeypatch.setenv("UV_PROJECT", "/nowhere")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://unreachable.test/simple")
    text = exported()
    assert f"inflect==7.5.0 ; sys_platform != 'win32' \\\n    --hash=sha256:{'0' * 64}\n" in text
    assert f"six==1.17.0 \\\n    --hash=sha256:{'3' * 64}\n" in text
    assert "packaging" not in text
    assert "iniconfig" not in text


def test_a_uv_in_the_path_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is none beside Python, as of an environment that `make venv` did not make; or none at all."""
    there = Path(sys.executable).with_name("uv")
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin/python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert problem() == "is read by uv, which is not installed here; make venv installs it."
    (tmp_path / "uv").symlink_to(there)
    assert "inflect==7.5.0" in exported()


@pytest.mark.parametrize(
    ("now", "differing"),
    [
        ('["inflect>=7,<8", "six", "polars"]', "polars"),
        ('["inflect>=7"]', "inflect, six"),
        ('["inflect>=7,<9", "six"]', "inflect"),
        ('["inflect>=7,<8", "six==1.*"]', "six"),
    ],
)
def test_a_lock_that_is_older_than_the_project_is_refused(now: str, differing: str) -> None:
    """With what differs, and the way out."""
    project = PROJECT.replace("""["Inflect <8, >=7; sys_platform != 'win32'", "six"]""", now)
    assert problem(project) == f"does not match pyproject.toml ({differing}); run uv lock."


def test_what_is_not_from_an_index_is_compared_by_its_name() -> None:
    """uv.lock has the address in the place of versions."""
    sources = '[tool.uv.sources]\nsix = { git = "https://git.test/six" }\n'
    lock = LOCK.replace('{ name = "six" },\n]\nprov', '{ name = "six", git = "https://git.test/six" },\n]\nprov')
    project = PROJECT.replace('"six"', '"six>=1"') + sources
    assert "inflect==7.5.0" in exported(project, lock)
    assert problem(PROJECT.replace('"six"', '"sixth"'), lock).startswith("does not match pyproject.toml (six, sixth)")


@pytest.mark.parametrize(
    ("project", "lock", "words"),
    [
        (PROJECT, "garbage", "cannot be read by uv (Failed to parse `uv.lock`: TOML"),
        ("garbage", LOCK, "cannot be read by uv (Failed to parse: "),
        (PROJECT.replace("churn", "other"), LOCK, "cannot be read by uv (The lockfile at `uv.lock` needs to be"),
    ],
)
def test_what_uv_cannot_read_is_told_with_its_reason(project: str, lock: str, words: str) -> None:
    """In one line, which ends with the way out."""
    found = problem(project, lock)
    assert found.startswith(words), found
    assert found.endswith("; correct it, or run uv lock.")


def test_other_packages_of_the_project_are_refused() -> None:
    """The build sees nothing of them; the way out is a layout."""
    lock = LOCK.replace("\ndependencies = [\n", '\ndependencies = [\n    { name = "more" },\n')
    lock = lock.replace("requires-dist = [\n", 'requires-dist = [\n    { name = "more", editable = "libs/more" },\n')
    lock += '\n[[package]]\nname = "more"\nversion = "0.1.0"\nsource = { editable = "libs/more" }\n'
    found = problem(PROJECT.replace('["Inflect', '["more", "Inflect'), lock)
    assert found.startswith("needs ./libs/more, of which the build sees nothing; ")
    assert found.endswith("with the setting python_path.")


def built(root: Path, **settings: object) -> Release:
    """Return the release of a project."""
    given = Settings.model_validate({"project_path": str(root), **settings})
    return rendering.build(given, Placement(1000, "python:3.13", "postgres:13", 4096))


FILES = {"pyproject.toml": PROJECT, "uv.lock": LOCK}


def listed(release: Release) -> dict[str, str]:
    """Return what the build of a release installs a project from, by the names of the files."""
    return {file.path: file.content.decode() for file in release.files if file.path.startswith("airflow/project-")}


def test_a_project_may_have_a_lock_of_uv(checkout: Make) -> None:
    """A line each, with its hash; where there is a requirements.txt as well, that is what counts."""
    found = listed(built(checkout(**FILES), project_environment="separate"))
    inflect = f"inflect==7.5.0 ; sys_platform != 'win32' --hash=sha256:{'0' * 64}\n"
    assert found == {"airflow/project-separate.txt": f"{inflect}six==1.17.0 --hash=sha256:{'3' * 64}\n"}
    both = checkout(**FILES, **{"requirements.txt": "flask\n"})
    assert listed(built(both)) == {"airflow/project-shared.txt": "flask\n"}


def test_a_problem_names_the_lock(checkout: Make) -> None:
    """And no line of it: what is read are uv's lines."""
    root = checkout(**{name: text.replace("six", "pydantic") for name, text in FILES.items()})
    with pytest.raises(ValueError, match="pydantic") as caught:
        built(root)
    assert str(caught.value).startswith(f"{root}/uv.lock needs pydantic==1.17.0, but Airflow pins ")
    (root / "uv.lock").write_text(LOCK)
    with pytest.raises(ValueError, match="does not match") as caught:
        built(root)
    assert str(caught.value) == f"{root}/uv.lock does not match pyproject.toml (pydantic, six); run uv lock."
