"""Exact clearing where the seller, too, answers the price: demand falls, supply rises, and they meet once.

The supply rule gives the curve both ways: `quantity_at(price)`, S(p), and `price_at(quantity)`, its inverse P(Q), the
price at which the seller parts with the unit number Q. Agents enter at the prices `e_i`
(`walras.market.capacity.levies`).

*Step demand* is a staircase. Along its levels, from the highest, units demanded rise and S(p) falls, so the first level
whose full service reaches the supply is found by bisection. Either S crosses the staircase at that level, whose agents
are rationed, or just above it, between two levels, where the price is P of what those above use.

*Smooth demand* falls continuously, so the excess `sum_i w_i x_i(p) - S(p)` has one root. Prices are written `p = anchor
+ offset` with a nearby agent's entry as anchor, so that nothing is lost when the demand's scale is tiny beside prices.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from walras.market.capacity.step import RELATIVE_TOLERANCE
from walras.market.supply import ElasticSupply, LinearSupply
from walras.market.validation import FloatArray

__all__ = ["clear_indivisible_elastic", "clear_smooth_elastic", "clear_step_elastic"]

ElasticCurve: TypeAlias = ElasticSupply | LinearSupply
# Shares at the price `anchor + offset`.
SharesAt: TypeAlias = Callable[[float, float], FloatArray]

_EPSILON = float(np.finfo(np.float64).eps)


def clear_step_elastic(
    entries: FloatArray, costs: FloatArray, supply: ElasticCurve
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of clearing prices and the shares under step demand, shape (n,).

    *Ties*: agents at the clearing price get the same share. *Cost*: O(n log n).
    """
    levels, level_of_agent = np.unique(-entries, return_inverse=True)
    levels = -levels  # distinct entries, descending
    level_costs = np.bincount(level_of_agent, weights=costs, minlength=levels.size)
    sold_through = np.cumsum(level_costs, dtype=np.longdouble).astype(np.float64)
    sold_above = np.concatenate([[0.0], sold_through[:-1]])

    # The first level at which no more is offered than is used when all down to it are served.
    margin = _first(levels.size, lambda level: supply.quantity_at(float(levels[level])) <= sold_through[level])
    if margin == levels.size:  # offered at every agent's price is more than all can use
        price = supply.price_at(float(sold_through[-1]))
        return (price, price), np.ones_like(costs)
    level = float(levels[margin])
    offered = supply.quantity_at(level)
    if margin == 0 and level <= supply.price_at(0.0):  # nobody buys even the first unit
        return (level, supply.price_at(0.0)), np.zeros_like(costs)
    if margin > 0 and offered <= sold_above[margin]:  # the curve crosses between this level and the one above it
        price = supply.price_at(float(sold_above[margin]))
        return (price, price), (level_of_agent < margin).astype(np.float64)
    if offered >= sold_through[margin] * (1.0 - RELATIVE_TOLERANCE):
        return (level, level), (level_of_agent <= margin).astype(np.float64)
    rationed_share = (offered - sold_above[margin]) / level_costs[margin]
    shares = np.where(level_of_agent < margin, 1.0, np.where(level_of_agent == margin, rationed_share, 0.0))
    return (level, level), shares


def clear_indivisible_elastic(
    entries: FloatArray, costs: FloatArray, supply: ElasticCurve
) -> tuple[tuple[float, float], FloatArray]:
    """Give the lowest price that separates served from unserved agents (twice), and shares that are 0 or 1.

    Agents are served in descending order of entry as long as the seller would part with the last unit that they need
    at the price that they would pay.

    *Ties*: equal agents in the order given. *Cost*: O(n log n).
    """
    order = np.argsort(-entries, kind="stable")
    sold_through = np.cumsum(costs[order], dtype=np.longdouble).astype(np.float64)
    served = _first(costs.size, lambda agent: not _affords(supply, float(entries[order[agent]]), sold_through[agent]))
    shares = np.zeros_like(costs)
    shares[order[:served]] = 1.0
    price = supply.price_at(float(sold_through[served - 1]) if served > 0 else 0.0)
    if served > 0:  # within the rounding that lets a sum of costs fit, the last agent's own price
        price = min(price, float(entries[order[served - 1]]))
    if served < costs.size:
        price = max(price, float(entries[order[served]]))
    return (price, price), shares


def clear_smooth_elastic(
    entries: FloatArray,
    costs: FloatArray,
    supply: ElasticCurve,
    shares_at: SharesAt,
    saturation: Callable[[float], float],
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of clearing prices and the shares under a smooth demand, shape (n,).

    Parameters
    ----------
    entries, costs
        Per agent, shape (n,).
    supply
        The seller's curve.
    shares_at
        Shares at the price `anchor + offset`.
    saturation
        A distance (money per unit): at prices so far above every entry each share is at most the given fraction, and
        so far below every entry at least it.

    Notes
    -----
    *Ties*: none, demand is single-valued. *Cost*: O(n log n), then some tens of passes over the agents.
    """
    from scipy.optimize import brentq  # here, since it alone takes as long to import as all of walras.market may

    total = math.fsum(costs)

    def excess(offset: float, anchor: float) -> float:
        # More is never demanded than all can use, so that supply need not be told apart beyond it.
        offered = min(supply.quantity_at(anchor + offset), 2.0 * total)
        return float(np.sum(costs * shares_at(anchor, offset))) - offered

    ascending = np.sort(entries)
    first_price = supply.price_at(0.0)
    if not shares_at(first_price, 0.0).any():  # nobody buys even the first unit
        highest = float(ascending[-1])  # logit demand buys a little there still: it stops where shares underflow
        lowest = first_price if shares_at(highest, 0.0).any() else highest
        return (lowest, first_price), np.zeros_like(costs)

    # `below` entries lie below the price: demand still reaches the supply there.
    below = _first(ascending.size, lambda agent: excess(0.0, float(ascending[agent])) < 0.0)
    # A point of the curve. Where the price is below both it and every entry by `reach`, more is demanded than its
    # quantity and less is supplied; above both, the reverse.
    known = _point_within(supply, total)
    known_price, reach = supply.price_at(known), saturation(known / total)
    if below == 0:
        anchor = float(ascending[0])
        low, high = min(known_price - anchor, -reach), 0.0
    elif below == ascending.size:
        anchor = float(ascending[-1])
        low, high = 0.0, max(known_price - anchor, reach)
    else:
        left, right = float(ascending[below - 1]), float(ascending[below])
        half = 0.5 * right - 0.5 * left
        # Anchor at the nearer neighbour of the price, so that the offset is small where shares are not saturated.
        anchor, low, high = (left, 0.0, half) if excess(half, left) <= 0.0 else (right, -half, 0.0)
    offset = _root(excess, low, high, anchor, brentq)
    price = anchor + offset
    return (price, price), shares_at(anchor, offset)


def _root(excess: Callable[[float, float], float], low: float, high: float, anchor: float, solve: Callable) -> float:  # type: ignore[type-arg]
    """Offset where the excess changes its sign; at a bracket's end it may be 0 already, up to rounding."""
    if excess(low, anchor) <= 0.0:
        return low
    if excess(high, anchor) >= 0.0:
        return high
    return float(solve(excess, low, high, args=(anchor,), xtol=1e-300, rtol=4 * _EPSILON, maxiter=5000))


def _point_within(supply: ElasticCurve, total: float) -> float:
    """Give a quantity inside (0, total) whose price on the curve is a number, however inelastic supply is."""
    half = 0.5 * total
    return min(half, supply.reference_quantity) if isinstance(supply, ElasticSupply) else half


def _affords(supply: ElasticCurve, entry: float, sold: float) -> bool:
    """Whether at the price `entry` the seller sells `sold` units, sums of costs being compared up to rounding."""
    return supply.quantity_at(entry) * (1.0 + RELATIVE_TOLERANCE) >= sold


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """Give the first index from which on `holds` is true, `count` if it never is; `holds` must not turn false again."""
    low, high = 0, count
    while high > low:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
