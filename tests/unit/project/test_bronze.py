"""The bronze gate: what passes is Parquet, what fails is in quarantine with the reason."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from src.pipelines.bronze_pipeline import run
from src.pipelines.bronze_rules import CITIES, TYPES, rules
from src.pipelines.stage import StageError

from .conftest import HEADER, Command, put

BRONZE = "src/pipelines/bronze_pipeline.py"
COLUMNS = HEADER.strip().split(",")


def refused(command: Command, data: Path) -> tuple[str, str]:
    """Run bronze on a file it must refuse; return what the brackets say, and the report."""
    before = (data / "raw" / "flights.csv").read_bytes()
    done = command(BRONZE, "flights.csv")
    assert done.returncode == 1, done.stderr
    (directory,) = (data / "quarantine").iterdir()
    start = f"bronze: {data}/raw/flights.csv is not fit for bronze ("
    end = f"): a copy and a report are in {directory}\n"
    assert done.stderr.startswith(start)
    assert done.stderr.endswith(end)
    assert done.stderr.count("\n") == 1
    assert {path.name for path in directory.iterdir()} == {"flights.csv", "report.txt"}
    assert (directory / "flights.csv").read_bytes() == before
    assert not list((data / "bronze").glob("*"))
    assert json.loads((data / "reports" / "bronze" / "flights.json").read_text())["success"] is False
    return done.stderr[len(start) : -len(end)], (directory / "report.txt").read_text()


def test_good_file_becomes_parquet(command: Command, raw: Path, data: Path) -> None:
    """All rows, in order, with their types; the report says so; nothing else is left behind."""
    done = command(BRONZE, "flights.csv")
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(data / "bronze" / "flights.parquet")
    assert table.equals(pl.read_csv(raw))
    kinds = [pl.Int64] * 2 + [pl.String] * 3 + [pl.Float64] * 3 + [pl.String] * 2
    assert dict(table.schema) == dict(zip(COLUMNS, kinds, strict=True)) == dict(TYPES)
    report = json.loads((data / "reports" / "bronze" / "flights.json").read_text())
    assert (report["success"], report["rows"], report["faults"]) == (True, 20, [])
    held = [(rule["rule"], rule["column"]) for rule in report["rules"]]
    assert set(rules()) < set(held)
    assert {("utf8", None), ("truncated", None), ("duplicate_upload", None)} < set(held)
    files = {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    made = {"bronze/flights.parquet", "reports/bronze/flights.json", "accepted/raw/flights.csv.sha256"}
    assert files == {"raw/flights.csv"} | made


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("travelCode", "", "travelCode: not_null in 1 row"),
        ("travelCode", "1.5", "travelCode: integer in 1 row"),
        ("userCode", "-1", "userCode: non_negative in 1 row"),
        ("from", " ", "from: not_blank in 1 row"),
        ("price", "", "price: not_null in 1 row"),
        ("price", "dear", "price: number in 1 row"),
        ("price", "-0.01", "price: non_negative in 1 row"),
        ("date", "09/26/2019", "date: date_format in 1 row"),
        ("date", "2019-02-29", "date: real_date in 1 row"),
    ],
)
def test_bad_value_is_refused(  # noqa: PLR0913, PLR0917 - three fixtures and a case of three
    command: Command, raw: Path, data: Path, column: str, value: str, fault: str
) -> None:
    """The one fault has one name, and the report shows its row."""
    put(raw, column, value)
    sentence, report = refused(command, data)
    assert sentence == fault
    assert f"\n{fault}\n  row 3: " in report
    assert report.count("  row ") == 1


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("travelCode", "99999999999999999999", "travelCode: integer in 1 row"),
        ("to", '""', "to: not_blank in 1 row"),
        ("agency", "", "agency: not_null in 1 row"),
        ("price", "nan", "price: number in 1 row"),
        ("time", "inf", "time: number in 1 row"),
        ("time", "-2", "time: non_negative in 1 row"),
        ("distance", "-1e3", "distance: non_negative in 1 row"),
        ("date", "2019-9-6", "date: date_format in 1 row"),
    ],
)
def test_bad_value_has_one_name(raw: Path, data: Path, column: str, value: str, fault: str) -> None:
    """Other values that break a rule, and no second one."""
    put(raw, column, value)
    with pytest.raises(StageError, match=f"\\({fault}\\)"):
        run(raw, data)


def test_good_extremes_pass(raw: Path, data: Path) -> None:
    """Nought is not negative, the 29th of February is a day every fourth year, and order is free."""
    for column, value in (("price", "0"), ("time", "0.0"), ("distance", "1e3"), ("date", "2020-02-29")):
        put(raw, column, value)
    pl.read_csv(raw, infer_schema=False).select(reversed(COLUMNS)).write_csv(raw)
    table = pl.read_parquet(run(raw, data))
    assert table.columns == COLUMNS
    assert date.fromisoformat(table["date"][2]) == date(2020, 2, 29)


def test_all_faults_are_found_at_once(command: Command, raw: Path, data: Path) -> None:
    """Different rules, columns and rows in one report; of many rows the first five are shown."""
    for row in range(1, 9):
        put(raw, "price", "-1", row)
    put(raw, "date", "never", 20)
    raw.write_text(raw.read_text().replace("agency", "seller", 1))
    sentence, report = refused(command, data)
    assert sentence.split("; ") == [
        "unexpected_column: seller",
        "agency: missing_column",
        "price: non_negative in 8 rows",
        "date: date_format in 1 row",
    ]
    shown = [line.split(":")[0] for line in report.splitlines() if line.startswith("  row ")]
    assert shown == ["  row 1", "  row 2", "  row 3", "  row 4", "  row 5", "  row 20"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "has_rows: the file is empty"),
        (HEADER.encode(), "has_rows: there is only a header"),
        (b"\xff\xfe\n", "utf8 in 1 row, byte 1 is 0xff"),
        (HEADER.encode() + b"1,2,Bras\xedlia\n", f"utf8 in 1 row, byte {len(HEADER) + 9} is 0xed"),
        (HEADER.encode() + b"1," * 12 + b"1\n", "csv in 1 row, found more fields than defined in 'Schema'"),
        (
            b"a;b\n1;2\n",
            "unexpected_column: a;b; " + "; ".join(f"{name}: missing_column" for name in COLUMNS),
        ),
    ],
    ids=["empty", "header", "utf16", "latin1", "ragged", "semicolons"],
)
def test_what_is_no_table_is_refused(command: Command, raw: Path, data: Path, content: bytes, fault: str) -> None:
    """A file that cannot be read as the flights table is kept as it is, with the reason."""
    raw.write_bytes(content)
    sentence, report = refused(command, data)
    assert sentence == fault
    assert fault.split("; ", maxsplit=1)[0] in report


def test_missing_file_is_one_sentence(command: Command, data: Path) -> None:
    """There is nothing to put in quarantine, and nothing is written."""
    done = command(BRONZE, "flights.csv")
    assert done.returncode == 1
    assert done.stderr == f"bronze: there is no {data}/split/flights.csv: split_pipeline.py makes it\n"
    assert not data.exists()


def test_refused_file_leaves_the_last_good_table(raw: Path, data: Path) -> None:
    """A bad delivery does not take away what there was; the same one twice is kept once."""
    table = run(raw, data)
    good = table.read_bytes()
    put(raw, "price", "-1")
    for _ in range(2):
        with pytest.raises(StageError, match="price: non_negative in 1 row"):
            run(raw, data)
    assert table.read_bytes() == good
    assert len(list((data / "quarantine").iterdir())) == 1


def test_all_rows_bad_is_quick_and_short(data: Path, raw: Path) -> None:
    """The original's own dates, all 271,888 of them: one fault, five rows shown."""
    row = f"1,2,{CITIES[0]},{CITIES[1]},premium,1.0,1.0,1.0,Rainbow,9/26/2019\n"
    raw.write_text(HEADER + row * 271_888)
    with pytest.raises(StageError, match=r"\(date: date_format in 271888 rows\)"):
        run(raw, data)
    (report,) = (data / "quarantine").glob("*/report.txt")
    assert report.stat().st_size < 1000
