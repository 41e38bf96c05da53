"""Exact clearing under step demand: sort, serve from the top, ration the margin.

With net valuations `a_i = v_i - t_i`, the price p clears a supply B when `sum_{a_i > p} w_i <= B <=
sum_{a_i >= p} w_i`: those above p are served in full, those below not at all, those at p share the rest alike.
"""

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["clear_indivisible", "clear_step"]

# Sums of costs are compared with the supply up to this fraction of it, so that 0.1 + 0.2 fills a supply of 0.3.
RELATIVE_TOLERANCE = 1e-12


def clear_step(
    net_valuations: FloatArray, costs: FloatArray, quantity: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of clearing prices and the shares, shape (n,).

    *Ties*: agents at the clearing price get the same share. *Cost*: O(n log n).
    """
    levels, level_of_agent = np.unique(-net_valuations, return_inverse=True)
    levels = -levels  # distinct net valuations, descending
    level_costs = np.bincount(level_of_agent, weights=costs, minlength=levels.size)
    # Extended precision where the platform has it: the sum of a million costs is then exact to the tolerance.
    sold_above = np.concatenate([[0.0], np.cumsum(level_costs, dtype=np.longdouble)]).astype(np.float64)
    sold_through = sold_above[1:]
    slack = RELATIVE_TOLERANCE * quantity

    # The first level whose full service reaches the supply; it exists, since the caller checked quantity <= total.
    margin = min(int(np.searchsorted(sold_through, quantity - slack)), levels.size - 1)
    # By its choice, `quantity - slack` or more is sold through the margin. A test of the absolute difference could
    # round otherwise, and ration a level that is smaller than what is left: a share above 1.
    if sold_through[margin] <= quantity + slack:  # sold out exactly between two levels: an interval of prices
        shares = (level_of_agent <= margin).astype(np.float64)
        lowest = levels[margin + 1] if margin + 1 < levels.size else -np.inf
        return (float(lowest), float(levels[margin])), shares
    if quantity == 0.0:
        return (float(levels[0]), np.inf), np.zeros_like(costs)
    rationed_share = (quantity - sold_above[margin]) / level_costs[margin]
    shares = np.where(level_of_agent < margin, 1.0, np.where(level_of_agent == margin, rationed_share, 0.0))
    return (float(levels[margin]), float(levels[margin])), shares


def clear_indivisible(
    net_valuations: FloatArray, costs: FloatArray, quantity: float
) -> tuple[tuple[float, float], FloatArray]:
    """Give the interval of prices that separates served from unserved agents, and shares that are 0 or 1.

    Agents are served in descending order of net valuation until the next one does not fit, so the served sets are
    nested in the supply, and less than the cost of the first unserved agent stays unsold.

    *Ties*: equal agents in the order given. *Cost*: O(n log n).
    """
    order = np.argsort(-net_valuations, kind="stable")
    sold_through = np.cumsum(costs[order], dtype=np.longdouble).astype(np.float64)
    served = int(np.searchsorted(sold_through, quantity * (1.0 + RELATIVE_TOLERANCE), side="right"))
    shares = np.zeros_like(costs)
    shares[order[:served]] = 1.0
    lowest = net_valuations[order[served]] if served < costs.size else -np.inf
    highest = net_valuations[order[served - 1]] if served > 0 else np.inf
    return (float(lowest), float(highest)), shares
