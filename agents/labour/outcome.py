"""Outcome and welfare of a labour market under a tax code, as pure functions in money, without cents.

Households choose incomes, the tax is collected, benefits are paid, and the rest, less what the government needs, is
rebated in equal parts:

    R = mean(T(z_i) - B(z_i)) - required,    c_i = c(z_i) + R,    u_i = u(c_i, z_i / w_i).

A rebate below 0 is a lump-sum tax. Where it moves the choice (income effects), R is the fixed point. Social welfare is
the equally distributed equivalent of utilities at an aversion to inequality: their mean at 0, the least at infinity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.labour.budget import Benefit, BudgetSet, IncomeTax, budget_set
from walras.agents.labour.choice import best_income, checked_preferences
from walras.agents.labour.preferences import Preferences, QuasiLinearPreferences
from walras.market.errors import NotConvergedError
from walras.market.validation import FloatArray, finite_number, positive_vector
from walras.market.welfare import atkinson_welfare, gini

__all__ = ["LabourOutcome", "labour_outcome", "social_welfare"]

_ROUNDS = 200


@final
@dataclass(frozen=True, eq=False)
class LabourOutcome:
    """What n households earn, pay and enjoy.

    Attributes
    ----------
    incomes
        Gross incomes (money), shape (n,).
    taxes
        Tax less benefits of each (money), shape (n,).
    rebate
        What each receives beside, of the revenue (money).
    consumption
        Net incomes (money), shape (n,).
    utilities
        Shape (n,).
    """

    incomes: FloatArray
    taxes: FloatArray
    rebate: float
    consumption: FloatArray
    utilities: FloatArray

    @property
    def output(self) -> float:
        """Sum of gross incomes (money)."""
        return float(np.sum(self.incomes))

    @property
    def revenue(self) -> float:
        """Sum of taxes less benefits (money)."""
        return float(np.sum(self.taxes))

    @property
    def gini_before(self) -> float:
        """Gini coefficient of gross incomes."""
        return gini(self.incomes)

    @property
    def gini_after(self) -> float:
        """Gini coefficient of net incomes."""
        return gini(self.consumption)

    def welfare(self, aversion: float = 0.0) -> float:
        """Give social welfare at an aversion to inequality: 0 is the mean of utilities, infinity the least of them."""
        return atkinson_welfare(self.utilities, aversion)


def labour_outcome(
    skills: ArrayLike,
    preferences: Preferences,
    tax: IncomeTax,
    benefits: Sequence[Benefit] = (),
    *,
    required: float = 0.0,
    tolerance: float = 1e-10,
) -> LabourOutcome:
    """Give the outcome of a labour market under a tax code that rebates its revenue in equal parts.

    Parameters
    ----------
    skills
        What each household earns for an hour (money), above 0, shape (n,).
    preferences
        What households want.
    tax, benefits
        The tax code.
    required
        Revenue per household that the government needs for itself (money).
    tolerance
        Of the rebate, as a fraction of mean income; used where the rebate moves the choice.

    Raises
    ------
    InvalidInputError
        Bad skills, preferences, tax or benefits.
    NotConvergedError
        If the rebate found no fixed point (with income effects).

    Notes
    -----
    *Cost*: one choice for each household; with income effects, some tens.
    *Source*: Mirrlees 1971; Piketty and Saez 2013 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.labour import QuasiLinearPreferences, labour_outcome
    >>> from walras.market.taxation import BracketTax
    >>> outcome = labour_outcome([1.0, 4.0], QuasiLinearPreferences(elasticity=1.0), BracketTax([], [0.5]))
    >>> outcome.incomes.tolist(), outcome.rebate, outcome.consumption.tolist()
    ([0.5, 8.0], 2.125, [2.375, 6.125])
    """
    wages = positive_vector("skills", skills, of="household")
    checked_preferences(preferences)
    needed = finite_number("required", required)
    budget = budget_set(tax, benefits)
    rebate = 0.0
    for _ in range(_ROUNDS):
        incomes, taxes, rebated = _response(preferences, budget, wages, rebate, needed)
        # Without income effects the choice is the same whatever the rebate.
        settled = isinstance(preferences, QuasiLinearPreferences)
        if settled or abs(rebated - rebate) <= tolerance * max(float(np.mean(incomes)), 1e-300):
            consumption = incomes - taxes + rebated
            return LabourOutcome(
                incomes, taxes, rebated, consumption, preferences.utility(consumption, incomes / wages)
            )
        rebate = 0.5 * (rebate + rebated)  # half-way: a larger rebate lowers the revenue that it comes from
    raise NotConvergedError(
        f"labour_outcome found no rebate that pays for itself in {_ROUNDS} rounds; the last two differ by "
        f"{abs(rebated - rebate):.3g}. A budget with notches may have none: use many households, or a larger tolerance."
    )


def social_welfare(
    skills: ArrayLike,
    preferences: Preferences,
    tax: IncomeTax,
    benefits: Sequence[Benefit] = (),
    *,
    aversion: float = 0.0,
    required: float = 0.0,
) -> float:
    """Give social welfare under a tax code that rebates its revenue: a pure function, to be maximised over tax codes.

    Parameters
    ----------
    skills, preferences, tax, benefits, required
        As in `labour_outcome`.
    aversion
        To inequality of utilities, 0 or more: 0 gives their mean, infinity the least. Above 0 utilities must be
        positive, as quasi-linear ones are.

    Notes
    -----
    *Differentiable in* rates and thresholds, except where households jump from one piece of the budget to another.

    Examples
    --------
    >>> from walras.agents.labour import QuasiLinearPreferences, social_welfare
    >>> from walras.market.taxation import BracketTax
    >>> taste = QuasiLinearPreferences(elasticity=0.25)
    >>> [round(social_welfare([1.0, 4.0], taste, BracketTax([], [t]), aversion=2.0), 3) for t in (0.0, 0.5, 0.9)]
    [1.36, 2.275, 1.828]
    """
    return labour_outcome(skills, preferences, tax, benefits, required=required).welfare(aversion)


def _response(
    preferences: Preferences, budget: BudgetSet, wages: FloatArray, rebate: float, needed: float
) -> tuple[FloatArray, FloatArray, float]:
    """Give incomes, taxes less benefits, and the rebate that they pay for, when households expect a rebate."""
    incomes = best_income(preferences, budget, wages, rebate)
    taxes = incomes - budget.net_income(incomes)
    return incomes, taxes, float(np.mean(taxes)) - needed
