"""What is kept of a wealth economy: a row of summaries now and then, never more than a given number.

Rows of periods (`PERIOD_COLUMNS`):

=================  ============================================================================================
period             period, from 0, which is the start
gini               Gini coefficient of wealth, in its population form
theil              Theil's T of wealth
top_1_share        share of all wealth that the richest 1 % own; of fewer than 100 agents, of a part of the richest
top_10_share       the same of the richest 10 %
bottom_50_share    the same of the poorer half
median_cents       median of wealth (cents)
p90_cents          wealth that a tenth of the agents exceed (cents)
p99_cents          wealth that a hundredth exceed (cents)
richest_cents      wealth of the richest (cents)
poor_share         share of the agents that own nothing
tax_cents          the tax levied in the period, on all (cents)
rebate_cents       what each agent got back (cents)
treasury_cents     balance of the treasury at the end of the period (cents)
total_cents        all money: the same in every row
=================  ============================================================================================

Rows are kept of the periods that are multiples of a *stride*. When there are too many, every other one is dropped and
the stride doubles. So a run of T periods leaves between R/2 and R rows, evenly spaced, whatever T is, and the cost of
summing up falls to nothing: about R/2 rows are made while the number of periods doubles.
"""

from collections.abc import Mapping
from typing import final

import numpy as np
import pandas as pd

from walras.agents.money import IntArray
from walras.market.validation import whole_number
from walras.market.welfare import gini, lorenz_curve, theil_t

__all__ = ["PERIOD_COLUMNS", "PeriodRecorder", "wealth_summary"]

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "gini": "float64",
    "theil": "float64",
    "top_1_share": "float64",
    "top_10_share": "float64",
    "bottom_50_share": "float64",
    "median_cents": "float64",
    "p90_cents": "float64",
    "p99_cents": "float64",
    "richest_cents": "int64",
    "poor_share": "float64",
    "tax_cents": "int64",
    "rebate_cents": "int64",
    "treasury_cents": "int64",
    "total_cents": "int64",
}
"""Columns of the rows of periods, in order, and their dtypes; what they hold stands in the module."""


def wealth_summary(wealth: IntArray) -> dict[str, float | int]:
    """Give the columns gini ... poor_share of wealth (cents), shape (n,). Costs O(n log n)."""
    ascending = np.sort(wealth)
    lorenz = lorenz_curve(ascending)
    median, p90, p99 = np.quantile(ascending, (0.5, 0.9, 0.99))
    return {
        "gini": gini(ascending),
        "theil": theil_t(ascending),
        "top_1_share": lorenz.share_of_richest(0.01),
        "top_10_share": lorenz.share_of_richest(0.1),
        "bottom_50_share": lorenz.share_of_poorest(0.5),
        "median_cents": float(median),
        "p90_cents": float(p90),
        "p99_cents": float(p99),
        "richest_cents": int(ascending[-1]),
        "poor_share": float(np.mean(ascending == 0)),
    }


@final
class PeriodRecorder:
    """Keeps rows of periods, evenly spaced and bounded in number.

    Parameters
    ----------
    record_every
        The first stride: a row is kept of every so many periods, 1 or more.
    most_rows
        Above so many rows every other one is dropped and the stride doubles; 2 or more.
    """

    def __init__(self, record_every: int, most_rows: int) -> None:
        self._stride = whole_number("record_every", record_every, minimum=1)
        self._most_rows = whole_number("most_rows", most_rows, minimum=2)
        self._rows: list[tuple[float | int, ...]] = []

    @property
    def stride(self) -> int:
        """A row is kept of every so many periods."""
        return self._stride

    def wants(self, period: int) -> bool:
        """Whether a row of this period is kept."""
        return period % self._stride == 0

    def add(self, row: Mapping[str, float | int]) -> None:
        """Keep a row, with the columns of `PERIOD_COLUMNS`, of a period that is wanted."""
        self._rows.append(tuple(row[name] for name in PERIOD_COLUMNS))
        if len(self._rows) > self._most_rows:
            self._rows = self._rows[::2]  # periods 0, 2 s, 4 s, ...
            self._stride *= 2

    def table(self) -> pd.DataFrame:
        """Give the rows kept so far, with exactly the columns and dtypes of `PERIOD_COLUMNS`."""
        columns = zip(*self._rows, strict=True)
        return pd.DataFrame(
            {
                name: np.array(values, dtype)
                for (name, dtype), values in zip(PERIOD_COLUMNS.items(), columns, strict=True)
            }
        )
