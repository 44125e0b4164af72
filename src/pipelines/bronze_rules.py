"""What the raw flights file must be like, and in what a file falls short of it.

Every column is read as text, so that a value of the wrong type is one more fault with a row, not a crash.
"""

import io

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from src.pipelines.quarantine import Fault

# The columns of the bronze table, in its order. Dates stay text: taking them apart is the next stage's.
TYPES = {
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
FLIGHT_TYPES = ("firstClass", "economic", "premium")

# How many of the rows that break a rule a report shows.
_SHOWN_ROWS = 5
# What a file is before it is a table; then what pandera calls the rules that are its own.
_FILE_RULES = ("utf8", "csv", "has_rows", "unexpected_column")
_PANDERA_RULES = {
    "column_in_schema": "unexpected_column",
    "column_in_dataframe": "missing_column",
    "not_nullable": "not_null",
}

# The rules below are asked about `pl.col("value")`, which is text. Each passes what another one reports, so
# that a fault has one name.
_VALUE = pl.col("value")
_IS_BLANK = _VALUE.str.strip_chars() == ""
_INTEGER = _VALUE.cast(pl.Int64, strict=False)
_NUMBER = _VALUE.cast(pl.Float64, strict=False)
_LOOKS_LIKE_DATE = _VALUE.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")


def _rule(name: str, holds: pl.Expr) -> pa.Check:
    """Return a check called `name` that a value passes when `holds`; nulls are for `not_null` to report."""

    def check(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).alias("value")).select(_VALUE.is_null() | holds)

    return pa.Check(check, name=name)


_TYPE_RULES = {
    pl.Int64: [
        _rule("integer", _INTEGER.is_not_null()),
        _rule("non_negative", _INTEGER.fill_null(0) >= 0),
    ],
    pl.Float64: [
        # "nan" and "inf" are numbers to the parser, and to nobody else.
        _rule("number", _NUMBER.is_finite().fill_null(value=False)),
        _rule("non_negative", ~_NUMBER.is_finite().fill_null(value=False) | (_NUMBER >= 0)),
    ],
    pl.String: [_rule("not_blank", ~_IS_BLANK)],
}
_COLUMN_RULES = {
    "flightType": [_rule("known_flight_type", _VALUE.is_in(FLIGHT_TYPES) | _IS_BLANK)],
    "date": [
        _rule("date_format", _LOOKS_LIKE_DATE | _IS_BLANK),
        _rule("real_date", ~_LOOKS_LIKE_DATE | _VALUE.str.to_date("%Y-%m-%d", strict=False).is_not_null()),
    ],
}
_SCHEMA = pa.DataFrameSchema(
    {
        name: pa.Column(pl.String, [*_TYPE_RULES[kind], *_COLUMN_RULES.get(name, [])])
        for name, kind in TYPES.items()
    },
    strict=True,
)


def rules() -> list[tuple[str, str | None]]:
    """Return all that `examine` looks for, as (rule, column); no column for what is about the whole file."""
    found: list[tuple[str, str | None]] = [(rule, None) for rule in _FILE_RULES]
    for name, column in _SCHEMA.columns.items():
        named = ["missing_column", "not_null", *(str(check.name) for check in column.checks)]
        found += [(rule, name) for rule in named]
    return found


def examine(content: bytes) -> tuple[pl.DataFrame, list[Fault]]:
    """Return a file's table, all of it text, and all its faults; with none, `typed` will do."""
    try:
        content.decode("utf-8")
        frame = pl.read_csv(io.BytesIO(content), infer_schema=False)
    except UnicodeDecodeError as error:
        return pl.DataFrame(), [
            Fault("utf8", detail=f"byte {error.start + 1} is {content[error.start]:#04x}")
        ]
    except pl.exceptions.NoDataError:
        return pl.DataFrame(), [Fault("has_rows", detail="the file is empty")]
    except pl.exceptions.PolarsError as error:
        return pl.DataFrame(), [Fault("csv", detail=str(error).splitlines()[0][:120])]
    found = [] if frame.height else [Fault("has_rows", detail="there is only a header")]
    try:
        _SCHEMA.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.with_columns(pl.col("check").replace(_PANDERA_RULES))
        for some in cases.partition_by("check", "column", maintain_order=True):
            found += _faults(frame, some)
    return frame, found


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a faultless table of text with the columns and types of TYPES."""
    return frame.select(pl.col(name).cast(kind) for name, kind in TYPES.items())


def _faults(frame: pl.DataFrame, cases: pl.DataFrame) -> list[Fault]:
    """Return the faults that pandera's failure cases of one rule and one column, or none, amount to."""
    rule, column = cases["check"][0], cases["column"][0]
    if rule == "unexpected_column":  # pandera names only the first of them
        return [Fault(rule, detail=", ".join(name for name in frame.columns if name not in TYPES))]
    if rule == "missing_column":
        return [Fault(rule, name) for name in cases["failure_case"]]
    places = cases["index"].head(_SHOWN_ROWS)
    return [Fault(rule, column, cases.height, tuple((place + 1, frame.row(place)) for place in places))]
