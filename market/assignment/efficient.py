"""The efficient assignment: who should own what, whatever is paid for it.

    max sum_ij v_ij x_ij    over x_ij in {0, 1} with each buyer and each object in at most one pair.

Staying out is worth 0, so that a pair worth no more than that is left apart.
"""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.assignment.candidates import match_by_candidates
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, IntArray, finite_matrix

__all__ = ["best_pairs", "checked_valuations", "efficient_assignment"]

# Sums of valuations must stay below this, so that they are numbers.
_LARGEST_AMOUNT = 1e150
# From this many buyers and objects on, few candidates are tried first.
_LARGE = 500


def efficient_assignment(valuations: ArrayLike) -> IntArray:
    """Give the object of each buyer in an assignment of the largest sum of valuations, -1 for none, shape (n,).

    Parameters
    ----------
    valuations
        Worth of object j to buyer i (money, of either sign), shape (n, m). A pair that must not be formed gets any
        negative number: staying out is better.

    Raises
    ------
    InvalidInputError
        NaN or infinite entries, no buyers or no objects.

    Notes
    -----
    *Ties*: of equally good assignments the one that the solver finds, the same for the same input; a pair worth 0 or
    less stays apart. Whole valuations below 10^12 are matched exactly, others up to 1e-14 of the largest per
    pair. *Cost*: O(n m min(n, m)) in the worst case; O(n m) and little more where few pairs are good for their buyer or
    their object.
    *Source*: Jonker and Volgenant 1987; Crouse 2016.
    """
    return best_pairs(checked_valuations(valuations))


def checked_valuations(valuations: ArrayLike) -> FloatArray:
    """Give valuations as a matrix whose sums are numbers."""
    matrix = finite_matrix("valuations", valuations, of=("buyer", "object"))
    largest = max(float(np.max(matrix)), -float(np.min(matrix)))
    if not largest * (sum(matrix.shape)) < _LARGEST_AMOUNT:
        raise InvalidInputError(
            f"valuations must be below {_LARGEST_AMOUNT:g} divided by the number of buyers and objects, got "
            f"{largest:g} for {matrix.shape[0]} buyers and {matrix.shape[1]} objects: measure money in a larger unit."
        )
    return matrix


def best_pairs(valuations: FloatArray) -> IntArray:
    """Give the object of each buyer in a best assignment, from checked valuations."""
    worth = np.maximum(valuations, 0.0) if float(np.min(valuations)) < 0.0 else valuations
    rows, columns = _best_matching(worth)
    assignment = np.full(len(valuations), -1, np.int64)
    worth_it = valuations[rows, columns] > 0.0
    assignment[rows[worth_it]] = columns[worth_it]
    return assignment


def _best_matching(worth: FloatArray) -> tuple[IntArray, IntArray]:
    """Rows and columns of the best matching that matches the smaller side in full."""
    from scipy.optimize import linear_sum_assignment

    if min(worth.shape) >= _LARGE:
        tall = worth.shape[0] > worth.shape[1]
        found = match_by_candidates(np.ascontiguousarray(worth.T if tall else worth))
        if found is not None:
            places = np.arange(found.size)
            return (found, places) if tall else (places, found)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return rows, columns
