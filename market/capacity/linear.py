"""Exact clearing under linear demand: find the linear piece of aggregate demand that the supply falls on.

With net valuations `a_i` (descending) and shares `x_i(p) = clip((a_i - p) / width, 0, 1)`, aggregate demand is
piecewise linear in p, with knots at each `a_i` (the agent enters) and `a_i - width` (the agent is full). Prices
are written `p = a_k + width * u` with `a_k` the lowest agent in the market, so that margins are differences of nearby
numbers and nothing is lost when `width` is tiny beside the valuations.
"""

import numpy as np

from walras.market.capacity.step import RELATIVE_TOLERANCE
from walras.market.validation import FloatArray

__all__ = ["clear_linear"]


def clear_linear(
    net_valuations: FloatArray, costs: FloatArray, quantity: float, width: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of clearing prices and the shares, shape (n,).

    *Ties*: none, demand is single-valued; the price is an interval where every agent is at 0 or at 1.
    *Cost*: O(n log n).
    """
    descending = np.sort(net_valuations)[::-1]

    def shares_at(anchor: float, offset: float) -> FloatArray:
        return np.clip((net_valuations - anchor) / width - offset, 0.0, 1.0)

    def sold_at(anchor: float, offset: float) -> float:
        return float(np.sum(costs * shares_at(anchor, offset)))

    # The lowest agent in the market: the last a_k at which less than the supply is demanded. At the highest valuation
    # nothing is demanded, so k = 0 always qualifies, and a supply of 0 gives the interval [a_0, inf).
    if quantity == 0.0:
        return (float(descending[0]), np.inf), np.zeros_like(costs)
    lowest, beyond = 0, descending.size
    while beyond - lowest > 1:
        middle = (lowest + beyond) // 2
        if sold_at(descending[middle], 0.0) < quantity:
            lowest = middle
        else:
            beyond = middle
    anchor = float(descending[lowest])
    next_agent = float(descending[beyond]) if beyond < descending.size else -np.inf

    # Between the next agent's entry and a_k only agents at or above a_k demand, and all are full at a_k - width.
    in_market = net_valuations >= anchor
    full_quantity = float(np.sum(costs[in_market]))
    if abs(full_quantity - quantity) <= RELATIVE_TOLERANCE * quantity and next_agent <= anchor - width:
        return (next_agent, anchor - width), in_market.astype(np.float64)

    # Knots inside the bracket, as offsets in [-1, 0]; demand falls along them.
    offsets = (net_valuations[in_market] - anchor) / width - 1.0
    knots = np.unique(np.concatenate([offsets[offsets <= 0.0], [-1.0, 0.0]]))
    low, high = 0, knots.size - 1  # demand at low >= quantity > demand at high
    while high - low > 1:
        middle = (low + high) // 2
        if sold_at(anchor, knots[middle]) >= quantity:
            low = middle
        else:
            high = middle
    sold_low, sold_high = sold_at(anchor, knots[low]), sold_at(anchor, knots[high])
    # Measured from the high end: near the top of the market the offset is small, and so is its rounding error.
    fraction = (quantity - sold_high) / (sold_low - sold_high) if sold_low > sold_high else 1.0
    offset = float(knots[high] - np.clip(fraction, 0.0, 1.0) * (knots[high] - knots[low]))
    offset = _polished(offset, (net_valuations - anchor) / width, costs, quantity)
    price = anchor + width * offset
    return (price, price), shares_at(anchor, offset)


def _polished(offset: float, entries: FloatArray, costs: FloatArray, quantity: float) -> float:
    """Give `offset` after one Newton step on the piece it lies on, which removes the rounding of the knots' sums."""
    shares = np.clip(entries - offset, 0.0, 1.0)
    slope = float(np.sum(costs[(shares > 0.0) & (shares < 1.0)]))
    return offset + (float(np.sum(costs * shares)) - quantity) / slope if slope > 0.0 else offset
