"""Numbers of past periods, thinned so that a run of any length fits into memory and onto a screen."""

from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, IntArray, whole_number

__all__ = ["History"]


@final
class History:
    """A row of numbers for each period that is a multiple of a stride.

    When there are too many rows, every other one is dropped and the stride doubles. So rows are evenly spaced, and of a
    long run between half and all of the rows allowed are kept. The last period is always there.

    Parameters
    ----------
    *names
        Of the columns.
    most
        The most rows kept, 2 or more.

    Examples
    --------
    >>> from walras.simulations.dashboard.history import History
    >>> history = History("price", most=4)
    >>> for period in range(1, 12):
    ...     history.add(period, price=float(period))
    >>> history.periods.tolist()
    [4, 8, 11]
    """

    def __init__(self, *names: str, most: int = 400) -> None:
        self._names = names
        self._most = whole_number("most", most, minimum=2)
        self._stride = 1
        self._rows: list[tuple[float, ...]] = []
        self._last: tuple[float, ...] | None = None

    def add(self, period: int, **values: float) -> None:
        """Take in the numbers of a period, later than those before; NaN where there is none."""
        if set(values) != set(self._names):
            raise InvalidInputError(f"A row needs {self._names}, got {tuple(values)}.")
        row = (float(period), *(float(values[name]) for name in self._names))
        self._last = row
        if period % self._stride == 0:
            self._rows.append(row)
        while len(self._rows) > self._most:
            self._stride *= 2
            self._rows = [kept for kept in self._rows if kept[0] % self._stride == 0]

    @property
    def periods(self) -> IntArray:
        """The periods kept, ascending, shape (t,)."""
        return self._table()[:, 0].astype(np.int64)

    def column(self, name: str) -> FloatArray:
        """Give the numbers kept of one column, shape (t,)."""
        return self._table()[:, 1 + self._names.index(name)].copy()

    def last(self, name: str) -> float:
        """Give the number of the last period; NaN before the first."""
        return float("nan") if self._last is None else self._last[1 + self._names.index(name)]

    def _table(self) -> FloatArray:
        rows = self._rows
        if self._last is not None and (not rows or rows[-1] is not self._last):
            rows = [*rows, self._last]
        return np.array(rows, dtype=np.float64).reshape(-1, 1 + len(self._names))
