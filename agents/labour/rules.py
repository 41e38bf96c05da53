"""The rules of a labour economy: tastes, tax code, technology and what is expected, as one frozen value."""

from dataclasses import dataclass, field
from typing import TypeAlias, final

import numpy as np

from walras.agents.labour.budget import Benefit, BudgetSet, budget_set, checked_benefits
from walras.agents.labour.choice import checked_preferences
from walras.agents.labour.preferences import Preferences
from walras.agents.labour.technology import CobbDouglasTechnology, LinearTechnology, Technology
from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium import AdaptiveExpectations, NaiveExpectations
from walras.market.taxation import BasicIncome, BracketTax, EqualRebate
from walras.market.taxation.cents import cents_of
from walras.market.validation import instance_of, nonnegative_number

__all__ = ["LabourExpectations", "LabourRules", "PublicGood", "PublicSpending"]

LabourExpectations: TypeAlias = NaiveExpectations | AdaptiveExpectations


@final
@dataclass(frozen=True, kw_only=True)
class PublicGood:
    """What is left in the treasury buys a public good; each household enjoys its own part of the expense, valued.

    A household's utility is that of its consumption plus `value` times the expense per household.

    Parameters
    ----------
    value
        Worth of a unit of money spent per household, 0 or more; at 0 the good is worth nothing to anybody.
    """

    value: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", nonnegative_number("PublicGood.value", self.value))


PublicSpending: TypeAlias = EqualRebate | PublicGood


@final
@dataclass(frozen=True, kw_only=True)
class LabourRules:
    """How households, firm and treasury of a labour economy behave.

    Parameters
    ----------
    preferences
        What households want.
    tax
        On each household's pay; rates of at most 1, thresholds in whole cents.
    benefits
        What households receive by law, whatever the treasury holds; in whole cents.
    spending
        What becomes of the rest: an equal rebate, or a public good.
    technology
        What labour produces, and so the wage.
    expectations
        How households forecast the wage of an efficiency unit and what they receive beside their pay, from what they
        saw: naive (as it was), or adaptive. At first they expect the wage at which each works an hour.
    shock_deviation
        Standard deviation of the logarithm of each household's skill from period to period, 0 or more; on average a
        skill is as it was drawn.

    Notes
    -----
    With quasi-linear preferences and linear technology nothing need be expected: the first period is the equilibrium.

    Examples
    --------
    >>> from walras.agents.labour import LabourRules, QuasiLinearPreferences
    >>> from walras.market.taxation import BracketTax
    >>> rules = LabourRules(preferences=QuasiLinearPreferences(elasticity=0.25), tax=BracketTax([], [0.3]))
    >>> rules.budget.net_income([100.0]).tolist()
    [70.0]
    """

    preferences: Preferences
    tax: BracketTax
    benefits: tuple[Benefit, ...] = ()
    spending: PublicSpending = field(default_factory=EqualRebate)
    technology: Technology = field(default_factory=LinearTechnology)
    expectations: LabourExpectations = field(default_factory=NaiveExpectations)
    shock_deviation: float = 0.0

    def __post_init__(self) -> None:
        checked_preferences(self.preferences)
        tax = instance_of("LabourRules.tax", self.tax, BracketTax)
        highest = float(np.max(tax.rates))
        if highest > 1.0:
            raise InvalidInputError(
                f"LabourRules.tax must have rates of at most 1 for agents without credit to pay; got {highest}."
            )
        for threshold in np.asarray(tax.thresholds).tolist():
            cents_of("LabourRules.tax.thresholds", threshold)
        benefits = checked_benefits("LabourRules.benefits", self.benefits)
        for benefit in benefits:
            if not isinstance(benefit, BasicIncome):
                benefit.amounts_cents([0])  # raises unless its amounts are whole cents
            else:
                benefit.amounts_cents(1)
        object.__setattr__(self, "benefits", benefits)
        for name, kinds in (
            ("spending", (EqualRebate, PublicGood)),
            ("technology", (LinearTechnology, CobbDouglasTechnology)),
            ("expectations", (NaiveExpectations, AdaptiveExpectations)),
        ):
            if not isinstance(getattr(self, name), kinds):
                allowed = " or ".join(kind.__name__ for kind in kinds)
                raise InvalidInputError(f"LabourRules.{name} must be {allowed}, got {getattr(self, name)!r}.")
        deviation = nonnegative_number("LabourRules.shock_deviation", self.shock_deviation)
        object.__setattr__(self, "shock_deviation", deviation)

    @property
    def budget(self) -> BudgetSet:
        """What each gross income leaves under tax and benefits, before rebate and dividends."""
        return budget_set(self.tax, self.benefits)
