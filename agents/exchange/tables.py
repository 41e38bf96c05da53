"""The tables that economies of exchange leave.

Rounds of an auctioneer (`CALL_COLUMNS`), a row per price called out:

==============  ================================================================================================
round           from 1
good            from 0
price           called out, not normalised
excess_demand   answer of all consumers less what there is (units of the good)
residual        largest excess demand of a good in this round, as a fraction of what there is
distance        Euclidean distance of the prices, scaled to add up to 1, from the equilibrium's
==============  ================================================================================================

Rounds of bilateral trade (`ROUND_COLUMNS`), a row per round:

================  ==============================================================================================
round             from 1
meetings, trades  pairs who met, and pairs who traded
turnover          value of what changed hands, at the equilibrium's prices, as a share of the value of all goods
price_dispersion  standard deviation of the logarithm of prices among trades of the same two goods; NaN without trades
price_error       root mean square of log(price / the equilibrium's price) over trades; NaN without trades
mrs_dispersion    standard deviation of the logarithm of the marginal rate of substitution between two goods, over
                  consumers who own and want both, all pairs of goods pooled; NaN where utility has kinks
utility           mean utility
efficiency        money that buys the utilities reached at the equilibrium's prices, as a share of the value of all
                  goods: 1 at the equilibrium, below elsewhere
distance          value at these prices that would have to change hands to reach the equilibrium's allocation, as a
                  share of the value of all goods
units             whole units of all goods there are: the same in every row
================  ==============================================================================================

Trades (`TRADE_COLUMNS`): round, buyer, seller, bought, paid (goods), units_bought, units_paid (whole), price (units
paid per unit bought, as agreed).

Consumers (`CONSUMER_COLUMNS`), a row per consumer and good: consumer, good, endowment_units, units (whole),
equilibrium_units (what it would have in the equilibrium), and the same in each of its rows: endowment_utility, utility,
equilibrium_utility.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["CALL_COLUMNS", "CONSUMER_COLUMNS", "ROUND_COLUMNS", "TRADE_COLUMNS", "typed_table"]

CALL_COLUMNS: Mapping[str, str] = {
    "round": "int64",
    "good": "int64",
    "price": "float64",
    "excess_demand": "float64",
    "residual": "float64",
    "distance": "float64",
}

ROUND_COLUMNS: Mapping[str, str] = {
    "round": "int64",
    "meetings": "int64",
    "trades": "int64",
    "turnover": "float64",
    "price_dispersion": "float64",
    "price_error": "float64",
    "mrs_dispersion": "float64",
    "utility": "float64",
    "efficiency": "float64",
    "distance": "float64",
    "units": "int64",
}

TRADE_COLUMNS: Mapping[str, str] = {
    "round": "int64",
    "buyer": "int64",
    "seller": "int64",
    "bought": "int64",
    "paid": "int64",
    "units_bought": "int64",
    "units_paid": "int64",
    "price": "float64",
}

CONSUMER_COLUMNS: Mapping[str, str] = {
    "consumer": "int64",
    "good": "int64",
    "endowment_units": "int64",
    "units": "int64",
    "equilibrium_units": "float64",
    "endowment_utility": "float64",
    "utility": "float64",
    "equilibrium_utility": "float64",
}


def typed_table(columns: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Give the table whose columns are the records' values, each a number or a vector, one after another."""
    kept = list(records)
    return pd.DataFrame(
        {
            name: np.concatenate([np.atleast_1d(record[name]) for record in kept]).astype(dtype)
            if kept
            else np.zeros(0, dtype)
            for name, dtype in columns.items()
        }
    )
