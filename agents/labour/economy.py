"""A labour economy agent by agent: households that choose their hours under a tax code, a firm, and a treasury.

`walras.agents.labour.period` describes a period. Each payment is an entry of the ledger: pay, tax, benefit, dividend,
rebate and purchase of every household. `ColumnarLabourEconomy` is this economy in arrays: the same seed gives the same
cents in both.
"""

from collections.abc import Callable
from typing import final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.agents.adapter import Model
from walras.agents.labour.accounts import Firm, Household
from walras.agents.labour.beliefs import Belief
from walras.agents.labour.period import (
    Production,
    assessed,
    checked_aversion,
    checked_rng,
    enjoyed,
    first_belief,
    produced,
    skills_of_period,
)
from walras.agents.labour.rules import LabourRules, PublicGood
from walras.agents.labour.tables import Flows, PeriodRows, household_rows, inequality_and_welfare
from walras.agents.ledger import Ledger
from walras.agents.money import IntArray, equal_split
from walras.agents.treasury import Treasury
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, instance_of, positive_vector, whole_number

__all__ = ["LabourEconomy"]


@final
class LabourEconomy(Model):
    """Households that choose how much to work, a firm that hires them, and a treasury that taxes and transfers.

    Parameters
    ----------
    skills
        What an hour of each household's work is worth at a wage of 1 (money), above 0, shape (n,); a `SkillLaw` draws
        them.
    rules
        Tastes, tax code, technology and expectations.
    rng
        Generator, or integer seed, that shocks to skill are drawn from.
    aversion
        To inequality, of the Atkinson welfare in the rows of periods: 0 is the mean of utilities, infinity the least.
    record_every, most_rows
        A row of periods is kept of every so many, at first; above `most_rows` rows every other one is dropped, and half
        as many are kept from then on. So memory is bounded, however long the run. Of households, the last period's rows
        are kept.

    Attributes
    ----------
    households
        In the order of `skills`.
    firm, treasury
        The two institutions.
    ledger
        All accounts.

    Raises
    ------
    InvalidInputError
        Bad skills, rules, seed, aversion or record.

    Notes
    -----
    *Cost* of a period: some microseconds for each payment, and some tens for each household that knows something new
    and chooses again. Beyond some thousands of households use `ColumnarLabourEconomy`.

    Examples
    --------
    >>> from walras.agents.labour import LabourEconomy, LabourRules, QuasiLinearPreferences
    >>> from walras.market.taxation import BracketTax
    >>> rules = LabourRules(preferences=QuasiLinearPreferences(elasticity=1.0), tax=BracketTax([], [0.5]))
    >>> economy = LabourEconomy([10.0, 20.0], rules, rng=0)
    >>> economy.run(1)[["output_cents", "tax_cents", "rebate_cents", "utilitarian"]].to_numpy().tolist()
    [[25000.0, 12500.0, 12500.0, 93.75]]
    >>> economy.household_rows[["income_cents", "tax_cents", "consumption_cents"]].to_numpy().tolist()
    [[5000, 2500, 8750], [20000, 10000, 16250]]
    """

    def __init__(
        self,
        skills: ArrayLike,
        rules: LabourRules,
        *,
        rng: Generator | int,
        aversion: float = 1.0,
        record_every: int = 1,
        most_rows: int = 1024,
    ) -> None:
        self._skills = positive_vector("skills", skills, of="household")
        self._rules = instance_of("rules", rules, LabourRules)
        self._aversion = checked_aversion(aversion)
        self._records = PeriodRows(record_every, most_rows)
        generator = np.random.default_rng(checked_rng(rng))
        state = generator.bit_generator.state
        super().__init__(generator)
        generator.bit_generator.state = state  # Mesa draws a number to seed `self.random`, which is not used here
        self._budget = rules.budget
        self.ledger = Ledger(np.zeros(self._skills.size, dtype=np.int64), firm=0, treasury=0)
        belief = first_belief(rules, self._skills)
        self.households = tuple(
            Household(self, self.ledger, rules, number=number, skill=skill, belief=belief)
            for number, skill in enumerate(self._skills.tolist())
        )
        self.firm = Firm(self, self.ledger)
        self.treasury = Treasury(self, self.ledger)
        self._flows: Flows | None = None

    @property
    def rules(self) -> LabourRules:
        """Tastes, tax code, technology and expectations."""
        return self._rules

    @property
    def skills(self) -> FloatArray:
        """Skill of each household, shocks apart (money per hour), shape (n,): a copy."""
        return self._skills.copy()

    @property
    def total_cents(self) -> int:
        """All money there is (cents)."""
        return self.ledger.total

    @property
    def periods(self) -> pd.DataFrame:
        """The rows of periods kept so far; columns in `walras.agents.labour.tables`."""
        return self._records.table()

    @property
    def household_rows(self) -> pd.DataFrame:
        """The rows of households of the last period; columns in `walras.agents.labour.tables`.

        Raises
        ------
        InvalidInputError
            If no period has been played.
        """
        if self._flows is None:
            raise InvalidInputError("household_rows are those of the last period, and none has been played: call run.")
        return household_rows(self._flows)

    def run(self, periods: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some periods, and give the rows of periods kept since the start.

        Parameters
        ----------
        periods
            How many more periods to play, 1 or more.
        progress
            Called after each with the number of periods done and `periods`.

        Returns
        -------
        DataFrame
            Columns in `walras.agents.labour.tables`.

        Raises
        ------
        SettlementError
            Pay of more than 1e13 cents in all.
        """
        periods = whole_number("periods", periods, minimum=1)
        for done in range(1, periods + 1):
            self.step()
            if progress is not None:
                progress(done, periods)
        return self.periods

    def step(self) -> None:
        """Play one period."""
        skills = skills_of_period(self._skills, self._rules.shock_deviation, self.rng)
        expected_wage = self.households[0].belief.wage
        labour, production = self._work(skills)
        tax, benefit = self._settle_pay(production)
        dividend_each = self._pay_dividends()
        rebate_each, public_good = self._spend()
        consumption = np.array([household.consume() for household in self.households], dtype=np.int64)
        self.firm.sell(int(consumption.sum()) + public_good)
        seen = Belief(production.wage, (rebate_each + dividend_each) / 100)
        for household in self.households:
            household.learn(seen)
        self._flows = Flows(
            period=self.steps,
            skill=skills,
            labour=labour,
            income=production.pay,
            tax=tax,
            benefit=benefit,
            rebate_each=rebate_each,
            dividend_each=dividend_each,
            consumption=consumption,
            utility=enjoyed(self._rules, consumption, labour, public_good),
        )
        if self._records.wants(self.steps):
            self._record(self._flows, production, expected_wage, public_good)

    def _work(self, skills: FloatArray) -> tuple[FloatArray, Production]:
        """Give the hours of each household, shape (n,), and what they make."""
        expected = self.households[0].belief.wage
        plans = [
            household.planned_income(self._budget, skill)
            for household, skill in zip(self.households, skills.tolist(), strict=True)
        ]
        units = np.array(plans) / expected
        production = produced(self._rules, units, expected)
        self.firm.inventory_cents += production.output
        return units / skills, production

    def _settle_pay(self, production: Production) -> tuple[IntArray, IntArray]:
        """Pay wages, collect the tax and pay the benefits; give the last two (cents), each of shape (n,)."""
        tax, benefit = assessed(self._rules, production.pay)
        dues = zip(self.households, production.pay.tolist(), tax.tolist(), benefit.tolist(), strict=True)
        for household, pay, due, entitled in dues:
            household.receive("firm", pay)
            household.settle_tax(due)
            household.receive("treasury", entitled)
        return tax, benefit

    def _pay_dividends(self) -> int:
        """Give what each receives of the firm's profit (cents)."""
        each = equal_split(self.firm.worth_cents, len(self.households))
        if each:
            for household in self.households:
                household.receive("firm", each)
        return each

    def _spend(self) -> tuple[int, int]:
        """Spend what the treasury has left: give the rebate to each, and the expense on the public good (cents)."""
        if not isinstance(self._rules.spending, PublicGood):
            return self.treasury.rebate(), 0
        expense = max(self.treasury.balance_cents, 0)
        self.ledger.transfer("treasury", "firm", expense)
        return 0, expense

    def _record(self, flows: Flows, production: Production, expected_wage: float, public_good: int) -> None:
        agents = len(self.households)
        self._records.add(
            {
                "period": self.steps,
                "wage": production.wage,
                "expected_wage": expected_wage,
                "output_cents": production.output,
                "income_cents": int(flows.income.sum()),
                "tax_cents": int(flows.tax.sum()),
                "benefit_cents": int(flows.benefit.sum()),
                "rebate_cents": flows.rebate_each * agents,
                "dividend_cents": flows.dividend_each * agents,
                "consumption_cents": int(flows.consumption.sum()),
                "public_good_cents": public_good,
                **inequality_and_welfare(flows, self._aversion),
                "firm_cents": self.firm.balance_cents,
                "treasury_cents": self.treasury.balance_cents,
                "inventory_cents": self.firm.inventory_cents,
                "total_cents": self.total_cents,
            }
        )
