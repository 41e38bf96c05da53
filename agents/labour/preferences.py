"""Preferences over consumption c and hours l, and the best income on one piece of a budget set.

A household that earns w for an hour gets the income `z = w l`. It maximises

    quasi-linear   u = c - l^(1 + 1/e) / (1 + 1/e),
    separable      u = (c^(1 - g) - 1) / (1 - g) - l^(1 + 1/e) / (1 + 1/e),    log(c) at g = 1.

On a straight piece with net-of-tax rate s, the first earns `z = w^(1 + e) s^e`, whatever else it receives: e is the
elasticity of taxable income to the net-of-tax rate, compensated and not. The second works less when it gets a transfer;
e is its Frisch elasticity. Both are strictly concave along a piece where no rate falls, so that the best income of a
piece is unique, and is found by formula or by bisection of the first-order condition.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.agents.labour.budget import Piece
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, positive_number

__all__ = ["Preferences", "QuasiLinearPreferences", "SeparablePreferences"]

_BISECTIONS = 64  # float64 has 53 bits


class Preferences(Protocol):
    """What a household wants: policies that agents share. They hold no state and draw nothing."""

    def utility(self, consumption: FloatArray, labour: FloatArray) -> FloatArray:
        """Give the utility of consumption (money) and hours, shape (n,); minus infinity where it is not allowed."""
        ...

    def candidates(self, piece: Piece, wages: FloatArray, lump_sum: float) -> tuple[FloatArray, ...]:
        """Give incomes (money) from start to end of a piece, one of them the best there, in ascending order.

        Parameters
        ----------
        piece
            Part of the budget set.
        wages
            Money per hour of each household, above 0, shape (n,).
        lump_sum
            Money that each receives beside, whatever it earns.
        """
        ...


@final
@dataclass(frozen=True, kw_only=True)
class QuasiLinearPreferences:
    """Consumption less an isoelastic cost of labour: no income effects, and utility in money.

    Parameters
    ----------
    elasticity
        Elasticity e of taxable income to the net-of-tax rate, above 0.

    Notes
    -----
    *Source*: Diamond 1998; Saez 2001 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.labour import QuasiLinearPreferences, budget_set, chosen_income
    >>> from walras.market.taxation import BracketTax
    >>> taste = QuasiLinearPreferences(elasticity=0.5)
    >>> chosen_income(taste, budget_set(BracketTax([], [0.36])), np.array([1.0, 4.0])).tolist()  # w^1.5 * 0.8
    [0.8, 6.4]
    """

    elasticity: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "elasticity", positive_number("QuasiLinearPreferences.elasticity", self.elasticity))

    def utility(self, consumption: FloatArray, labour: FloatArray) -> FloatArray:
        """Give `c - l^(1 + 1/e) / (1 + 1/e)` (money), shape (n,)."""
        return consumption - _labour_cost(labour, self.elasticity)

    def candidates(self, piece: Piece, wages: FloatArray, lump_sum: float) -> tuple[FloatArray, ...]:
        """Give the best income on a piece; on one where the rate falls, its ends and the peak between them."""
        e = self.elasticity
        if piece.curvature == 0.0:
            rate = max(piece.slope, 0.0)
            return (np.clip(rate**e * wages ** (1.0 + e), piece.start, piece.end),)

        def gain(income: FloatArray) -> FloatArray:
            return piece.net_of_tax_rate(income) - _marginal_cost(income, wages, e)

        low, high = np.full_like(wages, piece.start), np.full_like(wages, piece.end)
        if piece.curvature < 0.0:
            return (_root_of_decreasing(gain, low, high),)
        # The rate falls. The derivative of the gain is curvature - (k / e) z^(1/e - 1), with k the marginal cost at
        # z = 1. It is negative beyond its root for e < 1, before it for e > 1; a peak between the ends lies there.
        first, last = low, high
        if e != 1.0:
            unit_cost = _marginal_cost(np.ones_like(wages), wages, e)
            with np.errstate(over="ignore"):
                turn = np.clip((piece.curvature * e / unit_cost) ** (e / (1.0 - e)), piece.start, piece.end)
            low, high = (turn, high) if e < 1.0 else (low, turn)
        return first, _root_of_decreasing(gain, low, high), last


@final
@dataclass(frozen=True, kw_only=True)
class SeparablePreferences:
    """Isoelastic utility of consumption less an isoelastic cost of labour: transfers lower the hours worked.

    Parameters
    ----------
    elasticity
        Frisch elasticity e of labour, above 0.
    aversion
        Curvature g of the utility of consumption, above 0; 1 is the logarithm.

    Notes
    -----
    Who cannot consume has a utility of minus infinity. *Cost*: a bisection of 64 steps for each piece.
    *Source*: Saez 2001, section 5 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.labour import SeparablePreferences, budget_set, chosen_income
    >>> from walras.market.taxation import BracketTax
    >>> taste = SeparablePreferences(elasticity=1.0, aversion=1.0)
    >>> budget = budget_set(BracketTax([], [0.3]))
    >>> chosen_income(taste, budget, np.array([2.0])).round(9).tolist()  # income and substitution effect cancel: l = 1
    [2.0]
    >>> chosen_income(taste, budget, np.array([2.0]), lump_sum=1.0).round(3).tolist()
    [1.409]
    """

    elasticity: float
    aversion: float = 1.0

    def __post_init__(self) -> None:
        for name in ("elasticity", "aversion"):
            object.__setattr__(self, name, positive_number(f"SeparablePreferences.{name}", getattr(self, name)))

    def utility(self, consumption: FloatArray, labour: FloatArray) -> FloatArray:
        """Give `(c^(1 - g) - 1) / (1 - g) - l^(1 + 1/e) / (1 + 1/e)`, shape (n,)."""
        positive = consumption > 0.0
        eaten = np.where(positive, consumption, 1.0)
        if self.aversion == 1.0:
            pleasure = np.log(eaten)
        else:
            with np.errstate(over="ignore"):
                pleasure = np.expm1((1.0 - self.aversion) * np.log(eaten)) / (1.0 - self.aversion)
        return np.where(positive, pleasure, -np.inf) - _labour_cost(labour, self.elasticity)

    def candidates(self, piece: Piece, wages: FloatArray, lump_sum: float) -> tuple[FloatArray, ...]:
        """Give the best income on a piece.

        Raises
        ------
        InvalidInputError
            A piece on which the rate falls continuously: the condition may then have many solutions.
        """
        if piece.curvature > 0.0:
            raise InvalidInputError(
                "SeparablePreferences cannot choose where a smoothed tax lets the marginal rate fall: use the "
                "BracketTax itself, whose pieces are straight."
            )

        def gain(income: FloatArray) -> FloatArray:
            consumption = piece.net_income(income) + lump_sum
            positive = consumption > 0.0
            with np.errstate(over="ignore"):
                worth = np.where(positive, consumption, 1.0) ** -self.aversion
            rate = piece.net_of_tax_rate(income)
            # Who has nothing wants more, if work brings more.
            return np.where(positive, rate * worth - _marginal_cost(income, wages, self.elasticity), rate)

        low = np.full_like(wages, piece.start)
        if piece.slope <= 0.0:
            return (low,)
        high = np.full_like(wages, piece.end)
        if math.isinf(piece.end):
            high = low + wages
            for _ in range(2_000):  # doubling passes every float64
                short = gain(high) > 0.0
                if not short.any():
                    break
                high = np.where(short, piece.start + 2.0 * (high - piece.start), high)
        return (_root_of_decreasing(gain, low, high),)


def _labour_cost(labour: FloatArray, elasticity: float) -> FloatArray:
    power = 1.0 + 1.0 / elasticity
    with np.errstate(over="ignore"):
        return np.asarray(labour**power / power)


def _marginal_cost(income: FloatArray, wages: FloatArray, elasticity: float) -> FloatArray:
    """Cost of labour per unit of income."""
    with np.errstate(over="ignore"):
        return np.asarray((income / wages) ** (1.0 / elasticity) / wages)


def _root_of_decreasing(function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Give where a decreasing function of income changes sign, between two incomes; the end it does not cross."""
    ends = low, high
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = function(middle) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    # Where there is no change of sign, the end itself, and not a number beside it.
    root = 0.5 * (low + high)
    return np.where(low == ends[0], ends[0], np.where(high == ends[1], ends[1], root))
