"""Bronze: a raw flights file, or one split of it, validated, as Parquet.

A file that breaks a rule goes no further: a copy of it is put in quarantine with a report, the stage fails.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl

from src.pipelines import accepted, bronze_rules, quarantine, text_table
from src.pipelines.gate import Gate
from src.pipelines.stage import command, existing, refused, report, table_path
from src.shared.frames import write_parquet
from src.shared.utils import atomic_path, load_params

log = logging.getLogger(__name__)


def run(
    source: Path,
    data: Path,
    *,
    set_aside: Mapping[str, float] | None = None,
    let_through: Mapping[str, float] | None = None,
) -> Path:
    """Validate a CSV file and return the path of its Parquet file, `bronze/NAME.parquet` in `data`.

    Columns and types are `bronze_rules.TYPES`, rows in the file's order. The share of rows that may break a
    rule is `set_aside`, by the rule: such rows are left out, and kept in quarantine. The share that may be
    missing in a column is `let_through`, by the column. Any other fault, or more of these, and the file is
    refused. `reports/bronze/NAME.json` in `data` says what was found.
    Whatever is written is written atomically; an earlier Parquet file stands until there is a better one.

    Raises StageError if the file is missing, is no whole UTF-8 CSV file with rows, or breaks a rule.
    """
    digest, faults = text_table.examine(existing(source, "split_pipeline.py"))
    if faults:
        raise refused(data, "bronze", source, digest, faults)
    gate = Gate(bronze_rules.SCHEMA, set_aside=set_aside, let_through=let_through)
    path = table_path(data, "bronze", source.stem)
    with atomic_path(path) as temporary, TemporaryFile() as aside:
        try:
            write_parquet(temporary, _accepted(gate, source, aside), bronze_rules.TYPES)
            faults = gate.faults()
        except pl.exceptions.PolarsError as error:
            faults = [text_table.not_csv(source, error)]
        faults = faults or accepted.enter(data, source, digest)
        if faults:
            raise refused(data, "bronze", source, digest, faults)
        if aside.tell():
            quarantine.set_aside(data, "bronze", source, digest, aside, gate.tolerated())
    _report(data, source.stem, digest, gate)
    log.info("%d rows of %s passed bronze and are in %s", gate.rows, source, path)
    return path


def _accepted(gate: Gate, source: Path, aside: IO[bytes]) -> Iterator[pl.DataFrame]:
    """Yield what passes the gate, typed as long as all does; write what is set aside to `aside`."""
    for piece in text_table.pieces(source):
        good, bad = gate.parted(piece)
        if bad.height:
            bad.write_csv(aside, include_header=not aside.tell())
        if not gate.is_broken():
            yield bronze_rules.typed(good)


def _report(data: Path, name: str, digest: str, gate: Gate) -> None:
    """Write what the gate found in a file that passed it."""
    content = {
        "success": True,
        "rows": gate.rows,
        "sha256": digest,
        "faults": quarantine.described(gate.tolerated()),
        "rules": [{"rule": name, "column": None} for name in (*text_table.RULES, "duplicate_upload")]
        + [{"rule": rule, "column": column} for rule, column in bronze_rules.rules()],
    }
    report(data, "bronze", name, content)


def _work(data: Path, file: Path) -> None:
    """Run the stage on a file by its name in split/ or raw/ of the data directory, or by its path."""
    places = [data / "split" / file, data / "raw" / file, file]
    source = next((place for place in places if place.is_file()), places[0])
    run(source, data, **load_params("bronze", run))


if __name__ == "__main__":
    named = {"type": Path, "help": "train.csv, validation.csv or test.csv; or a raw file's name, or a path"}
    sys.exit(command("bronze", __doc__, _work, [("file", named)]))
