"""The gold tables: numbers, encoded by what the train split alone has shown."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from src.pipelines.encoding import OTHER, TYPES, Encoding
from src.pipelines.gold_pipeline import run
from src.pipelines.silver_rules import TYPES as SILVER
from src.pipelines.stage import SPLITS, StageError

PARAMETERS = {"rare": 0.05, "fence": 3.0}


def silver(data: Path, name: str, rows: int = 100, **columns: object) -> Path:
    """Write a silver table of equal rows, but for some columns."""
    row = {
        "travel_code": 1,
        "user_code": 1,
        "origin": "Natal (RN)",
        "destination": "Recife (PE)",
        "route": "Natal (RN) - Recife (PE)",
        "flight_type": "premium",
        "agency": "Rainbow",
        "time": 1.0,
        "distance": 386.0,
        "date": date(2020, 1, 1),
        "year": 2020,
        "month": 1,
        "day": 1,
        "weekday": 3,
        "price": 100.0,
    }
    values = {column: value if isinstance(value, list) else [value] * rows for column, value in columns.items()}
    path = data / "silver" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({name: [value] * rows for name, value in row.items()} | values, schema=SILVER).write_parquet(path)
    return path


def test_rare_and_unknown_categories_are_one(data: Path) -> None:
    """What train has not, has not often, or what is missing has the code of "other"; the others one each."""
    agencies = ["Rainbow"] * 60 + ["CloudFy"] * 37 + ["Rare"] * 3
    train = silver(data, "train", agency=agencies)
    test = silver(data, "test", rows=3, agency=["CloudFy", "Unheard of", None])
    gold = run({"train": train, "validation": silver(data, "validation"), "test": test}, data, **PARAMETERS)
    assert pl.read_parquet(gold / "train.parquet")["agency"].to_list() == [2] * 60 + [1] * 37 + [OTHER] * 3
    assert pl.read_parquet(gold / "test.parquet")["agency"].to_list() == [1, OTHER, OTHER]
    assert json.loads((gold / "encoding.json").read_text())["categories"]["agency"] == ["CloudFy", "Rainbow"]


def test_missing_numbers_are_the_medians_of_train_and_outliers_are_drawn_in(data: Path) -> None:
    """Of train alone: other splits may have other medians, and change nothing."""
    times = [0.9] * 25 + [1.0] * 50 + [1.1] * 25
    train = silver(data, "train", time=times)
    test = silver(data, "test", rows=3, time=[None, 9.0, 0.1])
    validation = silver(data, "validation", time=2.0)
    gold = run({"train": train, "validation": validation, "test": test}, data, **PARAMETERS)
    fences = json.loads((gold / "encoding.json").read_text())["numbers"]["time"]
    assert fences["median"] == 1.0
    assert pl.read_parquet(gold / "test.parquet")["time"].to_list() == [1.0, fences["high"], fences["low"]]


def test_a_price_that_is_an_outlier_is_not_learned_from_but_is_predicted(data: Path) -> None:
    """Left out of train, and counted; kept in test, where it is what a model is asked for."""
    prices = [90.0] * 30 + [100.0] * 39 + [110.0] * 30 + [9000.0]
    tables = {name: silver(data, name, price=prices) for name in SPLITS}
    gold = run(tables, data, **PARAMETERS)
    heights = [pl.read_parquet(gold / f"{name}.parquet").height for name in SPLITS]
    assert heights == [99, 100, 100]
    assert json.loads((data / "reports" / "gold" / "train.json").read_text())["outliers"] == 1


def test_gold_is_numbers_without_gaps(data: Path) -> None:
    """The columns and types that a model takes, none missing; an encoding read back does the same."""
    table = silver(data, "train", time=None, agency=["Rainbow"] * 50 + [None] * 50, distance=[386.0] * 100)
    pl.read_parquet(table).with_columns(time=pl.when(pl.int_range(100) > 1).then(1.0)).write_parquet(table)
    gold = run(dict.fromkeys(SPLITS, table), data, **PARAMETERS)
    made = pl.read_parquet(gold / "train.parquet")
    assert made.schema == TYPES
    assert sum(made.null_count().row(0)) == 0
    again = Encoding.read(gold / "encoding.json").applied(iter([pl.read_parquet(table)]))
    assert pl.concat(again).equals(made)


def test_what_is_no_number_is_refused(data: Path) -> None:
    """The silver table is in quarantine with the rule and the row; all of gold is as it was."""
    tables = {name: silver(data, name, price=[90.0] * 50 + [100.0] * 50) for name in SPLITS}
    gold = run(tables, data, **PARAMETERS)
    before = {path.name: path.read_bytes() for path in gold.iterdir()}
    silver(data, "train", price=[70.0] * 50 + [100.0] * 50, agency="CloudFy")
    silver(data, "test", price=[100.0] * 99 + [float("inf")])
    with pytest.raises(StageError, match="price: finite in 1 row"):
        run(tables, data, **PARAMETERS)
    assert {path.name: path.read_bytes() for path in gold.iterdir()} == before
    (report,) = (data / "quarantine").glob("gold-test-*/report.txt")
    assert "\nprice: finite in 1 row\n  row 100: " in report.read_text()


def test_a_column_without_any_value_teaches_nothing(data: Path) -> None:
    """There is no median to fill it with."""
    tables = {name: silver(data, name, time=None) for name in SPLITS}
    with pytest.raises(StageError, match="the train split has no time at all"):
        run(tables, data, **PARAMETERS)
