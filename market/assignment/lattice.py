"""The lattice of competitive prices, from an efficient assignment.

Prices p >= 0 are competitive if they support the assignment: every buyer has what it likes best at them, and unsold
objects cost nothing. With m(j) the owner of object j, this says

    p_k >= p_j + (v_m(j)k - v_m(j)j)    for each sold j and each k   (no owner would rather have another object),
    p_k >= v_ik                         for each buyer i without an object,
    p_j <= v_m(j)j                      for each sold j,
    p_k  = 0                            for each unsold k.

They form a lattice: the larger and the smaller of two competitive prices, object by object, are competitive. So there
is a lowest one, which is best for every buyer, and a highest one, best for every seller. The lowest is the longest path
from "nobody owns it" along the first two lines; it exists because a cycle of positive length would be a better
assignment. The highest follows from the lowest surpluses of buyers, which are the same problem with sides exchanged:
`p_j = v_m(j)j - u_m(j)`.
"""

import numpy as np

from walras.market.validation import FloatArray, IntArray

__all__ = ["highest_prices", "is_only_best", "lowest_prices"]

# Slacks below this, as a fraction of the largest amount, are ties.
_TIE = 1e-12


def lowest_prices(valuations: FloatArray, assignment: IntArray) -> FloatArray:
    """Give the lowest competitive prices, shape (m,).

    Prices rise from their least until no owner would rather have another object (Bellman and Ford); only owners whose
    own price has just risen are asked again.
    """
    owners, others = np.flatnonzero(assignment >= 0), np.flatnonzero(assignment < 0)
    owned = assignment[owners]
    prices = np.maximum(np.max(valuations[others], axis=0, initial=0.0), 0.0)
    envious = np.arange(owners.size)
    for _ in range(owners.size):  # a longest path passes each sold object once
        rows = owners[envious]
        # What another object would have to cost for the owner to be as well off as with its own.
        indifferent = valuations[rows] + (prices[owned[envious]] - valuations[rows, owned[envious]])[:, None]
        raised = np.max(indifferent, axis=0, initial=-np.inf)
        risen = raised > prices
        prices = np.where(risen, raised, prices)
        envious = np.flatnonzero(risen[owned])
        if not envious.size:
            break
    unsold = np.ones(prices.size, dtype=np.bool_)
    unsold[owned] = False
    prices[unsold] = 0.0  # exactly, where rounding said otherwise
    return np.asarray(prices)


def highest_prices(valuations: FloatArray, assignment: IntArray) -> FloatArray:
    """Give the highest competitive prices, shape (m,): what leaves buyers their lowest competitive surplus."""
    owners = np.flatnonzero(assignment >= 0)
    owned = assignment[owners]
    owner_of = np.full(valuations.shape[1], -1, np.int64)
    owner_of[owned] = owners
    surplus = lowest_prices(valuations.T, owner_of)
    prices = np.zeros(valuations.shape[1])
    prices[owned] = np.maximum(valuations[owners, owned] - surplus[owners], 0.0)
    return prices


def is_only_best(valuations: FloatArray, assignment: IntArray, prices: FloatArray) -> bool:
    """Whether no other assignment is as good, up to 1e-12 of the largest amount.

    Another one differs by chains of owners who move to objects that they like as much, at any competitive prices. A
    chain either closes, or begins with an object that nobody need own (its price is 0, or a buyer without an object
    would pay it) and ends with an owner who may leave or move to an unsold object. With "nobody" as one more node, both
    are cycles.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    objects = valuations.shape[1]
    tie = _TIE * max(float(np.max(np.abs(valuations))), float(np.max(prices)))
    owners, others = np.flatnonzero(assignment >= 0), np.flatnonzero(assignment < 0)
    owned = assignment[owners]
    surplus = valuations[owners, owned] - prices[owned]
    sold = np.zeros(objects, dtype=np.bool_)
    sold[owned] = True

    movers, liked = np.nonzero(valuations[owners] - prices >= surplus[:, None] - tie)
    moves = (owned[movers], liked)
    leaving = owned[surplus <= tie]
    unsold = np.flatnonzero(~sold)
    wanted = np.max(valuations[others], axis=0, initial=-np.inf) >= prices - tie
    free = np.flatnonzero(sold & (wanted | (prices <= tie)))
    nobody = objects
    tails = np.concatenate([moves[0], leaving, unsold, np.full(free.size, nobody)])
    heads = np.concatenate([moves[1], np.full(leaving.size + unsold.size, nobody), free])
    graph = coo_array((np.ones(tails.size, np.int8), (tails, heads)), shape=(objects + 1, objects + 1))
    count, _ = connected_components(graph, directed=True, connection="strong")
    return bool(count == objects + 1)
