"""What the tests of the flights project share: small raw files, and the stages' real commands."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.data_generation.flights import generate

ROOT = Path(__file__).resolve().parents[3]
HEADER = "travelCode,userCode,from,to,flightType,price,time,distance,agency,date\n"

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data directory of the test's own; it does not exist yet."""
    return tmp_path / "data"


@pytest.fixture
def command(tmp_path: Path, data: Path) -> Command:
    """Return a function that runs a stage as a user does, from a directory that is not the project's."""

    def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, ROOT / script, *arguments],
            env=env | {"FLIGHTS_DATA_DIR": str(data), "FLIGHTS_MODELS_DIR": str(data.with_name("models"))},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.fixture
def raw(data: Path) -> Path:
    """Return a good raw file of 20 rows, where a user would put it."""
    path = data / "raw" / "flights.csv"
    path.parent.mkdir(parents=True)
    generate(20, seed=1).write_csv(path, float_precision=2)
    return path


def put(path: Path, column: str, value: str, row: int = 3) -> None:
    """Write a value into one row, counted from 1, of a raw file."""
    lines = path.read_text().splitlines()
    fields = lines[row].split(",")
    fields[lines[0].split(",").index(column)] = value
    lines[row] = ",".join(fields)
    path.write_text("\n".join(lines) + "\n")


def project_environment() -> dict[str, str]:
    """Return an environment in which `python`, `dvc` and `airflow` are the ones these tests run with."""
    own = {"PYTHONPATH", "FLIGHTS_DATA_DIR", "FLIGHTS_MODELS_DIR"}
    env = {key: value for key, value in os.environ.items() if key not in own}
    return env | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
