"""Spanning forests: the arcs along which every node is reached once, and sums along them."""

from typing import NamedTuple

import numpy as np

from walras.market.validation import FloatArray, IntArray

__all__ = ["Forest", "spanning_forest"]


class Forest(NamedTuple):
    """A rooted tree for each component, shape (n,) each.

    Attributes
    ----------
    order
        Nodes, each after its parent.
    parents
        The node before each on the way from its root; -1 for roots.
    arcs
        Index of the arc between a node and its parent; -1 for roots.
    forward
        Whether that arc goes from the parent to the node.
    trees
        Number of the tree that each node belongs to, from 0.
    """

    order: IntArray
    parents: IntArray
    arcs: IntArray
    forward: np.ndarray[tuple[int], np.dtype[np.bool_]]
    trees: IntArray

    def potentials(self, lengths: FloatArray) -> FloatArray:
        """Sum of the arcs' lengths on the way from the root, those against the way taken with a minus sign."""
        sums = np.zeros(self.order.size)
        steps = np.where(self.forward, 1.0, -1.0) * np.where(
            self.arcs >= 0, lengths[self.arcs] if lengths.size else 0.0, 0.0
        )
        for node in self.order.tolist():
            parent = self.parents[node]
            if parent >= 0:
                sums[node] = sums[parent] + steps[node]
        return sums

    def subtree_sums(self, amounts: FloatArray) -> FloatArray:
        """Sum of the amounts of each node and all nodes beyond it."""
        sums = amounts.copy()
        for node in self.order[::-1].tolist():
            parent = self.parents[node]
            if parent >= 0:
                sums[parent] += sums[node]
        return sums


def spanning_forest(tails: IntArray, heads: IntArray, trees: IntArray, *, directed: bool = False) -> Forest:
    """Give a spanning forest of the components, breadth first from the first node of each.

    Parameters
    ----------
    tails, heads
        Of the arcs, shape (a,).
    trees
        Number of each node's component, from 0, shape (n,).
    directed
        Whether arcs can be followed from tail to head only; each root must then reach its component.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    nodes = trees.size
    _, roots = np.unique(trees, return_index=True)
    arc_between = {pair: arc for arc, pair in enumerate(zip(tails.tolist(), heads.tolist(), strict=True))}
    # One more node, with an arc to each root, so that one search finds all trees.
    starts, ends = np.concatenate((tails, np.full(roots.size, nodes))), np.concatenate((heads, roots))
    graph = csr_array((np.ones(starts.size), (starts, ends)), shape=(nodes + 1, nodes + 1))
    order, before = breadth_first_order(graph, nodes, directed=directed)
    parents = np.where(before[:nodes] == nodes, -1, before[:nodes]).astype(np.int64)
    arcs, forward = np.full(nodes, -1, dtype=np.int64), np.zeros(nodes, dtype=bool)
    for node in np.flatnonzero(parents >= 0).tolist():
        way = (int(parents[node]), node)
        forward[node] = way in arc_between
        arcs[node] = arc_between[way if forward[node] else way[::-1]]
    return Forest(order[1:].astype(np.int64), parents, arcs, forward, trees)
