"""What every stage stands on."""

import os
import time
from pathlib import Path

import pytest

from src.shared.utils import atomic_path, data_dir, load_params, scratch_directory, write_json

from .conftest import ROOT


def test_data_directory_is_the_environments_or_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    """FLIGHTS_DATA_DIR wins; unset or empty, it is data/ below the project root, wherever one stands."""
    monkeypatch.setenv("FLIGHTS_DATA_DIR", "/var/lib/flights-mlops/data")
    assert data_dir() == Path("/var/lib/flights-mlops/data")
    monkeypatch.setenv("FLIGHTS_DATA_DIR", "")
    monkeypatch.chdir("/")
    assert data_dir() == ROOT / "data"


def test_unknown_section_of_parameters_names_the_known_ones() -> None:
    """The error ends with the way out."""
    with pytest.raises(ValueError, match=r"has no section 'row'; it has: raw"):
        load_params("row")


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
