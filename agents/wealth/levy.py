"""A wealth tax made ready for use each period: thresholds in cents, and rates as fractions.

`walras.market.taxation.WealthTax` says what is owed; the same schedule is only prepared here once, because an economy
asks for it again and again. The tests hold the two to the same cents.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.taxation import Rounding, WealthTax
from walras.market.taxation.cents import cents_of, decimal_fraction, over_common_denominator, rounded

__all__ = ["WealthLevy", "levy_of"]


@final
@dataclass(frozen=True, eq=False)
class WealthLevy:
    """What a wealth tax takes, in whole cents; half a cent is rounded up.

    Attributes
    ----------
    tax
        The tax.
    thresholds
        Where each bracket begins (cents), shape (K,).
    numerators, denominator
        The rates as fractions, the numerators of shape (K,).
    """

    tax: WealthTax
    thresholds: IntArray
    numerators: IntArray
    denominator: int

    def fits(self, most: int) -> bool:
        """Whether the tax on wealth of up to `most` cents can be computed in int64."""
        return 2 * (most * max(int(self.numerators.max()), 1) + self.denominator) < 2**62

    def dues(self, wealth: IntArray) -> IntArray:
        """Give what each owes (cents), shape (n,): `WealthTax.tax_due_cents(wealth)`."""
        if not self.fits(int(wealth.max())):
            return self.tax.tax_due_cents(wealth, Rounding.HALF_UP)
        # What lies above a threshold pays the difference between the rates on its two sides.
        steps = np.diff(self.numerators, prepend=0)
        total = np.maximum(wealth - self.thresholds[0], 0) * steps[0]
        for threshold, step in zip(self.thresholds[1:], steps[1:], strict=True):
            total += np.maximum(wealth - threshold, 0) * step
        return rounded(total, self.denominator, Rounding.HALF_UP)


def levy_of(tax: WealthTax | None) -> WealthLevy | None:
    """Give the levy of a wealth tax that everybody can pay; nothing for no tax.

    Raises
    ------
    InvalidInputError
        Something else than a `WealthTax`, a rate outside [0, 1], or a threshold that is no whole number of cents.
    """
    if tax is None:
        return None
    if not isinstance(tax, WealthTax):
        raise InvalidInputError(f"tax must be a WealthTax or None, got {tax!r}.")
    rates, thresholds = np.asarray(tax.rates).tolist(), np.asarray(tax.thresholds).tolist()
    for rate in rates:
        if not 0.0 <= rate <= 1.0:
            raise InvalidInputError(f"tax.rates must lie in [0, 1] for agents without credit to pay; got {rate}.")
    numerators, denominator = over_common_denominator([decimal_fraction(rate) for rate in rates])
    if denominator > 10**18:
        raise InvalidInputError(f"tax.rates must have 18 decimals at most, got {rates}: round them.")
    return WealthLevy(
        tax,
        np.array([cents_of("tax.thresholds", threshold) for threshold in thresholds], dtype=np.int64),
        np.array(numerators, dtype=np.int64),
        denominator,
    )
