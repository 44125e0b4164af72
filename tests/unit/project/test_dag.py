"""The DAG as Airflow sees it, and real runs of it, without a server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, project_environment

# Run in a process of its own: Airflow reads its configuration, and sets up logging, when it is imported.
LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag()
print("RESULT" + json.dumps({
    "errors": {str(k): v for k, v in bag.import_errors.items()},
    "seconds": bag.dagbag_stats[0].duration.total_seconds(),
    "heavy": sorted({"polars", "pandera"} & set(sys.modules)),
    "dags": {dag_id: {
        "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "retries": sorted({task.retries for task in dag.tasks}),
        "limits": sorted({task.execution_timeout.total_seconds() for task in dag.tasks}),
        "schedule": dag.schedule, "catchup": dag.catchup, "paused": dag.is_paused_upon_creation,
        "doc": bool(dag.doc_md),
    } for dag_id, dag in bag.dags.items()},
}))
"""
RUN = """
import json
from airflow.dag_processing.dagbag import DagBag
from src.shared.utils import data_dir
dag = DagBag().dags["flights_bronze"]
runs = []
for spoil in (False, True):
    if spoil:
        with (data_dir() / "raw" / "flights.csv").open("a") as raw:
            raw.write("1,2,a,b,premium,-1,1,1,c,2020-01-01\\n")
    run = dag.test()
    runs.append([run.state, {ti.task_id: [ti.state, ti.try_number] for ti in run.get_task_instances()}])
print("RESULT" + json.dumps(runs))
"""


@pytest.fixture
def airflow(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an Airflow of the test's own, without a database yet."""
    env = {key: value for key, value in project_environment().items() if not key.startswith("AIRFLOW")}
    return env | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "PYTHONPATH": str(ROOT),
        "FLIGHTS_DATA_DIR": str(tmp_path / "data"),
    }


def python(code: str, env: dict[str, str]) -> Any:
    """Run code with Airflow in a directory of no importance; return what it prints after RESULT."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        cwd=env["AIRFLOW_HOME"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition("RESULT")[2])


def test_dag_bag_finds_the_dag_and_its_wiring(airflow: dict[str, str]) -> None:
    """No import error; the tasks and their order; manual, unpaused, bounded; a parse that costs little."""
    seen = python(LOOK, airflow)
    assert seen["errors"] == {}
    assert seen["dags"] == {
        "flights_bronze": {
            "tasks": {"take_or_generate_raw": [], "bronze": ["take_or_generate_raw"]},
            "retries": [2],
            "limits": [900],
            "schedule": None,
            "catchup": False,
            "paused": False,
            "doc": True,
        }
    }
    assert seen["heavy"] == []
    assert seen["seconds"] < 1


def test_dag_runs_and_a_failed_gate_is_not_tried_again(airflow: dict[str, str]) -> None:
    """A run from nothing leaves table and report; once the raw file is bad, a run fails at its first try."""
    migrate = ["airflow", "db", "migrate"]
    subprocess.run(migrate, env=airflow, check=True, capture_output=True, timeout=120)
    runs = python(RUN, airflow)
    assert runs == [
        ["success", {"take_or_generate_raw": ["success", 1], "bronze": ["success", 1]}],
        ["failed", {"take_or_generate_raw": ["success", 1], "bronze": ["failed", 1]}],
    ]
    data = Path(airflow["FLIGHTS_DATA_DIR"])
    assert (data / "bronze" / "flights.parquet").exists()
    report = json.loads((data / "reports" / "bronze.json").read_text())
    assert (report["success"], report["rows"]) == (False, 271_889)
    assert len(list((data / "quarantine").glob("flights-*/report.txt"))) == 1
