"""Price dispersion: how far apart the prices of one good are."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_vector, nonnegative_vector

__all__ = ["PriceDispersion", "price_dispersion"]


@final
@dataclass(frozen=True)
class PriceDispersion:
    """Mean and spread of prices, all in money per unit but the last.

    Attributes
    ----------
    mean
        Mean price.
    lowest, highest
        Ends of the prices.
    standard_deviation
        Root of the mean squared deviation from the mean (the population form).
    coefficient_of_variation
        Standard deviation over the absolute value of the mean (a fraction): 0 if all prices are equal, infinite if the
        mean is 0 and they are not.
    """

    mean: float
    lowest: float
    highest: float
    standard_deviation: float
    coefficient_of_variation: float

    @property
    def range(self) -> float:
        """Highest less lowest price."""
        return self.highest - self.lowest


def price_dispersion(prices: ArrayLike, weights: ArrayLike | None = None) -> PriceDispersion:
    """Mean and spread of prices.

    Parameters
    ----------
    prices
        Money per unit, of either sign, shape (n,).
    weights
        What each price counts for, >= 0, shape (n,): quantities traded, say. A price of weight 0 does not count. By
        default all count alike.

    Raises
    ------
    InvalidInputError
        NaN or infinite entries, negative weights, or none at all; weights that are all 0; prices whose differences
        leave float64.

    Notes
    -----
    *Cost*: O(n).

    Examples
    --------
    >>> from walras.market.networks import price_dispersion
    >>> spread = price_dispersion([1.0, 3.0, 8.0], weights=[1.0, 1.0, 0.0])
    >>> spread.mean, spread.range, spread.standard_deviation, spread.coefficient_of_variation
    (2.0, 2.0, 1.0, 0.5)
    """
    values = finite_vector("prices", prices, of="price")
    counts = np.ones_like(values)
    if weights is not None:
        counts = nonnegative_vector("weights", weights, length=values.size, of="price")
        if not counts.any():
            raise InvalidInputError("weights are all 0: at least one price must count.")
    counted = counts > 0.0
    values = values[counted]
    fractions = counts[counted] / np.max(counts)
    fractions = fractions / np.sum(fractions)
    lowest, highest = float(np.min(values)), float(np.max(values))
    with np.errstate(over="ignore"):
        spread = highest - lowest
    if not np.isfinite(spread):
        raise InvalidInputError(f"prices must have differences that float64 holds, got {lowest} and {highest}.")
    # In units of the range, so that squares neither overflow nor vanish; all alike: no deviation at all.
    places = (values - lowest) / spread if spread > 0.0 else np.zeros_like(values)
    place = float(np.dot(fractions, places))
    mean = min(max(lowest + place * spread, lowest), highest)
    deviation = spread * float(np.sqrt(np.dot(fractions, np.square(places - place))))
    return PriceDispersion(mean, lowest, highest, deviation, _relative(deviation, abs(mean)))


def _relative(deviation: float, mean: float) -> float:
    if deviation == 0.0:
        return 0.0
    with np.errstate(over="ignore", divide="ignore"):
        return float(np.float64(deviation) / np.float64(mean))
