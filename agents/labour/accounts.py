"""The agents of a labour economy besides the treasury: households, who work and consume, and the firm.

An agent is a window on the ledger: its balance is what the ledger says.
"""

from typing import final

import numpy as np

from walras.agents.adapter import Agent, Model
from walras.agents.labour.beliefs import Belief, revised_belief
from walras.agents.labour.budget import BudgetSet
from walras.agents.labour.choice import best_income
from walras.agents.labour.rules import LabourRules
from walras.agents.ledger import Ledger

__all__ = ["Firm", "Household"]


@final
class Household(Agent):
    """Chooses how much to work, pays tax on what it earns, and consumes the rest.

    Attributes
    ----------
    number
        Its account in the ledger, from 0.
    skill
        What an hour of its work is worth at a wage of 1; shocks apart.
    belief
        What it expects of the next period.
    """

    def __init__(
        self, model: Model, ledger: Ledger, rules: LabourRules, *, number: int, skill: float, belief: Belief
    ) -> None:
        super().__init__(model)
        self._ledger = ledger
        self._rules = rules
        self.number = number
        self.skill = skill
        self.belief = belief
        self._plan: tuple[float, float, float] | None = None  # what it knew, and what it planned then

    @property
    def wealth_cents(self) -> int:
        """What it owns (cents): nothing, between periods, since it consumes what it has."""
        return self._ledger.balance(self.number)

    def planned_income(self, budget: BudgetSet, skill: float) -> float:
        """Give the income (money) that it plans to earn, at the wage and lump sum that it expects."""
        wage, lump_sum = self.belief.wage * skill, self.belief.lump_sum
        if self._plan is None or self._plan[:2] != (wage, lump_sum):  # else it knows what it knew, and wants the same
            income = best_income(self._rules.preferences, budget, np.array([wage]), lump_sum)
            self._plan = (wage, lump_sum, float(income[0]))
        return self._plan[2]

    def learn(self, seen: Belief) -> None:
        """Revise what it expects by what it saw."""
        self.belief = revised_belief(self._rules.expectations, self.belief, seen)

    def settle_tax(self, cents: int) -> None:
        """Pay its tax to the treasury (cents), or take a subsidy if negative."""
        if cents >= 0:
            self._ledger.transfer(self.number, "treasury", cents)
        else:
            self._ledger.transfer("treasury", self.number, -cents)

    def receive(self, payer: str, cents: int) -> None:
        """Take a payment from an institution (cents)."""
        self._ledger.transfer(payer, self.number, cents)

    def consume(self) -> int:
        """Buy goods for all that it owns; give the expense (cents)."""
        expense = self.wealth_cents
        self._ledger.transfer(self.number, "firm", expense)
        return expense


@final
class Firm(Agent):
    """Hires all labour at its marginal product, sells what it makes at a price of 1, and pays out its profit.

    It pays before it sells, and so is in debt within a period.

    Attributes
    ----------
    inventory_cents
        Goods produced and not sold, at a price of 1; sold in advance if negative.
    """

    def __init__(self, model: Model, ledger: Ledger) -> None:
        super().__init__(model)
        self._ledger = ledger
        self.inventory_cents = 0

    @property
    def balance_cents(self) -> int:
        """What the firm owns in money (cents); a debt if negative."""
        return self._ledger.balance("firm")

    @property
    def worth_cents(self) -> int:
        """Money and goods of the firm (cents): profit that is not yet paid out."""
        return self.balance_cents + self.inventory_cents

    def sell(self, cents: int) -> None:
        """Hand over goods for a payment that has been made (cents)."""
        self.inventory_cents -= cents
