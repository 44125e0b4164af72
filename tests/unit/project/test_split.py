"""The split by date: every row once, in order, the same whatever the size."""

import json
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from src.data_generation.flights import generate
from src.pipelines import day_sort
from src.pipelines.split_pipeline import run
from src.pipelines.stage import SPLITS, StageError

from .conftest import Command

SHARES = {"train": 0.7, "validation": 0.15}


@pytest.fixture
def shuffled(data: Path) -> Path:
    """Return a raw file whose rows are in no order."""
    path = data / "raw" / "flights.csv"
    path.parent.mkdir(parents=True)
    generate(20_000, seed=1).sample(fraction=1, shuffle=True, seed=1).write_csv(path, float_precision=2)
    return path


def read(paths: list[Path]) -> list[pl.DataFrame]:
    """Return the splits as they are written."""
    return [pl.read_csv(path, infer_schema=False) for path in paths]


def test_each_row_is_in_one_split_in_the_order_of_days(shuffled: Path, data: Path) -> None:
    """All rows, sorted by date, of one day in the raw file's order; no day in two splits; the shares hold."""
    splits = read(run(shuffled, data, **SHARES))
    raw = pl.read_csv(shuffled, infer_schema=False)
    assert pl.concat(splits).equals(raw.sort("date", maintain_order=True))
    for earlier, later in pairwise(splits):
        assert earlier["date"].max() < later["date"].min()  # type: ignore[operator]
    shares = [split.height / raw.height for split in splits]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.005)
    report = json.loads((data / "reports" / "split" / "flights.json").read_text())
    assert [report["splits"][name]["rows"] for name in SPLITS] == [split.height for split in splits]
    assert sorted(path.name for path in (data / "split").iterdir()) == sorted(f"{n}.csv" for n in SPLITS)


def test_the_size_of_the_pieces_changes_nothing(shuffled: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted a few days at a time or all at once, the bytes are the same."""
    at_once = [path.read_bytes() for path in run(shuffled, data, **SHARES)]
    monkeypatch.setattr(day_sort, "_AT_ONCE", 100)
    assert [path.read_bytes() for path in run(shuffled, data, **SHARES)] == at_once


def test_the_published_files_dates_are_understood(shuffled: Path, data: Path) -> None:
    """Month/day/year becomes YYYY-MM-DD, and nothing else changes."""
    iso = [path.read_bytes() for path in run(shuffled, data, **SHARES)]
    us = pl.col("date").str.to_date("%Y-%m-%d").dt.to_string("%m/%d/%Y")
    pl.read_csv(shuffled, infer_schema=False).with_columns(us).write_csv(shuffled)
    assert b"/20" in shuffled.read_bytes()
    assert [path.read_bytes() for path in run(shuffled, data, **SHARES)] == iso


def test_command_takes_a_name_in_raw(command: Command, shuffled: Path, data: Path) -> None:
    """As typed, from anywhere; the parameters are those of params.yaml."""
    named = shuffled.rename(shuffled.with_name("october.csv"))
    done = command("src/pipelines/split_pipeline.py", "october.csv")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"20000 rows of {named} are split by date\n"
    assert [split.height for split in read([data / "split" / f"{name}.csv" for name in SPLITS])]


def test_too_few_days_are_refused(raw: Path, data: Path) -> None:
    """Three splits need three days."""
    table = pl.read_csv(raw, infer_schema=False).with_columns(date=pl.lit("2020-01-01"))
    table.write_csv(raw)
    with pytest.raises(StageError, match="date: enough_days: 1 are too few for 3 splits"):
        run(raw, data, **SHARES)
    assert not list((data / "split").glob("*"))
