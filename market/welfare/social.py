"""Social welfare functions: one number for what all agents together have.

    utilitarian  sum_i w_i u_i                                    indifferent to inequality;
    Nash         (prod_i u_i^w_i)^(1/W), or its logarithm's sum   a per cent more is worth the same to each;
    Rawlsian     min_i u_i                                        only the worst off counts;
    Atkinson     (mean(u^(1 - epsilon)))^(1 / (1 - epsilon))      from the mean (0) over Nash (1) to Rawls (inf).

The last is the *equally distributed equivalent*: what each would have to get for the same welfare, if all got alike.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_vector, nonnegative_vector
from walras.market.welfare.entropy import checked_aversion, log_equivalent_ratio
from walras.market.welfare.weighting import Population, checked_population, checked_weights, counted_weights

__all__ = ["atkinson_welfare", "log_nash_welfare", "nash_welfare", "rawlsian_welfare", "utilitarian_welfare"]


def utilitarian_welfare(utilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Sum of utilities, `sum_i w_i u_i`.

    Parameters
    ----------
    utilities
        What each agent has, of either sign, shape (n,).
    weights
        Weight of each agent, or how many each entry stands for, >= 0, shape (n,); 1 by default.

    Raises
    ------
    InvalidInputError
        NaN or infinite entries, or none at all; weights negative or all 0; a sum that leaves float64.

    Notes
    -----
    *Cost*: O(n). *Source*: Harsanyi 1955 (docs/reference/bibliography.md).
    """
    values = finite_vector("utilities", utilities)
    if weights is not None:
        counts, _ = counted_weights(weights, values.size)
        with np.errstate(over="ignore"):
            values = values * counts
    try:
        total = math.fsum(values)
    except OverflowError:
        total = math.inf
    if not math.isfinite(total):
        raise InvalidInputError("utilities are too large: their weighted sum leaves float64. Use a larger unit.")
    return total


def rawlsian_welfare(utilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Utility of the worst off, `min_i u_i`, among agents whose weight is not 0.

    Parameters
    ----------
    utilities
        What each agent has, of either sign, shape (n,).
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Raises
    ------
    InvalidInputError
        NaN or infinite entries, or none at all; weights negative or all 0.

    Notes
    -----
    *Cost*: O(n). *Source*: Rawls 1971 (docs/reference/bibliography.md).
    """
    values = finite_vector("utilities", utilities)
    fractions, _ = checked_weights(weights, values.size)
    return float(np.min(values[fractions > 0.0]))


def nash_welfare(utilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Geometric mean of utilities, `(prod_i u_i^w_i)^(1 / sum_i w_i)`: 0 if somebody has nothing.

    Parameters
    ----------
    utilities
        What each agent has, >= 0, shape (n,).
    weights
        Weight of each agent, or how many each entry stands for, >= 0, shape (n,); 1 by default.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights that are all 0.

    Notes
    -----
    *Cost*: O(n). *Source*: Nash 1950; Kaneko and Nakamura 1979 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import nash_welfare
    >>> round(nash_welfare([2.0, 8.0]), 12)
    4.0
    """
    return _equivalent(utilities, 1.0, weights)


def log_nash_welfare(utilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Sum of the logarithms of utilities, `sum_i w_i ln u_i`: minus infinity if somebody has nothing.

    It orders outcomes as `nash_welfare` does, and adds over agents: the objective of a Fisher market.

    Parameters
    ----------
    utilities
        What each agent has, >= 0, shape (n,).
    weights
        Weight of each agent (a budget, in a Fisher market), >= 0, shape (n,); 1 by default.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights that are all 0, or so large that the sum leaves
        float64.

    Notes
    -----
    *Cost*: O(n). *Source*: Eisenberg and Gale 1959 (docs/reference/bibliography.md).
    """
    values = nonnegative_vector("utilities", utilities)
    counts = np.ones_like(values)
    if weights is not None:
        counts, _ = counted_weights(weights, values.size)
    counted = counts > 0.0
    if np.any(values[counted] == 0.0):
        return -math.inf
    return utilitarian_welfare(np.log(values[counted]), counts[counted])


def atkinson_welfare(utilities: ArrayLike, aversion: float, weights: ArrayLike | None = None) -> float:
    """Equally distributed equivalent: what each would need, were all alike, for the same social welfare.

    `(mean(u^(1 - epsilon)))^(1 / (1 - epsilon))`: the mean at epsilon = 0, the geometric mean at 1, the minimum at
    infinity.

    Parameters
    ----------
    utilities
        What each agent has (income, say), >= 0, shape (n,).
    aversion
        Inequality aversion epsilon, 0 or more; `math.inf` gives the Rawlsian minimum.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Returns
    -------
    float
        In the unit of `utilities`; 0 if epsilon >= 1 and somebody has nothing.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights that are all 0; a negative aversion.

    Notes
    -----
    *Cost*: O(n). *Source*: Atkinson 1970 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import atkinson_welfare
    >>> round(atkinson_welfare([1.0, 4.0], aversion=1.0), 12)
    2.0
    """
    return _equivalent(utilities, checked_aversion(aversion), weights)


def _equivalent(utilities: ArrayLike, aversion: float, weights: ArrayLike | None) -> float:
    values = nonnegative_vector("utilities", utilities)
    population = checked_population(values, weights, "utilities")
    counted = values[population.fractions > 0.0]
    largest, smallest = float(np.max(counted)), float(np.min(counted))
    if math.isinf(aversion) or smallest == largest:
        return smallest
    return _between(_level(population, aversion, largest), smallest, largest)


def _level(population: Population, aversion: float, largest: float) -> float:
    """Equivalent in the unit of the utilities, of which the largest is given."""
    in_own_unit = math.exp(log_equivalent_ratio(population, aversion)) * population.mean
    return in_own_unit / float(np.max(population.holdings)) * largest


def _between(value: float, low: float, high: float) -> float:
    """A mean lies between the smallest and the largest, also after rounding."""
    return min(max(value, low), high)
