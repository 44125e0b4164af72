"""A delivered CSV file, read a piece at a time: is it a whole text file, and what are its rows.

Every column is read as text, so that a value of the wrong type is one more fault with a row, not a crash.
"""

import codecs
import csv
import hashlib
import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from src.pipelines.quarantine import SHOWN_ROWS, Fault

# What is held against the file, before its rows are.
RULES = ("has_rows", "utf8", "truncated", "csv")

_BLOCK = 1 << 20
_PIECE = 100_000

_Row = tuple[int, tuple[object, ...]]


def examine(path: Path) -> tuple[str, list[Fault]]:
    """Return a file's SHA-256, and why it is no whole text file, if it is none."""
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    last, is_text = b"", True
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            last = block[-1:]
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                is_text = False
                decoder.reset()
    if not last:
        return digest.hexdigest(), [Fault("has_rows", detail="the file is empty")]
    found = [] if is_text and not decoder.getstate()[0] else [_not_text(path)]
    if last != b"\n":
        found.append(_cut_off(path))
    return digest.hexdigest(), found


def pieces(path: Path) -> Iterator[pl.DataFrame]:
    """Yield the rows in order, at least one piece, all of it text; raise PolarsError if that cannot be."""
    scan = pl.scan_csv(path, infer_schema=False)
    none = True
    for piece in scan.collect_batches(chunk_size=_PIECE, maintain_order=True, engine="streaming"):
        none = False
        yield piece
    if none:
        yield scan.head(0).collect()


def not_csv(path: Path, error: pl.exceptions.PolarsError) -> Fault:
    """Return what is wrong with a file of which `pieces` raised an error: its lines that are no rows."""
    with path.open("rb") as file:
        width = _width(_shown(file.readline()))
        lines = ((place, _shown(line)) for place, line in enumerate(file, 1))
        count, shown = _first((place, (line,)) for place, line in lines if not _width(line) <= width)
    return Fault("csv", row_count=count, rows=shown, detail=str(error).splitlines()[0][:120])


def rows(path: Path) -> tuple[int, tuple[_Row, ...]]:
    """Return how many rows a file has, and the first of them as a report shows them."""
    with path.open("rb") as file:
        file.readline()
        return _first((place, (_shown(line),)) for place, line in enumerate(file, 1))


def _width(line: str) -> float:
    """Return how many fields a line has; infinitely many if a quote in it does not end."""
    return math.inf if line.count('"') % 2 else len(next(csv.reader([line]), []))


def _not_text(path: Path) -> Fault:
    """Return the fault of a file that is not UTF-8: its lines that are not."""
    with path.open("rb") as file:
        count, shown = _first((place, (_shown(line),)) for place, line in enumerate(file) if not _is_text(line))
    return Fault("utf8", row_count=count, rows=shown, detail=_first_byte(path))


def _cut_off(path: Path) -> Fault:
    """Return the fault of a file whose last line does not end."""
    with path.open("rb") as file:
        ((place, line),) = deque(enumerate(file), maxlen=1)
    return Fault("truncated", row_count=1, rows=((place, (_shown(line),)),), detail="the last line has no end")


def _first(rows: Iterable[_Row]) -> tuple[int, tuple[_Row, ...]]:
    """Return how many rows there are, and as many of the first of them as a report shows."""
    rows = iter(rows)
    first = tuple(islice(rows, SHOWN_ROWS))
    return len(first) + sum(1 for _ in rows), first


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _shown(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").rstrip("\r\n")[:500]


def _first_byte(path: Path) -> str:
    """Say which byte is the first that is not UTF-8's."""
    before = 0
    with path.open("rb") as file:
        for line in file:
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return f"byte {before + error.start + 1} is {line[error.start]:#04x}"
            before += len(line)
    return ""
