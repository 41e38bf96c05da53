"""The two tables that an economy of polluters leaves: a row per firm and period, and a row per period.

Amounts in cents are whole (int64); money, units and prices are float64. Units are those of emissions.

Rows of firms (`FIRM_COLUMNS`):

=================  ============================================================================================
period             period, from 1
firm               number of the firm, from 0
shock              by how much its marginal benefit is higher than expected (money per unit)
bid                what it says its first unit is worth: the truth (money per unit)
emissions          units that it emits
abatement          units that it would emit at no price, less those that it emits
abatement_cost     benefit that it forgoes by that (money)
free_permits       units that it was given
payment_cents      what it paid the treasury for its emissions; negative where it sold permits that it was given
income_cents       benefit of its emissions, paid by its customers
rebate_cents       its equal part of what the treasury held
dividend_cents     what it paid to its owners: all it has above its opening wealth
wealth_cents       what it owns at the end of the period
=================  ============================================================================================

Rows of periods (`PERIOD_COLUMNS`):

=====================  ========================================================================================
period                 period, from 1
price                  of a unit of emissions (money)
emissions              units emitted by all firms
unregulated_emissions  units that they would emit at no price
abatement_cost         benefits forgone (money)
damage                 of the emissions (money)
welfare                benefits of emissions less damage (money)
loss                   by how much welfare falls short of the most that was possible at these shocks (money)
revenue_cents          what firms paid the treasury in all; negative where the treasury paid
rebate_cents           what the treasury gave back
dividend_cents         what firms paid to their owners
households_cents       balance of the households, customers and owners of the firms; a debt if negative
treasury_cents         balance of the treasury; a debt if negative
total_cents            all money: the same in every row
=====================  ========================================================================================
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["FIRM_COLUMNS", "PERIOD_COLUMNS", "PollutionRecord", "firm_rows", "period_rows"]

FIRM_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "firm": "int64",
    "shock": "float64",
    "bid": "float64",
    "emissions": "float64",
    "abatement": "float64",
    "abatement_cost": "float64",
    "free_permits": "float64",
    "payment_cents": "int64",
    "income_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "wealth_cents": "int64",
}

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "price": "float64",
    "emissions": "float64",
    "unregulated_emissions": "float64",
    "abatement_cost": "float64",
    "damage": "float64",
    "welfare": "float64",
    "loss": "float64",
    "revenue_cents": "int64",
    "rebate_cents": "int64",
    "dividend_cents": "int64",
    "households_cents": "int64",
    "treasury_cents": "int64",
    "total_cents": "int64",
}


@final
@dataclass(frozen=True, eq=False)
class PollutionRecord:
    """What one period left: arrays of shape (n,) by column of firms, and numbers by column of periods."""

    by_firm: Mapping[str, FloatArray | IntArray]
    totals: Mapping[str, float | int]


def firm_rows(records: Iterable[PollutionRecord], firms: int) -> pd.DataFrame:
    """Give the rows of firms, period by period, with exactly the columns and dtypes of `FIRM_COLUMNS`."""
    kept = list(records)
    periods = np.array([record.totals["period"] for record in kept], dtype=np.int64)
    fixed = {"period": np.repeat(periods, firms), "firm": np.tile(np.arange(firms), len(kept))}
    columns = {
        name: np.array([record.by_firm[name] for record in kept], dtype).reshape(-1)  # (periods, n) -> (periods * n,)
        for name, dtype in FIRM_COLUMNS.items()
        if name not in fixed
    }
    return pd.DataFrame({**fixed, **columns}, columns=list(FIRM_COLUMNS))


def period_rows(records: Iterable[PollutionRecord]) -> pd.DataFrame:
    """Give the rows of periods, with exactly the columns and dtypes of `PERIOD_COLUMNS`."""
    kept = list(records)
    return pd.DataFrame(
        {name: np.array([record.totals[name] for record in kept], dtype) for name, dtype in PERIOD_COLUMNS.items()}
    )
