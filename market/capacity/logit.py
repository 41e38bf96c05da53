"""Clearing under logit demand: one monotone equation in the price, solved to rounding.

`sum_i w_i * sigmoid((a_i - p) / tau) = B`. The left side falls strictly in p, so the price is unique, and with
`b = B / sum w` it lies between `min a - tau * logit(b)` and `max a - tau * logit(b)`: at the lower of the two every
share is at least b, at the higher at most b. Prices are written `p = anchor + tau * u` with a nearby agent as anchor,
so that nothing is lost when tau is tiny beside the valuations.
"""

import math
from collections.abc import Callable

import numpy as np

from walras.market.demand import logistic
from walras.market.validation import FloatArray

__all__ = ["clear_logit"]

_EPSILON = float(np.finfo(np.float64).eps)


def clear_logit(
    net_valuations: FloatArray, costs: FloatArray, quantity: float, temperature: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the clearing price (twice, as an interval) and the shares, shape (n,).

    A supply of 0, or of everything, clears only at an infinite price: the shares are then exactly 0 or 1.

    *Cost*: O(n log n) to choose the anchor, then some tens of passes over the agents.
    """
    from scipy.optimize import brentq  # here, since it alone takes as long to import as all of walras.market may

    total = float(np.sum(costs))
    filled = quantity / total
    if filled <= 0.0:
        return (np.inf, np.inf), np.zeros_like(costs)
    if filled >= 1.0 - _EPSILON:
        return (-np.inf, -np.inf), np.ones_like(costs)

    def excess(offset: float, anchor: float) -> float:
        return float(np.sum(costs * logistic((net_valuations - anchor) / temperature - offset))) - quantity

    anchor, low, high = _bracket(net_valuations, temperature, math.log(filled) - math.log1p(-filled), excess)
    excess_low, excess_high = excess(low, anchor), excess(high, anchor)
    if excess_low <= 0.0:  # at a bracket's end the inequality can be an equality, up to rounding
        offset = low
    elif excess_high >= 0.0:
        offset = high
    else:
        offset = float(brentq(excess, low, high, args=(anchor,), xtol=1e-300, rtol=4 * _EPSILON, maxiter=500))
    price = anchor + temperature * offset
    return (price, price), logistic((net_valuations - anchor) / temperature - offset)


def _bracket(
    net_valuations: FloatArray,
    temperature: float,
    logit_filled: float,
    excess: Callable[[float, float], float],
) -> tuple[float, float, float]:
    """Give an anchor agent and offsets (low, high) with excess demand >= 0 at low and <= 0 at high."""
    ascending = np.sort(net_valuations)
    # below = number of agents at whose valuation, taken as the price, demand still reaches the supply.
    below, above = 0, ascending.size
    while above > below:
        middle = (below + above) // 2
        if excess(0.0, float(ascending[middle])) >= 0.0:
            below = middle + 1
        else:
            above = middle
    if below == 0:  # price below every agent
        return float(ascending[0]), -abs(logit_filled) - 1.0, 0.0
    if below == ascending.size:  # price above every agent
        return float(ascending[-1]), 0.0, abs(logit_filled) + 1.0
    left, right = float(ascending[below - 1]), float(ascending[below])
    gap = (right - left) / temperature
    # Anchor at the nearer neighbour of the price, so that the offset is small where shares are not saturated.
    if excess(0.5 * gap, left) <= 0.0:
        return left, 0.0, 0.5 * gap
    return right, -0.5 * gap, 0.0
