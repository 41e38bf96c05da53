"""Nodes between which carriage costs nothing and has no limit are one place: one price, and routes that do not matter.

The solver sees each such group as one node. Afterwards what its members buy and sell of each other is routed along a
tree: who has more than it needs sends it to the group's first node, which sends it on.
"""

from typing import NamedTuple

import numpy as np

from walras.market.networks.curves import Orders
from walras.market.networks.forest import spanning_forest
from walras.market.networks.graph import Arcs
from walras.market.networks.spatial_polish import SpatialAnswer
from walras.market.validation import FloatArray, IntArray

__all__ = ["Merged", "merged_by_free_carriage"]


class Merged(NamedTuple):
    """The market between groups, and the way back.

    Attributes
    ----------
    demand, supply, arcs
        Of groups instead of nodes; arcs within a group are left out.
    nodes
        Number of groups.
    groups
        Group of each node, shape (n,).
    all_arcs
        Arcs of the market as given.
    between
        Which of them run between groups, shape (a,).
    order_nodes
        Nodes of the demand orders and of the supply orders as given.
    """

    demand: Orders
    supply: Orders
    arcs: Arcs
    nodes: int
    groups: IntArray
    all_arcs: Arcs
    between: np.ndarray[tuple[int], np.dtype[np.bool_]]
    order_nodes: tuple[IntArray, IntArray]

    def unfolded(self, answer: SpatialAnswer) -> SpatialAnswer:
        """Give the answer by nodes, with what is carried within groups."""
        carried = np.zeros(self.between.size)
        carried[self.between] = answer.carried
        if self.nodes < self.groups.size:
            carried += self._carried_within(self._left_over(answer, carried))
        return SpatialAnswer(answer.prices[self.groups], answer.demanded, answer.supplied, carried)

    def _left_over(self, answer: SpatialAnswer, carried: FloatArray) -> FloatArray:
        """What comes to each node less what leaves it."""
        size = self.groups.size
        bought, sold = (
            np.bincount(nodes, units, size)
            for nodes, units in zip(self.order_nodes, (answer.demanded, answer.supplied), strict=True)
        )
        arriving = np.bincount(self.all_arcs.heads, carried, size) - np.bincount(self.all_arcs.tails, carried, size)
        left_over: FloatArray = sold - bought + arriving
        return left_over

    def _carried_within(self, left_over: FloatArray) -> FloatArray:
        free = np.flatnonzero(_carries_freely(self.all_arcs))
        tails, heads = self.all_arcs.tails[free], self.all_arcs.heads[free]
        within = self.groups[tails] == self.groups[heads]
        free, tails, heads = free[within], tails[within], heads[within]
        to_root = spanning_forest(heads, tails, self.groups, directed=True)
        from_root = spanning_forest(tails, heads, self.groups, directed=True)
        carried = np.zeros(self.between.size)
        for forest, units in ((to_root, np.maximum(left_over, 0.0)), (from_root, np.maximum(-left_over, 0.0))):
            reached = forest.arcs >= 0
            carried[free[forest.arcs[reached]]] += forest.subtree_sums(units)[reached]
        return carried


def merged_by_free_carriage(demand: Orders, supply: Orders, arcs: Arcs, nodes: int) -> Merged:
    """Merge nodes that reach each other, there and back, along arcs without cost and capacity."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    free = _carries_freely(arcs)
    links = csr_array((np.ones(int(free.sum())), (arcs.tails[free], arcs.heads[free])), shape=(nodes, nodes))
    number, labels = connected_components(links, directed=True, connection="strong")
    groups = labels.astype(np.int64)
    tails, heads = groups[arcs.tails], groups[arcs.heads]
    between = tails != heads
    place = np.append(np.cumsum(between) - 1, -1)  # -1 stays -1
    return Merged(
        demand=demand._replace(nodes=groups[demand.nodes]),
        supply=supply._replace(nodes=groups[supply.nodes]),
        arcs=Arcs(
            edges=(),
            tails=tails[between],
            heads=heads[between],
            costs=arcs.costs[between],
            capacities=arcs.capacities[between],
            opposites=place[arcs.opposites[between]],
        ),
        nodes=int(number),
        groups=groups,
        all_arcs=arcs,
        between=between,
        order_nodes=(demand.nodes, supply.nodes),
    )


def _carries_freely(arcs: Arcs) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    free: np.ndarray[tuple[int], np.dtype[np.bool_]] = (arcs.costs == 0.0) & np.isinf(arcs.capacities)
    return free
