"""One market: the price at which demand meets supply, found exactly."""

import math
from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from walras.market.networks.curves import Orders
from walras.market.validation import FloatArray

__all__ = ["OneMarket", "middle_price"]


class OneMarket(NamedTuple):
    """The orders of one market."""

    demand: Orders
    supply: Orders

    def excess_demand(self, price: float) -> tuple[float, float]:
        """Least and most that demand can exceed supply at a price: buyers and sellers at the margin may wait."""
        buying, selling = self.demand.prices - price, price - self.supply.prices
        least = math.fsum(_wanted(self.demand, buying, at_margin=False))
        most = math.fsum(_wanted(self.demand, buying, at_margin=True))
        least -= math.fsum(_wanted(self.supply, selling, at_margin=True))
        most -= math.fsum(_wanted(self.supply, selling, at_margin=False))
        return least, most

    def price_interval(self) -> tuple[float, float]:
        """Lowest and highest clearing price.

        Excess demand falls; at a corner, a price that some order names, it may fall by a step, between corners it is
        straight. The lowest clearing price is the first where supply can meet demand (least excess demand <= 0), the
        highest the last where demand can meet supply (most excess demand >= 0). Below all corners nobody sells, and
        above all of them nobody buys, so both are at a corner or between two, or infinite where a side is empty.
        """
        corners = np.unique(np.concatenate((self.demand.prices, self.supply.prices))).tolist()
        if not corners:
            return -math.inf, math.inf
        first = bisect_left(corners, 1, key=lambda price: self.excess_demand(price)[0] <= 0.0)
        last = bisect_left(corners, 1, key=lambda price: self.excess_demand(price)[1] < 0.0) - 1
        lowest, highest = corners[first], corners[last]
        if first > 0 and self.excess_demand(lowest)[1] < 0.0:
            lowest = self._root(corners[first - 1], lowest)
        if last < len(corners) - 1 and self.excess_demand(highest)[0] > 0.0:
            highest = self._root(highest, corners[last + 1])
        return (
            lowest if self.demand.prices.size else -math.inf,
            highest if self.supply.prices.size else math.inf,
        )

    def _root(self, low: float, high: float) -> float:
        """Price between two neighbouring corners at which demand meets supply; excess is positive at the lower one."""
        at_low, at_high = self.excess_demand(low)[0], self.excess_demand(high)[1]
        return min(max(low + (high - low) * (at_low / (at_low - at_high)), low), high)

    def quantities(self, price: float) -> tuple[FloatArray, FloatArray]:
        """Units that each order buys and sells at a clearing price."""
        gains = self.demand.prices - price, price - self.supply.prices
        most = [_wanted(orders, gain, at_margin=True) for orders, gain in zip(self, gains, strict=True)]
        least = [_wanted(orders, gain, at_margin=False) for orders, gain in zip(self, gains, strict=True)]
        traded = min(math.fsum(each) for each in most)
        bought, sold = (_rationed(low, high, traded) for low, high in zip(least, most, strict=True))
        return self._balanced(bought, sold)

    def _balanced(self, bought: FloatArray, sold: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Take out what the rounding of the price leaves of excess demand: much, where a curve is nearly flat."""
        moving = [
            (orders.slopes > 0.0) & (units > 0.0) for orders, units in ((self.demand, bought), (self.supply, sold))
        ]
        answers = [
            np.where(moves, 1.0 / np.where(moves, orders.slopes, 1.0), 0.0)
            for orders, moves in zip(self, moving, strict=True)
        ]
        response = math.fsum(answers[0]) + math.fsum(answers[1])
        if response == 0.0:
            return bought, sold
        change = (math.fsum(bought) - math.fsum(sold)) / response  # of the price, less than its last digit
        return np.maximum(bought - change * answers[0], 0.0), np.maximum(sold + change * answers[1], 0.0)


def _wanted(orders: Orders, gains: FloatArray, *, at_margin: bool) -> FloatArray:
    """Units of each order that gains so much on its first unit; steps that gain nothing count or not."""
    straight = orders.slopes > 0.0
    served = gains >= 0.0 if at_margin else gains > 0.0
    rising = np.maximum(gains, 0.0) / np.where(straight, orders.slopes, 1.0)
    units: FloatArray = np.where(straight, rising, np.where(served, orders.most, 0.0))
    return units


def _rationed(least: FloatArray, most: FloatArray, traded: float) -> FloatArray:
    """Quantities from the least to the most of each order that add up to what is traded, in equal proportion."""
    certain, possible = math.fsum(least), math.fsum(most)
    if not possible > certain:
        return least
    share = min(max((traded - certain) / (possible - certain), 0.0), 1.0)
    return least + share * (most - least)


def middle_price(low: float, high: float) -> float:
    """Midpoint; the finite end if the other is infinite; NaN if both are."""
    if math.isinf(low) or math.isinf(high):
        return math.nan if math.isinf(low) and math.isinf(high) else (high if math.isinf(low) else low)
    return low + 0.5 * (high - low)
