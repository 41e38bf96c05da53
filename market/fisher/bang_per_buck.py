"""From a near-equilibrium of linear buyers to the exact one, through the graph of the most bang per buck.

At equilibrium each buyer spends only on goods with the largest `w_ij / r_j` (value over revenue). If the pairs that
carry money are known, each connected part of their graph fixes its prices: along a pair `r_j = w_ij / y_i`, so a
spanning tree gives all ratios, and the budgets of the part's buyers equal the revenues of its goods. The guess is the
pairs on which near-equilibrium buyers spend most. It is *verified*, never trusted: no pair of the market may offer more
bang per buck at the resulting prices, and non-negative spending must meet all budgets and revenues.

Ties: where the pairs of most bang per buck contain a cycle along which money can be moved, allocations are not unique.
The one given has the largest entropy of spending, `b_ij = a_i c_j` on the pairs that can carry money: it is the limit
of CES buyers as rho -> 1, treats equals equally, and does not depend on the order of buyers or goods.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.market.fisher.linear_algebra import solve_positive
from walras.market.fisher.newton import spend
from walras.market.fisher.table import SparseTable, Table
from walras.market.validation import FloatArray

__all__ = ["ExactEquilibrium", "exact_equilibrium"]

# Two goods tie if their bang per buck agrees to this fraction: rounding along a tree of prices stays far below it.
_TIE = 1e-11
_ZERO_SPENDING = 1e-13  # of both the budget and the revenue: carries no money
_EXACT = 1e-13  # largest residual of a budget or a revenue
_SCALING_STEPS = 100
_REPAIRS = 5  # times that wrong pairs are taken out of a guess

Indices = NDArray[np.intp]


@final
@dataclass(frozen=True, eq=False)
class ExactEquilibrium:
    """Revenues (m,), spending (entries) as shares of all money, and whether the spending is the only one."""

    revenue: FloatArray
    spending: FloatArray
    unique: bool


def exact_equilibrium(
    table: Table, worth: FloatArray, budgets: FloatArray, shares: FloatArray, cutoff: float
) -> ExactEquilibrium | None:
    """Give the exact equilibrium next to a near-equilibrium, or None if the guess does not verify.

    Parameters
    ----------
    table, worth
        Pairs of buyers and goods, every good valued by somebody, and `w_ij` (entries, at most 1).
    budgets
        Shares of all money, shape (n,).
    shares
        Share of each budget that the near-equilibrium spends on each good (entries).
    cutoff
        Pairs that carry less than this fraction of both the buyer's and the good's largest are left out of the guess.
    """
    money = shares * table.by_buyer(budgets)
    earned = table.good_sums(money)
    strength = np.maximum(
        shares / table.by_buyer(table.buyer_maxima(shares)), money / table.by_good(table.good_maxima(money))
    )
    chosen = strength >= cutoff
    for _ in range(_REPAIRS):
        buyers, goods = table.pairs(chosen)
        tree = _SpanningTree.of(buyers, goods, strength[chosen], earned, table.shape[0])
        revenue = tree.prices(worth[chosen], budgets)
        if revenue is None:
            return None
        pairs = tree.pairs
        bang = worth / table.by_good(revenue)
        best = bang >= (1.0 - _TIE) * table.by_buyer(table.buyer_maxima(bang))
        wrong = ~best[chosen][pairs]
        if not wrong.any():
            spending = tree.spending(budgets, revenue)
            wrong = spending < 0.0
            if np.count_nonzero(best) > pairs.size:
                return _most_even(table, best, budgets, revenue, shares)
            if not wrong.any():
                return _only(table, chosen, pairs, spending, budgets, revenue)
        # A pair that is not a best buy, or would carry money back, should not have been chosen.
        kept = np.ones(buyers.size, dtype=bool)
        kept[pairs[wrong]] = False
        chosen[chosen] = kept
        if not _covers(table, chosen):
            return None
    return None


def _covers(table: Table, chosen: NDArray[np.bool_]) -> bool:
    """Whether every buyer and every good is in some chosen pair."""
    buyers, goods = table.pairs(chosen)
    counts = np.bincount(buyers, minlength=table.shape[0]), np.bincount(goods, minlength=table.shape[1])
    return bool(counts[0].all() and counts[1].all())


def _only(
    table: Table,
    chosen: NDArray[np.bool_],
    pairs: Indices,
    spending: FloatArray,
    budgets: FloatArray,
    revenue: FloatArray,
) -> ExactEquilibrium | None:
    """Give spending on a forest of pairs, the only one there is, if its rounding errors are small everywhere."""
    carried = np.zeros(np.count_nonzero(chosen))
    carried[pairs] = spending
    entries = np.zeros(chosen.shape)
    entries[chosen] = carried
    if _misses(table, entries, budgets, revenue) <= _EXACT:
        return ExactEquilibrium(revenue, entries, unique=True)
    return _most_even(table, entries > 0.0, budgets, revenue, entries / table.by_buyer(budgets))


@final
@dataclass(frozen=True, eq=False)
class _SpanningTree:
    """A spanning forest of buyers (nodes 0 .. n-1) and goods (nodes n .. n+m-1), under one root above all its parts."""

    parents: Indices  # of each node; the top of a part is its own
    order: Indices  # breadth first, from the root n + m: parents before children
    pair_of_node: Indices  # the pair that joins a node to its parent; -1 for the top of a part
    n_buyers: int

    @property
    def pairs(self) -> Indices:
        """Which of the given pairs are in the forest."""
        return self.pair_of_node[self.pair_of_node >= 0]

    @classmethod
    def of(
        cls, buyers: Indices, goods: Indices, strength: FloatArray, earned: FloatArray, n_buyers: int
    ) -> "_SpanningTree":
        """The forest of the strongest pairs, given in the order of buyers, then goods."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

        # Shortest for the strongest, and never 0. The root is joined to every good by pairs longer than all others, so
        # that the tree has one of these for each part: to its largest good, where rounding errors weigh least.
        n_goods = earned.size
        root = n_buyers + n_goods
        lengths = 1.0 - np.log(strength)
        ranks = np.empty(n_goods)
        ranks[np.argsort(-earned)] = np.arange(n_goods)
        data = np.concatenate([lengths, lengths.max() * (2.0 + ranks / n_goods)])
        indices = np.concatenate([n_buyers + goods, np.arange(n_buyers, root)])
        starts = np.searchsorted(buyers, np.arange(n_buyers + 1))
        starts = np.concatenate([starts, np.full(n_goods, buyers.size), [buyers.size + n_goods]])
        tree = minimum_spanning_tree(csr_array((data, indices, starts), shape=(root + 1, root + 1)), overwrite=True)
        order, found = breadth_first_order(tree, root, directed=False)
        parents = found.astype(np.intp)
        nodes = np.arange(root)
        tops = parents[:root] == root
        parents[root] = root
        parents[nodes[tops]] = nodes[tops]
        pair_of_node = np.full(root, -1)
        below, above = nodes[~tops], parents[nodes[~tops]]
        keys = np.minimum(below, above) * n_goods + (np.maximum(below, above) - n_buyers)
        pair_of_node[below] = np.searchsorted(buyers * n_goods + goods, keys)
        return cls(parents[:root], order.astype(np.intp), pair_of_node, n_buyers)

    def prices(self, worth: FloatArray, budgets: FloatArray) -> FloatArray | None:
        """Revenues that give all pairs of a buyer in the forest the same bang per buck, and each part its money."""
        # Relative to the top of its part: r_j = w_ij * (1 / y_i) below a buyer, 1 / y_i = r_j / w_ij below a good.
        size, n_buyers = self.parents.size, self.n_buyers
        ratios = np.ones(size)
        below = self.pair_of_node >= 0
        ratios[below] = worth[self.pair_of_node[below]]
        with np.errstate(all="ignore"):  # ratios beyond floats are caught below
            ratios[:n_buyers] = 1.0 / ratios[:n_buyers]
            parents = self.parents
            while np.any(parents != parents[parents]):  # pointer doubling: the log of the tree's depth in rounds
                ratios, parents = ratios * ratios[parents], parents[parents]
            # Now every node points at the top of its part, whose own ratio is 1.
            part, revenue = parents, ratios[n_buyers:]
            money = np.bincount(part[:n_buyers], weights=budgets, minlength=size)
            total = np.bincount(part[n_buyers:], weights=revenue, minlength=size)
            revenue = revenue * (money / total)[part[n_buyers:]]
        return revenue if np.all(np.isfinite(revenue) & (revenue > 0.0)) else None

    def spending(self, budgets: FloatArray, revenue: FloatArray) -> FloatArray:
        """What the pair above each node must carry so that each buyer spends its budget and each good earns its own."""
        balance = np.concatenate([budgets, -revenue]).tolist()  # what the part below and at a node has to pass up
        parents = self.parents.tolist()
        for node in self.order[:0:-1].tolist():  # leaves first: O(n + m) additions
            if parents[node] != node:
                balance[parents[node]] += balance[node]
        flows = np.asarray(balance)
        flows[self.n_buyers :] *= -1.0  # money flows from buyers to goods
        return flows[self.pair_of_node >= 0]


def _most_even(
    table: Table, best: NDArray[np.bool_], budgets: FloatArray, revenue: FloatArray, shares: FloatArray
) -> ExactEquilibrium | None:
    """Give the spending of largest entropy on the pairs `best`, or None if no spending on them meets all margins."""
    n_buyers, n_goods = table.shape
    buyers, goods = table.pairs(best)
    starts = np.searchsorted(buyers, np.arange(n_buyers + 1))
    graph = SparseTable(np.ones(buyers.size), goods, starts, n_goods)
    start = np.log(np.maximum(graph.good_maxima(shares[best]), 1e-12))
    spending = _scaled(graph, budgets, revenue, start)
    if spending is None:
        return None
    none = spending <= _ZERO_SPENDING * np.minimum(graph.by_buyer(budgets), graph.by_good(revenue))
    spending[none] = 0.0
    entries = np.zeros_like(table.values)
    entries[best] = spending
    if _misses(table, entries, budgets, revenue) > 1e-10:
        return None
    return ExactEquilibrium(revenue, entries, unique=_is_unique(buyers, goods, ~none, n_buyers, n_goods))


def _scaled(graph: SparseTable, budgets: FloatArray, revenue: FloatArray, start: FloatArray) -> FloatArray | None:
    """Find `b_ij = a_i c_j` on the graph with row sums `budgets` and column sums `revenue`, by Newton steps in log c.

    Pairs that carry nothing in any equilibrium fade by a factor e in each step, until they change no sum.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_buyers, n_goods = graph.shape
    size = n_buyers + n_goods
    pairs = coo_array((np.ones(graph.goods.size), (graph.buyers, n_buyers + graph.goods)), shape=(size, size))
    _, part = connected_components(pairs, directed=False)
    # c_j is free up to a factor in each part: that of the largest good is held.
    by_size = np.argsort(-revenue)
    tops = by_size[np.unique(part[n_buyers:][by_size], return_index=True)[1]]
    logs, worst = start, np.inf
    for _ in range(_SCALING_STEPS):
        spending = spend(graph, graph.by_good(logs), budgets)
        excess = spending.demand - revenue
        worst = float(np.max(np.abs(excess) / revenue))
        if worst <= 0.1 * _EXACT:
            break
        matrix = -graph.gram(spending.shares, budgets)
        diagonal = spending.demand * (1.0 + 1e-15)
        diagonal[tops] += revenue[tops]
        matrix.flat[:: n_goods + 1] += diagonal
        step = solve_positive(matrix, -excess)
        longest = float(np.ptp(step))
        logs = logs + min(1.0, 2.0 / longest if longest > 0.0 else 1.0) * step
    return spending.shares * graph.by_buyer(budgets) if worst <= 1e-10 else None


def _is_unique(buyers: Indices, goods: Indices, carries: NDArray[np.bool_], n_buyers: int, n_goods: int) -> bool:
    """Whether no other spending on the pairs meets the same margins.

    Money can be moved along a cycle of the graph in which every pair may carry more, and those that carry some may
    carry less. All cycles lie in strongly connected parts, and a part without one is a tree of pairs that carry some.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    more, less = (buyers, n_buyers + goods), (n_buyers + goods[carries], buyers[carries])
    rows, columns = np.concatenate([more[0], less[0]]), np.concatenate([more[1], less[1]])
    size = n_buyers + n_goods
    graph: Any = coo_array((np.ones(rows.size), (rows, columns)), shape=(size, size))
    parts, part = connected_components(graph, directed=True, connection="strong")
    inside = np.count_nonzero(part[buyers] == part[n_buyers + goods])
    return bool(inside == size - parts)


def _misses(table: Table, spending: FloatArray, budgets: FloatArray, revenue: FloatArray) -> float:
    """Largest relative difference between what is spent and the budgets, or earned and the revenues."""
    spent = np.abs(table.buyer_sums(spending) / budgets - 1.0)
    earned = np.abs(table.good_sums(spending) / revenue - 1.0)
    return float(max(spent.max(), earned.max()))
