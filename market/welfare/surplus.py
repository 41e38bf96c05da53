"""Surplus of an outcome: what it is worth to whom, and what is lost against the best.

With quasi-linear utilities, agent i that gets something worth `v_i` (money; minus a cost for who gives something up)
and pays `t_i` (negative if it receives) has the surplus `v_i - t_i`. Payments only move money between agents and
whoever runs the market, so

    total surplus = sum_i v_i = sum_i (v_i - t_i) + sum_i t_i.

Efficiency is realised over maximal total surplus; deadweight loss their difference.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector, nonnegative_number

__all__ = ["QuasiLinearSurplus", "deadweight_loss", "efficiency", "quasi_linear_surplus"]

# Realised surplus may exceed the maximum by this fraction of it, from rounding of two sums.
_ROUNDING = 1e-9


@final
@dataclass(frozen=True, eq=False)
class QuasiLinearSurplus:
    """Who gains how much from an outcome of n agents.

    Attributes
    ----------
    agents
        Value less payment of each agent (money), shape (n,).
    revenue
        Sum of payments: what the operator of the market keeps (money; negative if it pays in).
    total
        Sum of values (money): surplus of the agents and revenue together.
    """

    agents: FloatArray
    revenue: float
    total: float


def quasi_linear_surplus(values: ArrayLike, payments: ArrayLike) -> QuasiLinearSurplus:
    """Surplus of each agent, revenue, and their total.

    Parameters
    ----------
    values
        What the outcome is worth to each agent, in money; of a seller, minus its cost; shape (n,).
    payments
        Money that each agent pays, negative if it receives, shape (n,) or a number for all.

    Raises
    ------
    InvalidInputError
        NaN or infinite entries, or none at all; shapes that do not fit; amounts whose sums leave float64.

    Notes
    -----
    *Cost*: O(n).

    Examples
    --------
    A buyer values a house at 9, its seller at 4, the price is 6 and a tax takes 1 from the buyer.

    >>> from walras.market.welfare import quasi_linear_surplus
    >>> outcome = quasi_linear_surplus(values=[9.0, -4.0], payments=[7.0, -6.0])
    >>> outcome.agents.tolist(), outcome.revenue, outcome.total
    ([2.0, 2.0], 1.0, 5.0)
    """
    worth = finite_vector("values", values)
    paid = finite_vector("payments", payments, length=worth.size)
    with np.errstate(over="ignore"):
        gains = worth - paid
    if not np.isfinite(gains).all():
        raise InvalidInputError("values and payments are too large: a difference leaves float64. Use a larger unit.")
    return QuasiLinearSurplus(gains, _total("payments", paid), _total("values", worth))


def efficiency(realised: float, maximal: float) -> float:
    """Realised surplus as a fraction of the largest possible one.

    Parameters
    ----------
    realised
        Total surplus of the outcome (money); negative if trades destroyed value.
    maximal
        Total surplus of the best outcome (money), 0 or more.

    Returns
    -------
    float
        At most 1. If there is nothing to gain (`maximal` is 0): 1 if nothing is lost, minus infinity if something is.

    Raises
    ------
    InvalidInputError
        NaN or infinite arguments, a negative maximum, or more realised than possible.

    Notes
    -----
    *Source*: the efficiency of experimental markets, Smith 1962 and Gode and Sunder 1993.

    Examples
    --------
    >>> from walras.market.welfare import efficiency
    >>> efficiency(realised=6.0, maximal=8.0), efficiency(realised=0.0, maximal=0.0)
    (0.75, 1.0)
    """
    reached, best = _checked(realised, maximal)
    if best == 0.0:
        return 1.0 if reached == 0.0 else -math.inf
    return min(reached / best, 1.0)


def deadweight_loss(realised: float, maximal: float) -> float:
    """Surplus that nobody gets: the largest possible total surplus less the realised one (money), 0 or more.

    Parameters
    ----------
    realised
        Total surplus of the outcome (money), tax revenue included; negative if trades destroyed value.
    maximal
        Total surplus of the best outcome (money), 0 or more.

    Raises
    ------
    InvalidInputError
        NaN or infinite arguments, a negative maximum, or more realised than possible.

    Notes
    -----
    *Source*: Harberger 1954 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import deadweight_loss
    >>> deadweight_loss(realised=6.0, maximal=8.0)
    2.0
    """
    reached, best = _checked(realised, maximal)
    return max(best - reached, 0.0)


def _checked(realised: float, maximal: float) -> tuple[float, float]:
    reached, best = finite_number("realised", realised), nonnegative_number("maximal", maximal)
    if reached > best * (1.0 + _ROUNDING):
        raise InvalidInputError(f"realised must not exceed maximal, got realised {reached} and maximal {best}.")
    return reached, best


def _total(name: str, amounts: FloatArray) -> float:
    try:
        return math.fsum(amounts)
    except OverflowError as error:
        raise InvalidInputError(f"{name} are too large: their sum leaves float64. Use a larger unit.") from error
