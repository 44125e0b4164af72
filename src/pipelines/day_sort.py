"""Rows sorted by day, however many there are, within the same memory.

They are dealt out to files of some neighbouring days each, and those are sorted one by one.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import polars as pl

# Rows that are sorted at once; a day has some 20,000 in a table of 27 million.
_AT_ONCE = 1_000_000


def by_day(
    pieces: Iterable[pl.DataFrame], day: pl.Expr, days: Mapping[date, int], folder: Path
) -> Iterator[pl.DataFrame]:
    """Yield all rows by day, those of one day in the order they came in, with `date` written as YYYY-MM-DD.

    `day` makes a date of a row, `days` says how many rows each has, and `folder` holds them all meanwhile.
    """
    groups = _groups(days)
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{n}.csv").open("wb")) for n in range(groups[max(groups)] + 1)]
        for piece in pieces:
            group = day.replace_strict(groups, return_dtype=pl.Int64)
            dated = piece.with_columns(date=day.dt.to_string("%Y-%m-%d"), group=group)
            # The new column `group` is computed from the old date: with_columns sees only what was there.
            for (number,), rows in dated.partition_by(
                "group", maintain_order=True, include_key=False, as_dict=True
            ).items():
                rows.write_csv(files[number], include_header=not files[number].tell())
    for file in files:
        yield pl.read_csv(file.name, infer_schema=False).sort("date", maintain_order=True)


def _groups(days: Mapping[date, int]) -> dict[date, int]:
    """Return the number of the group of each day: neighbours that are sorted together."""
    groups, number, rows = {}, 0, 0
    for day in sorted(days):
        if rows and rows + days[day] > _AT_ONCE:
            number, rows = number + 1, 0
        groups[day] = number
        rows += days[day]
    return groups
