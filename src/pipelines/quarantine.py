"""Where a file goes that a stage refuses, and the rows that it leaves out; and what is said about them."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

from src.shared.utils import atomic_path

# How many of the rows that break a rule a report shows.
SHOWN_ROWS = 5
# Which rows are counted in a CSV file.
IN_FILE = "without the header"


class Fault(NamedTuple):
    """One rule that a file breaks, with its column where it is about one.

    `row_count` is how many rows break it, or 0 where it is not about rows. `rows` shows the first of them:
    the place in the table, counted from 1 without the header, and the values as they were read.
    """

    rule: str
    column: str | None = None
    row_count: int = 0
    rows: tuple[tuple[int, tuple[object, ...]], ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        """Return the fault in a few words: `price: non_negative in 3 rows`."""
        named = ": ".join(part for part in (self.column, self.rule) if part)
        if self.row_count:
            named += f" in {self.row_count} row{'s' * (self.row_count > 1)}"
        return named + (", " if self.row_count else ": ") * bool(self.detail) + self.detail


def put(  # noqa: PLR0913 - the file, and what is said of it
    data: Path, stage: str, source: Path, digest: str, faults: list[Fault], *, counted: str
) -> Path:
    """Leave a copy of a refused file and a report.txt in a directory below `data`/quarantine; return it.

    `counted` says which rows the faults count, such as "without the header".

    Its name ends with the file's hash: the same file is kept once, however often it is refused. The file
    itself stays where it was, for whoever put it there to mend.
    """
    directory = data / "quarantine" / f"{stage}-{source.stem}-{digest[:12]}"
    with atomic_path(directory / source.name) as temporary:
        shutil.copyfile(source, temporary)
    said = f"{source.name}, sha256 {digest}, was refused by {stage}."
    return _with_report(directory, said, faults, counted)


def set_aside(  # noqa: PLR0913, PLR0917 - the file, its rows and what is said of them
    data: Path, stage: str, source: Path, digest: str, rows: IO[bytes], faults: list[Fault]
) -> Path:
    """Leave the rows of a file that went on without them, as rows.csv, with a report.txt; return where."""
    directory = data / "quarantine" / f"{stage}-{source.stem}-{digest[:12]}-rows"
    with atomic_path(directory / "rows.csv") as temporary, temporary.open("wb") as copy:
        rows.seek(0)
        shutil.copyfileobj(rows, copy)
    said = f"{source.name}, sha256 {digest}, went on from {stage} without the rows in rows.csv."
    return _with_report(directory, said, faults, IN_FILE)


def described(faults: Iterable[Fault]) -> list[dict[str, object]]:
    """Return faults as a stage's JSON report has them."""
    return [{"rule": f.rule, "column": f.column, "rows": f.row_count, "detail": f.detail} for f in faults]


def _with_report(directory: Path, said: str, faults: list[Fault], counted: str) -> Path:
    """Write the report, a line for each fault and below it the first rows that have it."""
    lines = [f"{said} Rows are counted from 1, {counted}.", ""]
    for fault in faults:
        lines.append(str(fault))
        lines += [f"  row {place}: {','.join('' if v is None else str(v) for v in row)}" for place, row in fault.rows]
    with atomic_path(directory / "report.txt") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return directory
