"""What a raw file must be like to be split by date: its columns, and the dates.

Dates may also be month/day/year, as the published file has them.
"""

import pandera.polars as pa
import polars as pl

from src.pipelines import bronze_rules
from src.pipelines.gate import VALUE, rule


def _day(text: pl.Expr) -> pl.Expr:
    """Return the day that a text means, in either way of writing it; null where it means none."""
    return pl.coalesce(text.str.to_date("%Y-%m-%d", strict=False), text.str.to_date("%m/%d/%Y", strict=False))


# The day of a row.
DAY = _day(pl.col("date"))
_LOOKS_LIKE_DATE = VALUE.str.contains(r"^([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}/[0-9]{1,2}/[0-9]{4})$")
_RULES = [
    rule("date_format", _LOOKS_LIKE_DATE),
    rule("real_date", ~_LOOKS_LIKE_DATE | bronze_rules.is_plausible(_day(VALUE))),
]
SCHEMA = pa.DataFrameSchema(
    {
        name: pa.Column(pl.String, _RULES if name == "date" else [], nullable=name != "date")
        for name in bronze_rules.TYPES
    },
    strict=True,
)
