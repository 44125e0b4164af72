"""Bad deliveries, each through the commands a user types: quarantine, a report, and nothing made of it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from src.data_generation.flights import generate
from src.pipelines import (
    bronze_pipeline,
    gold_pipeline,
    silver_pipeline,
    split_pipeline,
    text_table,
    training_pipeline,
)
from src.pipelines.stage import SPLITS, StageError
from src.shared.utils import load_params

from .conftest import Command, put

ROWS = 3000


def run_all(raw: Path, data: Path) -> dict[str, str]:
    """Run all stages, each whatever became of the one before it; return what those say that fail."""
    train = data / "split" / "train.csv"
    silver = {name: data / "silver" / f"{name}.parquet" for name in SPLITS}
    stages: dict[str, Callable[[], object]] = {
        "split": lambda: split_pipeline.run(raw, data, **load_params("split", split_pipeline.run)),
        "bronze": lambda: bronze_pipeline.run(train, data, **load_params("bronze", bronze_pipeline.run)),
        "silver": lambda: silver_pipeline.run(data / "bronze" / "train.parquet", data),
        "gold": lambda: gold_pipeline.run(silver, data, **load_params("gold", gold_pipeline.run)),
        "training": lambda: training_pipeline.run(
            data / "gold", data / "model", **load_params("training", training_pipeline.run)
        ),
    }
    said = {}
    for name, stage in stages.items():
        try:
            stage()
        except StageError as error:
            said[name] = str(error)
    return said


class Case(NamedTuple):
    """A spoilt file: what is done to it, which stage sees it, and how the report begins about it."""

    spoil: Callable[[Path], object]
    stage: str
    fault: str
    rows: int


def edited(path: Path, *changes: tuple[bytes, bytes]) -> None:
    """Replace bytes in a file, each once."""
    content = path.read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    path.write_bytes(content)


def without_agency(path: Path) -> None:
    """Take a column out of a file."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(fields[:8] + fields[9:]) for fields in lines) + "\n")


def put_in(column: str, value: str, *rows: int) -> Callable[[Path], None]:
    """Return what writes a value into rows of a file, all of them in the train split."""

    def spoil(path: Path) -> None:
        for row in rows:
            put(path, column, value, row)

    return spoil


CASES = {
    "missing column": Case(without_agency, "split", "agency: missing_column", 0),
    "wrong type": Case(put_in("price", "cheap", 5, 6), "bronze", "price: number in 2 rows", 2),
    "negative price": Case(put_in("price", "-1.5", *range(10, 17)), "bronze", "price: non_negative in 7 rows", 5),
    "impossible date": Case(put_in("date", "2021-02-30", 7), "split", "date: real_date in 1 row", 1),
    "date before there were flights": Case(put_in("date", "0000-01-01", 7), "split", "date: real_date in 1 row", 1),
    "quote that does not end": Case(put_in("agency", '"Rainbow', 9), "split", "csv in 1 row, ", 1),
    "unknown city": Case(
        put_in("to", "Lisboa", 1, 2, 3),
        "bronze",
        "to: known_city in 3 rows, of which at most 0.10% may",
        3,
    ),
    "unknown flight type": Case(
        put_in("flightType", "supersonic", *range(1, 20)),
        "bronze",
        "flightType: known_flight_type in 19 rows, of which at most 0.10% may",
        5,
    ),
    "empty file": Case(lambda path: path.write_bytes(b""), "split", "has_rows: the file is empty", 0),
    "truncated file": Case(
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        "split",
        "truncated in 1 row, the last line has no end",
        1,
    ),
    "not UTF-8": Case(
        lambda path: edited(path, (b"Natal", b"Nat\xe1l"), (b"Recife", b"R\xe9cife")),
        "split",
        "utf8 in 2 rows, byte ",
        2,
    ),
}


@pytest.fixture
def delivered(data: Path) -> Path:
    """Return a good raw file."""
    path = data / "raw" / "flights.csv"
    path.parent.mkdir(parents=True)
    generate(ROWS, seed=1).write_csv(path, float_precision=2)
    return path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_bad_file_ends_in_quarantine(delivered: Path, data: Path, case: Case) -> None:
    """Rule, count and first rows are in the report, and no stage after the gate leaves anything."""
    case.spoil(delivered)
    before = delivered.read_bytes()
    said = run_all(delivered, data)
    stages = ["split", "bronze", "silver", "gold", "training"]
    assert list(said) == stages[stages.index(case.stage) :]
    assert f"is not fit for {case.stage} ({case.fault}" in said[case.stage]
    name = "flights" if case.stage == "split" else "train"
    (directory,) = (data / "quarantine").iterdir()
    assert directory.name.startswith(f"{case.stage}-{name}-")
    report = (directory / "report.txt").read_text()
    assert f"was refused by {case.stage}." in report
    assert f"\n\n{case.fault}" in report
    assert report.count("\n  row ") == case.rows
    kept = (directory / f"{name}.csv").read_bytes()
    assert kept == (before if name == "flights" else (data / "split" / "train.csv").read_bytes())
    assert json.loads((data / "reports" / case.stage / f"{name}.json").read_text())["success"] is False
    assert not list(data.rglob("*.parquet"))
    assert not (data / "model").exists()


def test_a_command_that_refuses_says_so_in_a_line(command: Command, delivered: Path, data: Path) -> None:
    """And its exit code is 1, which ends what runs it."""
    delivered.write_bytes(delivered.read_bytes()[:-7])
    done = command("src/pipelines/split_pipeline.py")
    assert done.returncode == 1
    (directory,) = (data / "quarantine").iterdir()
    sentence = "is not fit for split (truncated in 1 row, the last line has no end)"
    assert done.stderr == f"split: {delivered} {sentence}: a copy and a report are in {directory}\n"


def test_the_first_rows_are_shown_as_they_were(delivered: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Places and values: what somebody needs to find them, however many pieces the file is read in."""
    monkeypatch.setattr(text_table, "_PIECE", 700)
    for row in (20, 21, 2000, 2500, 2999, 3000):
        put(delivered, "price", "-1", row)
    lines = delivered.read_text().splitlines()
    with pytest.raises(StageError, match="price: non_negative in 6 rows"):
        bronze_pipeline.run(delivered, data)
    (report,) = (data / "quarantine").glob("*/report.txt")
    shown = [line for line in report.read_text().splitlines() if line.startswith("  row ")]
    assert shown == [f"  row {row}: {lines[row]}" for row in (20, 21, 2000, 2500, 2999)]


def test_a_few_unknown_cities_are_set_aside(command: Command, delivered: Path, data: Path) -> None:
    """Below the threshold the file goes on without those rows, which are kept and counted."""
    for row in (100, 2200):
        put(delivered, "from", "Lisboa", row)
    lines = delivered.read_text().splitlines()
    done = command("src/pipelines/bronze_pipeline.py", "flights.csv")
    assert done.returncode == 0, done.stderr
    (aside,) = (data / "quarantine").iterdir()
    assert (aside / "rows.csv").read_text().splitlines() == [lines[0], lines[100], lines[2200]]
    assert f"from: known_city in 2 rows\n  row 100: {lines[100]}\n" in (aside / "report.txt").read_text()
    report = json.loads((data / "reports" / "bronze" / "flights.json").read_text())
    assert report["success"] is True
    assert [(fault["rule"], fault["rows"]) for fault in report["faults"]] == [("known_city", 2)]
    silver_pipeline.run(data / "bronze" / "flights.parquet", data)
    assert json.loads((data / "reports" / "silver" / "flights.json").read_text())["rows"] == ROWS - 2


@pytest.mark.parametrize(("rows", "passes"), [(30, True), (31, False)])
def test_a_threshold_is_where_it_is_said_to_be(delivered: Path, data: Path, rows: int, passes: bool) -> None:  # noqa: FBT001 - one of two
    """1 % of 3,000 rows may lack the time, and not one more."""
    for row in range(1, rows + 1):
        put(delivered, "time", "", row)
    if passes:
        bronze_pipeline.run(delivered, data, **load_params("bronze", bronze_pipeline.run))
        assert not (data / "quarantine").exists()
    else:
        with pytest.raises(StageError, match=r"time: not_null in 31 rows, of which at most 1\.00% may"):
            bronze_pipeline.run(delivered, data, **load_params("bronze", bronze_pipeline.run))


def test_the_same_upload_under_another_name_is_refused(delivered: Path, data: Path) -> None:
    """Also after the first was let in long ago; in its own place, again and again, it is none."""
    again, shares = delivered.with_name("flights-october.csv"), load_params("split", split_pipeline.run)
    for _ in range(2):
        split_pipeline.run(delivered, data, **shares)
    splits = {path.name: path.read_bytes() for path in (data / "split").iterdir()}
    shutil.copy(delivered, again)
    with pytest.raises(
        StageError,
        match=r"duplicate_upload in 3000 rows, its content is that of flights\.csv, which was let in",
    ):
        split_pipeline.run(again, data, **shares)
    (report,) = (data / "quarantine").glob("split-flights-october-*/report.txt")
    assert "\nduplicate_upload in 3000 rows, its content is that of flights.csv" in report.read_text()
    assert report.read_text().count("\n  row ") == 5
    assert {path.name: path.read_bytes() for path in (data / "split").iterdir()} == splits
    # The first is still none, and a file that was only renamed is none either.
    split_pipeline.run(delivered, data, **shares)
    delivered.unlink()
    split_pipeline.run(again, data, **shares)


def test_a_split_that_is_a_copy_of_another_is_refused(delivered: Path, data: Path) -> None:
    """A model must not be tried on what it learned from."""
    train, _, test = split_pipeline.run(delivered, data, **load_params("split", split_pipeline.run))
    shutil.copy(train, test)
    bronze_pipeline.run(train, data)
    with pytest.raises(StageError, match=r"duplicate_upload in \d+ rows, its content is that of train\.csv"):
        bronze_pipeline.run(test, data)
    assert not (data / "bronze" / "test.parquet").exists()


def test_a_file_that_has_another_content_by_now_is_no_first_copy(delivered: Path, data: Path) -> None:
    """Two files that change places, as splits do when a day is added, are no duplicates."""
    other = delivered.with_name("flights-october.csv")
    generate(ROWS, seed=2).write_csv(other, float_precision=2)
    bronze_pipeline.run(delivered, data)
    bronze_pipeline.run(other, data)
    between = delivered.with_name("between")
    delivered.rename(between)
    other.rename(delivered)
    between.rename(other)
    bronze_pipeline.run(delivered, data)
    bronze_pipeline.run(other, data)


@pytest.mark.parametrize(("train", "validation"), [(0.85, 0.15), (70, 15), (0, 0.5), (0.7, 0)])
def test_shares_that_leave_a_split_empty_are_no_fault_of_the_file(
    delivered: Path, data: Path, train: float, validation: float
) -> None:
    """The sentence is about params.yaml, and nothing is in quarantine."""
    with pytest.raises(StageError, match=r"^params\.yaml, section split: train is "):
        split_pipeline.run(delivered, data, train=train, validation=validation)
    assert not (data / "quarantine").exists()


@pytest.mark.parametrize("shares", [{"set_aside": {"known_town": 0.1}}, {"let_through": {"times": 0.1}}])
def test_a_share_of_a_rule_that_there_is_not_is_named(
    delivered: Path, data: Path, shares: dict[str, dict[str, float]]
) -> None:
    """A misspelt name would leave the gate closed, and nobody would know why."""
    with pytest.raises(StageError, match=r"^params\.yaml has a share for (known_town|times), which is no rule"):
        bronze_pipeline.run(delivered, data, **shares)


def test_a_report_says_how_its_rows_are_counted(delivered: Path, data: Path) -> None:
    """Silver has sorted them, and left duplicates out."""
    put(delivered, "to", "Natal (RN)", 3)
    put(delivered, "from", "Natal (RN)", 3)
    table = bronze_pipeline.run(delivered, data)
    with pytest.raises(StageError, match="goes_somewhere in 1 row"):
        silver_pipeline.run(table, data)
    (report,) = (data / "quarantine").glob("silver-*/report.txt")
    assert "Rows are counted from 1, sorted by date, without duplicates.\n" in report.read_text()
