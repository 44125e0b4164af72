"""Gold: the silver tables as numbers that a model takes, encoded by what the train split alone has shown.

Missing values are filled in, rare categories grouped, outliers drawn in; what is made is validated again.
"""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandera.polars as pa
import polars as pl

from src.pipelines import encoding
from src.pipelines.encoding import Encoding
from src.pipelines.gate import VALUE, Gate, rule
from src.pipelines.stage import SPLITS, command, existing, refused, report, table_path
from src.shared.frames import read_parquet, write_parquet
from src.shared.utils import atomic_path, load_params, locked, sha256_of

log = logging.getLogger(__name__)


def encoding_path(gold: Path) -> Path:
    """Return where it is kept, beside the gold tables, what the train split has shown."""
    return gold / "encoding.json"


def run(silver: Mapping[str, Path], data: Path, *, rare: float, fence: float) -> Path:
    """Return the directory of the gold tables, `gold` in `data`, made of the silver tables of the splits.

    `encoding.json` in it is what was learned; see `Encoding.fitted` for `rare` and `fence`. Rows of the train
    split whose price is an outlier are left out. `reports/gold/NAME.json` in `data` says how many.

    Raises StageError if a silver table is missing, or what was made of it breaks a rule.
    """
    for source in silver.values():
        existing(source, "silver_pipeline.py")
    learned = Encoding.fitted(silver[SPLITS[0]], rare=rare, fence=fence)
    # A training must not read tables of two encodings: all are made, and then all take their places.
    with locked(data / "gold"), ExitStack() as made:
        learned.write(made.enter_context(atomic_path(encoding_path(data / "gold"))))
        paths = {name: made.enter_context(atomic_path(table_path(data, "gold", name))) for name in SPLITS}
        rows = {name: _write(path, data, name, silver[name], learned) for name, path in paths.items()}
    for name, count in rows.items():
        before = pl.scan_parquet(silver[name]).select(pl.len()).collect().item()
        content = {"success": True, "rows": count, "outliers": before - count, "faults": []}
        report(data, "gold", name, content)
        log.info("%d rows of %s are in %s", count, silver[name], table_path(data, "gold", name))
    return data / "gold"


def _write(path: Path, data: Path, name: str, silver: Path, learned: Encoding) -> int:
    """Write one gold table, and return how many rows it has."""
    pieces = read_parquet(silver)
    if name == SPLITS[0]:
        pieces = learned.without_outliers(pieces)
    gate = Gate(_schema(learned))
    write_parquet(path, _accepted(gate, learned.applied(pieces)), encoding.TYPES)
    if faults := gate.faults():
        raise refused(data, "gold", silver, sha256_of(silver), faults, counted="without outliers")
    return gate.rows


def _accepted(gate: Gate, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the pieces as long as nothing in them is at fault."""
    for piece in pieces:
        good, _ = gate.parted(piece)
        if not gate.is_broken():
            yield good


def _schema(learned: Encoding) -> pa.DataFrameSchema:
    """Return what a gold table must be like: no value missing, no code without a meaning."""
    rules = {
        name: [rule("known_code", VALUE.is_between(encoding.OTHER, len(codes)))]
        for name, codes in learned.categories.items()
    }
    rules |= {name: [rule("finite", VALUE.is_finite())] for name in (*encoding.NUMBERS, "price")}
    return pa.DataFrameSchema(
        {name: pa.Column(kind, rules.get(name, [])) for name, kind in encoding.TYPES.items()}, strict=True
    )


def _work(data: Path) -> None:
    """Run the stage on the silver tables of a data directory."""
    run({name: table_path(data, "silver", name) for name in SPLITS}, data, **load_params("gold", run))


if __name__ == "__main__":
    sys.exit(command("gold", __doc__, _work))
