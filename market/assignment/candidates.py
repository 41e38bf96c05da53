"""An efficient assignment of a large market, found among few candidate pairs and proved against all pairs.

In a large market almost no pair can be part of a best assignment: one only looks at pairs that are good for their buyer
or for their object. A best assignment among these candidates has prices that support it; if no other pair blocks it at
these prices, it is the best among all pairs (duality). Pairs that block become candidates, and the search is repeated.
Where candidates are many, as when most valuations are equal, the search is given up.
"""

from collections.abc import Iterator

import numpy as np

from walras.market.validation import FloatArray, IntArray

__all__ = ["match_by_candidates"]

# Rows and columns are judged by this many of their entries; a candidate is about as good as the third best of them.
_SAMPLE, _RANK = 256, 2
# Given up with more candidates than this per row, or after so many searches.
_MOST_CANDIDATES, _MOST_SEARCHES = 120, 8
# A pair blocks if it gains more than this, as a fraction of the largest worth: prices are sums of rounded numbers.
_ROUNDING = 1e-14
_BLOCK = 128  # rows that are looked at together, so that they stay in the processor's cache


def match_by_candidates(worth: FloatArray) -> IntArray | None:
    """Give the column of each row in a best matching of all rows, or None where the search is given up.

    Parameters
    ----------
    worth
        Worth of each pair, 0 or more, shape (n, m) with n <= m.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, columns = worth.shape
    most = _MOST_CANDIDATES * columns
    top = float(np.max(worth))
    if top == 0.0:
        return None
    places = _first_candidates(worth)
    for _ in range(_MOST_SEARCHES):
        if places.size > most:
            return None
        row, column = np.divmod(places, columns)
        value = worth.ravel()[places]
        starts = np.searchsorted(row, np.arange(rows + 1))
        # The solver takes no zeros, so that worth is counted down from twice the largest.
        costs = csr_array((2.0 * top - value, column, starts), shape=worth.shape)
        owned = min_weight_full_bipartite_matching(costs)[1].astype(np.int64)
        prices = _supporting_prices(row, column, value, owned, worth)
        blocking = _blocking_pairs(worth, owned, prices, _ROUNDING * top, most)
        if not blocking.size:
            return owned
        places = np.union1d(places, blocking)
    return None


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK))


def _first_candidates(worth: FloatArray) -> IntArray:
    """Places, in the flattened table, of pairs that are good for their row or their column; and one full matching."""
    rows, columns = worth.shape
    seen_rows = worth[:: max(rows // _SAMPLE, 1)]
    seen_columns = worth[:, :: max(columns // _SAMPLE, 1)]
    by_row = -np.partition(-seen_columns, _RANK, axis=1)[:, _RANK]
    by_column = -np.partition(-seen_rows, _RANK, axis=0)[_RANK]
    found = []
    for block in _blocks(rows):
        good = (worth[block] >= by_row[block, None]) | (worth[block] >= by_column)
        good[np.arange(good.shape[0]), np.arange(block.start, block.stop)] = True  # so that all rows can be matched
        found.append(np.flatnonzero(good) + block.start * columns)
    return np.concatenate(found)


def _supporting_prices(
    row: IntArray, column: IntArray, value: FloatArray, owned: IntArray, worth: FloatArray
) -> FloatArray:
    """Lowest prices at which no row would rather have another of its candidates (Bellman and Ford)."""
    own_value = worth[np.arange(owned.size), owned]
    order = np.argsort(column, kind="stable")
    extra, own_column = (value - own_value[row])[order], owned[row][order]
    sorted_columns = column[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_columns[1:] != sorted_columns[:-1]]))
    wanted = sorted_columns[starts]
    prices = np.zeros(worth.shape[1])
    for _ in range(owned.size):
        raised = np.maximum.reduceat(prices[own_column] + extra, starts)
        if not np.any(raised > prices[wanted]):
            break
        prices[wanted] = np.maximum(prices[wanted], raised)
    unsold = np.ones(prices.size, dtype=np.bool_)
    unsold[owned] = False
    prices[unsold] = 0.0  # a best matching leaves them at 0, up to rounding
    return prices


def _blocking_pairs(worth: FloatArray, owned: IntArray, prices: FloatArray, tolerance: float, most: int) -> IntArray:
    """Places of pairs that would gain by leaving; the search for them ends where there are more than `most`."""
    rows, columns = worth.shape
    surplus = worth[np.arange(rows), owned] - prices[owned] + tolerance
    found, count = [], 0
    for block in _blocks(rows):
        blocking = np.flatnonzero(worth[block] - prices > surplus[block, None])
        found.append(blocking + block.start * columns)
        count += blocking.size
        if count > most:
            break
    return np.concatenate(found)
