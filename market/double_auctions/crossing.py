"""Where the demand of bids and the supply of asks cross.

Demand D(p) counts the units bid for at p or more, supply S(p) those asked at p or less. The largest volume is

    Q = max_p min(D(p), S(p)),

and is reached at the price of some bid: moving p up to the next bid leaves D as it is and does not lower S. Along bids
in falling order D rises and S falls, so Q is found by bisection.
"""

from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["Crossing", "Ladder", "Margin", "find_crossing", "is_whole", "ladder_of"]

# Sums of fractions of units are rounded: volumes that differ by less than this, as a fraction, are the same.
_ROUNDING = 1e-12


class Ladder(NamedTuple):
    """One side's prices, best first, and the units up to each (cumulated), both of shape (n,)."""

    prices: FloatArray
    units: FloatArray


class Margin(NamedTuple):
    """Where trade ends on one side of the market.

    `last` is the price of the last unit traded, better than any price without trade; `following` that of the first unit
    that is not, worse than any price if all are; `above` counts the units at prices better than `last`.
    """

    last: float
    following: float
    above: float

    @property
    def rationed(self) -> bool:
        """Whether some of the units at the price `last` trade, and others do not."""
        return self.last == self.following


class Crossing(NamedTuple):
    """The volume traded, and where trade ends on either side."""

    volume: float
    bids: Margin
    asks: Margin

    @property
    def interval(self) -> tuple[float, float]:
        """Lowest and highest price at which the volume clears: the last pair agrees, and the next does not."""
        return max(self.asks.last, self.bids.following), min(self.bids.last, self.asks.following)


def ladder_of(prices: FloatArray, quantities: FloatArray, *, descending: bool) -> Ladder:
    """Sort one side, best price first; orders at one price may stand in any order."""
    sign = -1.0 if descending else 1.0
    if np.all(quantities == 1.0):  # sorting numbers is several times faster than sorting places
        return Ladder(sign * np.sort(sign * prices), np.arange(1.0, prices.size + 1.0))
    places = np.argsort(sign * prices)
    return Ladder(prices[places], np.cumsum(quantities[places]))


def is_whole(units: FloatArray) -> bool:
    """Whether all the units, cumulated or not, are whole numbers."""
    return bool(np.all(units == np.floor(units)))


def find_crossing(demand: Ladder, supply: Ladder, *, whole: bool) -> Crossing:
    """Find the largest volume and the prices around it.

    Parameters
    ----------
    demand, supply
        Bids in falling and asks in rising order.
    whole
        Whether all quantities are whole, so that their sums are exact.
    """

    def supplied(place: int) -> float:
        """Units asked at no more than the bid at `place`."""
        asks = int(np.searchsorted(supply.prices, demand.prices[place], side="right"))
        return float(supply.units[asks - 1]) if asks else 0.0

    bids = demand.prices.size
    # From here on supply is the smaller of the two; before, demand is.
    place = bisect_left(range(bids), 1, key=lambda bid: int(demand.units[bid] >= supplied(bid)))
    short_of_demand = float(demand.units[place - 1]) if place else 0.0
    short_of_supply = supplied(place) if place < bids else 0.0
    volume = max(short_of_demand, short_of_supply)
    rounding = 0.0 if whole else _ROUNDING
    return Crossing(volume, _margin(demand, volume, rounding, np.inf), _margin(supply, volume, rounding, -np.inf))


def _margin(side: Ladder, volume: float, rounding: float, better: float) -> Margin:
    """Find where trade ends on one side; `better` is better than any price, `-better` worse."""
    after = int(np.searchsorted(side.units, volume * (1.0 + rounding), side="right"))
    following = float(side.prices[after]) if after < side.prices.size else -better
    if volume == 0.0:
        return Margin(better, following, 0.0)
    last = float(side.prices[np.searchsorted(side.units, volume * (1.0 - rounding), side="left")])
    level = int(np.argmax(side.prices == last))
    return Margin(last, following, float(side.units[level - 1]) if level else 0.0)
