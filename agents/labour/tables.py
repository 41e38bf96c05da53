"""The tables that a labour economy leaves: a row per household, and a row per period.

Amounts in cents are whole (int64); the rest is float64.

Rows of households (`HOUSEHOLD_COLUMNS`):

==================  ===========================================================================================
period              period, from 1
household           number of the household, from 0
skill               what an hour of its work is worth at a wage of 1, in this period
labour              hours worked
income_cents        pay
tax_cents           tax on it; negative for a subsidy
benefit_cents       what it received by law
rebate_cents        its part of what was left in the treasury
dividend_cents      its part of the firm's profit
consumption_cents   what it spent: income - tax + benefit + rebate + dividend
utility             of consumption and labour, and of the public good if there is one
==================  ===========================================================================================

Rows of periods (`PERIOD_COLUMNS`); amounts are those of all households together:

==================  ===========================================================================================
period              period, from 1
wage                of an efficiency unit of labour (money)
expected_wage       what households expected it to be (money)
output_cents        what was produced, at a price of 1
income_cents        pay
tax_cents           tax less subsidies: the revenue
benefit_cents       paid by law
rebate_cents        paid out of what was left
dividend_cents      profit paid out
consumption_cents   spent by households
public_good_cents   spent by the treasury
gini_before         Gini coefficient of pay
gini_after          Gini coefficient of consumption
utilitarian         mean utility
atkinson            equally distributed equivalent of utilities, at the economy's aversion; NaN if one is negative
rawlsian            least utility
firm_cents          balance of the firm at the end of the period
treasury_cents      balance of the treasury; a debt if negative
inventory_cents     goods produced and not yet sold, at a price of 1; sold in advance if negative
total_cents         all money: the same in every row
==================  ===========================================================================================

A row of periods is kept of the multiples of a *stride*; when there are too many, every other one is dropped and the
stride doubles, so that memory is bounded however long the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from walras.agents.money import IntArray
from walras.market.validation import FloatArray, whole_number
from walras.market.welfare import atkinson_welfare, gini

__all__ = ["HOUSEHOLD_COLUMNS", "PERIOD_COLUMNS", "Flows", "PeriodRows", "household_rows", "inequality_and_welfare"]

HOUSEHOLD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "household": "int64",
    "skill": "float64",
    "labour": "float64",
    "income_cents": "int64",
    "tax_cents": "int64",
    "benefit_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "consumption_cents": "int64",
    "utility": "float64",
}
"""Columns of the rows of households, in order, and their dtypes; what they hold stands in the module."""

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "wage": "float64",
    "expected_wage": "float64",
    "output_cents": "int64",
    "income_cents": "int64",
    "tax_cents": "int64",
    "benefit_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "consumption_cents": "int64",
    "public_good_cents": "int64",
    "gini_before": "float64",
    "gini_after": "float64",
    "utilitarian": "float64",
    "atkinson": "float64",
    "rawlsian": "float64",
    "firm_cents": "int64",
    "treasury_cents": "int64",
    "inventory_cents": "int64",
    "total_cents": "int64",
}
"""Columns of the rows of periods, in order, and their dtypes; what they hold stands in the module."""


@final
@dataclass(frozen=True, eq=False)
class Flows:
    """What happened in a period: a field per column of `HOUSEHOLD_COLUMNS`, shape (n,), or the same for all."""

    period: int
    skill: FloatArray
    labour: FloatArray
    income: IntArray
    tax: IntArray
    benefit: IntArray
    rebate_each: int
    dividend_each: int
    consumption: IntArray
    utility: FloatArray


def household_rows(flows: Flows) -> pd.DataFrame:
    """Give the rows of households of a period, with exactly the columns and dtypes of `HOUSEHOLD_COLUMNS`."""
    agents = flows.income.size
    columns = (
        np.full(agents, flows.period),
        np.arange(agents),
        flows.skill,
        flows.labour,
        flows.income,
        flows.tax,
        flows.benefit,
        np.full(agents, flows.rebate_each),
        np.full(agents, flows.dividend_each),
        flows.consumption,
        flows.utility,
    )
    return pd.DataFrame(
        {name: column.astype(dtype) for (name, dtype), column in zip(HOUSEHOLD_COLUMNS.items(), columns, strict=True)}
    )


def inequality_and_welfare(flows: Flows, aversion: float) -> dict[str, float]:
    """Give the columns gini_before ... rawlsian of a period. Costs O(n log n)."""
    least = float(np.min(flows.utility))
    mean = float(np.mean(flows.utility))
    return {
        "gini_before": gini(flows.income),
        "gini_after": gini(flows.consumption),
        "utilitarian": mean,
        "atkinson": atkinson_welfare(flows.utility, aversion) if least >= 0.0 else float("nan"),
        "rawlsian": least,
    }


@final
class PeriodRows:
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
        self._most = whole_number("most_rows", most_rows, minimum=2)
        self._rows: list[dict[str, float | int]] = []

    def wants(self, period: int) -> bool:
        """Whether a row of this period is kept."""
        return period % self._stride == 0

    def add(self, row: dict[str, float | int]) -> None:
        """Keep the row of a period that is wanted."""
        self._rows.append(row)
        if len(self._rows) > self._most:
            self._stride *= 2
            self._rows = [kept for kept in self._rows if self.wants(int(kept["period"]))]

    def table(self) -> pd.DataFrame:
        """Give the rows kept so far, with exactly the columns and dtypes of `PERIOD_COLUMNS`."""
        return pd.DataFrame(
            {name: np.array([row[name] for row in self._rows], dtype) for name, dtype in PERIOD_COLUMNS.items()}
        )
