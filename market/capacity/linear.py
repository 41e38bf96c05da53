"""Exact clearing under linear demand: find the linear piece of aggregate demand that the supply falls on.

With entry prices `e_i` (descending) and shares `x_i(p) = clip(k_i (e_i - p) / width, 0, 1)`, aggregate demand is
piecewise linear in p, with knots at each `e_i` (the agent enters) and `e_i - width / k_i` (the agent is full). Prices
are written `p = e_j + width * u` with `e_j` the lowest agent in the market, so that margins are differences of nearby
numbers and nothing is lost when `width` is tiny beside the valuations.
"""

import numpy as np

from walras.market.capacity.step import RELATIVE_TOLERANCE
from walras.market.validation import FloatArray

__all__ = ["clear_linear"]


def clear_linear(
    entries: FloatArray, steepness: FloatArray, costs: FloatArray, quantity: float, width: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of clearing prices and the shares, shape (n,).

    `steepness` is `k_i` (walras.market.capacity.levies), 1 without ad valorem taxes.

    *Ties*: none, demand is single-valued; the price is an interval where every agent is at 0 or at 1.
    *Cost*: O(n log n).
    """
    descending = np.sort(entries)[::-1]

    def shares_at(anchor: float, offset: float) -> FloatArray:
        with np.errstate(over="ignore"):  # a margin beyond float64 is beyond the width
            return np.clip(steepness * ((entries - anchor) / width - offset), 0.0, 1.0)

    def sold_at(anchor: float, offset: float) -> float:
        return float(np.sum(costs * shares_at(anchor, offset)))

    # The lowest agent in the market: the last e_j at which less than the supply is demanded. At the highest entry
    # nothing is demanded, so j = 0 always qualifies, and a supply of 0 gives the interval [e_0, inf).
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
    next_entry = float(descending[beyond]) if beyond < descending.size else -np.inf

    # Between the next agent's entry and e_j only agents at or above e_j demand. They fill up at these prices, in units
    # of the width below the anchor; at the lowest of them all are full.
    in_market = entries >= anchor
    with np.errstate(over="ignore"):
        fills = (entries[in_market] - anchor) / width - 1.0 / steepness[in_market]
    all_full = float(fills.min())
    full_quantity = float(np.sum(costs[in_market]))
    if abs(full_quantity - quantity) <= RELATIVE_TOLERANCE * quantity and next_entry <= anchor + width * all_full:
        return (next_entry, anchor + width * all_full), in_market.astype(np.float64)

    # Knots inside the bracket, as offsets of 0 or less; demand falls along them.
    knots = np.unique(np.concatenate([fills[fills <= 0.0], [0.0]]))
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
    offset = _polished(offset, entries, anchor, width, steepness, costs, quantity)
    price = anchor + width * offset
    return (price, price), shares_at(anchor, offset)


def _polished(
    offset: float,
    entries: FloatArray,
    anchor: float,
    width: float,
    steepness: FloatArray,
    costs: FloatArray,
    quantity: float,
) -> float:
    """Give `offset` after one Newton step on the piece it lies on, which removes the rounding of the knots' sums."""
    with np.errstate(over="ignore"):
        shares = np.clip(steepness * ((entries - anchor) / width - offset), 0.0, 1.0)
    inside = (shares > 0.0) & (shares < 1.0)
    slope = float(np.sum(costs[inside] * steepness[inside]))
    return offset + (float(np.sum(costs * shares)) - quantity) / slope if slope > 0.0 else offset
