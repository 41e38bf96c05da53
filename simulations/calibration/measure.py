"""What a calibration looks at, and what it wants of it: a number from the tables of a cell, and a goal for its mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import pandas as pd

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_number
from walras.simulations.experiments import Tables
from walras.simulations.runner.fields import nearest

__all__ = ["STATISTICS", "Goal", "Measure"]

STATISTICS: Mapping[str, Callable[["pd.Series[Any]"], Any]] = {
    "mean": lambda values: values.mean(),
    "median": lambda values: values.median(),
    "sum": lambda values: values.sum(),
    "min": lambda values: values.min(),
    "max": lambda values: values.max(),
    "std": lambda values: values.std(ddof=0),
    "first": lambda values: values.iloc[0],
    "last": lambda values: values.iloc[-1],
}
_GOALS = ("maximise", "minimise", "target")


@final
@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number from the tables of a cell.

    Parameters
    ----------
    table, column
        Where it stands.
    statistic
        What is made of the column: mean, median, sum, min, max, std (of the rows themselves), first or last.
    where
        The rows that count: those with these values in these columns; compared as text.

    Examples
    --------
    >>> import pandas as pd
    >>> from walras.simulations.calibration import Measure
    >>> periods = pd.DataFrame({"instrument": ["tax", "cap", "tax"], "welfare": [1.0, 5.0, 2.0]})
    >>> Measure(table="periods", column="welfare", where={"instrument": "tax"}).of({"periods": periods})
    1.5
    """

    table: str
    column: str
    statistic: str = "mean"
    where: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.statistic not in STATISTICS:
            raise InvalidInputError(
                f"There is no statistic {self.statistic!r}{nearest(self.statistic, STATISTICS)}. "
                f"Statistics: {', '.join(STATISTICS)}."
            )

    def __str__(self) -> str:
        rows = "".join(f", {column} = {value}" for column, value in self.where.items())
        return f"{self.statistic} of {self.column} ({self.table}{rows})"

    def of(self, tables: Tables) -> float:
        """Give the number.

        Raises
        ------
        InvalidInputError
            If there is no such table, column or row, the column holds no numbers, or the number is not finite.
        """
        if self.table not in tables:
            raise InvalidInputError(
                f"There is no table {self.table!r}{nearest(self.table, tables)}. Tables: {', '.join(tables)}."
            )
        rows = tables[self.table]
        for column, value in self.where.items():
            kept = self._column(rows, column).astype(str) == value
            if not kept.any():
                raise InvalidInputError(f"No row of {self.table!r} has {column} = {value!r}.")
            rows = rows[kept]
        values = self._column(rows, self.column)
        if not len(values):
            raise InvalidInputError(f"Table {self.table!r} has no rows.")
        if not pd.api.types.is_numeric_dtype(values):
            raise InvalidInputError(f"Column {self.column!r} of {self.table!r} holds no numbers but {values.dtype}.")
        return finite_number(str(self), STATISTICS[self.statistic](values))

    def _column(self, rows: pd.DataFrame, name: str) -> "pd.Series[Any]":
        if name not in rows.columns:
            raise InvalidInputError(
                f"Table {self.table!r} has no column {name!r}{nearest(name, rows.columns)}. "
                f"Columns: {', '.join(rows.columns)}."
            )
        return rows[name]


@final
@dataclass(frozen=True)
class Goal:
    """What is wanted of the measure's mean over replications.

    Parameters
    ----------
    kind
        "maximise", "minimise" or "target".
    target
        The value to reach, for "target".
    """

    kind: str
    target: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in _GOALS:
            raise InvalidInputError(f"A goal must be one of {', '.join(_GOALS)}; got {self.kind!r}.")
        finite_number("target", self.target)

    def __str__(self) -> str:
        return f"bring to {self.target:g}" if self.kind == "target" else self.kind

    def loss(self, value: float) -> float:
        """Give what is to be made small."""
        if self.kind == "target":
            return (value - self.target) ** 2
        return -value if self.kind == "maximise" else value
