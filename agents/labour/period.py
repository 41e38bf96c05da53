"""The arithmetic of a period that both engines share: skills, production, and what the tax code says, in whole cents.

A period:

1. Households plan incomes at the wage that they expect, and work the hours that would earn them.
2. The firm hires them all, produces `F(H)` from their efficiency units H, and pays each its marginal product, rounded
   to the nearest cent. Output is counted in cents at a price of 1; under constant returns it is what is paid.
3. Tax and benefits are computed from the pay, exactly. The firm pays its profit out in equal parts, and the treasury
   what it has left, or buys the public good with it; remainders, less than a cent for each, are carried.
4. Households buy goods from the firm for all that they have. What is not sold is its inventory, so that at every moment

       money:  firm + treasury = 0,      goods:  firm + inventory = profit not yet paid out,

   in whole cents, when households have spent their money. A treasury in debt has promised more than it collects; the
   firm has then sold goods in advance.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.random import Generator

from walras.agents.errors import SettlementError
from walras.agents.labour.beliefs import Belief
from walras.agents.labour.rules import LabourRules, PublicGood
from walras.agents.labour.technology import LinearTechnology
from walras.agents.money import MOST_CENTS, IntArray
from walras.market.errors import InvalidInputError
from walras.market.taxation import BasicIncome
from walras.market.validation import FloatArray, nonnegative_number

__all__ = [
    "Production",
    "assessed",
    "checked_aversion",
    "checked_rng",
    "enjoyed",
    "first_belief",
    "produced",
    "skills_of_period",
]

_CENTS = 100  # in the unit of money


@final
@dataclass(frozen=True, eq=False)
class Production:
    """What a period's labour makes and is paid.

    Attributes
    ----------
    wage
        Of an efficiency unit (money).
    pay
        Of each household (cents), shape (n,).
    output
        In cents, at a price of 1.
    """

    wage: float
    pay: IntArray
    output: int


def first_belief(rules: LabourRules, skills: FloatArray) -> Belief:
    """Give what all expect before they have seen anything: the wage if each worked an hour, and no lump sum."""
    return Belief(rules.technology.wage(float(np.sum(skills))))


def skills_of_period(skills: FloatArray, deviation: float, rng: Generator) -> FloatArray:
    """Give the skills of a period, `w exp(s x - s^2 / 2)` with x standard normal; draws nothing at s = 0."""
    if deviation == 0.0:
        return skills
    return np.asarray(skills * np.exp(deviation * rng.standard_normal(skills.size) - 0.5 * deviation**2))


def produced(rules: LabourRules, units: FloatArray, expected_wage: float) -> Production:
    """Give what efficiency units of labour, shape (n,), make and are paid.

    Raises
    ------
    SettlementError
        Pay of more than `MOST_CENTS` in all.
    """
    labour = float(np.sum(units))
    # Where nobody works there is no wage to see, and what was expected stands.
    wage = rules.technology.wage(labour) if labour > 0.0 else expected_wage
    exact = _CENTS * wage * units
    if not math.fsum(exact) <= MOST_CENTS:  # NaN fails too
        raise SettlementError(
            f"Pay must be at most {MOST_CENTS:.0e} cents in all to be settled exactly, got {math.fsum(exact):g}: "
            "measure money in a larger unit."
        )
    pay = np.rint(exact).astype(np.int64)
    linear = isinstance(rules.technology, LinearTechnology)
    return Production(wage, pay, int(pay.sum()) if linear else round(_CENTS * rules.technology.output(labour)))


def assessed(rules: LabourRules, pay: IntArray) -> tuple[IntArray, IntArray]:
    """Give tax and benefits of each household (cents), each of shape (n,)."""
    benefits = np.zeros_like(pay)
    for benefit in rules.benefits:
        if isinstance(benefit, BasicIncome):
            benefits = benefits + benefit.amounts_cents(pay.size)
        else:
            benefits = benefits + benefit.amounts_cents(pay)
    return rules.tax.tax_due_cents(pay), benefits


def enjoyed(rules: LabourRules, consumption: IntArray, labour: FloatArray, public_good: int) -> FloatArray:
    """Give utilities, shape (n,), from consumption (cents), hours, and the expense on the public good (cents)."""
    utility = rules.preferences.utility(consumption / _CENTS, labour)
    if isinstance(rules.spending, PublicGood):
        utility = utility + rules.spending.value * (public_good / _CENTS / consumption.size)
    return np.asarray(utility)


def checked_aversion(value: object) -> float:
    """Give an aversion to inequality, 0 or more and possibly infinite, or raise `InvalidInputError`."""
    return math.inf if value == math.inf else nonnegative_number("aversion", value)


def checked_rng(rng: object) -> Generator | int:
    """Give `rng` if it is a generator or an integer, or raise `InvalidInputError`."""
    if isinstance(rng, bool) or not isinstance(rng, Generator | int | np.integer):
        raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
    return rng if isinstance(rng, Generator) else int(rng)
