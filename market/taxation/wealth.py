"""Wealth tax: a levy on net wealth above an exemption."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.taxation.base import Base
from walras.market.taxation.brackets import BracketTax, schedule
from walras.market.taxation.cents import Rounding, cents_vector
from walras.market.validation import FloatArray, IntArray, finite_vector

__all__ = ["WealthTax"]


@final
@dataclass(frozen=True)
class WealthTax:
    """A tax on net wealth: nothing below the first threshold (the exemption), then one rate per bracket.

    Parameters
    ----------
    thresholds
        The exemption, or the exemption and where each further bracket begins (money), 0 or more and rising, shape (K,).
    rates
        Rate in each bracket (fraction of wealth a period), shape (K,).

    Notes
    -----
    Wealth below 0 (debt) owes nothing. *Ties*: wealth at the exemption owes nothing. *Cost*: O(n log K).
    *Source*: Saez and Zucman 2019 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import WealthTax
    >>> WealthTax([50e6, 1e9], [0.02, 0.03]).tax_due([-1e6, 60e6, 2e9]).tolist()
    [0.0, 200000.0, 49000000.0]
    """

    thresholds: ArrayLike
    rates: ArrayLike
    base: ClassVar[Base] = Base.WEALTH

    def __post_init__(self) -> None:
        thresholds, rates = schedule("WealthTax", self.thresholds, self.rates, free_below=True)
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "rates", rates)

    @property
    def exemption(self) -> float:
        """Wealth up to which nothing is owed (money)."""
        return float(np.asarray(self.thresholds)[0])

    def tax_due(self, wealth: ArrayLike) -> FloatArray:
        """Give the tax on each net wealth (money, of either sign), shape (n,)."""
        return self._brackets.tax_due(finite_vector("wealth", wealth).clip(min=0.0))

    def tax_due_cents(self, wealth_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP) -> IntArray:
        """Give the tax on each net wealth in whole cents, exactly, shape (n,); as `BracketTax.tax_due_cents`."""
        return self._brackets.tax_due_cents(cents_vector("wealth_cents", wealth_cents, minimum=None).clip(0), rounding)

    @property
    def _brackets(self) -> BracketTax:
        """The same schedule as a bracket tax on wealth of 0 or more."""
        thresholds, rates = np.asarray(self.thresholds), np.asarray(self.rates)
        if thresholds[0] == 0.0:
            return BracketTax(thresholds[1:], rates)
        return BracketTax(thresholds, np.concatenate([[0.0], rates]))
