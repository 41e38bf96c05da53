"""Populations with weights: what every measure of inequality and concentration starts from.

A population is a vector of holdings `x_i >= 0` with weights `w_i >= 0`, not all of them 0. A whole weight counts an
entry that many times, so that `[1, 5]` with weights `[3, 1]` is the population `[1, 1, 1, 5]`; without weights each
entry counts once. If nobody holds anything, all hold the same: measures then read as for equal holdings.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, nonnegative_vector

__all__ = [
    "Population",
    "checked_population",
    "checked_weights",
    "counted_weights",
    "in_own_unit",
    "log_ratios_to_mean",
    "ratios_to_mean",
]


class Population(NamedTuple):
    """Holdings in a unit of their own size, so that their sums are finite, and weights as fractions.

    Attributes
    ----------
    holdings
        In a unit (a power of two) in which the largest lies in [0.5, 1), shape (n,); all 1 if nobody holds anything.
    fractions
        Weights as fractions of their sum, shape (n,).
    size
        Sum of the weights as given: the number of agents.
    """

    holdings: FloatArray
    fractions: FloatArray
    size: float

    @property
    def mean(self) -> float:
        """Mean holding, in the same unit."""
        return float(np.dot(self.fractions, self.holdings))


def checked_population(holdings: ArrayLike, weights: ArrayLike | None, name: str = "holdings") -> Population:
    """Give a population without units, or raise `InvalidInputError`; entries of weight 0 may not be all."""
    values = nonnegative_vector(name, holdings)
    fractions, size = checked_weights(weights, values.size)
    return Population(in_own_unit(values, fractions > 0.0), fractions, size)


def checked_weights(weights: ArrayLike | None, length: int) -> tuple[FloatArray, float]:
    """Give weights as fractions of their sum, and the sum."""
    if weights is None:
        return np.full(length, 1.0 / length), float(length)
    given, size = counted_weights(weights, length)
    scaled = in_own_unit(given, given > 0.0)
    return scaled / np.sum(scaled), size


def counted_weights(weights: ArrayLike, length: int) -> tuple[FloatArray, float]:
    """Give weights as they are, and their sum, which must be above 0 and finite."""
    given = nonnegative_vector("weights", weights, length=length)
    with np.errstate(over="ignore"):
        size = float(np.sum(given))
    if not 0.0 < size < math.inf:
        raise InvalidInputError(f"weights must have a sum above 0 that float64 holds, got a sum of {size:g}.")
    return given, size


def in_own_unit(amounts: FloatArray, counted: NDArray[np.bool_]) -> FloatArray:
    """Amounts divided by a power of two (which is exact), so that the largest that counts lies in [0.5, 1).

    All 1 if those that count are 0. An entry that does not count is cut down to the largest that does.
    """
    largest = float(np.max(amounts[counted]))
    if largest == 0.0:
        return np.ones_like(amounts)
    _, exponent = math.frexp(largest)
    scaled: FloatArray = np.ldexp(np.minimum(amounts, largest), -exponent)
    return scaled


def ratios_to_mean(population: Population) -> FloatArray:
    """Holdings as multiples of their mean, shape (n,)."""
    return population.holdings / population.mean


def log_ratios_to_mean(population: Population) -> FloatArray:
    """Logarithms of the ratios to the mean, shape (n,); minus infinity for those who hold nothing."""
    with np.errstate(divide="ignore"):
        logs: FloatArray = np.log(population.holdings) - np.log(population.mean)
    return logs
