"""Tables of any size, a piece at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

# Said, so that the bytes do not change with a default of Polars.
_ROW_GROUP = 250_000


def write_parquet(path: Path, pieces: Iterable[pl.DataFrame], schema: pl.Schema) -> None:
    """Write pieces of a table to one Parquet file, in order; few of them are in memory at a time.

    The same rows make the same bytes, however they are cut and on however many processors. What `pieces`
    raises is raised here, and then the file is of no use.
    """

    def source(
        with_columns: list[str] | None,  # noqa: ARG001 - what Polars may ask for; a whole file needs all
        predicate: pl.Expr | None,  # noqa: ARG001
        n_rows: int | None,  # noqa: ARG001
        batch_size: int | None,  # noqa: ARG001
    ) -> Iterator[pl.DataFrame]:
        yield from pieces

    register_io_source(source, schema=schema).sink_parquet(path, row_group_size=_ROW_GROUP)


def read_parquet(path: Path) -> Iterator[pl.DataFrame]:
    """Yield a Parquet file's rows in order, in pieces that fit in memory many times over."""
    yield from pl.scan_parquet(path).collect_batches(maintain_order=True, engine="streaming")
