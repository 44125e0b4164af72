"""A gate: rules that a table is held against a piece at a time, and what of it broke which."""

from collections.abc import Mapping

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from src.pipelines.quarantine import SHOWN_ROWS, Fault
from src.pipelines.stage import StageError

# The rules of `rule` are asked about this.
VALUE = pl.col("value")

# What pandera calls the rules that are its own.
_PANDERA_RULES = {
    "column_in_schema": "unexpected_column",
    "column_in_dataframe": "missing_column",
    "not_nullable": "not_null",
}


def rule(name: str, holds: pl.Expr) -> pa.Check:
    """Return a check called `name` that a value passes when `holds`; nulls are for `not_null` to report."""

    def check(data: pa.PolarsData) -> pl.LazyFrame:
        return data.lazyframe.select(pl.col(data.key).alias("value")).select(VALUE.is_null() | holds)

    return pa.Check(check, name=name)


def row_rule(name: str, holds: pl.Expr) -> pa.Check:
    """Return a check called `name` of a whole row, which passes when `holds` or cannot be told."""
    return pa.Check(lambda data: data.lazyframe.select(holds.fill_null(value=True)), name=name)


class Gate:
    """A pandera schema that pieces of a table pass one after the other.

    `set_aside` names rules that a share of the rows may break: those rows are left out. `let_through` names
    columns in which a share of the values may be missing: those rows go on. Above its share, either is a
    fault like any other.
    """

    def __init__(
        self,
        schema: pa.DataFrameSchema,
        *,
        set_aside: Mapping[str, float] | None = None,
        let_through: Mapping[str, float] | None = None,
    ) -> None:
        """Begin with no rows; raise StageError for a share of a rule or a column that there is not."""
        self.rows = 0
        self._schema = schema
        self._set_aside, self._let_through = set_aside or {}, let_through or {}
        rules = {str(check.name) for column in schema.columns.values() for check in column.checks}
        for unknown in (self._set_aside.keys() - rules) | (self._let_through.keys() - schema.columns.keys()):
            raise StageError(f"params.yaml has a share for {unknown}, which is no rule or column here")
        self._found: dict[tuple[str, str | None], Fault] = {}

    def parted(self, piece: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the rows of the next piece that go on, and those that are set aside."""
        start, self.rows = self.rows, self.rows + piece.height
        try:
            self._schema.validate(piece, lazy=True)
        except SchemaErrors as errors:
            cases = errors.failure_cases.with_columns(pl.col("check").replace(_PANDERA_RULES))
            for some in cases.partition_by("check", "column", maintain_order=True):
                self._add(piece, start, some)
            aside = cases.filter(pl.col("check").is_in(list(self._set_aside)))["index"].unique().sort()
            keep = ~pl.int_range(piece.height, eager=True).is_in(aside.to_list())
            return piece.filter(keep), piece.filter(~keep)
        return piece, piece.clear()

    def is_broken(self) -> bool:
        """Tell whether a fault was found already that no share of the rows may have."""
        return any(self._share(fault) is None for fault in self._found.values())

    def faults(self) -> list[Fault]:
        """Return what the table is refused for, after all its pieces."""
        found = [] if self.rows else [Fault("has_rows", detail="there is only a header")]
        for fault in self._found.values():
            share = self._share(fault)
            if share is None:
                found.append(fault)
            elif fault.row_count > share * self.rows:
                found.append(fault._replace(detail=f"of which at most {share:.2%} may"))
        return found

    def tolerated(self) -> list[Fault]:
        """Return the rules that rows broke, but no more of them than may."""
        return [
            fault
            for fault in self._found.values()
            if (share := self._share(fault)) is not None and fault.row_count <= share * self.rows
        ]

    def _share(self, fault: Fault) -> float | None:
        """Return the share of rows that may have a fault; None if none may."""
        if fault.rule == "not_null":
            return self._let_through.get(fault.column or "")
        return self._set_aside.get(fault.rule)

    def _add(self, piece: pl.DataFrame, start: int, cases: pl.DataFrame) -> None:
        """Add pandera's failure cases of one rule, in one column or none, in a piece after `start`."""
        broken, column = cases["check"][0], cases["column"][0]
        if broken == "unexpected_column":  # pandera names only the first of them
            names = ", ".join(name for name in piece.columns if name not in self._schema.columns)
            self._found[broken, None] = Fault(broken, detail=names)
        elif broken == "missing_column":
            self._found.update({(broken, name): Fault(broken, name) for name in cases["failure_case"]})
        elif cases["index"].null_count():  # of a column as a whole: its type
            self._found[broken, column] = Fault(broken, column, detail=str(cases["failure_case"][0]))
        else:
            column = column if column in piece.columns else None
            known = self._found.get((broken, column), Fault(broken, column))
            places = cases["index"].head(SHOWN_ROWS - len(known.rows))
            shown = tuple((start + place + 1, piece.row(place)) for place in places)
            self._found[broken, column] = known._replace(
                row_count=known.row_count + cases.height, rows=known.rows + shown
            )
