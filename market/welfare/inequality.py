"""The Gini coefficient: how far holdings are from equal, by their mean absolute difference.

Two forms are in use, and both are here under their names. In a population of n agents with holdings x and mean mu,

    population:  G = sum_ij |x_i - x_j| / (2 n^2 mu)           two agents drawn with replacement; 0 to 1 - 1/n
    sample:      G = sum_ij |x_i - x_j| / (2 n (n - 1) mu)     two different agents; 0 to 1

The first does not change when the population is replicated; the second is 1 when one agent owns everything. The form is
chosen by the caller, and never by the number of agents.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import nonnegative_vector
from walras.market.welfare.weighting import checked_population

__all__ = ["gini"]


def gini(
    holdings: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    normalisation: Literal["population", "sample"] = "population",
) -> float:
    """Gini coefficient of `holdings`: half the mean absolute difference of two agents, over the mean holding.

    `G = sum_ij w_i w_j |x_i - x_j| / (2 W^2 mu)`, with W the sum of the weights and mu the mean: 0 when all hold the
    same, `1 - 1/n` when one of n agents holds everything. The sample form is W / (W - 1) times that.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same: 0.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.
    normalisation
        "population" (two agents drawn with replacement) or "sample" (without).

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative holdings or weights, or none at all; weights that are all 0; another normalisation;
        the sample form for weights that do not sum to more than 1.

    Notes
    -----
    *Ties*: equal holdings may stand in any order. *Cost*: O(n log n).
    *Source*: Gini 1912; sorted form as in Cowell 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import gini
    >>> gini([0.0, 0.0, 0.0, 9.0]), gini([0.0, 9.0], weights=[3, 1])
    (0.75, 0.75)
    >>> gini([0.0, 0.0, 0.0, 9.0], normalisation="sample")
    1.0
    """
    if normalisation not in ("population", "sample"):
        raise InvalidInputError(f'normalisation must be "population" or "sample", got {normalisation!r}.')
    if weights is None:
        values = nonnegative_vector("holdings", holdings)
        coefficient, size = _of_equals(np.sort(values)), float(values.size)
    else:
        coefficient, size = _of_weighted(holdings, weights)
    if normalisation == "population":
        return coefficient
    if size <= 1.0:
        raise InvalidInputError(
            f'normalisation "sample" needs more than one agent, got {size:g}: two different agents are compared.'
        )
    return coefficient / (1.0 - 1.0 / size)


def _of_equals(ascending: np.ndarray) -> float:
    if ascending[-1] == 0.0:
        return 0.0
    shares = ascending / ascending[-1]  # the coefficient has no unit; scaling first keeps sums finite
    ranks = np.arange(1, ascending.size + 1)
    return float(np.sum((2 * ranks - ascending.size - 1) * shares) / (ascending.size * np.sum(shares)))


def _of_weighted(holdings: ArrayLike, weights: ArrayLike) -> tuple[float, float]:
    population = checked_population(holdings, weights)
    order = np.argsort(population.holdings, kind="stable")
    fractions, values = population.fractions[order], population.holdings[order]
    # Twice the rank in the middle of each entry, less 1: from -1 for the poorest to 1 for the richest.
    ranks = 2.0 * np.cumsum(fractions) - fractions - 1.0
    return max(0.0, float(np.dot(ranks * fractions, values)) / population.mean), population.size
