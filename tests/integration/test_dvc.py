"""`dvc repro` in a clean clone: the same functions, the same bytes, and nobody's raw file lost."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from src.data_generation.flights import generate
from src.data_generation.raw import take_or_generate
from src.pipelines import (
    bronze_pipeline,
    gold_pipeline,
    silver_pipeline,
    split_pipeline,
    training_pipeline,
)
from src.shared.utils import load_params
from tests.unit.project.conftest import ROOT, project_environment


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone of the repository with this working tree's version of the project in it."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    for name in ("src", ".dvc", ".dvcignore", "dvc.yaml", "dvc.lock", "params.yaml"):
        shutil.rmtree(clone / name) if (clone / name).is_dir() else (clone / name).unlink(missing_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("tmp", "cache", "__pycache__"))
        else:
            shutil.copy(ROOT / name, clone / name)
    return clone


def dvc(clone: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run DVC in the clone, with nothing of this machine's own DVC in play."""
    own = {f"DVC_{kind}_DIR": str(clone.parent / kind) for kind in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE")}
    return subprocess.run(
        ["dvc", *arguments],
        cwd=clone,
        env=project_environment() | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def files(folder: Path) -> set[Path]:
    """Return all files below a folder, by their path from there."""
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_repro_makes_what_the_functions_make_and_the_lock_says(clone: Path, data: Path) -> None:
    """All files are the same to the byte, and those of dvc.lock; a second time there is nothing to do."""
    done = dvc(clone, "repro")
    assert done.returncode == 0, done.stderr
    raw = take_or_generate(data, **load_params("raw", take_or_generate))
    parts = split_pipeline.run(raw, data, **load_params("split", split_pipeline.run))
    bronze = [bronze_pipeline.run(part, data, **load_params("bronze", bronze_pipeline.run)) for part in parts]
    silver = [silver_pipeline.run(table, data) for table in bronze]
    gold = gold_pipeline.run({table.stem: table for table in silver}, data, **load_params("gold", gold_pipeline.run))
    models = data.with_name("models")
    training_pipeline.run(gold, models / "candidate", **load_params("training", training_pipeline.run))
    for mine, theirs in ((data, clone / "data"), (models, clone / "models")):
        assert files(theirs) == files(mine)
        for path in files(mine):
            assert (theirs / path).read_bytes() == (mine / path).read_bytes(), path
    assert "up to date" in dvc(clone, "status").stdout
    assert "Running stage" not in dvc(clone, "repro").stdout
    assert (clone / "dvc.lock").read_bytes() == (ROOT / "dvc.lock").read_bytes(), "`dvc repro`, and commit dvc.lock"
    # Nothing that a run makes can be committed by accident, but for DVC's own record of it.
    added = ["git", "ls-files", "--others", "--exclude-standard", "--", "data", "models", "dvc.lock"]
    assert set(subprocess.check_output(added, cwd=clone, text=True).split()) <= {"dvc.lock"}
    shown = json.loads(dvc(clone, "metrics", "show", "--json").stdout)
    (metrics,) = shown[""]["data"].values()
    assert metrics["data"] == json.loads((models / "candidate" / "metrics.json").read_text())
    drawn = json.loads(dvc(clone, "plots", "show", "--json").stdout)
    assert drawn.get("errors", []) == []
    fields = {
        "actual against predicted": {"actual", "predicted"},
        "residuals": {"residual", "rows"},
        "feature importance": {"feature", "gain"},
    }
    assert set(drawn["data"]) == set(fields)
    for title, columns in fields.items():
        (plot,) = drawn["data"][title]
        assert len(plot["content"]["data"]["values"]) >= 10, title
        assert columns <= plot["content"]["data"]["values"][0].keys(), title


def test_repro_takes_somebodys_raw_file(clone: Path) -> None:
    """Put there before the first run, or in the place of another, it stays; if it is bad, that is said."""
    raw = clone / "data" / "raw" / "flights.csv"
    raw.parent.mkdir(parents=True)
    for rows in (100, 200):
        raw.unlink(missing_ok=True)
        generate(rows, seed=7).write_csv(raw)
        mine = raw.read_bytes()
        done = dvc(clone, "repro", "split")
        assert done.returncode == 0, done.stderr
        assert raw.read_bytes() == mine
        assert f"{rows} rows of {raw} are split by date" in done.stderr
    raw.write_text("mine\n1\n")
    done = dvc(clone, "repro")
    assert done.returncode != 0
    assert "is not fit for split (unexpected_column: mine; " in done.stderr
    assert "Running stage 'bronze" not in done.stdout
    assert raw.read_text() == "mine\n1\n"
