"""Transfers: what the treasury pays out.

`EqualRebate` shares what has been collected; `BasicIncome` and `TargetedTransfer` promise amounts, whatever has been
collected.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.taxation.cents import Rounding, cents_of, cents_vector, decimal_fraction, rounded
from walras.market.validation import (
    FloatArray,
    IntArray,
    fraction,
    instance_of,
    nonnegative_number,
    nonnegative_vector,
    whole_number,
)

__all__ = ["BasicIncome", "EqualRebate", "TargetedTransfer", "Transfer"]


@final
@dataclass(frozen=True)
class EqualRebate:
    """All that is left in the treasury, in equal parts; nobody is charged for a deficit."""


@final
@dataclass(frozen=True)
class BasicIncome:
    """The same amount for everybody, unconditionally.

    Parameters
    ----------
    amount
        Money for each agent a period, 0 or more.
    """

    amount: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "amount", nonnegative_number("BasicIncome.amount", self.amount))

    def amounts(self, agents: int) -> FloatArray:
        """Give what each of `agents` receives (money), shape (agents,)."""
        return np.full(whole_number("agents", agents, minimum=1), self.amount)

    def amounts_cents(self, agents: int) -> IntArray:
        """Give what each of `agents` receives in whole cents, shape (agents,); the amount must be whole cents."""
        heads = whole_number("agents", agents, minimum=1)
        return np.full(heads, cents_of("BasicIncome.amount", self.amount), dtype=np.int64)


@final
@dataclass(frozen=True)
class TargetedTransfer:
    """A means-tested transfer: in full up to an income, then withdrawn at a constant rate until nothing is left.

    An agent of income y receives `(maximum - phase_out_rate * (y - phase_out_start)^+)^+`. The phase-out rate adds to
    the marginal tax rate of those in it.

    Parameters
    ----------
    maximum
        Money for an agent with an income up to `phase_out_start`, 0 or more.
    phase_out_start
        Income from which it is withdrawn (money), 0 or more.
    phase_out_rate
        What is withdrawn of each further unit of income, above 0 and at most 1 (1 withdraws it unit for unit).

    Notes
    -----
    *Source*: Salanié 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import TargetedTransfer
    >>> TargetedTransfer(600.0, 1_000.0, 0.5).amounts([0.0, 1_000.0, 1_400.0, 3_000.0]).tolist()
    [600.0, 600.0, 400.0, 0.0]
    """

    maximum: float
    phase_out_start: float
    phase_out_rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "maximum", nonnegative_number("TargetedTransfer.maximum", self.maximum))
        start = nonnegative_number("TargetedTransfer.phase_out_start", self.phase_out_start)
        rate = fraction("TargetedTransfer.phase_out_rate", self.phase_out_rate)
        if rate == 0.0:
            raise InvalidInputError(
                "TargetedTransfer.phase_out_rate must be above 0, got 0.0: BasicIncome is the transfer to everybody."
            )
        object.__setattr__(self, "phase_out_start", start)
        object.__setattr__(self, "phase_out_rate", rate)

    @property
    def phase_out_end(self) -> float:
        """Income from which nothing is received (money)."""
        return self.phase_out_start + self.maximum / self.phase_out_rate

    def amounts(self, income: ArrayLike) -> FloatArray:
        """Give what an agent of each income (money, 0 or more) receives, shape (n,)."""
        above = (nonnegative_vector("income", income) - self.phase_out_start).clip(min=0.0)
        return (self.maximum - self.phase_out_rate * above).clip(min=0.0)

    def amounts_cents(self, income_cents: ArrayLike, rounding: Rounding = Rounding.HALF_UP) -> IntArray:
        """Give what an agent of each income receives in whole cents, shape (n,): the exact amount, rounded once."""
        incomes = cents_vector("income_cents", income_cents)
        instance_of("rounding", rounding, Rounding)
        maximum = cents_of("TargetedTransfer.maximum", self.maximum)
        start = cents_of("TargetedTransfer.phase_out_start", self.phase_out_start)
        rate = decimal_fraction(self.phase_out_rate)
        above = np.maximum(incomes - start, 0).astype(object)
        exact = np.maximum(maximum * rate.denominator - rate.numerator * above, 0)
        return rounded(exact, rate.denominator, rounding)


Transfer: TypeAlias = EqualRebate | BasicIncome | TargetedTransfer
