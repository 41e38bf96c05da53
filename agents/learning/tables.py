"""The two tables that an economy of firms leaves: a row per firm and recorded period, and one per recorded period.

Amounts in cents are whole (int64); money, units, prices and ratios are float64.

Rows of firms (`FIRM_COLUMNS`):

================  =============================================================================================
period            period, from 1
firm              number of the firm, from 0
action            what it chose: a quantity (Cournot), a price (Bertrand, logit), the price it expected (cobweb)
price             what it got for a unit (money)
quantity          units sold
market_share      of all units sold; 0 where nothing is
margin            price less the cost of the last unit (money per unit)
revenue_cents     paid by the households
cost_cents        paid to the households
profit_cents      revenue less cost
capital_cents     what the owners added, since it could not pay its costs
dividend_cents    what it paid to the owners: all it has above its opening wealth
wealth_cents      what it owns at the end of the period: wealth before + profit + capital - dividend
================  =============================================================================================

Rows of periods (`PERIOD_COLUMNS`):

=================  ============================================================================================
period             period, from 1
price              mean price, weighted by quantities; unweighted where nothing is sold (money per unit)
quantity           units sold
herfindahl         Herfindahl index of quantities, in [1/n, 1]
lerner             Lerner index, weighted by revenue; NaN where there is none
consumer_surplus   money
profit             money, before rounding to cents
welfare            consumer surplus and profit (money)
deadweight_loss    what welfare falls short of the first best (money)
revenue_cents      paid to all firms
cost_cents         paid by all firms
capital_cents      added by owners
dividend_cents     paid to owners
households_cents   balance of the households, who are customers, suppliers and owners; a debt if negative
total_cents        all money: the same in every row
=================  ============================================================================================
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["FIRM_COLUMNS", "PERIOD_COLUMNS", "FirmRecord", "firm_rows", "period_rows"]

FIRM_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "firm": "int64",
    "action": "float64",
    "price": "float64",
    "quantity": "float64",
    "market_share": "float64",
    "margin": "float64",
    "revenue_cents": "int64",
    "cost_cents": "int64",
    "profit_cents": "int64",
    "capital_cents": "int64",
    "dividend_cents": "int64",
    "wealth_cents": "int64",
}

PERIOD_COLUMNS: Mapping[str, str] = {
    "period": "int64",
    "price": "float64",
    "quantity": "float64",
    "herfindahl": "float64",
    "lerner": "float64",
    "consumer_surplus": "float64",
    "profit": "float64",
    "welfare": "float64",
    "deadweight_loss": "float64",
    "revenue_cents": "int64",
    "cost_cents": "int64",
    "capital_cents": "int64",
    "dividend_cents": "int64",
    "households_cents": "int64",
    "total_cents": "int64",
}


@final
@dataclass(frozen=True, eq=False)
class FirmRecord:
    """What one period left: arrays of shape (n,) by column of firms, and numbers by column of periods."""

    by_firm: Mapping[str, FloatArray | IntArray]
    totals: Mapping[str, float | int]


def firm_rows(records: Iterable[FirmRecord], firms: int) -> pd.DataFrame:
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


def period_rows(records: Iterable[FirmRecord]) -> pd.DataFrame:
    """Give the rows of periods, with exactly the columns and dtypes of `PERIOD_COLUMNS`."""
    kept = list(records)
    return pd.DataFrame(
        {name: np.array([record.totals[name] for record in kept], dtype) for name, dtype in PERIOD_COLUMNS.items()}
    )
