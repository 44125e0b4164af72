"""What a service says of itself, asked over HTTP on the stack's own ports, in a network of the test's own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from unit.conftest import BIND

ROOT = Path(__file__).resolve().parents[3]
HEALTH = "/api/v2/monitor/health"
EXECUTION = "/execution/health"


def report(**changed: str | None) -> str:
    """Return Airflow 3.3's health report, in its own form, of a stack that is well but for ``changed``."""
    well = {"metadatabase": "healthy", "scheduler": "healthy", "triggerer": None, "dag_processor": "healthy"}
    parts = {
        name: {"status": status, f"latest_{name}_heartbeat": "2026-11-22T17:30:11.865377+00:00"}
        for name, status in (well | changed).items()
    }
    return json.dumps(parts, separators=(",", ":"))


def is_well(part: str, answers: dict[int, dict[str, tuple[int, str]]], tmp_path: Path) -> bool:
    """Return what the health check of a service says where ports answer so."""
    own = [] if os.geteuid() == 0 else ["--map-root-user"]
    alone = ["unshare", *own, "--net", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost airflow-webserver\n")
    done = subprocess.run(
        [
            *(*alone, "sh", "-c", BIND, "sh", str(hosts), "/etc/hosts", "--"),
            *(sys.executable, str(Path(__file__).with_name("answering.py")), json.dumps(answers)),
            *(str(ROOT / "files/images/healthcheck"), part),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout == ""
    return done.returncode == 0


def test_the_webserver_is_well_with_its_database(tmp_path: Path) -> None:
    """The report says that the database is well, and the execution API, which tasks talk to, answers."""
    answers = {8080: {HEALTH: (200, report()), EXECUTION: (200, '{"status":"healthy"}')}}
    assert is_well("webserver", answers, tmp_path)


def test_a_webserver_without_its_guard_is_not_well(tmp_path: Path) -> None:
    """Airflow goes on without a plugin that it cannot load, and a deploy must not."""
    answers = {8080: {HEALTH: (200, report()), EXECUTION: (200, '{"status":"healthy"}'), "unguarded": [EXECUTION]}}
    assert not is_well("webserver", answers, tmp_path)


@pytest.mark.parametrize(
    ("health", "execution"),
    [
        ((200, report(metadatabase="unhealthy")), (200, "{}")),
        ((503, report()), (200, "{}")),
        ((200, ""), (200, "{}")),
        ((200, report()), (500, "{}")),
        ((404, "{}"), (404, "{}")),
    ],
)
def test_the_webserver_is_not_well(health: tuple[int, str], execution: tuple[int, str], tmp_path: Path) -> None:
    """A report of 200 is not enough: what it says counts, and that the execution API answers."""
    assert not is_well("webserver", {8080: {HEALTH: health, EXECUTION: execution}}, tmp_path)


def test_other_parts_do_not_make_the_webserver_unwell(tmp_path: Path) -> None:
    """One that is down must not take the UI down with it."""
    body = report(scheduler="unhealthy", dag_processor="unhealthy")
    assert is_well("webserver", {8080: {HEALTH: (200, body), EXECUTION: (200, "{}")}}, tmp_path)


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False), (404, False)])
def test_the_scheduler_answers_for_itself(status: int, well: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a column of the table
    """By the status code of its own small server: 503 when its heartbeat is old."""
    assert is_well("scheduler", {8974: {"/health": (status, "")}}, tmp_path) is well


@pytest.mark.parametrize("part", ["dag_processor", "triggerer"])
@pytest.mark.parametrize(("status", "well"), [("healthy", True), ("unhealthy", False), (None, False)])
def test_the_others_are_well_when_the_report_says_so(
    part: str,
    status: str | None,
    well: bool,  # noqa: FBT001 - a column of the table
    tmp_path: Path,
) -> None:
    """They have no port: the webserver tells, of this part and of no other."""
    body = report(**{"dag_processor": "healthy", "triggerer": "healthy", part: status})
    assert is_well(part, {8080: {HEALTH: (200, body)}}, tmp_path) is well


@pytest.mark.parametrize("part", ["webserver", "scheduler", "dag_processor", "triggerer"])
def test_silence_is_not_well(part: str, tmp_path: Path) -> None:
    """Where nobody listens, the answer is no, and at once."""
    assert not is_well(part, {}, tmp_path)
