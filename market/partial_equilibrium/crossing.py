"""Where a falling, interval-valued gap passes zero: one routine for every pair of curves.

At the quantity q the gap between what buyers would pay and what sellers would take is the interval `[low(q), high(q)]`,
a point where both curves are continuous. Both ends fall in q, with `high(0) = inf` (no price keeps anybody from not
trading) and `low(capacity) = -inf`. The equilibria are the quantities with `low <= 0 <= high`: an interval. Its ends
are found by bisection over the knots, exactly, and inside a piece without knots by Brent's method.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from walras.market.errors import InfeasibleError

__all__ = ["Gap", "crossing"]

Gap: TypeAlias = Callable[[float], tuple[float, float]]

_EPSILON = float(np.finfo(np.float64).eps)
_BEYOND_REACH = 1e300


def crossing(gap: Gap, knots: tuple[float, ...], capacity: float) -> tuple[float, float]:
    """Give the least and the largest quantity at which the gap contains 0.

    Parameters
    ----------
    gap
        Quantity to (low, high), both falling.
    knots
        Quantities where it may jump, between 0 and the capacity.
    capacity
        Where the domain ends; infinity if nowhere.

    Raises
    ------
    InfeasibleError
        If the gap stays positive however large the quantity.

    Notes
    -----
    *Cost*: O(k log k) for k knots, and some tens of evaluations.
    *Source*: Brent 1973 (docs/reference/bibliography.md).
    """
    inside = sorted({knot for knot in knots if 0.0 < knot < capacity})
    last = capacity if math.isfinite(capacity) else _reach(gap, inside[-1] if inside else 1.0)
    points = [0.0, *inside, last]

    # The last point that is not beyond every equilibrium, and the first that is not before every equilibrium.
    at = _last(points, lambda quantity: gap(quantity)[1] >= 0.0)
    largest = points[at] if gap(points[at])[0] <= 0.0 else _root(gap, points[at], points[at + 1])
    at = _last(points, lambda quantity: gap(quantity)[0] > 0.0)
    if gap(points[at])[0] <= 0.0:  # already at 0 nobody gains from trade
        return 0.0, largest
    least = points[at + 1] if gap(points[at + 1])[1] >= 0.0 else _root(gap, points[at], points[at + 1])
    return min(least, largest), largest


def _reach(gap: Gap, start: float) -> float:
    """Give a quantity beyond every equilibrium."""
    quantity = 2.0 * start
    while not gap(quantity)[1] < 0.0:
        quantity *= 2.0
        if quantity > _BEYOND_REACH:
            raise InfeasibleError("Demand stays above supply at every quantity: the curves do not meet.")
    return quantity


def _last(points: list[float], holds: Callable[[float], bool]) -> int:
    """Give the last index at which a condition holds that fails from some index on; 0 if it holds nowhere."""
    low, high = 0, len(points)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(points[middle]):
            low = middle
        else:
            high = middle
    return low


def _root(gap: Gap, low: float, high: float) -> float:
    """Give the zero between two quantities, with the gap positive just after `low` and negative just before `high`."""
    from scipy.optimize import brentq  # here, since it alone takes as long to import as all of walras.market may

    def middle(quantity: float) -> float:
        if quantity == low:
            return gap(quantity)[0]
        if quantity == high:
            return gap(quantity)[1]
        ends = gap(quantity)
        return ends[0] + 0.5 * (ends[1] - ends[0])

    start = low
    if not math.isfinite(middle(low)):  # an infinite price at 0: halve down to a finite one, still above every other
        start = 0.5 * (low + high)
        while middle(start) < 0.0 and start > low:
            high, start = start, 0.5 * (low + start)
    return float(brentq(middle, start, high, xtol=1e-300, rtol=4 * _EPSILON, maxiter=1000))
