"""Concentration: how few agents hold how much.

With shares of the total `s_i = x_i / sum_j x_j`, each entry counted `w_i` times,

    Herfindahl-Hirschman  H = sum_i w_i s_i^2           from 1/n (all alike) to 1 (one holds everything);
    effective number      1 / H                         the number of equal holders that would give the same H;
    concentration ratio   CR_k = sum of the k largest shares;
    Shannon entropy       - sum_i w_i s_i ln s_i        from 0 to ln n nats.

Unlike inequality measures these change when the population is replicated: twice the firms is half the concentration.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, nonnegative_vector, whole_number
from walras.market.welfare.weighting import counted_weights, in_own_unit

__all__ = ["concentration_ratio", "effective_number", "herfindahl_index", "shannon_entropy", "shannon_evenness"]

_LOG_OF_UNIT = {"nats": 1.0, "bits": math.log(2.0)}

# A sum of weights that is meant to be 1 may fall short of it by so much.
_ROUNDING = 1e-9


def herfindahl_index(holdings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Herfindahl-Hirschman index, the sum of squared shares: 1/n when n hold alike, 1 when one holds everything.

    In the convention of competition authorities, with shares in per cent, it is 10,000 times this.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights whose sum is below 1.

    Notes
    -----
    *Cost*: O(n). *Source*: Hirschman 1964 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import herfindahl_index
    >>> herfindahl_index([2.0, 1.0, 1.0])
    0.375
    """
    counts, shares = _shares(holdings, weights)
    return float(np.dot(counts * shares, shares))


def effective_number(holdings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Number of equal holders that would be as concentrated: one over the Herfindahl-Hirschman index.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights whose sum is below 1.

    Notes
    -----
    *Cost*: O(n). *Source*: Laakso and Taagepera 1979 (docs/reference/bibliography.md).
    """
    return 1.0 / herfindahl_index(holdings, weights)


def concentration_ratio(holdings: ArrayLike, largest: int, weights: ArrayLike | None = None) -> float:
    """Share of the total that the `largest` largest holders have together (CR4 and CR8 are usual), in [0, 1].

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    largest
        Number of holders, 1 or more; all of them if there are fewer.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default. An entry that reaches beyond the
        number counts in part.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights whose sum is below 1; `largest` below 1 or not whole.

    Notes
    -----
    *Ties*: equal holders are interchangeable. *Cost*: O(n log n).

    Examples
    --------
    >>> from walras.market.welfare import concentration_ratio
    >>> concentration_ratio([5.0, 1.0, 3.0, 1.0], largest=2)
    0.8
    """
    number = whole_number("largest", largest, minimum=1)
    counts, shares = _shares(holdings, weights)
    order = np.argsort(-shares, kind="stable")
    before = np.concatenate(([0.0], np.cumsum(counts[order])[:-1]))
    taken = np.clip(number - before, 0.0, counts[order])
    return min(1.0, math.fsum(taken * shares[order]))


def shannon_entropy(
    holdings: ArrayLike, weights: ArrayLike | None = None, *, unit: Literal["nats", "bits"] = "nats"
) -> float:
    """Shannon entropy of the shares, `-sum_i s_i ln s_i`: 0 when one holds everything, ln n when n hold alike.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.
    unit
        "nats" (natural logarithms) or "bits" (binary ones).

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights whose sum is below 1; another unit.

    Notes
    -----
    *Cost*: O(n). *Source*: Shannon 1948 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import shannon_entropy
    >>> shannon_entropy([2.0, 1.0, 1.0], unit="bits")
    1.5
    """
    if unit not in _LOG_OF_UNIT:
        raise InvalidInputError(f'unit must be "nats" or "bits", got {unit!r}.')
    return _entropy(*_shares(holdings, weights)) / _LOG_OF_UNIT[unit]


def shannon_evenness(holdings: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Shannon entropy over its largest value, ln n: 1 when all hold the same, 0 when one of many holds everything.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default. Their sum is n.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights whose sum is below 1.

    Notes
    -----
    *Ties*: one agent alone holds evenly, 1. *Cost*: O(n). *Source*: Pielou 1966 (docs/reference/bibliography.md).
    """
    counts, shares = _shares(holdings, weights)
    size = float(np.sum(counts))
    return min(1.0, _entropy(counts, shares) / math.log(size)) if size > 1.0 else 1.0


def _entropy(counts: FloatArray, shares: FloatArray) -> float:
    held = shares > 0.0
    logs = np.log(np.where(held, shares, 1.0))
    # Each weight is multiplied first: `counts * shares` is at most 1, so nothing overflows.
    return max(0.0, -float(np.dot(counts * shares, logs)))


def _shares(holdings: ArrayLike, weights: ArrayLike | None) -> tuple[FloatArray, FloatArray]:
    """How many agents each entry counts for, and the share of the total that each of these holds."""
    values = nonnegative_vector("holdings", holdings)
    counts = np.ones_like(values)
    if weights is not None:
        counts, size = counted_weights(weights, values.size)
        if size < 1.0 - _ROUNDING:
            raise InvalidInputError(f"weights must sum to 1 or more, a number of agents; got {size:g}.")
    counted = counts > 0.0
    relative = np.where(counted, in_own_unit(values, counted), 0.0)
    # The sum is taken in the weights' own unit, so that it is finite; that unit returns in the shares.
    _, exponent = math.frexp(float(np.max(counts)))
    return counts, np.ldexp(relative / float(np.dot(np.ldexp(counts, -exponent), relative)), -exponent)
