"""Tax rules: what stands between the price that the seller receives and the price that an agent pays."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.validation import FloatArray, finite_number, finite_vector

__all__ = ["PerUnitTax"]


@final
@dataclass(frozen=True)
class PerUnitTax:
    """A tax of `rate` money per unit of the resource, on top of the price: agent i pays `q_i = p + rate_i`.

    Parameters
    ----------
    rate
        One rate for all, or one per agent (shape (n,)); negative rates are subsidies. Set at the marginal damage that a
        unit does to others, this is Pigou's tax.

    Notes
    -----
    *Source*: Pigou 1920 (docs/reference/bibliography.md).
    """

    rate: float | tuple[float, ...] | ArrayLike = 0.0

    def __post_init__(self) -> None:
        # Stored as a float or a tuple, so that two equal taxes compare and hash as equal.
        if np.asarray(self.rate, dtype=object).ndim == 0:
            rate: float | tuple[float, ...] = finite_number("PerUnitTax.rate", self.rate)
        else:
            rate = tuple(finite_vector("PerUnitTax.rate", self.rate).tolist())
        object.__setattr__(self, "rate", rate)

    def rates(self, agents: int, *, of: str = "agent") -> FloatArray:
        """Give the rate of each agent, shape (agents,); raise `InvalidInputError` if the lengths differ.

        In a market for several resources rates belong to resources: `of="resource"`, for the message.
        """
        return finite_vector("PerUnitTax.rate", self.rate, length=agents, of=of)
