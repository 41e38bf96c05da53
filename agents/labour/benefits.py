"""A benefit with an income limit: the simplest notch in a budget."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.taxation.cents import cents_of, cents_vector
from walras.market.validation import FloatArray, IntArray, nonnegative_number, nonnegative_vector

__all__ = ["MeansTestedBenefit"]


@final
@dataclass(frozen=True)
class MeansTestedBenefit:
    """The same amount for each whose income does not exceed a limit, and nothing above: a cent more may cost all of it.

    `walras.market.taxation.TargetedTransfer` is the benefit that is withdrawn gradually.

    Parameters
    ----------
    amount
        Money for each who is entitled, 0 or more.
    income_limit
        Highest income that is entitled (money), 0 or more.

    Examples
    --------
    >>> from walras.agents.labour import MeansTestedBenefit
    >>> MeansTestedBenefit(500.0, 12_000.0).amounts([0.0, 12_000.0, 12_000.01]).tolist()
    [500.0, 500.0, 0.0]
    """

    amount: float
    income_limit: float

    def __post_init__(self) -> None:
        for name in ("amount", "income_limit"):
            object.__setattr__(self, name, nonnegative_number(f"MeansTestedBenefit.{name}", getattr(self, name)))

    def amounts(self, income: ArrayLike) -> FloatArray:
        """Give what an agent of each income (money, 0 or more) receives, shape (n,)."""
        incomes = nonnegative_vector("income", income)
        return np.where(incomes <= self.income_limit, self.amount, 0.0)

    def amounts_cents(self, income_cents: ArrayLike) -> IntArray:
        """Give what an agent of each income receives in whole cents, shape (n,); amount and limit must be cents."""
        incomes = cents_vector("income_cents", income_cents)
        limit = cents_of("MeansTestedBenefit.income_limit", self.income_limit)
        amount = cents_of("MeansTestedBenefit.amount", self.amount)
        return np.where(incomes <= limit, amount, 0).astype(np.int64)
