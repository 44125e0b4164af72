"""The flights on a deployed host: the whole DAG on the full-size file, and DVC beside it."""

import hashlib
import json
import shlex
import sys
from pathlib import Path

import pytest

from .airflow import airflow
from .checkout import Checkout
from .command import ROOT, run
from .host import Host
from .machine import Machine

STATE = "/var/lib/flights-mlops"
PIPELINE, RETRAINING = "flights_pipeline", "flights_retraining"
ROWS = 271_888
SPLITS = ("train", "validation", "test")
# What the host has that DVC has not: the first is the gates' memory, the last made by another DAG.
OWN = ("data/accepted/", "data/quarantine/", "data/reports/promotion/", "models/current/")


@pytest.fixture(scope="module")
def ran(trixie: Machine) -> Machine:
    """Return the host after a run of the whole DAG that went well."""
    trixie.sudo(f"rm -rf {STATE}/data/* {STATE}/models/*")
    with airflow(trixie) as api:
        assert api.state(PIPELINE, api.run(PIPELINE)) == "success"
    return trixie


def digests(host: Host, folder: str) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder of the state directory."""
    listed = host.sudo(f"cd {STATE} && find {folder} -type f -exec sha256sum {{}} +").stdout
    return {name: digest for digest, name in (line.split() for line in listed.splitlines())}


def test_metrics_plots_and_reports_are_on_the_host(ran: Machine) -> None:
    """Of the full-size file: the figures of a good model, three plots, and a report of each gate."""
    metrics = json.loads(ran.fetch(f"{STATE}/models/candidate/metrics.json"))
    assert metrics["test"]["r2"] > 0.999
    for plot in ("actual_vs_predicted", "residuals", "feature_importance"):
        assert ran.fetch(f"{STATE}/models/candidate/plots/{plot}.csv").count(b"\n") > 10
    rows = 0
    for stage in ("bronze", "silver", "gold"):
        for name in SPLITS:
            report = json.loads(ran.fetch(f"{STATE}/data/reports/{stage}/{name}.json"))
            assert report["success"] is True
            rows += report["rows"]
    assert rows == 3 * ROWS


def test_dvc_makes_the_same_bytes(ran: Machine, tmp_path: Path) -> None:
    """`dvc repro` in a checkout here: every table, report, metric, plot and the model itself."""
    checkout = Checkout(tmp_path / "clone").path
    python = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    run([ROOT / ".venv/bin/dvc", "repro"], cwd=checkout, env=python)
    here = {
        str(path.relative_to(checkout)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("data", "models")
        for path in (checkout / folder).rglob("*")
        if path.is_file() and not str(path.relative_to(checkout)).startswith(OWN)
    }
    assert len(here) > 20
    there = digests(ran, "data models/candidate")
    assert {name: of for name, of in there.items() if not name.startswith(OWN)} == here


def test_a_retrained_model_is_promoted_once(ran: Machine) -> None:
    """The first is put to use; the same again is no better, and the one in use stays."""
    with airflow(ran) as api:
        current = []
        for _ in range(2):
            assert api.state(RETRAINING, api.run(RETRAINING)) == "success"
            current.append(ran.sudo(f"readlink {STATE}/models/current").stdout.strip())
    assert current[0].startswith("price-")
    assert current[0] == current[1]
    report = json.loads(ran.fetch(f"{STATE}/data/reports/promotion/validation.json"))
    assert report["promoted"] is False


def test_behind_a_failed_gate_nothing_runs(ran: Machine) -> None:
    """A cut-off upload is in quarantine on the host, the run fails at once, and what there was stands."""
    raw = f"{STATE}/data/raw/flights.csv"
    before = digests(ran, "data/split data/bronze data/silver data/gold models")
    ran.sudo(f"truncate --size=-20 {shlex.quote(raw)}")
    try:
        with airflow(ran) as api:
            bad = api.run(PIPELINE)
            assert api.state(PIPELINE, bad) == "failed"
            tasks = api.get(f"dags/{PIPELINE}/dagRuns/{bad}/taskInstances")["task_instances"]
        states = {task["task_id"]: (task["state"], task["try_number"]) for task in tasks}
        assert states.pop("take_or_generate_raw") == ("success", 1)
        assert states.pop("split") == ("failed", 1)
        assert {state for state, _ in states.values()} == {"upstream_failed"}
        report = ran.sudo(f"cat {STATE}/data/quarantine/split-flights-*/report.txt").stdout
        assert f"\ntruncated in 1 row, the last line has no end\n  row {ROWS}: " in report
        assert digests(ran, "data/split data/bronze data/silver data/gold models") == before
    finally:
        ran.sudo(f"rm -rf {raw} {STATE}/data/quarantine")
