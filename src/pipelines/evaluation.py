"""What a model of the price takes, and what it is worth."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from src.pipelines.encoding import CALENDAR, CATEGORIES, NUMBERS, Encoding
from src.shared.frames import read_parquet

# The route is left out on purpose, as in the original: with it, the price is not learned but looked up.
CATEGORICAL = tuple(name for name in CATEGORIES if name != "route")
FEATURES = (*CATEGORICAL, *NUMBERS, *CALENDAR)


def read(pieces: Iterator[pl.DataFrame]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Return the features and the prices of a gold table."""
    features, prices = [], []
    for piece in pieces:
        features.append(piece.select(pl.col(FEATURES).cast(pl.Float32)).to_numpy())
        prices.append(piece["price"].to_numpy())
    return np.concatenate(features), np.concatenate(prices)


def predicted(booster: lgb.Booster, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return the prices that a model expects."""
    # Where others want the processors too, LightGBM's threads mostly wait for each other.
    return np.asarray(booster.predict(features, num_threads=1), dtype=np.float64)


def metrics(prices: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return R², and RMSE, MAE, median and largest absolute error in units of the price."""
    errors = np.abs(prices - predicted)
    spread = np.square(prices - prices.mean()).sum()
    found = {
        "r2": 1 - np.square(errors).sum() / spread if spread else 0.0,
        "rmse": np.sqrt(np.square(errors).mean()),
        "mae": errors.mean(),
        "median_ae": np.median(errors),
        "max_error": errors.max(),
    }
    return {name: round(float(value), 6) for name, value in found.items()}


def of_models(models: Sequence[Path], silver: Path) -> list[dict[str, float]]:
    """Return the metrics of models, each a directory, on a silver table, which each encodes its own way.

    The table is read once: all models are asked about the same rows, whatever is written meanwhile.
    """
    loaded = [(lgb.Booster(model_file=model / "model.txt"), Encoding.read(model / "encoding.json")) for model in models]
    prices: list[npt.NDArray[np.float64]] = []
    expected: list[list[npt.NDArray[np.float64]]] = [[] for _ in models]
    for piece in read_parquet(silver):
        prices.append(piece["price"].to_numpy())
        for (booster, encoding), found in zip(loaded, expected, strict=True):
            features, _ = read(encoding.applied(iter([piece])))
            found.append(predicted(booster, features))
    return [metrics(np.concatenate(prices), np.concatenate(found)) for found in expected]
