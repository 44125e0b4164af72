"""How a silver table becomes numbers: learned from the train split alone, kept as JSON beside the model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import polars as pl

from src.pipelines.stage import StageError
from src.shared.utils import as_json

CATEGORIES = ("origin", "destination", "route", "flight_type", "agency")
NUMBERS = ("time", "distance")
CALENDAR = ("year", "month", "day", "weekday")
# A category that the train split has not, or not often, or that is missing.
OTHER = 0

TYPES = pl.Schema(
    dict.fromkeys(CATEGORIES, pl.Int16)
    | dict.fromkeys(NUMBERS, pl.Float64)
    | dict.fromkeys(CALENDAR, pl.Int16)
    | {"price": pl.Float64}
)


class Encoding:
    """What was learned: the categories that have a code, and of each number the median and the fences."""

    def __init__(self, categories: dict[str, list[str]], numbers: dict[str, dict[str, float]]) -> None:
        """Take what was learned."""
        self.categories, self.numbers = categories, numbers

    @classmethod
    def fitted(cls, train: Path, *, rare: float, fence: float) -> Self:
        """Learn from the silver table of the train split.

        A category that less than a share of `rare` has gets no code of its own. An outlier is what lies more
        than `fence` times the interquartile range beyond the quartiles.
        """
        table = pl.scan_parquet(train)
        categories = {name: _frequent(table, name, rare) for name in CATEGORIES}
        numbers = {name: _spread(table, name, fence) for name in (*NUMBERS, "price")}
        return cls(categories, numbers)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what was written to a file."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def write(self, path: Path) -> None:
        """Write it as JSON; the same encoding is the same bytes."""
        path.write_text(as_json({"categories": self.categories, "numbers": self.numbers}), encoding="utf-8")

    def applied(self, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield silver rows as numbers, with the columns of TYPES; missing ones filled, outliers drawn in."""
        columns = [self._code(name) for name in CATEGORIES]
        columns += [self._number(name) for name in NUMBERS]
        columns += [pl.col(name) for name in (*CALENDAR, "price")]
        for piece in pieces:
            yield piece.select(columns).cast(TYPES)

    def without_outliers(self, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield the rows whose price is no outlier: a model is not to learn from others."""
        known = self.numbers["price"]
        for piece in pieces:
            yield piece.filter(pl.col("price").is_between(known["low"], known["high"]))

    def _code(self, name: str) -> pl.Expr:
        codes = {category: code for code, category in enumerate(self.categories[name], OTHER + 1)}
        return pl.col(name).replace_strict(codes, default=OTHER, return_dtype=pl.Int16).alias(name)

    def _number(self, name: str) -> pl.Expr:
        known = self.numbers[name]
        return pl.col(name).fill_null(known["median"]).clip(known["low"], known["high"])


def _frequent(table: pl.LazyFrame, name: str, rare: float) -> list[str]:
    """Return the categories, by name, that at least a share of `rare` of all rows has."""
    counts = table.drop_nulls(name).group_by(name).len().collect(engine="streaming")
    return sorted(counts.filter(pl.col("len") / pl.col("len").sum() >= rare)[name])


def _spread(table: pl.LazyFrame, name: str, fence: float) -> dict[str, Any]:
    """Return median and fences of a column of numbers."""
    value = pl.col(name)
    quartiles = table.select([value.quantile(share).alias(str(share)) for share in (0.25, 0.5, 0.75)])
    low, median, high = quartiles.collect(engine="streaming").row(0)
    if median is None:
        raise StageError(f"the train split has no {name} at all, of which gold could learn")
    return {"median": median, "low": low - fence * (high - low), "high": high + fence * (high - low)}
