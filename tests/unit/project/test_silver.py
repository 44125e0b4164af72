"""The silver tables: names, types and dates, and no row twice."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from src.data_generation.flights import generate
from src.pipelines import bronze_pipeline, silver_pipeline
from src.pipelines.silver_pipeline import run
from src.pipelines.silver_rules import TYPES
from src.pipelines.stage import StageError

from .conftest import Command, put


@pytest.fixture
def bronze(raw: Path, data: Path) -> Path:
    """Return the bronze table of a good file."""
    return bronze_pipeline.run(raw, data)


def test_command_leaves_the_projects_names_and_types(command: Command, raw: Path, data: Path) -> None:
    """As typed in the documentation, for a split's file; the dates are taken apart."""
    (data / "split").mkdir()
    raw.rename(data / "split" / "train.csv")
    for stage in ("bronze", "silver"):
        done = command(f"src/pipelines/{stage}_pipeline.py", "train.csv")
        assert done.returncode == 0, done.stderr
    silver = pl.read_parquet(data / "silver" / "train.parquet")
    assert silver.schema == TYPES
    assert silver.height == 20
    first = silver.row(0, named=True)
    assert first["date"] == date(2019, 9, 26)
    assert [first[part] for part in ("year", "month", "day", "weekday")] == [2019, 9, 26, 4]
    assert first["route"] == f"{first['origin']} - {first['destination']}"


def test_a_row_that_is_there_twice_is_dropped(raw: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal rows become one, wherever they are in the file; the report counts them; pieces change nothing."""
    lines = raw.read_text().splitlines(keepends=True)
    raw.write_text("".join([*lines, *lines[5:8]]))
    table = run(bronze_pipeline.run(raw, data), data)
    assert pl.read_parquet(table).height == 20
    assert pl.read_parquet(table)["date"].is_sorted()
    report = json.loads((data / "reports" / "silver" / "flights.json").read_text())
    assert (report["rows"], report["duplicates"]) == (20, 3)
    at_once = table.read_bytes()
    monkeypatch.setattr(silver_pipeline, "_AT_ONCE", 4)
    assert run(data / "bronze" / "flights.parquet", data).read_bytes() == at_once


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"to": pl.col("from")}, "goes_somewhere in 1 row"),
        ({"time": pl.col("time") * 3}, "plausible_speed in 1 row"),
        ({"time": pl.lit(0.0)}, "time: positive in 1 row"),
    ],
)
def test_what_bronze_cannot_see_is_refused(bronze: Path, data: Path, change: dict[str, pl.Expr], fault: str) -> None:
    """A row whose values do not fit each other: the table is in quarantine, and there is no silver one."""
    (name, value), *_ = change.items()
    rows = pl.read_parquet(bronze)
    changed = pl.when(pl.int_range(rows.height) == 2).then(value).otherwise(pl.col(name)).alias(name)
    rows.with_columns(changed).write_parquet(bronze)
    with pytest.raises(StageError, match=fault):
        run(bronze, data)
    (report,) = (data / "quarantine").glob("silver-flights-*/report.txt")
    assert f"\n{fault}\n  row 3: " in report.read_text()
    assert not list((data / "silver").glob("*"))


def test_missing_values_pass_for_gold_to_fill(raw: Path, data: Path) -> None:
    """What bronze lets through, silver does as well."""
    put(raw, "time", "")
    table = run(bronze_pipeline.run(raw, data, let_through={"time": 0.05}), data)
    assert pl.read_parquet(table)["time"].null_count() == 1


def test_duplicates_of_a_real_size_are_found(data: Path) -> None:
    """In 40,000 rows, over many row groups of days."""
    raw = data / "raw" / "flights.csv"
    raw.parent.mkdir(parents=True)
    table = generate(40_000, seed=3)
    pl.concat([table, table.gather_every(10)]).write_csv(raw)
    assert pl.read_parquet(run(bronze_pipeline.run(raw, data), data)).height == 40_000
