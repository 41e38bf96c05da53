"""Lump-sum tax: the same whatever the agent does."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.taxation.base import Base
from walras.market.taxation.cents import cents_of
from walras.market.validation import FloatArray, IntArray, finite_number, finite_vector, whole_number

__all__ = ["LumpSum"]


@final
@dataclass(frozen=True)
class LumpSum:
    """A tax of a fixed amount. Since no choice changes it, it distorts none: the benchmark of every other tax.

    Parameters
    ----------
    amount
        Money from each agent: one amount for all (a poll tax), or one per agent, shape (n,). Negative: a grant.

    Notes
    -----
    *Cost*: O(n). *Source*: Salanié 2011 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.taxation import LumpSum
    >>> LumpSum(100.0).tax_due(3).tolist()
    [100.0, 100.0, 100.0]
    """

    amount: float | tuple[float, ...] | ArrayLike
    base: ClassVar[Base] = Base.HEAD

    def __post_init__(self) -> None:
        # Stored as a float or a tuple, so that two equal taxes compare and hash as equal.
        if np.asarray(self.amount, dtype=object).ndim == 0:
            amount: float | tuple[float, ...] = finite_number("LumpSum.amount", self.amount)
        else:
            amount = tuple(finite_vector("LumpSum.amount", self.amount).tolist())
        object.__setattr__(self, "amount", amount)

    def tax_due(self, agents: int) -> FloatArray:
        """Give what each of `agents` owes (money), shape (agents,); raise `InvalidInputError` if lengths differ."""
        return finite_vector("LumpSum.amount", self.amount, length=whole_number("agents", agents, minimum=1))

    def tax_due_cents(self, agents: int) -> IntArray:
        """Give what each of `agents` owes in whole cents, shape (agents,); amounts must be whole cents."""
        amounts = self.tax_due(agents).tolist()
        return np.array([cents_of("LumpSum.amount", amount) for amount in amounts], dtype=np.int64)
