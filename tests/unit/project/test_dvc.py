"""`dvc repro` in a clean clone: the same functions, the same bytes, and nobody's raw file lost."""

import shutil
import subprocess
from pathlib import Path

import pytest

from src.data_generation.flights import generate
from src.data_generation.raw import take_or_generate
from src.pipelines.bronze_pipeline import run
from src.shared.utils import load_params

from .conftest import ROOT, project_environment


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of the repository with this working tree's version of the project in it."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    for name in ("src", ".dvc", ".dvcignore", "dvc.yaml", "params.yaml"):
        shutil.rmtree(clone / name) if (clone / name).is_dir() else (clone / name).unlink(missing_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, clone / name, ignore=shutil.ignore_patterns("tmp", "cache", "__pycache__")
            )
        else:
            shutil.copy(ROOT / name, clone / name)
    return clone


def dvc(clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run DVC in the clone, with nothing of this machine's own DVC in play."""
    own = {
        f"DVC_{kind}_DIR": str(clone.parent / kind)
        for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")
    }
    return subprocess.run(
        ["dvc", *arguments],
        cwd=clone,
        env=project_environment() | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_repro_makes_what_the_functions_make(clone: Path, data: Path) -> None:
    """Raw file, table and report are the same to the byte; a second time there is nothing to do."""
    done = dvc(clone, "repro")
    assert done.returncode == 0, done.stderr
    run(take_or_generate(data, **load_params("raw")), data)
    made = {path.relative_to(data) for path in data.rglob("*") if path.is_file()}
    assert {
        path.relative_to(clone / "data") for path in (clone / "data").rglob("*") if path.is_file()
    } == made
    for path in made:
        assert (clone / "data" / path).read_bytes() == (data / path).read_bytes(), path
    assert "up to date" in dvc(clone, "status").stdout
    # Nothing that a run makes can be committed by accident, but for DVC's own record of it.
    added = ["git", "ls-files", "--others", "--exclude-standard", "--", "data", "dvc.lock"]
    assert subprocess.check_output(added, cwd=clone, text=True) == "dvc.lock\n"


def test_repro_takes_somebodys_raw_file(clone: Path) -> None:
    """Put there before the first run, or in the place of another, it stays; if it is bad, that is said."""
    raw = clone / "data" / "raw" / "flights.csv"
    raw.parent.mkdir(parents=True)
    for rows in (10, 20):
        raw.unlink(missing_ok=True)
        generate(rows, seed=7).write_csv(raw)
        mine = raw.read_bytes()
        done = dvc(clone, "repro")
        assert done.returncode == 0, done.stderr
        assert raw.read_bytes() == mine
        assert f"{rows} rows of data/raw/flights.csv passed" in done.stderr
    raw.write_text("mine\n1\n")
    done = dvc(clone, "repro")
    assert done.returncode != 0
    assert "is not fit for bronze (unexpected_column: mine; " in done.stderr
    assert raw.read_text() == "mine\n1\n"
