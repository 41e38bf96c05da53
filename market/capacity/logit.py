"""Clearing under logit demand: one monotone equation in the price, solved to rounding.

`sum_i w_i * sigmoid(k_i (e_i - p) / tau) = B`. The left side falls strictly in p, so the price is unique, and with
`b = B / sum w` it lies between the least and the greatest `e_i - (tau / k_i) * logit(b)`: at the lower of the two
every share is at least b, at the higher at most b. Prices are written `p = anchor + tau * u` with a nearby agent as
anchor, so that nothing is lost when tau is tiny beside the valuations.
"""

import math
from collections.abc import Callable

import numpy as np

from walras.market.demand import logistic
from walras.market.validation import FloatArray

__all__ = ["clear_logit"]

_EPSILON = float(np.finfo(np.float64).eps)
# Between two neighbours that are further apart, in temperatures, demand is flat, and nothing tells the prices apart.
_WIDEST_GAP = 1e18


def clear_logit(
    entries: FloatArray, steepness: FloatArray, costs: FloatArray, quantity: float, temperature: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the clearing price (twice, as an interval) and the shares, shape (n,).

    `steepness` is `k_i` (walras.market.capacity.levies), 1 without ad valorem taxes.

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

    def shares_at(anchor: float, offset: float) -> FloatArray:
        with np.errstate(over="ignore"):  # a margin beyond float64 is a share of 0 or 1
            return logistic(steepness * ((entries - anchor) / temperature - offset))

    def excess(offset: float, anchor: float) -> float:
        return float(np.sum(costs * shares_at(anchor, offset))) - quantity

    reach = (abs(math.log(filled) - math.log1p(-filled)) + 1.0) / float(steepness.min())
    anchor, low, high = _bracket(entries, temperature, reach, excess)
    excess_low, excess_high = excess(low, anchor), excess(high, anchor)
    if excess_low <= 0.0:  # at a bracket's end the inequality can be an equality, up to rounding
        offset = low
    elif excess_high >= 0.0:
        offset = high
    else:
        offset = float(brentq(excess, low, high, args=(anchor,), xtol=1e-300, rtol=4 * _EPSILON, maxiter=500))
    price = anchor + temperature * offset
    return (price, price), shares_at(anchor, offset)


def _bracket(
    entries: FloatArray,
    temperature: float,
    reach: float,
    excess: Callable[[float, float], float],
) -> tuple[float, float, float]:
    """Give an anchor agent and offsets (low, high) with excess demand >= 0 at low and <= 0 at high."""
    ascending = np.sort(entries)
    # below = number of agents at whose valuation, taken as the price, demand still reaches the supply.
    below, above = 0, ascending.size
    while above > below:
        middle = (below + above) // 2
        if excess(0.0, float(ascending[middle])) >= 0.0:
            below = middle + 1
        else:
            above = middle
    if below == 0:  # price below every agent
        return float(ascending[0]), -reach, 0.0
    if below == ascending.size:  # price above every agent
        return float(ascending[-1]), 0.0, reach
    left, right = float(ascending[below - 1]), float(ascending[below])
    with np.errstate(over="ignore"):
        gap = min((right - left) / temperature, _WIDEST_GAP)
    # Anchor at the nearer neighbour of the price, so that the offset is small where shares are not saturated.
    if excess(0.5 * gap, left) <= 0.0:
        return left, 0.0, 0.5 * gap
    return right, -0.5 * gap, 0.0
