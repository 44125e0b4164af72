"""The model of the price: what it is worth, that it is the same each time, and when it is put to use."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from src.data_generation.flights import write
from src.pipelines import bronze_pipeline, gold_pipeline, promotion, silver_pipeline, split_pipeline
from src.pipelines.evaluation import FEATURES
from src.pipelines.stage import SPLITS, StageError
from src.pipelines.training_pipeline import run
from src.shared.utils import load_params

FEW = {"rounds": 3, "seed": 1, "num_threads": 1}
MANY = FEW | {"rounds": 30}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory with all tables of 20,000 rows."""
    data = tmp_path_factory.mktemp("pipeline") / "data"
    write(data / "raw" / "flights.csv", 20_000, seed=1)
    parts = split_pipeline.run(data / "raw" / "flights.csv", data, **load_params("split", split_pipeline.run))
    tables = [silver_pipeline.run(bronze_pipeline.run(part, data), data) for part in parts]
    gold_pipeline.run({table.stem: table for table in tables}, data, **load_params("gold", gold_pipeline.run))
    return data


def test_the_model_is_as_good_as_its_data_allow(data: Path, tmp_path: Path) -> None:
    """With the project's parameters, R² on the test split beats 0.99; no split is far from the others."""
    model = run(data / "gold", tmp_path / "model", **load_params("training", run))
    metrics = json.loads((model / "metrics.json").read_text())
    assert set(metrics) == set(SPLITS)
    assert metrics["test"]["r2"] > 0.99
    assert metrics["test"]["rmse"] < 30
    for of in metrics.values():
        assert set(of) == {"r2", "rmse", "mae", "median_ae", "max_error"}
        assert 0 < of["median_ae"] < of["mae"] < of["rmse"] < of["max_error"]


def test_metrics_are_those_of_the_predictions(data: Path, tmp_path: Path) -> None:
    """Computed again from the plotted points, the mean error is the metric's, nearly: they are some rows."""
    model = run(data / "gold", tmp_path / "model", **MANY)
    points = pl.read_csv(model / "plots" / "actual_vs_predicted.csv")
    mae = (points["actual"] - points["predicted"]).abs().mean()
    assert mae == pytest.approx(json.loads((model / "metrics.json").read_text())["test"]["mae"], rel=0.05)
    residuals = pl.read_csv(model / "plots" / "residuals.csv")
    assert residuals["rows"].sum() == pl.read_parquet(data / "gold" / "test.parquet").height


def test_the_route_is_left_out(data: Path, tmp_path: Path) -> None:
    """The gold table has it, the model has not."""
    model = run(data / "gold", tmp_path / "model", **FEW)
    assert "route" in pl.read_parquet_schema(data / "gold" / "train.parquet")
    importance = pl.read_csv(model / "plots" / "feature_importance.csv")
    assert sorted(importance["feature"]) == sorted(FEATURES)
    assert "route" not in (model / "model.txt").read_text()


def test_the_same_tables_make_the_same_bytes(data: Path, tmp_path: Path) -> None:
    """Model, metrics and plots; another parameter makes others."""
    made = [run(data / "gold", tmp_path / name, **MANY) for name in ("a", "b")]
    files = [path.relative_to(made[0]) for path in sorted(made[0].rglob("*")) if path.is_file()]
    assert len(files) == 6
    for file in files:
        assert (made[0] / file).read_bytes() == (made[1] / file).read_bytes(), file
    other = run(data / "gold", tmp_path / "c", **MANY | {"num_leaves": 7})
    assert (other / "model.txt").read_bytes() != (made[0] / "model.txt").read_bytes()


def test_a_model_is_promoted_only_if_it_is_better(data: Path, tmp_path: Path) -> None:
    """The first is; a worse one and an equal one are not; a better one is, and the one before it stays."""
    models = tmp_path / "models"
    current = models / "current"
    good = run(data / "gold", tmp_path / "good", **MANY)
    worse = run(data / "gold", tmp_path / "worse", **FEW)
    better = run(data / "gold", tmp_path / "better", **MANY | {"rounds": 60})
    assert promotion.run(good, data, models)
    first = current.resolve()
    for loser in (worse, good):
        assert not promotion.run(loser, data, models)
        assert current.resolve() == first
    assert promotion.run(better, data, models)
    assert (current / "model.txt").read_bytes() == (better / "model.txt").read_bytes()
    assert (first / "model.txt").read_bytes() == (good / "model.txt").read_bytes()
    assert sorted(path.name for path in models.iterdir()) == sorted(["current", first.name, current.resolve().name])
    report = json.loads((data / "reports" / "promotion" / "validation.json").read_text())
    assert report["promoted"] is True
    assert report["candidate"]["rmse"] < report["before"]["rmse"]


def test_each_model_is_asked_in_its_own_encoding(data: Path, tmp_path: Path) -> None:
    """A model whose codes are others than today's is worth what it was."""
    models = tmp_path / "models"
    good = run(data / "gold", tmp_path / "good", **MANY)
    promotion.run(good, data, models)
    encoding = json.loads((data / "gold" / "encoding.json").read_text())
    for codes in encoding["categories"].values():
        codes.reverse()
    (good / "encoding.json").write_text(json.dumps(encoding))
    assert not promotion.run(good, data, models)
    report = json.loads((data / "reports" / "promotion" / "validation.json").read_text())
    assert report["before"] == json.loads((good / "metrics.json").read_text())["validation"]
    assert report["candidate"]["rmse"] > 2 * report["before"]["rmse"]


@pytest.mark.parametrize("parameter", [{"num_leaves": 1}, {"learning_rate": "fast"}])
def test_what_lightgbm_refuses_is_said_in_a_sentence(data: Path, tmp_path: Path, parameter: dict[str, Any]) -> None:
    """With its reason, and without a model."""
    with pytest.raises(StageError, match=r"^LightGBM refuses params\.yaml's section training: ."):
        run(data / "gold", tmp_path / "model", **FEW | parameter)
    assert not (tmp_path / "model").exists()


def test_without_tables_there_is_a_sentence(tmp_path: Path) -> None:
    """Which says what makes them."""
    with pytest.raises(StageError, match=r"there is no .*train.parquet: gold_pipeline.py makes it"):
        run(tmp_path / "gold", tmp_path / "model", **FEW)
    with pytest.raises(StageError, match=r"there is no .*validation.parquet: silver_pipeline.py makes it"):
        promotion.run(tmp_path / "model", tmp_path / "data", tmp_path / "models")
