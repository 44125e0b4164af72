"""The silver table: its columns, how they come from bronze, and what must hold for them."""

import pandera.polars as pa
import polars as pl

from src.pipelines.bronze_rules import CITIES, FLIGHT_TYPES
from src.pipelines.gate import VALUE, row_rule, rule

# km/h; the published table has about 386 on every row.
_SLOWEST, _FASTEST = 300, 500

COLUMNS = {
    "travel_code": pl.col("travelCode"),
    "user_code": pl.col("userCode"),
    "origin": pl.col("from"),
    "destination": pl.col("to"),
    "route": pl.concat_str("from", "to", separator=" - "),
    "flight_type": pl.col("flightType"),
    "agency": pl.col("agency"),
    "time": pl.col("time"),
    "distance": pl.col("distance"),
    "date": pl.col("date").str.to_date("%Y-%m-%d"),
    "year": pl.col("date").str.slice(0, 4).cast(pl.Int16),
    "month": pl.col("date").str.slice(5, 2).cast(pl.Int8),
    "day": pl.col("date").str.slice(8, 2).cast(pl.Int8),
    "weekday": pl.col("date").str.to_date("%Y-%m-%d").dt.weekday(),
    "price": pl.col("price"),
}
TYPES = pl.Schema(
    {
        "travel_code": pl.Int64,
        "user_code": pl.Int64,
        "origin": pl.String,
        "destination": pl.String,
        "route": pl.String,
        "flight_type": pl.String,
        "agency": pl.String,
        "time": pl.Float64,
        "distance": pl.Float64,
        "date": pl.Date,
        "year": pl.Int16,
        "month": pl.Int8,
        "day": pl.Int8,
        "weekday": pl.Int8,
        "price": pl.Float64,
    }
)
_RULES = {
    "travel_code": [rule("non_negative", VALUE >= 0)],
    "user_code": [rule("non_negative", VALUE >= 0)],
    "origin": [rule("known_city", VALUE.is_in(CITIES))],
    "destination": [rule("known_city", VALUE.is_in(CITIES))],
    "flight_type": [rule("known_flight_type", VALUE.is_in(FLIGHT_TYPES))],
    "time": [rule("positive", VALUE > 0)],
    "distance": [rule("positive", VALUE > 0)],
    "price": [rule("non_negative", VALUE >= 0)],
}
_SPEED = pl.col("distance") / pl.col("time")
# Missing values of these are filled in by gold.
MAY_BE_MISSING = ("agency", "time", "distance")
SCHEMA = pa.DataFrameSchema(
    {name: pa.Column(kind, _RULES.get(name, []), nullable=name in MAY_BE_MISSING) for name, kind in TYPES.items()},
    checks=[
        row_rule("goes_somewhere", pl.col("origin") != pl.col("destination")),
        row_rule("plausible_speed", _SPEED.is_between(_SLOWEST, _FASTEST)),
    ],
    strict=True,
)
