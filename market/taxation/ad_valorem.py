"""A tax in proportion to the price: what an agent pays for a unit is the price and a fraction of it."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector

__all__ = ["AdValoremTax"]


@final
@dataclass(frozen=True)
class AdValoremTax:
    """A tax of `rate` on the price before tax: agent i pays `q_i = p * (1 + rate_i)` for a unit, p going to the seller.

    Parameters
    ----------
    rate
        One rate for all, or one per agent (shape (n,)): a fraction of the price, above -1 (a subsidy of all of it or
        more has no clearing price). 0.2 adds a fifth to the price. Where the price is negative, so is the tax.

    Examples
    --------
    >>> from walras.market import CapacityMarket, FixedSupply
    >>> market = CapacityMarket(FixedSupply(4.0), tax=AdValoremTax(0.5))
    >>> clearing = market.clear(valuations=[5.0, 3.0, 1.0], costs=[2.0, 4.0, 4.0])
    >>> clearing.price, clearing.seller_revenue, clearing.tax_revenue
    (2.0, 8.0, 4.0)
    """

    rate: float | tuple[float, ...] | ArrayLike = 0.0

    def __post_init__(self) -> None:
        # Stored as a float or a tuple, so that two equal taxes compare and hash as equal.
        if np.asarray(self.rate, dtype=object).ndim == 0:
            lowest = finite_number("AdValoremTax.rate", self.rate)
            rate: float | tuple[float, ...] = lowest
        else:
            rates = finite_vector("AdValoremTax.rate", self.rate).tolist()
            rate, lowest = tuple(rates), min(rates)
        if lowest <= -1.0:
            raise InvalidInputError(f"AdValoremTax.rate must be above -1, got {lowest}.")
        object.__setattr__(self, "rate", rate)

    def rates(self, agents: int) -> FloatArray:
        """Give the rate of each agent, shape (agents,); raise `InvalidInputError` if the lengths differ."""
        return finite_vector("AdValoremTax.rate", self.rate, length=agents)
