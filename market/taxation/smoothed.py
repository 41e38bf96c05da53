"""A bracket tax without kinks: differentiable everywhere, and the exact one away from the thresholds.

Write the bracket tax as `T(y) = r_0 * y + sum_k (r_k - r_{k-1}) * (y - b_k)^+` and replace each hinge `x^+` by

    h(x) = 0                          for x <= -width/2,
           (x + width/2)^2 / (2 * width)   between,
           x                          for x >= width/2,

which is once continuously differentiable. Since `0 <= h(x) - x^+ <= width / 8`, the smoothed tax differs from the
exact one by at most `width / 8 * sum_k |r_k - r_{k-1}|`, and not at all further than width/2 from every threshold.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.taxation.base import Base
from walras.market.validation import FloatArray, nonnegative_vector, positive_number

__all__ = ["SmoothedBracketTax"]


@final
@dataclass(frozen=True)
class SmoothedBracketTax:
    """A bracket tax whose marginal rate moves linearly from one rate to the next over `width` of income.

    Parameters
    ----------
    thresholds, rates
        As in `BracketTax`, which makes this by `smoothed(width)`.
    width
        Income over which a kink is spread, half on each side (money), above 0 and at most twice the first threshold,
        so that an income of 0 owes nothing.

    Notes
    -----
    *Differentiable in* income, thresholds and rates; the marginal rate is continuous.
    *Error*: at most `error_bound` money, which is proportional to `width`. *Cost*: O(n K).

    Examples
    --------
    >>> from walras.market.taxation import BracketTax
    >>> smooth = BracketTax([100.0], [0.1, 0.3]).smoothed(width=20.0)
    >>> smooth.marginal_rate([90.0, 100.0, 110.0]).round(12).tolist()
    [0.1, 0.2, 0.3]
    """

    thresholds: ArrayLike
    rates: ArrayLike
    width: float
    base: ClassVar[Base] = Base.INCOME

    def __post_init__(self) -> None:
        from walras.market.taxation.brackets import schedule  # here, because that module gives this class

        thresholds, rates = schedule("SmoothedBracketTax", self.thresholds, self.rates, free_below=False)
        width = positive_number("SmoothedBracketTax.width", self.width)
        if thresholds and width > 2.0 * thresholds[0]:
            raise InvalidInputError(
                f"SmoothedBracketTax.width must be at most twice the first threshold, {2.0 * thresholds[0]:g}, got "
                f"{width:g}: an income of 0 would be taxed."
            )
        for name, value in (("thresholds", thresholds), ("rates", rates), ("width", width)):
            object.__setattr__(self, name, value)

    @property
    def error_bound(self) -> float:
        """The largest difference to the exact bracket tax at any income (money)."""
        return self.width / 8.0 * float(np.abs(np.diff(self._rates)).sum())

    def tax_due(self, income: ArrayLike) -> FloatArray:
        """Give the tax on each income (money, 0 or more), shape (n,)."""
        incomes = nonnegative_vector("income", income)
        beyond, inside = self._positions(incomes)
        # (n, K): x above the window, x + width/2 = inside * width within it
        hinges = np.where(inside < 1.0, 0.5 * self.width * inside**2, beyond)
        return np.asarray(self._rates[0] * incomes + hinges @ np.diff(self._rates))

    def net_income(self, income: ArrayLike) -> FloatArray:
        """Give what is left of each income (money, 0 or more) after tax, shape (n,)."""
        incomes = nonnegative_vector("income", income)
        return incomes - self.tax_due(incomes)

    def marginal_rate(self, income: ArrayLike) -> FloatArray:
        """Give the derivative of the tax at each income (money, 0 or more), shape (n,)."""
        _, inside = self._positions(nonnegative_vector("income", income))
        return np.asarray(self._rates[0] + inside @ np.diff(self._rates))

    @property
    def _rates(self) -> FloatArray:
        return np.asarray(self.rates, dtype=np.float64)

    def _positions(self, incomes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distance above each threshold, and how much of its window is passed (0 to 1), each of shape (n, K)."""
        beyond = incomes[:, None] - np.asarray(self.thresholds, dtype=np.float64)
        return beyond, np.clip(beyond / self.width + 0.5, 0.0, 1.0)
