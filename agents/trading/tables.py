"""The tables that a laboratory leaves: a row per trade, a row per day, a row per trader.

Amounts in cents are whole (int64) but for means and dispersions (float64).

Rows of trades (`TRADE_COLUMNS`):

==========================  =====================================================================================
day                         day, from 1
trade                       number of the trade on its day, from 1
quote                       number of the quote, on its day and from 1, that made it
buyer, seller               numbers of the traders: buyers from 0, then sellers, then dealers
value_cents                 what the experimenter pays the buyer for the unit; 0 to a dealer
cost_cents                  what the seller pays the experimenter for it; 0 by a dealer
price_cents                 what the buyer pays the seller
tax_cents                   what the buyer pays the treasury
==========================  =====================================================================================

Rows of days (`DAY_COLUMNS`):

==========================  =====================================================================================
day                         day, from 1
quotes                      how many quotes were made, ignored ones included
trades                      units traded
mean_price_cents            mean price; NaN without trade
surplus_cents               sum of value - cost over the trades
efficiency                  surplus as a fraction of that in the competitive equilibrium without tax; 1 where none is
                            possible and none was lost
smith_alpha                 root mean squared distance of prices from the equilibrium price p, as a fraction of p; NaN
                            without trade, or if p is 0. The published measure is in percent.
profit_dispersion_cents     root mean squared distance, over buyers and sellers, of a day's profit from that at the
                            equilibrium price
tax_cents                   tax of the day
rebate_cents                what each trader got back from the treasury
exhausted                   whether the day ended because no two of the traders left could both gain
==========================  =====================================================================================

The equilibrium price is that under the tax. Profits are value - price - tax and price - cost, without the rebate. With
dealers a unit may be bought one day and sold another, and efficiency be above 1 on the latter.

Rows of traders (`TRADER_COLUMNS`):

==========================  =====================================================================================
trader                      number of the trader
side                        buyer, seller or dealer
units_traded                over all days
profit_cents                wealth now less that at the start
wealth_cents                what it owns
goods                       units that it holds
==========================  =====================================================================================

*Sources*: alpha is the coefficient of convergence of Smith 1962; the dispersion of profits is that of Gode and Sunder
1993.
"""

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from walras.agents.money import IntArray
from walras.agents.trading.market import InducedMarket
from walras.market.order_book import Side
from walras.market.validation import FloatArray

__all__ = ["DAY_COLUMNS", "QUOTE_COLUMNS", "TRADER_COLUMNS", "TRADE_COLUMNS", "DaySummary", "frame_of"]

TRADE_COLUMNS: Mapping[str, str] = dict.fromkeys(
    ("day", "trade", "quote", "buyer", "seller", "value_cents", "cost_cents", "price_cents", "tax_cents"), "int64"
)
DAY_COLUMNS: Mapping[str, str] = {
    "day": "int64",
    "quotes": "int64",
    "trades": "int64",
    "mean_price_cents": "float64",
    "surplus_cents": "int64",
    "efficiency": "float64",
    "smith_alpha": "float64",
    "profit_dispersion_cents": "float64",
    "tax_cents": "int64",
    "rebate_cents": "int64",
    "exhausted": "bool",
}
TRADER_COLUMNS: Mapping[str, str] = {
    "trader": "int64",
    "side": "category",
    "units_traded": "int64",
    "profit_cents": "int64",
    "wealth_cents": "int64",
    "goods": "int64",
}
QUOTE_COLUMNS: Mapping[str, str] = {
    "day": "int64",
    "quote": "int64",
    "trader": "int64",
    "side": "int64",
    "price_cents": "int64",
    "improved": "bool",
    "accepted": "bool",
}

_CELLS = 1 << 20  # days are summed up so many profits at a time


def frame_of(rows: IntArray, columns: Mapping[str, str]) -> pd.DataFrame:
    """Give whole numbers, shape (k, columns), as a table of these columns and dtypes."""
    return pd.DataFrame({name: rows[:, place].astype(dtype) for place, (name, dtype) in enumerate(columns.items())})


@final
class DaySummary:
    """Sums up the days of a market, one or many at a time: the same numbers either way.

    Parameters
    ----------
    market
        Values and costs.
    tax_rate
        Tax on the price.
    """

    def __init__(self, market: InducedMarket, tax_rate: float) -> None:
        equilibrium = market.equilibrium(tax_rate=tax_rate)
        self._possible = market.equilibrium().surplus
        self._price = equilibrium.price
        self._traders = market.buyers + market.sellers
        gains = market.worths(Side.BUY) - (1.0 + tax_rate) * self._price, self._price - market.worths(Side.SELL)
        self._profits = np.concatenate([np.maximum(gain, 0.0).sum(axis=1) for gain in gains])

    def columns(self, days: IntArray, trades: IntArray) -> dict[str, NDArray[Any]]:
        """Give the columns of the rows of some days.

        Parameters
        ----------
        days
            Day, quotes, tax, rebate to each and whether gains were exhausted, shape (d, 5), in order; d is 1 or more.
        trades
            All trades of these days, shape (k, 9), as the columns of trades; in order.
        """
        step = max(1, _CELLS // self._traders)
        edges = np.searchsorted(trades[:, 0], days[:, 0])
        edges = np.append(edges, len(trades))
        parts = [
            self._part(days[first : first + step], trades[edges[first] : edges[min(first + step, len(days))]])
            for first in range(0, len(days), step)
        ]
        return {
            name: np.concatenate([part[name] for part in parts]).astype(dtype) for name, dtype in DAY_COLUMNS.items()
        }

    def _part(self, days: IntArray, trades: IntArray) -> dict[str, IntArray | FloatArray]:
        count = len(days)
        day = np.searchsorted(days[:, 0], trades[:, 0])
        prices = trades[:, 7]
        # Weights are added one by one in the order of trades, so one day gives the same sums alone and among others.
        volume = np.bincount(day, minlength=count)
        surplus = _whole_sums(day, trades[:, 5] - trades[:, 6], count)
        squares = np.bincount(day, weights=(prices - self._price) ** 2, minlength=count)
        nothing = np.full(count, np.nan)
        traded = volume > 0
        mean_price = np.divide(_whole_sums(day, prices, count), volume, out=nothing.copy(), where=traded)
        alpha = np.divide(squares, volume, out=nothing.copy(), where=traded & (self._price > 0.0))
        return {
            "day": days[:, 0],
            "quotes": days[:, 1],
            "trades": volume,
            "mean_price_cents": mean_price,
            "surplus_cents": surplus,
            "efficiency": self._efficiency(surplus),
            "smith_alpha": np.sqrt(alpha) / (self._price or 1.0),
            "profit_dispersion_cents": self._dispersion(day, trades, count),
            "tax_cents": days[:, 2],
            "rebate_cents": days[:, 3],
            "exhausted": days[:, 4],
        }

    def _efficiency(self, surplus: IntArray) -> FloatArray:
        if self._possible > 0:
            return surplus / self._possible
        return np.where(surplus == 0, 1.0, -np.inf)

    def _dispersion(self, day: IntArray, trades: IntArray, count: int) -> FloatArray:
        profits = np.zeros((count, self._traders))
        buyers, sellers = trades[:, 3], trades[:, 4]
        for traders, gains in (
            (buyers, trades[:, 5] - trades[:, 7] - trades[:, 8]),
            (sellers, trades[:, 7] - trades[:, 6]),
        ):
            induced = traders < self._traders  # dealers have no equilibrium profit
            np.add.at(profits, (day[induced], traders[induced]), gains[induced])
        distances = (profits - self._profits) ** 2
        return np.sqrt(np.add.reduce(distances, axis=1) / self._traders)


def _whole_sums(day: IntArray, amounts: IntArray, count: int) -> IntArray:
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, day, amounts)
    return sums
