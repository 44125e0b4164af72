"""Tables of any size: the same bytes on every machine, and a piece in memory at a time."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from src.data_generation.flights import generate, write
from src.pipelines import bronze_pipeline, day_sort, silver_pipeline, split_pipeline, text_table
from src.pipelines.gate import Gate
from src.shared.frames import write_parquet
from src.shared.utils import sha256_of

from .conftest import ROOT

SHARES = {"train": 0.7, "validation": 0.15}
STAGES = f"""
import sys
from pathlib import Path
from src.pipelines import bronze_pipeline, day_sort, silver_pipeline, split_pipeline, text_table
from src.shared import frames
from src.shared.utils import sha256_of
day_sort._AT_ONCE = silver_pipeline._AT_ONCE = 20_000
text_table._PIECE, frames._ROW_GROUP = 5_000, 7_000
data = Path(sys.argv[1])
parts = split_pipeline.run(data / "raw" / "flights.csv", data, **{SHARES})
silver = silver_pipeline.run(bronze_pipeline.run(parts[0], data), data)
print(sha256_of(parts[0]), sha256_of(data / "bronze" / "train.parquet"), sha256_of(silver))
"""


def test_bytes_do_not_depend_on_how_many_processors_there_are(tmp_path: Path) -> None:
    """Split, bronze and silver on one thread and on three, over many pieces and row groups."""
    made = []
    for threads in ("1", "3"):
        write(tmp_path / threads / "raw" / "flights.csv", 80_000, seed=1)
        env = os.environ | {"POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-c", STAGES, tmp_path / threads]
        made.append(subprocess.check_output(command, cwd=ROOT, env=env, text=True, timeout=120))
    assert made[0] == made[1]
    assert len(set(made[0].split())) == 3


def test_no_stage_holds_more_than_a_piece(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is validated and sorted at once is bounded, however long the table is."""
    write(data / "raw" / "flights.csv", 20_000, seed=1)
    held: list[int] = []
    parted, sort = Gate.parted, pl.DataFrame.sort
    monkeypatch.setattr(Gate, "parted", lambda gate, piece: (held.append(piece.height), parted(gate, piece))[1])
    monkeypatch.setattr(
        pl.DataFrame,
        "sort",
        lambda frame, *by, **how: (held.append(frame.height), sort(frame, *by, **how))[1],
    )
    for module, limit in (
        (text_table, "_PIECE"),
        (day_sort, "_AT_ONCE"),
        (silver_pipeline, "_AT_ONCE"),
    ):
        monkeypatch.setattr(module, limit, 1000)
    (train, *_) = split_pipeline.run(data / "raw" / "flights.csv", data, **SHARES)
    silver_pipeline.run(bronze_pipeline.run(train, data), data)
    # Days are not divided, and none has more than 50 rows here.
    assert max(held) <= 1050
    assert sum(held) > 4 * 14_000


def test_bytes_do_not_depend_on_how_the_rows_are_cut(tmp_path: Path) -> None:
    """A row at a time or all at once; and what a source raises is raised."""
    table = generate(300, seed=1)
    for size in (1, 7, 300):
        write_parquet(tmp_path / f"{size}", table.iter_slices(size), table.schema)
    assert len({sha256_of(path) for path in tmp_path.iterdir()}) == 1
    assert pl.read_parquet(tmp_path / "7").equals(table)
    with pytest.raises(ZeroDivisionError):
        write_parquet(tmp_path / "broken", (table.head(1 // 0) for _ in "1"), table.schema)
