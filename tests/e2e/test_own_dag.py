"""A data engineer adds a DAG that uses the project's own code, and deploys."""

from pathlib import Path

from .airflow import airflow
from .checkout import Checkout
from .containers import ids
from .machine import Machine

DAG = '''\
"""A DAG of one's own."""

from airflow.sdk import dag, task

from src.shared.utils import data_dir


@dag(schedule=None, is_paused_upon_creation=False)
def own() -> None:
    """Say where the data are, and that a path relative to the project works."""

    @task
    def tell() -> str:
        with open("src/pipelines/bronze_pipeline.py") as pipeline:
            assert pipeline.read()
        return str(data_dir())

    tell()


own()
'''


def test_a_dag_imports_the_projects_code(bookworm: Machine, tmp_path: Path) -> None:
    """`from src.shared.utils import …` works in a DAG; the new DAG is live with no container restarted."""
    bookworm.as_deployed()
    before = ids(bookworm)
    checkout = Checkout(tmp_path / "clone")
    checkout.write("dags/own.py", DAG)
    try:
        bookworm.deploy(checkout=checkout.path)
        with airflow(bookworm) as api:
            run = api.run("own")
            assert api.get("importErrors")["import_errors"] == []
            assert api.state("own", run) == "success"
            said = api.get(f"dags/own/dagRuns/{run}/taskInstances/tell/xcomEntries/return_value")
        assert said["value"] == "/var/lib/flights-mlops/data"
        assert ids(bookworm) == before
    finally:
        bookworm.as_deployed()
