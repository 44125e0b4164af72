"""What every stage stands on."""

import os
import re
import time
from pathlib import Path

import pytest

from src.shared import utils
from src.shared.utils import ParameterError, atomic_path, data_dir, load_params, scratch_directory, write_json

from .conftest import ROOT


def test_data_directory_is_the_environments_or_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLIGHTS_DATA_DIR wins; unset or empty, it is data/ below the project root, wherever one stands."""
    monkeypatch.setenv("FLIGHTS_DATA_DIR", "/var/lib/flights-mlops/data")
    assert data_dir() == Path("/var/lib/flights-mlops/data")
    monkeypatch.setenv("FLIGHTS_DATA_DIR", "")
    monkeypatch.chdir("/")
    assert data_dir() == ROOT / "data"


def stage(data: Path, *, share: float, shares: dict[str, float] | None = None) -> None:
    """Stand for a stage, by its parameters."""


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("other: {share: 1}", "has no section 'mine'; it has: other"),
        ("mine: {share: 1, shar: 1}", "mine has no parameter shar; there is: share, shares"),
        ("mine: {shares: {a: 1}}", "share of mine is None, and has to be a number"),
        ("mine: {share: a lot, shares: {}}", "share of mine is 'a lot', and has to be a number"),
        ("mine: {share: 1, shares: {a: true}}", "shares of mine is True, and has to be a number"),
    ],
)
def test_parameters_that_are_wrong_are_named(
    params: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the stage begins, with the file they are in."""
    (tmp_path / "params.yaml").write_text(params)
    monkeypatch.setattr(utils, "project_root", lambda: tmp_path)
    with pytest.raises(ParameterError, match=f"^{re.escape(f'{tmp_path}/params.yaml')}.*{re.escape(said)}"):
        load_params("mine", stage)


def write_half(path: Path) -> None:
    """Begin to write a file, and fail."""
    with atomic_path(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")


def test_a_write_that_fails_changes_nothing(tmp_path: Path) -> None:
    """The old content stands, and no half-written file lies beside it."""
    path = tmp_path / "report.json"
    write_json(path, {"rows": 1})
    with pytest.raises(TypeError):
        write_json(path, {"rows": object()})
    with pytest.raises(OSError, match="disk full"):
        write_half(path)
    assert path.read_text() == '{\n  "rows": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_modes_are_what_the_umask_says(tmp_path: Path) -> None:
    """What one user of the stack writes, others can read."""
    previous = os.umask(0o022)
    try:
        write_json(tmp_path / "new" / "report.json", {})
    finally:
        os.umask(previous)
    assert (tmp_path / "new" / "report.json").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_what_a_killed_process_left_goes_a_day_later(tmp_path: Path) -> None:
    """A file or directory that is written meanwhile stays, and so does what is not temporary."""
    old, new = time.time() - 25 * 60 * 60, time.time() - 60 * 60
    for name, age in (("old", old), ("new", new)):
        (tmp_path / f".days.{name}.tmp").mkdir()
        (tmp_path / f".train.csv.{name}.tmp").touch()
        os.utime(tmp_path / f".days.{name}.tmp", (age, age))
        os.utime(tmp_path / f".train.csv.{name}.tmp", (age, age))
    (tmp_path / "train.csv").touch()
    os.utime(tmp_path / "train.csv", (old, old))
    with scratch_directory(tmp_path / "days") as scratch, atomic_path(tmp_path / "train.csv") as temporary:
        assert list(scratch.iterdir()) == []
        temporary.write_text("written")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".days.new.tmp",
        ".train.csv.new.tmp",
        "train.csv",
    ]
