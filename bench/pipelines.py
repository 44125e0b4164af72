"""How fast the stages are, what memory they take, and how both grow; beside the same stages with pandas."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench.measure import note, table

ROOT = Path(__file__).parents[1]
ROWS = 271_888
TIMES = (1, 10, 100)
SPLITS = ("train", "validation", "test")
# The commands of each stage; they are run one after the other.
STAGES = {
    "generate": ("src/data_generation/raw.py --rows {rows}",),
    "split": ("src/pipelines/split_pipeline.py",),
    "bronze": tuple(f"src/pipelines/bronze_pipeline.py {name}.csv" for name in SPLITS),
    "silver": tuple(f"src/pipelines/silver_pipeline.py {name}.csv" for name in SPLITS),
    "gold": ("src/pipelines/gold_pipeline.py",),
    "training": ("src/pipelines/training_pipeline.py",),
}
WITH_PANDAS = ("split", "bronze", "silver", "gold")
PANDAS = (str(ROOT / ".venv-peers/bin/python"), "-B", str(ROOT / "bench/peers/pandas_pipeline.py"))


class Cost(NamedTuple):
    """What a stage took: seconds, and the most memory that one of its processes had, in bytes."""

    seconds: float
    memory: int

    def columns(self, rows: int) -> tuple[str, str, str]:
        """Return seconds, rows a second and MB as a table has them."""
        return f"{self.seconds:.1f}", f"{rows / self.seconds:,.0f}", f"{self.memory / 1e6:,.0f}"


def measure() -> None:
    """Print a table for each size; it takes some 15 GB below the directory for temporary files."""
    for times in TIMES:
        rows = ROWS * times
        with tempfile.TemporaryDirectory() as directory:
            data = Path(directory, "data")
            ours = {stage: run_ours(commands, data, rows) for stage, commands in STAGES.items()}
            pandas = run_pandas(data, Path(directory, "pandas"))
        found = [
            (stage, *cost.columns(rows), *(pandas[stage].columns(rows) if stage in pandas else ("", "", "")))
            for stage, cost in ours.items()
        ]
        heads = ("seconds", "rows/s", "MB", "pandas: seconds", "rows/s", "MB")
        table((f"stage, {rows:,} rows", *heads), found)
    note("MB is the largest resident set of a process, files that it has mapped among it.")


def run_ours(commands: tuple[str, ...], data: Path, rows: int) -> Cost:
    """Run the commands of a stage as a user types them."""
    costs = [cost([sys.executable, "-B", *command.format(rows=rows).split()], data) for command in commands]
    return Cost(sum(one.seconds for one in costs), max(one.memory for one in costs))


def run_pandas(data: Path, other: Path) -> dict[str, Cost]:
    """Run the stages with pandas on the same raw file; one that fails, as for want of memory, ends it."""
    (other / "raw").mkdir(parents=True)
    (data / "raw" / "flights.csv").rename(other / "raw" / "flights.csv")
    shutil.rmtree(data)
    costs = {}
    for stage in WITH_PANDAS:
        try:
            costs[stage] = cost([*PANDAS, stage, str(other)], other)
        except subprocess.CalledProcessError as error:
            note(f"pandas, {stage}: {error}")
            break
    return costs


def cost(command: list[str], data: Path) -> Cost:
    """Run a command and return what it took."""
    own = {"FLIGHTS_DATA_DIR": str(data), "FLIGHTS_MODELS_DIR": str(data / "models")}
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(time.perf_counter() - start, usage.ru_maxrss * 1024)
