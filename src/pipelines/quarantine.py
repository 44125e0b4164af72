"""Where a file goes that a stage refuses, and what is said about it."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from src.shared.utils import atomic_path


class Fault(NamedTuple):
    """One rule that a file breaks, with its column where it is about one.

    `row_count` is how many rows break it, or 0 where it is not about rows. `rows` shows the first of them:
    the place in the table, counted from 1 without the header, and the values as they were read.
    """

    rule: str
    column: str | None = None
    row_count: int = 0
    rows: tuple[tuple[int, tuple[str | None, ...]], ...] = ()
    detail: str = ""

    def __str__(self) -> str:
        """Return the fault in a few words: `price: non_negative in 3 rows`, `utf8: byte 17 is 0xff`."""
        if self.row_count:
            return f"{self.column}: {self.rule} in {self.row_count} row{'s' * (self.row_count > 1)}"
        return ": ".join(part for part in (self.column, self.rule, self.detail) if part)


def put(data: Path, name: str, content: bytes, faults: list[Fault]) -> Path:
    """Leave a copy of a refused file and a report.txt in a directory below `data`/quarantine; return it.

    Its name ends with the file's hash: the same file is kept once, however often it is refused. The file
    itself stays where it was, for whoever put it there to mend.
    """
    digest = hashlib.sha256(content).hexdigest()
    directory = data / "quarantine" / f"{Path(name).stem}-{digest[:12]}"
    with atomic_path(directory / name) as temporary:
        temporary.write_bytes(content)
    with atomic_path(directory / "report.txt") as temporary:
        temporary.write_text(_report(name, digest, faults), encoding="utf-8")
    return directory


def _report(name: str, digest: str, faults: list[Fault]) -> str:
    """Return the report: a line for each fault, and below it the first rows that have it."""
    lines = [f"{name}, sha256 {digest}, was refused. Rows are counted from 1, without the header.", ""]
    for fault in faults:
        lines.append(str(fault))
        lines += [
            f"  row {place}: {','.join('' if v is None else v for v in row)}" for place, row in fault.rows
        ]
    return "\n".join(lines) + "\n"
