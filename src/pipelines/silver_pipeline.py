"""Silver: a bronze table with the project's names and types, dates taken apart, and no row twice.

It is validated again. Equal rows are of one day: days are taken a few at a time, so that a table of any size
is made within the same memory.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl

from src.pipelines import silver_rules
from src.pipelines.gate import Gate
from src.pipelines.stage import command, existing, refused, report, table_path
from src.shared.frames import write_parquet
from src.shared.utils import atomic_path, sha256_of

log = logging.getLogger(__name__)

# Rows among which duplicates are looked for at once.
_AT_ONCE = 1_000_000


def run(bronze: Path, data: Path) -> Path:
    """Return the path of the silver table made of a bronze one, `silver/NAME.parquet` in `data`.

    Its columns and types are `silver_rules.TYPES`; it is sorted by date, and rows of a day are in the order
    they had. `reports/silver/NAME.json` in `data` says how many rows were dropped because they were there.

    Raises StageError if there is no bronze table, or what was made of it breaks a rule.
    """
    existing(bronze, "bronze_pipeline.py")
    gate = Gate(silver_rules.SCHEMA)
    path = table_path(data, "silver", bronze.stem)
    with atomic_path(path) as temporary:
        write_parquet(temporary, _accepted(gate, bronze), silver_rules.TYPES)
        if faults := gate.faults():
            counted = "sorted by date, without duplicates"
            raise refused(data, "silver", bronze, sha256_of(bronze), faults, counted=counted)
    rows = pl.scan_parquet(bronze).select(pl.len()).collect().item()
    content = {"success": True, "rows": gate.rows, "duplicates": rows - gate.rows, "faults": []}
    report(data, "silver", bronze.stem, content)
    log.info("%d rows of %s are in %s, without %d duplicates", gate.rows, bronze, path, rows - gate.rows)
    return path


def _accepted(gate: Gate, bronze: Path) -> Iterator[pl.DataFrame]:
    """Yield the silver rows, as long as none is at fault."""
    for rows in _by_days(bronze):
        unique = rows.unique(keep="first", maintain_order=True).sort("date", maintain_order=True)
        silver, _ = gate.parted(unique.select(**silver_rules.COLUMNS).cast(silver_rules.TYPES))
        if not gate.is_broken():
            yield silver


def _by_days(bronze: Path) -> Iterator[pl.DataFrame]:
    """Yield all rows of neighbouring days together; a sorted file is read once in all."""
    table = pl.scan_parquet(bronze)
    days = table.group_by("date").len().sort("date").collect(engine="streaming")
    group = days["len"].cum_sum() // _AT_ONCE
    for some in days.with_columns(group=group).partition_by("group", maintain_order=True):
        first, last = pl.lit(some["date"][0]), pl.lit(some["date"][-1])
        yield table.filter(pl.col("date").is_between(first, last)).collect()


def _work(data: Path, file: Path) -> None:
    """Run the stage on the bronze table of a file, by the file's name."""
    run(table_path(data, "bronze", file.stem), data)


if __name__ == "__main__":
    named = {"type": Path, "help": "train.csv, validation.csv or test.csv"}
    sys.exit(command("silver", __doc__, _work, [("file", named)]))
