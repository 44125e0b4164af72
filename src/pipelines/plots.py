"""What the plots of a model show, as tables that `dvc plots` draws; dvc.yaml says how."""

from pathlib import Path

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from src.shared.utils import atomic_path

# A scatter plot of more points is a blot.
_POINTS = 2000
_BINS = 40


def write(
    directory: Path, booster: lgb.Booster, prices: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]
) -> None:
    """Write actual_vs_predicted.csv, residuals.csv and feature_importance.csv into `directory`.

    Points are some of the rows, evenly spaced; residuals and importance are of all.
    """
    every = max(1, len(prices) // _POINTS)
    points = pl.DataFrame({"actual": prices[::every], "predicted": predicted[::every]})
    counts, edges = np.histogram(prices - predicted, bins=_BINS)
    residuals = pl.DataFrame({"residual": (edges[:-1] + edges[1:]) / 2, "rows": counts})
    names, gains = booster.feature_name(), booster.feature_importance("gain")
    importance = pl.DataFrame({"feature": names, "gain": gains}).sort("gain", "feature", descending=[True, False])
    for name, table in (
        ("actual_vs_predicted", points),
        ("residuals", residuals),
        ("feature_importance", importance),
    ):
        with atomic_path(directory / f"{name}.csv") as temporary:
            table.write_csv(temporary, float_precision=4)
