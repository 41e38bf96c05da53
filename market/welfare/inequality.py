"""Measures of inequality: how unevenly something is held."""

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_vector

__all__ = ["gini"]


def gini(holdings: ArrayLike) -> float:
    """Gini coefficient of `holdings`: half the mean absolute difference of two agents, over the mean holding.

    `G = sum_ij |x_i - x_j| / (2 n^2 mean(x))`, drawn with replacement (the population form): 0 when all hold the same,
    `1 - 1/n` when one holds everything. Multiply by n / (n - 1) for the form that is unbiased in small samples.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same: 0.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative holdings, or none at all.

    Notes
    -----
    *Cost*: O(n log n).
    *Source*: Gini 1912; sorted form as in Cowell 2011 (docs/reference/bibliography.md).
    """
    values = np.sort(finite_vector("holdings", holdings))
    if values[0] < 0.0:
        raise InvalidInputError(f"holdings must be 0 or more, got {values[0]}.")
    if values[-1] == 0.0:
        return 0.0
    shares = values / values[-1]  # the coefficient has no unit; scaling first keeps sums finite
    ranks = np.arange(1, values.size + 1)
    return float(np.sum((2 * ranks - values.size - 1) * shares) / (values.size * np.sum(shares)))
