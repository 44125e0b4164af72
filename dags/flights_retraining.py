"""The flights_retraining DAG: wiring only; what its tasks do is in `src`.

What the tasks need is imported inside them: this file is parsed again and again, polars takes half a second.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import Asset, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from src.shared.tasks import RETRIES, gate
from src.shared.utils import data_dir, load_params, models_dir


@dag(
    dag_id="flights_retraining",
    schedule="0 5 * * 0",
    catchup=False,
    is_paused_upon_creation=False,
    max_active_runs=1,  # two runs would write the same files
    default_args={**RETRIES, "execution_timeout": timedelta(hours=1)},
    doc_md="""
### Flights: a new model, put to use if it is better

Trains on the gold tables that `flights_pipeline` left, and compares the model with the one in use: both
predict the validation split as it is now, and the new one is put to use if its RMSE is lower.

`models/current` is a link to the model in use; those before it stay beside it. To go back to one, in
`/var/lib/flights-mlops/models`: `ln -sfn price-… current`. What was compared is in
`data/reports/promotion/validation.json`.
""",
    tags=["flights"],
)
def flights_retraining() -> None:
    """Train a model weekly, and promote it if it is better. What passes between tasks are paths."""

    @task
    def training() -> str:
        """Return the directory of the new model; without gold tables, trying again is no use."""
        from src.pipelines.training_pipeline import run  # noqa: PLC0415 - see the top

        with gate():
            return str(run(data_dir() / "gold", models_dir() / "retrained", **load_params("training", run)))

    @task(outlets=[Asset("flights_model")])
    def promotion(candidate: str) -> None:
        """Put the new model to use if it is better; else the task is skipped, and its asset is as it was."""
        from src.pipelines.promotion import run  # noqa: PLC0415 - see the top

        with gate():
            is_better = run(Path(candidate), data_dir(), models_dir())
        if not is_better:
            raise AirflowSkipException("the model in use is as good, and stays")

    promotion(training())


flights_retraining()
