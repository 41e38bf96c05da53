"""Generalised entropy and Atkinson indices: inequality with a parameter that says where in the distribution to look.

With ratios to the mean `r_i = x_i / mu`, means taken over the (weighted) population,

    GE(alpha) = (mean(r^alpha) - 1) / (alpha (alpha - 1)),   GE(1) = mean(r ln r) = T,   GE(0) = -mean(ln r) = L;
    A(epsilon) = 1 - mean(r^(1 - epsilon))^(1 / (1 - epsilon)),   A(1) = 1 - exp(mean(ln r)),   A(inf) = 1 - min r.

A low alpha looks at the poor, a high one at the rich; GE(2) is half the squared coefficient of variation. Only these
measures (T and L are Theil's) split into a part between groups and one within them (`walras.market.welfare.groups`).
A(epsilon) is the fraction of all holdings that a society of inequality aversion epsilon would give up for equality; for
epsilon = 1 - alpha it orders distributions as GE(alpha) does.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from walras.market.validation import FloatArray, finite_number, nonnegative_number
from walras.market.welfare.weighting import Population, checked_population, log_ratios_to_mean, ratios_to_mean

__all__ = [
    "atkinson_index",
    "checked_aversion",
    "entropy_of",
    "generalised_entropy",
    "log_equivalent_ratio",
    "theil_l",
    "theil_t",
]


def generalised_entropy(holdings: ArrayLike, alpha: float, weights: ArrayLike | None = None) -> float:
    """Generalised entropy index `GE(alpha)` of `holdings`, 0 when all hold the same.

    `GE(alpha) = (mean((x / mu)^alpha) - 1) / (alpha (alpha - 1))`, and its limits at alpha = 0 and 1.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same: 0.
    alpha
        Any finite number: the weight given to differences among the rich.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Returns
    -------
    float
        Infinite if alpha <= 0 and somebody holds nothing while others do, or where the value leaves float64.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative holdings or weights, or none at all; weights that are all 0; alpha not finite.

    Notes
    -----
    *Cost*: O(n). *Source*: Shorrocks 1980; Cowell 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import generalised_entropy
    >>> generalised_entropy([1.0, 3.0], alpha=2.0)  # half of (standard deviation 1 / mean 2) squared
    0.125
    """
    alpha = finite_number("alpha", alpha)
    return entropy_of(checked_population(holdings, weights), alpha)


def theil_t(holdings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Theil's T, `mean(r ln r)` with `r = x / mu`: from 0 to the logarithm of the number of agents (nats).

    It is `generalised_entropy` at alpha = 1; who holds nothing counts with 0 ln 0 = 0.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,).
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Raises
    ------
    InvalidInputError
        As `generalised_entropy`.

    Notes
    -----
    *Cost*: O(n). *Source*: Theil 1967 (docs/reference/bibliography.md).
    """
    return entropy_of(checked_population(holdings, weights), 1.0)


def theil_l(holdings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Theil's L, the mean logarithmic deviation `mean(ln(mu / x))` (nats); infinite if somebody holds nothing.

    It is `generalised_entropy` at alpha = 0. If nobody holds anything, all hold the same: 0.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,).
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Raises
    ------
    InvalidInputError
        As `generalised_entropy`.

    Notes
    -----
    *Cost*: O(n). *Source*: Theil 1967 (docs/reference/bibliography.md).
    """
    return entropy_of(checked_population(holdings, weights), 0.0)


def atkinson_index(holdings: ArrayLike, aversion: float, weights: ArrayLike | None = None) -> float:
    """Atkinson index of `holdings`: the fraction of the total that equality would be worth, in [0, 1].

    `A = 1 - (mean((x / mu)^(1 - epsilon)))^(1 / (1 - epsilon))`; at epsilon = 1 the geometric mean takes the place of
    the power mean, at infinity the minimum.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same: 0.
    aversion
        Inequality aversion epsilon, 0 or more; `math.inf` looks at the poorest alone.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Returns
    -------
    float
        1 if epsilon >= 1 and somebody holds nothing while others do.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative holdings or weights, or none at all; weights that are all 0; a negative aversion.

    Notes
    -----
    *Cost*: O(n). *Source*: Atkinson 1970 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import atkinson_index
    >>> round(atkinson_index([1.0, 4.0], aversion=1.0), 12)  # geometric mean 2, mean 2.5
    0.2
    """
    aversion = checked_aversion(aversion)
    logarithm = log_equivalent_ratio(checked_population(holdings, weights), aversion)
    return min(1.0, max(0.0, -math.expm1(logarithm)))


def checked_aversion(aversion: float) -> float:
    """Give an inequality aversion, 0 or more, infinity allowed."""
    if isinstance(aversion, float) and aversion == math.inf:
        return aversion
    return nonnegative_number("aversion", aversion)


def entropy_of(population: Population, alpha: float) -> float:
    """`GE(alpha)` of a population."""
    counted = population.fractions > 0.0
    ratios, logs = ratios_to_mean(population)[counted], log_ratios_to_mean(population)[counted]
    if alpha <= 0.0 and np.isneginf(logs).any():
        return math.inf
    with np.errstate(over="ignore"):
        terms = _entropy_terms(ratios, logs, alpha)
        return max(0.0, float(np.dot(population.fractions[counted], terms)))


def _entropy_terms(ratios: FloatArray, logs: FloatArray, alpha: float) -> FloatArray:
    """Terms whose mean is `GE(alpha)`, none of them negative.

    `alpha (r - 1)`, of mean 0, is taken from each `r^alpha - 1`: what is left is convex with its minimum 0 at r = 1.
    Near alpha = 0 and 1 the powers are written so that nothing cancels.
    """
    deviations = ratios - 1.0
    held = ratios > 0.0
    finite_logs = np.where(held, logs, 0.0)
    if alpha == 0.0:
        return deviations - finite_logs
    if alpha == 1.0:
        return ratios * finite_logs - deviations
    if abs(alpha) < 0.5:
        excess = np.where(held, np.expm1(alpha * finite_logs), -1.0) - alpha * deviations
    elif abs(alpha - 1.0) <= 0.5:
        excess = ratios * np.expm1((alpha - 1.0) * finite_logs) - (alpha - 1.0) * deviations
    else:
        excess = ratios**alpha - 1.0 - alpha * deviations
    return excess / alpha / (alpha - 1.0)


def log_equivalent_ratio(population: Population, aversion: float) -> float:
    """Logarithm of the equally distributed equivalent over the mean holding; at most 0."""
    counted = population.fractions > 0.0
    logs, fractions = log_ratios_to_mean(population)[counted], population.fractions[counted]
    power = 1.0 - aversion
    lowest = float(np.min(logs))
    if math.isinf(aversion) or (power <= 0.0 and math.isinf(lowest)):
        return min(lowest, 0.0)
    if power == 0.0:
        return min(float(np.dot(fractions, logs)), 0.0)
    # Powers are taken relative to the largest of them, so that none overflows and their mean is not 0.
    pivot = float(np.max(logs)) if power > 0.0 else lowest
    with np.errstate(under="ignore"):
        excess = float(np.dot(fractions, np.expm1(power * (logs - pivot))))
    return min(pivot + math.log1p(excess) / power, 0.0)
