"""Training: a LightGBM model of the price, what it is worth on each split, and what plots show of it.

The same tables and parameters make the same bytes: one seed, sums in a fixed order, a model kept as text.
"""

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

if not __package__:  # run by its path: Python then looks for `src` beside this file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import lightgbm as lgb

from src.pipelines import evaluation, plots
from src.pipelines.evaluation import CATEGORICAL, FEATURES
from src.pipelines.gold_pipeline import encoding_path
from src.pipelines.stage import SPLITS, StageError, command, existing
from src.shared.frames import read_parquet
from src.shared.utils import atomic_path, load_params, locked, models_dir, write_json

log = logging.getLogger(__name__)

_FIXED = {"objective": "regression", "deterministic": True, "force_row_wise": True, "verbosity": -1}


def run(gold: Path, model: Path, *, rounds: int, **parameters: Any) -> Path:
    """Train on the tables in `gold`, and return `model`, a directory with all that belongs to the model.

    It has model.txt, the encoding.json that a silver table needs for it, metrics.json with what it is worth
    on each split, and plots/, tables of the test split that `dvc plots` draws. `parameters` are LightGBM's.

    Raises StageError if a gold table is missing, or LightGBM refuses a parameter.
    """
    with locked(gold):
        tables = {name: existing(gold / f"{name}.parquet", "gold_pipeline.py") for name in SPLITS}
        booster = _trained(tables[SPLITS[0]], rounds, parameters)
        with atomic_path(model / "model.txt") as temporary:
            booster.save_model(temporary)
        with atomic_path(model / "encoding.json") as temporary:
            shutil.copyfile(encoding_path(gold), temporary)
        metrics = {}
        for name in SPLITS:  # the last one is the test, which the plots are of
            features, prices = evaluation.read(read_parquet(tables[name]))
            predicted = evaluation.predicted(booster, features)
            metrics[name] = evaluation.metrics(prices, predicted)
    write_json(model / "metrics.json", metrics)
    plots.write(model / "plots", booster, prices, predicted)
    log.info("%s on the test split: %s", model, metrics[SPLITS[-1]])
    return model


def _trained(table: Path, rounds: int, parameters: dict[str, Any]) -> lgb.Booster:
    """Return a model of the prices in a gold table."""
    features, prices = evaluation.read(read_parquet(table))
    dataset = lgb.Dataset(features, prices, feature_name=list(FEATURES), categorical_feature=list(CATEGORICAL))
    try:
        return lgb.train(_FIXED | parameters, dataset, num_boost_round=rounds)
    except lgb.basic.LightGBMError as error:
        raise StageError(f"LightGBM refuses params.yaml's section training: {error}") from error


def _work(data: Path) -> None:
    """Train a candidate, below the directory of models."""
    run(data / "gold", models_dir() / "candidate", **load_params("training", run))


if __name__ == "__main__":
    sys.exit(command("training", __doc__, _work))
