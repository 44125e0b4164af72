"""What a row of the raw flights file must be like; all of it is text when it is asked."""

import pandera.polars as pa
import polars as pl

from src.pipelines.gate import VALUE, rule

# The columns of the bronze table, in its order. Dates stay text: taking them apart is the next stage's.
TYPES = pl.Schema(
    {
        "travelCode": pl.Int64,
        "userCode": pl.Int64,
        "from": pl.String,
        "to": pl.String,
        "flightType": pl.String,
        "price": pl.Float64,
        "time": pl.Float64,
        "distance": pl.Float64,
        "agency": pl.String,
        "date": pl.String,
    }
)
FLIGHT_TYPES = ("firstClass", "economic", "premium")
CITIES = (
    "Aracaju (SE)",
    "Brasilia (DF)",
    "Campo Grande (MS)",
    "Florianopolis (SC)",
    "Natal (RN)",
    "Recife (PE)",
    "Rio de Janeiro (RJ)",
    "Salvador (BH)",
    "Sao Paulo (SP)",
)

# Each rule passes what another one reports, so that a fault has one name.
_IS_BLANK = VALUE.str.strip_chars() == ""
_INTEGER = VALUE.cast(pl.Int64, strict=False)
_NUMBER = VALUE.cast(pl.Float64, strict=False)
_LOOKS_LIKE_DATE = VALUE.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")

_FIRST_YEAR = 1900


def is_plausible(day: pl.Expr) -> pl.Expr:
    """Return whether a day is one, and of a year in which passengers flew."""
    return day.dt.year().ge(_FIRST_YEAR).fill_null(value=False)


_TYPE_RULES: dict[pl.DataType | type[pl.DataType], list[pa.Check]] = {
    pl.Int64: [
        rule("integer", _INTEGER.is_not_null()),
        rule("non_negative", _INTEGER.fill_null(0) >= 0),
    ],
    pl.Float64: [
        # "nan" and "inf" are numbers to the parser, and to nobody else.
        rule("number", _NUMBER.is_finite().fill_null(value=False)),
        rule("non_negative", ~_NUMBER.is_finite().fill_null(value=False) | (_NUMBER >= 0)),
    ],
    pl.String: [rule("not_blank", ~_IS_BLANK)],
}
_KNOWN_CITY = rule("known_city", VALUE.is_in(CITIES) | _IS_BLANK)
_COLUMN_RULES = {
    "from": [_KNOWN_CITY],
    "to": [_KNOWN_CITY],
    "flightType": [rule("known_flight_type", VALUE.is_in(FLIGHT_TYPES) | _IS_BLANK)],
    "date": [
        rule("date_format", _LOOKS_LIKE_DATE | _IS_BLANK),
        rule("real_date", ~_LOOKS_LIKE_DATE | is_plausible(VALUE.str.to_date("%Y-%m-%d", strict=False))),
    ],
}
SCHEMA = pa.DataFrameSchema(
    {name: pa.Column(pl.String, [*_TYPE_RULES[kind], *_COLUMN_RULES.get(name, [])]) for name, kind in TYPES.items()},
    strict=True,
)


def rules() -> list[tuple[str, str | None]]:
    """Return all that a row is held against, as (rule, column); no column for what is about them all."""
    found: list[tuple[str, str | None]] = [("unexpected_column", None)]
    for name, column in SCHEMA.columns.items():
        named = ["missing_column", "not_null", *(str(check.name) for check in column.checks)]
        found += [(broken, name) for broken in named]
    return found


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a faultless table of text with the columns and types of TYPES."""
    return frame.select(pl.col(name).cast(kind) for name, kind in TYPES.items())
