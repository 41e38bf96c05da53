"""The lowest and the highest equilibrium prices, given who trades how much.

At given quantities and flows, prices are equilibrium prices if and only if

    low_i <= p_i <= high_i                 what the node's own orders support;
    p_j - p_i <= c_ij                      for each arc with room to spare;
    p_j - p_i >= c_ij                      for each arc that carries something.

Such differences form a lattice, and its highest point is a shortest distance: from a source outside that reaches node i
at the length high_i. With one solution at hand all lengths can be measured from it, and none is negative.
"""

import numpy as np

from walras.market.networks.curves import Orders
from walras.market.networks.graph import Arcs
from walras.market.validation import FloatArray, IntArray

__all__ = ["equilibrium_price_bounds"]

_ROUNDING = 1e-12


def equilibrium_price_bounds(
    demand_orders: Orders,
    supply_orders: Orders,
    demanded: FloatArray,
    supplied: FloatArray,
    arcs: Arcs,
    carried: FloatArray,
    prices: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Give the lowest and the highest equilibrium price of each node, shape (n,).

    Parameters
    ----------
    demand_orders, supply_orders, demanded, supplied
        Orders, and what each of them trades.
    arcs, carried
        Arcs, and what each of them carries.
    prices
        One vector of equilibrium prices, shape (n,).
    """
    volume = float(np.sum(demanded))
    low, high = np.full(prices.size, -np.inf), np.full(prices.size, np.inf)
    for orders, traded, sign in ((demand_orders, demanded, -1.0), (supply_orders, supplied, 1.0)):
        marginal = orders.prices + sign * orders.slopes * traded
        some, more = traded > _ROUNDING * volume, traded < orders.most * (1.0 - _ROUNDING)
        # Supply needs at least its marginal cost for what it sells; demand pays at most its marginal value.
        np.maximum.at(low, orders.nodes[some if sign > 0.0 else more], marginal[some if sign > 0.0 else more])
        np.minimum.at(high, orders.nodes[more if sign > 0.0 else some], marginal[more if sign > 0.0 else some])
    spare = carried < arcs.capacities * (1.0 - _ROUNDING)
    used = carried > _ROUNDING * volume
    # From i to j, of length l: p_j <= p_i + l.
    starts = np.concatenate((arcs.tails[spare], arcs.heads[used]))
    ends = np.concatenate((arcs.heads[spare], arcs.tails[used]))
    lengths = np.concatenate((arcs.costs[spare], -arcs.costs[used])) + prices[starts] - prices[ends]
    rise = _distances(starts, ends, np.maximum(lengths, 0.0), np.maximum(high - prices, 0.0))
    fall = _distances(ends, starts, np.maximum(lengths, 0.0), np.maximum(prices - low, 0.0))
    return prices - fall, prices + rise


def _distances(starts: IntArray, ends: IntArray, lengths: FloatArray, entries: FloatArray) -> FloatArray:
    """Shortest distance from a source that reaches node i at the length `entries[i]`, if that is finite."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    nodes = entries.size
    reached = np.flatnonzero(np.isfinite(entries))
    all_starts = np.concatenate((starts, np.full(reached.size, nodes)))
    all_ends = np.concatenate((ends, reached))
    all_lengths = np.concatenate((lengths, entries[reached]))
    # Of parallel ways the shortest; a sparse matrix would add them up.
    order = np.lexsort((all_lengths, all_ends, all_starts))
    keys = all_starts[order] * (nodes + 1) + all_ends[order]
    first = order[np.flatnonzero(np.diff(keys, prepend=-1) != 0)]
    graph = csr_array((all_lengths[first], (all_starts[first], all_ends[first])), shape=(nodes + 1, nodes + 1))
    return dijkstra(graph, indices=np.array([nodes]))[0, :nodes]
