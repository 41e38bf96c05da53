"""Bracket taxes: marginal rates over thresholds.

With thresholds `0 = b_0 < b_1 < ... < b_K` and rates `r_0 ... r_K`, the tax due on an income y is

    T(y) = sum_k r_k * (min(y, b_{k+1}) - b_k)^+,    b_{K+1} = infinity,

continuous and piecewise linear. Its *marginal* rate is `T'(y)`, its *average* rate `T(y) / y`. The tax is progressive
where the rates rise; net income `y - T(y)` rises with income as long as no rate exceeds 1.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.taxation.base import Base
from walras.market.taxation.cents import (
    Rounding,
    cents_of,
    cents_vector,
    decimal_fraction,
    exact_integers,
    over_common_denominator,
    rounded,
)
from walras.market.taxation.smoothed import SmoothedBracketTax
from walras.market.validation import FloatArray, IntArray, finite_vector, instance_of, nonnegative_vector

__all__ = ["BracketTax", "schedule"]


@final
@dataclass(frozen=True)
class BracketTax:
    """A tax on income with one marginal rate per bracket.

    Parameters
    ----------
    thresholds
        Where the second and each further bracket begins (money), above 0 and rising, shape (K,). Empty: a flat tax.
    rates
        Marginal rate in each bracket (fraction of 1; negative: a subsidy), shape (K + 1,), the first from 0 upwards.

    Notes
    -----
    *Ties*: at a threshold, `marginal_rate` is the rate on the next unit of income.
    *Cost*: O(n log K). *Source*: Salanié 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import BracketTax
    >>> tax = BracketTax(thresholds=[10_000.0, 40_000.0], rates=[0.0, 0.2, 0.5])
    >>> tax.tax_due([5_000.0, 20_000.0, 60_000.0]).tolist()
    [0.0, 2000.0, 16000.0]
    >>> tax.gross_income([44_000.0]).tolist()
    [60000.0]
    """

    thresholds: ArrayLike
    rates: ArrayLike
    base: ClassVar[Base] = Base.INCOME

    def __post_init__(self) -> None:
        thresholds, rates = schedule("BracketTax", self.thresholds, self.rates, free_below=False)
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "rates", rates)

    def tax_due(self, income: ArrayLike) -> FloatArray:
        """Give the tax on each income (money, 0 or more), shape (n,)."""
        incomes = nonnegative_vector("income", income)
        bracket = self._bracket(incomes)
        lower, at_lower = self._knots
        return at_lower[bracket] + self._rates[bracket] * (incomes - lower[bracket])

    def net_income(self, income: ArrayLike) -> FloatArray:
        """Give what is left of each income (money, 0 or more) after tax, shape (n,)."""
        incomes = nonnegative_vector("income", income)
        return incomes - self.tax_due(incomes)

    def marginal_rate(self, income: ArrayLike) -> FloatArray:
        """Give the rate on the next unit of each income (money, 0 or more), shape (n,)."""
        return self._rates[self._bracket(nonnegative_vector("income", income))]

    def average_rate(self, income: ArrayLike) -> FloatArray:
        """Give tax over income (money, 0 or more), shape (n,); at an income of 0 its limit, the first rate."""
        incomes = nonnegative_vector("income", income)
        positive = incomes > 0.0
        return np.where(positive, self.tax_due(incomes) / np.where(positive, incomes, 1.0), self._rates[0])

    def gross_income(self, net_income: ArrayLike) -> FloatArray:
        """Give the income that leaves `net_income` (money, 0 or more) after tax, shape (n,).

        Raises
        ------
        InvalidInputError
            Entries that are negative or not finite, or no entries.
        InfeasibleError
            If a rate is 1 or more: net income then does not determine income.
        """
        net = nonnegative_vector("net_income", net_income)
        if self._rates.max() >= 1.0:
            raise InfeasibleError(
                f"gross_income needs every rate of BracketTax below 1, got {self._rates.max():g}: several incomes, or "
                "none, leave the same net income."
            )
        lower, at_lower = self._knots
        net_lower = lower - at_lower
        bracket = np.searchsorted(net_lower[1:], net, side="right")
        return lower[bracket] + (net - net_lower[bracket]) / (1.0 - self._rates[bracket])

    def tax_due_cents(self, income_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP) -> IntArray:
        """Give the tax on each income in whole cents, exactly, shape (n,).

        Rates mean the decimals that they print as; the exact tax is rounded once, by `rounding`.

        Parameters
        ----------
        income_cents
            Integers of 0 or more, shape (n,).
        rounding
            What becomes of fractions of a cent.

        Raises
        ------
        InvalidInputError
            Incomes that are no integers or negative; a threshold that is no whole number of cents.
        """
        incomes = cents_vector("income_cents", income_cents)
        instance_of("rounding", rounding, Rounding)
        numerators, denominator = over_common_denominator([decimal_fraction(rate) for rate in self._rates.tolist()])
        lower = [0, *(cents_of("BracketTax.thresholds", threshold) for threshold in self._thresholds.tolist())]
        exact = exact_integers(incomes, numerators, denominator)
        total: NDArray[Any] = exact * 0
        for start, end, numerator in zip(lower, [*lower[1:], None], numerators, strict=True):
            band = np.maximum(exact - start, 0) if end is None else np.clip(exact, start, end) - start
            total = total + band * numerator
        return rounded(total, denominator, rounding)

    def smoothed(self, width: float) -> SmoothedBracketTax:
        """Give the differentiable form, with each kink spread over `width` (money) of income."""
        return SmoothedBracketTax(self._thresholds, self._rates, width)

    @property
    def _thresholds(self) -> FloatArray:
        return np.asarray(self.thresholds, dtype=np.float64)

    @property
    def _rates(self) -> FloatArray:
        return np.asarray(self.rates, dtype=np.float64)

    @cached_property
    def _knots(self) -> tuple[FloatArray, FloatArray]:
        """Where each bracket begins, and the tax due there: exact sums, rounded once."""
        lower = [Fraction(0), *map(decimal_fraction, self._thresholds.tolist())]
        rates = [decimal_fraction(rate) for rate in self._rates.tolist()]
        due = [Fraction(0)]
        for start, end, rate in zip(lower, lower[1:], rates, strict=False):
            due.append(due[-1] + rate * (end - start))
        return np.array([0.0, *self._thresholds.tolist()]), np.array([float(amount) for amount in due])

    def _bracket(self, incomes: FloatArray) -> NDArray[np.intp]:
        return np.searchsorted(self._thresholds, incomes, side="right")


def schedule(
    owner: str, thresholds: ArrayLike, rates: ArrayLike, *, free_below: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Give thresholds and rates as tuples of floats, checked.

    Parameters
    ----------
    owner
        The class whose fields they are, for messages.
    thresholds, rates
        As given; a number stands for a vector of one.
    free_below
        If True the first rate begins at the first threshold, else at 0 (then there is one rate more).
    """
    brackets = np.empty(0) if np.size(thresholds) == 0 else _numbers(f"{owner}.thresholds", thresholds)
    if brackets.size and not (brackets[0] >= 0.0 if free_below else brackets[0] > 0.0):
        least = "0 or more" if free_below else "above 0"
        raise InvalidInputError(f"{owner}.thresholds must be {least}: entry 0 is {brackets[0]}.")
    falling = np.flatnonzero(np.diff(brackets) <= 0.0)
    if falling.size:
        raise InvalidInputError(
            f"{owner}.thresholds must rise strictly: entry {falling[0] + 1} is {brackets[falling[0] + 1]}, after "
            f"{brackets[falling[0]]}."
        )
    expected = brackets.size + (0 if free_below else 1)
    checked = _numbers(f"{owner}.rates", rates)
    if checked.size != expected:
        raise InvalidInputError(
            f"{owner}.rates must have one entry per bracket: expected {expected}, got {checked.size}."
        )
    return tuple(brackets.tolist()), tuple(checked.tolist())


def _numbers(name: str, values: ArrayLike) -> FloatArray:
    """Give a vector, a number being one of length 1."""
    is_number = np.asarray(values, dtype=object).ndim == 0
    return finite_vector(name, values, length=1 if is_number else None, of="bracket")
