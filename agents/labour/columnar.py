"""The columnar labour economy: `LabourEconomy` in arrays, for a million households.

It draws what the other draws and computes the same cents; a household is a row, and the belief, which all share, a
value. Accounts are those of the firm and the treasury: households spend what they have within the period.
"""

from collections.abc import Callable
from typing import final

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import ArrayLike

from walras.agents.labour.beliefs import Belief, revised_belief
from walras.agents.labour.choice import best_income
from walras.agents.labour.period import (
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
from walras.agents.money import equal_split
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, instance_of, positive_vector, whole_number

__all__ = ["ColumnarLabourEconomy"]


@final
class ColumnarLabourEconomy:
    """Households that choose how much to work, a firm and a treasury, in arrays.

    Parameters
    ----------
    skills, rules, rng, aversion, record_every, most_rows
        As in `LabourEconomy`.

    Raises
    ------
    InvalidInputError
        Bad skills, rules, seed, aversion or record.

    Notes
    -----
    *Cost* of a period: O(n K) for K brackets, and O(n log n) for a row of periods; at a million households set
    `record_every`. *Memory*: some 150 bytes a household.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.labour import ColumnarLabourEconomy, LabourRules, LognormalSkills, QuasiLinearPreferences
    >>> from walras.market.taxation import BracketTax
    >>> skills = LognormalSkills(median=20.0, log_spread=0.5).draw(50_000, np.random.default_rng(0))
    >>> rules = LabourRules(preferences=QuasiLinearPreferences(elasticity=0.5), tax=BracketTax([100.0], [0.1, 0.4]))
    >>> rows = ColumnarLabourEconomy(skills, rules, rng=0).run(1)
    >>> rows[["gini_before", "gini_after"]].round(2).to_numpy().tolist(), rows["total_cents"].tolist()
    ([[0.36, 0.26]], [0])
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
        self.rng = np.random.default_rng(checked_rng(rng))
        self._budget = rules.budget
        self._belief = first_belief(rules, self._skills)
        self._plan: tuple[Belief, FloatArray] | None = None
        self._firm = self._treasury = self._inventory = 0
        self._steps = 0
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
    def steps(self) -> int:
        """Number of periods played."""
        return self._steps

    @property
    def total_cents(self) -> int:
        """All money there is (cents)."""
        return self._firm + self._treasury

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
        agents, expected = self._skills.size, self._belief
        skills = skills_of_period(self._skills, self._rules.shock_deviation, self.rng)
        units = self._planned(skills) / expected.wage
        labour = units / skills
        production = produced(self._rules, units, expected.wage)
        tax, benefit = assessed(self._rules, production.pay)

        paid, collected = int(production.pay.sum()), int(tax.sum()) - int(benefit.sum())
        self._firm -= paid
        self._inventory += production.output
        self._treasury += collected
        dividend_each = equal_split(self._firm + self._inventory, agents)
        self._firm -= dividend_each * agents
        rebate_each = public_good = 0
        if isinstance(self._rules.spending, PublicGood):
            public_good = max(self._treasury, 0)
        else:
            rebate_each = equal_split(self._treasury, agents)
        self._treasury -= rebate_each * agents + public_good
        consumption = production.pay - tax + benefit + (rebate_each + dividend_each)
        sold = int(consumption.sum()) + public_good
        self._firm += sold
        self._inventory -= sold

        self._belief = revised_belief(
            self._rules.expectations, expected, Belief(production.wage, (rebate_each + dividend_each) / 100)
        )
        self._steps += 1
        self._flows = Flows(
            period=self._steps,
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
        if self._records.wants(self._steps):
            row = {
                "period": self._steps,
                "wage": production.wage,
                "expected_wage": expected.wage,
                "output_cents": production.output,
                "income_cents": paid,
                "tax_cents": int(tax.sum()),
                "benefit_cents": int(benefit.sum()),
                "rebate_cents": rebate_each * agents,
                "dividend_cents": dividend_each * agents,
                "consumption_cents": int(consumption.sum()),
                "public_good_cents": public_good,
                **inequality_and_welfare(self._flows, self._aversion),
                "firm_cents": self._firm,
                "treasury_cents": self._treasury,
                "inventory_cents": self._inventory,
                "total_cents": self.total_cents,
            }
            self._records.add(row)

    def _planned(self, skills: FloatArray) -> FloatArray:
        """Give the incomes (money) that households plan; again the last ones while nothing has changed."""
        if self._plan is None or self._plan[0] != self._belief or self._rules.shock_deviation > 0.0:
            planned = best_income(
                self._rules.preferences, self._budget, self._belief.wage * skills, self._belief.lump_sum
            )
            self._plan = self._belief, planned
        return self._plan[1]
