"""The DAG as Airflow sees it, and real runs of it, without a server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from src.data_generation.flights import generate
from tests.unit.project.conftest import ROOT, project_environment

# Run in a process of its own: Airflow reads its configuration, and sets up logging, when it is imported.
LOOK = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag()
print("RESULT" + json.dumps({
    "errors": {str(k): v for k, v in bag.import_errors.items()},
    "seconds": bag.dagbag_stats[0].duration.total_seconds(),
    "heavy": sorted({"polars", "pandera", "lightgbm"} & set(sys.modules)),
    "dags": {dag_id: {
        "tasks": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
        "retries": sorted({task.retries for task in dag.tasks}),
        "limits": sorted({task.execution_timeout.total_seconds() for task in dag.tasks}),
        "schedule": dag.schedule, "catchup": dag.catchup, "paused": dag.is_paused_upon_creation,
        "doc": bool(dag.doc_md),
        "mapped": sorted(task.task_id for task in dag.tasks if task.is_mapped),
        "outlets": sorted(asset.name for task in dag.tasks for asset in task.outlets),
    } for dag_id, dag in bag.dags.items()},
}))
"""
RUN = """
import json
from airflow.dag_processing.dagbag import DagBag
from src.shared.utils import data_dir
dags = DagBag().dags
def run(dag_id):
    run = dags[dag_id].test()
    found = {}
    for ti in run.get_task_instances():
        name = ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]"
        found[name] = [ti.state, ti.try_number]
    return [run.state, found]
def spoil(line):
    with (data_dir() / "raw" / "flights.csv").open("a") as raw:
        raw.write(line)
"""
RUN_BRONZE = (
    RUN
    + """
runs = [run("flights_bronze")]
spoil("1,2,Natal (RN),Recife (PE),premium,-1,1,1,c,2020-01-01\\n")
print("RESULT" + json.dumps([*runs, run("flights_bronze")]))
"""
)
RUN_PIPELINE = (
    RUN
    + """
order = ["flights_retraining", "flights_pipeline", "flights_retraining", "flights_retraining"]
runs = [run(dag_id) for dag_id in order]
spoil("1,2,Natal (RN),Recife (PE),premium,-1,1,386,c,2020-01-01\\n")
print("RESULT" + json.dumps([*runs, run("flights_pipeline")]))
"""
)


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
        "FLIGHTS_MODELS_DIR": str(tmp_path / "models"),
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
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.rpartition("RESULT")[2])


def test_dag_bag_finds_the_dags_and_their_wiring(airflow: dict[str, str]) -> None:
    """No import error; the tasks and their order; unpaused, bounded, documented; parses that cost little."""
    seen = python(LOOK, airflow)
    assert seen["errors"] == {}
    common = {"retries": [2], "catchup": False, "paused": False, "doc": True}
    assert seen["dags"] == {
        "flights_bronze": common
        | {
            "tasks": {"take_or_generate_raw": [], "bronze": ["take_or_generate_raw"]},
            "limits": [900],
            "schedule": None,
            "mapped": [],
            "outlets": [],
        },
        "flights_pipeline": common
        | {
            "tasks": {
                "take_or_generate_raw": [],
                "split": ["take_or_generate_raw"],
                "bronze": ["split"],
                "silver": ["bronze"],
                "gold": ["silver"],
                "training": ["gold"],
            },
            "limits": [1800],
            "schedule": "0 4 * * *",
            "mapped": ["bronze", "silver"],
            "outlets": ["flights_candidate", "flights_gold"],
        },
        "flights_retraining": common
        | {
            "tasks": {"training": [], "promotion": ["training"]},
            "limits": [3600],
            "schedule": "0 5 * * 0",
            "mapped": [],
            "outlets": ["flights_model"],
        },
    }
    assert seen["heavy"] == []
    assert seen["seconds"] < 1


@pytest.fixture
def database(airflow: dict[str, str]) -> dict[str, str]:
    """Return the environment of an Airflow with its database."""
    migrate = ["airflow", "db", "migrate"]
    subprocess.run(migrate, env=airflow, check=True, capture_output=True, timeout=600)
    return airflow


def test_bronze_runs_and_a_failed_gate_is_not_tried_again(database: dict[str, str]) -> None:
    """A run from nothing leaves table and report; once the raw file is bad, a run fails at its first try."""
    assert python(RUN_BRONZE, database) == [
        ["success", {"take_or_generate_raw": ["success", 1], "bronze": ["success", 1]}],
        ["failed", {"take_or_generate_raw": ["success", 1], "bronze": ["failed", 1]}],
    ]
    data = Path(database["FLIGHTS_DATA_DIR"])
    assert pl.read_parquet(data / "bronze" / "flights.parquet").height == 271_888
    report = json.loads((data / "reports" / "bronze" / "flights.json").read_text())
    assert report["success"] is False
    assert len(list((data / "quarantine").glob("bronze-flights-*/report.txt"))) == 1


def test_the_pipeline_runs_and_stops_at_a_failed_gate(database: dict[str, str]) -> None:
    """Retraining needs its tables, promotes once and not the same again; behind a bad split nothing runs."""
    (Path(database["FLIGHTS_DATA_DIR"]) / "raw").mkdir(parents=True)
    generate(6000, seed=1).write_csv(Path(database["FLIGHTS_DATA_DIR"]) / "raw" / "flights.csv")
    early, whole, first, second, bad = python(RUN_PIPELINE, database)
    assert early == ["failed", {"promotion": ["upstream_failed", 0], "training": ["failed", 1]}]
    mapped = {f"{stage}[{index}]": ["success", 1] for stage in ("bronze", "silver") for index in range(3)}
    single = {stage: ["success", 1] for stage in ("take_or_generate_raw", "split", "gold", "training")}
    assert whole == ["success", mapped | single]
    assert first == ["success", {"promotion": ["success", 1], "training": ["success", 1]}]
    assert second == ["success", {"promotion": ["skipped", 1], "training": ["success", 1]}]
    models = Path(database["FLIGHTS_MODELS_DIR"])
    assert len(list(models.glob("price-*"))) == 1
    assert (models / "current" / "model.txt").exists()
    assert json.loads((models / "candidate" / "metrics.json").read_text())["test"]["r2"] > 0.9
    state, tasks = bad
    assert state == "failed"
    assert tasks["bronze[0]"] == ["failed", 1]
    assert tasks["gold"][0] == tasks["training"][0] == "upstream_failed"
