"""Split: the raw flights file, sorted by date, in three: train, validation and test.

Each begins with the day after the last one of the split before it, so that a model is tried on flights later
than those it learned from. Rows of one day stay in the raw file's order.
"""

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl

from src.pipelines import accepted, split_rules, text_table
from src.pipelines.day_sort import by_day
from src.pipelines.gate import Gate
from src.pipelines.quarantine import Fault
from src.pipelines.stage import SPLITS, StageError, command, existing, refused, report
from src.shared.utils import atomic_path, load_params, scratch_directory

log = logging.getLogger(__name__)


def split_path(data: Path, name: str) -> Path:
    """Return where a split of the raw file is in a data directory."""
    return data / "split" / f"{name}.csv"


def run(raw: Path, data: Path, *, train: float, validation: float) -> list[Path]:
    """Split a raw file and return the paths of its parts, `split/{train,validation,test}.csv` in `data`.

    `train` and `validation` are the shares of the rows; the rest is for the test. A day is in one split.
    Columns and values are the raw file's, but for dates, which are all written as YYYY-MM-DD.
    `reports/split/NAME.json` in `data` says how many rows and which days each part has.

    Raises StageError if the shares leave none for the test, or if the file is missing, is no whole UTF-8 CSV
    file with the columns of the flights table, has a date that is none, was split before under another name,
    or has too few days to be split.
    """
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise StageError(
            f"params.yaml, section split: train is {train} and validation {validation}; both have to be "
            "above 0, and less than 1 together"
        )
    digest, faults = text_table.examine(existing(raw, "raw.py"))
    if faults:
        raise refused(data, "split", raw, digest, faults)
    days, faults = _days(raw)
    parts = _parts(days, train, validation)
    if not faults and len(set(parts.values())) < len(SPLITS):
        faults = [Fault("enough_days", "date", detail=f"{len(days)} are too few for {len(SPLITS)} splits")]
    faults = faults or accepted.enter(data, raw, digest)
    if faults:
        raise refused(data, "split", raw, digest, faults)
    with ExitStack() as files:
        paths = {name: files.enter_context(atomic_path(split_path(data, name))) for name in SPLITS}
        folder = files.enter_context(scratch_directory(data / "split" / "days"))
        _write(paths, parts, by_day(text_table.pieces(raw), split_rules.DAY, days, folder))
    report(data, "split", raw.stem, {"success": True, "sha256": digest, "splits": _described(days, parts)})
    log.info("%d rows of %s are split by date", days.total(), raw)
    return [split_path(data, name) for name in SPLITS]


def _days(raw: Path) -> tuple[Counter[date], list[Fault]]:
    """Return how many rows each day has, and what is wrong with the columns and the dates."""
    days: Counter[date] = Counter()
    gate = Gate(split_rules.SCHEMA)
    try:
        for piece in text_table.pieces(raw):
            gate.parted(piece)
            if not gate.is_broken():
                days.update(dict(piece.group_by(split_rules.DAY).len().iter_rows()))
    except pl.exceptions.PolarsError as error:
        return days, [text_table.not_csv(raw, error)]
    return days, gate.faults()


def _parts(days: Counter[date], train: float, validation: float) -> dict[date, str]:
    """Return the split of each day, in the order of days, by the share of the rows before it."""
    parts, before = {}, 0
    for day in sorted(days):
        share = before / days.total()
        parts[day] = SPLITS[(share >= train) + (share >= train + validation)]
        before += days[day]
    return parts


def _write(paths: Mapping[str, Path], parts: Mapping[date, str], pieces: Iterable[pl.DataFrame]) -> None:
    """Write sorted rows to the files of the splits they belong to."""
    with ExitStack() as stack:
        files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
        for piece in pieces:
            name = split_rules.DAY.replace_strict(parts, return_dtype=pl.String)
            for (part,), rows in (
                piece.with_columns(part=name)
                .partition_by("part", maintain_order=True, include_key=False, as_dict=True)
                .items()
            ):
                rows.write_csv(files[part], include_header=not files[part].tell())


def _described(days: Counter[date], parts: Mapping[date, str]) -> dict[str, dict[str, object]]:
    """Return the rows and the first and last day of each split."""
    described = {}
    for name in SPLITS:
        own = [day for day, part in parts.items() if part == name]
        rows = sum(days[day] for day in own)
        described[name] = {"rows": rows, "first": own[0].isoformat(), "last": own[-1].isoformat()}
    return described


def _work(data: Path, file: Path) -> None:
    """Run the stage on a file by its name in raw/ of the data directory, or by its path."""
    places = [data / "raw" / file, file]
    run(next((place for place in places if place.is_file()), places[0]), data, **load_params("split", run))


if __name__ == "__main__":
    named = {"type": Path, "nargs": "?", "default": Path("flights.csv"), "help": "default: %(default)s"}
    sys.exit(command("split", __doc__, _work, [("file", named)]))
