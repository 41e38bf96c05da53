"""No cent and no good is made or lost: machines of random events, a million payments, and proof of a loss found."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.labour.economies import audit, rules, skills

from walras.agents import Ledger, SettlementError
from walras.agents.labour import Belief, Firm, LabourEconomy, LabourRules, QuasiLinearPreferences, columnar, economy
from walras.market.taxation import BracketTax


class Economies(RuleBasedStateMachine):
    """Periods, and changes of what households expect, in any order."""

    @initialize(skills=skills, rules=rules, seed=st.integers(0, 2**32))
    def found(self, skills, rules, seed):
        self.economy = LabourEconomy(skills, rules, rng=seed)

    @rule(periods=st.integers(1, 3))
    def play(self, periods):
        self.economy.run(periods)

    @rule(wage=st.floats(0.1, 10.0), lump_sum=st.floats(0.0, 5.0))
    def hope(self, wage, lump_sum):
        for household in self.economy.households:
            household.belief = Belief(wage, lump_sum)

    @invariant()
    def books_balance(self):
        if not hasattr(self, "economy"):
            return
        assert self.economy.ledger.total == 0
        assert all(household.wealth_cents == 0 for household in self.economy.households)
        assert self.economy.firm.balance_cents == -self.economy.treasury.balance_cents
        assert self.economy.firm.worth_cents < len(self.economy.households)  # the rest has been paid out
        if self.economy.steps:
            audit(self.economy.periods, self.economy.household_rows)


TestEconomies = Economies.TestCase
TestEconomies.settings = settings(max_examples=20, stateful_step_count=6, deadline=None)


def small_economy():
    population = np.array([3.0, 5.5, 11.0, 17.0, 40.0])
    tax = BracketTax([20.0, 90.0], [0.15, 0.333, 0.5])
    return LabourEconomy(population, LabourRules(preferences=QuasiLinearPreferences(elasticity=0.5), tax=tax), rng=0)


def test_a_million_payments_conserve_money(monkeypatch):
    payments = 0
    transfer = Ledger.transfer

    def counted(self, payer, payee, cents):
        nonlocal payments
        payments += 1
        transfer(self, payer, payee, cents)

    monkeypatch.setattr(Ledger, "transfer", counted)
    population = np.random.default_rng(0).lognormal(3.0, 0.6, 1000)
    tax = BracketTax([50.0, 90.0], [0.15, 0.333, 0.5])
    large = LabourEconomy(population, LabourRules(preferences=QuasiLinearPreferences(elasticity=0.5), tax=tax), rng=0)
    rows = large.run(250)
    assert payments == 1_000_000  # pay, tax, benefit and purchase of each
    audit(rows, large.household_rows)
    assert large.ledger.total == 0


# ---------------------------------------------------------------- the tests above can fail


def test_the_audit_passes_an_honest_economy():
    honest = small_economy()
    audit(honest.run(4), honest.household_rows)


@pytest.mark.parametrize(
    "column",
    [
        "firm",
        "treasury",
        "inventory",
        "total",
        "output",
        "income",
        "tax",
        "benefit",
        "rebate",
        "dividend",
        "consumption",
    ],
)
def test_the_audit_finds_one_wrong_cent_in_the_periods(column):
    honest = small_economy()
    rows = honest.run(4)
    rows.loc[2, f"{column}_cents"] += 1
    with pytest.raises(AssertionError):
        audit(rows, honest.household_rows)


@pytest.mark.parametrize("column", ["income", "tax", "benefit", "rebate", "dividend", "consumption"])
def test_the_audit_finds_one_wrong_cent_of_a_household(column):
    honest = small_economy()
    rows, households = honest.run(4), honest.household_rows
    households.loc[1, f"{column}_cents"] -= 1
    with pytest.raises(AssertionError):
        audit(rows, households)


def test_the_audit_finds_a_firm_that_gives_goods_away(monkeypatch):
    def generous(self, cents):
        self.inventory_cents -= cents + 1

    monkeypatch.setattr(Firm, "sell", generous)
    corrupt = small_economy()
    with pytest.raises(AssertionError, match="goods were made or lost"):
        audit(corrupt.run(4), corrupt.household_rows)


def test_the_audit_finds_a_split_that_makes_money(monkeypatch):
    monkeypatch.setattr(columnar, "equal_split", lambda cents, heads: -(-max(cents, 0) // heads))
    honest = small_economy()
    corrupt = columnar.ColumnarLabourEconomy(honest.skills, honest.rules, rng=0)
    assert (corrupt.run(4)["treasury_cents"] < 0).any()
    assert not (honest.run(4)["treasury_cents"] < 0).any()


def test_the_ledger_finds_a_tax_above_the_income(monkeypatch):
    def extortion(rules, pay):
        return pay + 1, np.zeros_like(pay)

    monkeypatch.setattr(economy, "assessed", extortion)
    with pytest.raises(SettlementError, match="agents have no credit"):
        small_economy().run(1)
