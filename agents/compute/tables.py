"""The two tables that an economy leaves: a row per agent and recorded period, and a row per recorded period.

Amounts in cents are whole (int64); money per unit, units and ratios are float64.

Rows of agents (`AGENT_COLUMNS`):

=================  ============================================================================================
period             period, from 1
agent              number of the agent: its row in the population, from 0
kind, layer,       who it is
index
valuation          worth of a unit of compute to the agent in the period (money per unit)
bid                what it bid (money per unit, tax included)
cost               units of compute that it uses when fully served
share              share of its full use that it got, in [0, 1]
units              units of compute that it got
payment_cents      what it paid for compute, tax included
tax_cents          the tax in it; negative for a subsidy
income_cents       what the principal paid it
levy_cents         what it paid of the taxes on surplus and wealth and of lump sums
transfer_cents     what the treasury paid it of basic incomes and targeted transfers
rebate_cents       what the treasury gave back in equal parts
dividend_cents     what it paid out of its wealth to the principal
wealth_cents       what it owns at the end of the period: wealth before - payment + income - levy + transfer + rebate
                   - dividend
=================  ============================================================================================

Rows of periods (`PERIOD_COLUMNS`):

=================  ============================================================================================
period             period, from 1
price              what the seller receives (money per unit of compute)
quantity_sold      units of compute
revenue_cents      payments to the principal, who sells the compute
tax_revenue_cents  taxes in the payments, to the treasury
income_cents       paid by the principal to all agents
levy_cents         taxes on surplus and wealth and lump sums, to the treasury
transfer_cents     basic incomes and targeted transfers, paid by the treasury
rebate_cents       equal rebates, paid by the treasury
dividend_cents     paid by all agents to the principal
gini_allocation    Gini coefficient of the shares of use
gini_wealth        Gini coefficient of wealth at the end of the period
welfare            value produced, the sum of valuation times units (money)
efficiency         welfare over the most that the same supply could produce: at most 1, up to rounding
principal_cents    balance of the principal at the end of the period; a debt if negative
treasury_cents     balance of the treasury at the end of the period; a debt if negative
total_cents        all money: the same in every row
=================  ============================================================================================
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from walras.agents.compute.population import KINDS
from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["AGENT_COLUMNS", "PERIOD_COLUMNS", "PeriodRecord", "agent_rows", "period_rows"]

AGENT_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "agent": "int64",
    "kind": "category",
    "layer": "int64",
    "index": "int64",
    "valuation": "float64",
    "bid": "float64",
    "cost": "float64",
    "share": "float64",
    "units": "float64",
    "payment_cents": "int64",
    "tax_cents": "int64",
    "income_cents": "int64",
    "levy_cents": "int64",
    "transfer_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "wealth_cents": "int64",
}

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "price": "float64",
    "quantity_sold": "float64",
    "revenue_cents": "int64",
    "tax_revenue_cents": "int64",
    "income_cents": "int64",
    "levy_cents": "int64",
    "transfer_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "gini_allocation": "float64",
    "gini_wealth": "float64",
    "welfare": "float64",
    "efficiency": "float64",
    "principal_cents": "int64",
    "treasury_cents": "int64",
    "total_cents": "int64",
}


@final
@dataclass(frozen=True, eq=False)
class PeriodRecord:
    """What one period left.

    Attributes
    ----------
    by_agent
        Arrays of shape (n,) by column of `AGENT_COLUMNS`, but for those that do not change from period to period
        (period, agent, kind, layer, index, cost).
    totals
        Numbers by column of `PERIOD_COLUMNS`.
    """

    by_agent: Mapping[str, FloatArray | IntArray]
    totals: Mapping[str, float | int]


def agent_rows(population: pd.DataFrame, records: Sequence[PeriodRecord]) -> pd.DataFrame:
    """Give the rows of agents, period by period, with exactly the columns and dtypes of `AGENT_COLUMNS`."""
    agents, periods = len(population), len(records)
    fixed = {
        "period": np.repeat(np.array([record.totals["period"] for record in records], dtype=np.int64), agents),
        "agent": np.tile(np.arange(agents), periods),
        "kind": pd.Categorical.from_codes(
            np.tile(population["kind"].cat.codes, periods).astype(np.int64), categories=pd.Index(KINDS)
        ),
    }
    columns = {
        name: _column(name, dtype, population, records) for name, dtype in AGENT_COLUMNS.items() if name not in fixed
    }
    return pd.DataFrame({**fixed, **columns}, columns=list(AGENT_COLUMNS))


def period_rows(records: Sequence[PeriodRecord]) -> pd.DataFrame:
    """Give the rows of periods, with exactly the columns and dtypes of `PERIOD_COLUMNS`."""
    return pd.DataFrame(
        {name: np.array([record.totals[name] for record in records], dtype) for name, dtype in PERIOD_COLUMNS.items()}
    )


def _column(name: str, dtype: str, population: pd.DataFrame, records: Sequence[PeriodRecord]) -> FloatArray | IntArray:
    if name in ("layer", "index", "cost"):  # the same in every period
        return np.tile(population[name].to_numpy(dtype), len(records))
    return np.array([record.by_agent[name] for record in records], dtype).reshape(-1)  # (periods, n) -> (periods * n,)
