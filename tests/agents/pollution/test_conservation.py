"""No cent is made or lost among polluters: random economies, a million payments, and proof that the audit finds one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.pollution.audit import audit
from tests.agents.pollution.test_pollution import damages, industries, instruments

from walras.agents import Ledger, SettlementError
from walras.agents.pollution import Damage, EmissionsTax, Industry, PermitCap, PermitCollar, PollutionEconomy

openings = st.sampled_from([0, 1, 12_345])


@given(
    industry=industries(),
    damage=damages,
    instrument=instruments,
    opening=openings,
    cents=st.sampled_from([1, 100, 10_000]),
    periods=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_no_cent_is_made_or_lost_and_no_firm_is_overdrawn(industry, damage, instrument, opening, cents, periods, seed):
    economy = PollutionEconomy(industry, damage, instrument, rng=seed, wealth_cents=opening, cents_per_money=cents)
    audit(economy, (economy.run(periods), economy.rows)[1], economy.periods, opening_cents=opening)


REACHED = {
    "a firm that stops": lambda rows, periods: (rows["emissions"] == 0.0).any(),
    "a firm that sells permits": lambda rows, periods: (rows["payment_cents"] < -100).any(),
    "a treasury in debt": lambda rows, periods: (periods["treasury_cents"] < -100).any(),
    "a remainder kept by the treasury": lambda rows, periods: (periods["treasury_cents"] > 0).any(),
    "permits left unused": lambda rows, periods: (periods["price"] == 0.0).any() and (rows["free_permits"] > 0).any(),
    "a rebate": lambda rows, periods: (rows["rebate_cents"] > 100).any(),
    "nobody emits": lambda rows, periods: (periods["emissions"] == 0.0).any(),
}


@pytest.mark.parametrize("corner", REACHED)
def test_the_strategy_reaches(corner):
    def reached(drawn) -> bool:
        industry, instrument, seed = drawn
        economy = PollutionEconomy(industry, Damage(), instrument, rng=seed)
        economy.run(2)
        return bool(REACHED[corner](economy.rows, economy.periods))

    quick = settings(max_examples=600, phases=[Phase.generate], database=None, derandomize=True)
    find(st.tuples(industries(), instruments, st.integers(0, 9)), reached, settings=quick)


def test_a_payment_is_never_rounded_up_beyond_what_the_firm_has():
    """Incomes are 0.60 and 0.61 cents, payments 0.595 and 0.59: one cent is earned by the second, so it must pay."""
    emissions, surplus = np.array([0.595, 0.59]), np.array([0.005, 0.02])
    slopes = 2.0 * surplus / emissions**2
    industry = Industry(intercepts=1.0 + slopes * emissions, slopes=slopes)
    economy = PollutionEconomy(industry, Damage(), EmissionsTax(1.0), rng=0, cents_per_money=1)
    economy.run(1)
    assert economy.rows["income_cents"].tolist() == [0, 1]
    assert economy.rows["payment_cents"].tolist() == [0, 1]


class Economies(RuleBasedStateMachine):
    """Periods, a few at a time, with the books read in between."""

    @initialize(industry=industries(), damage=damages, instrument=instruments, opening=openings, seed=st.integers(0, 9))
    def found(self, industry, damage, instrument, opening, seed) -> None:
        self.economy = PollutionEconomy(industry, damage, instrument, rng=seed, wealth_cents=opening)
        self.opening = opening

    @rule(periods=st.integers(1, 3))
    def play(self, periods: int) -> None:
        rows = self.economy.run(periods)
        pd.testing.assert_frame_equal(rows, self.economy.periods.tail(len(rows)).reset_index(drop=True))

    @invariant()
    def books_balance(self) -> None:
        economy = self.economy
        assert economy.ledger.total == self.opening * economy.industry.firms
        assert economy.ledger.wealth.min() >= 0
        assert [firm.wealth_cents for firm in economy.polluters] == economy.ledger.wealth.tolist()
        if len(economy.periods):
            audit(economy, economy.rows, economy.periods, opening_cents=self.opening)


TestEconomies = Economies.TestCase
TestEconomies.settings = settings(max_examples=15, stateful_step_count=6)


def big_economy(instrument) -> PollutionEconomy:
    rng = np.random.default_rng(0)
    industry = Industry(
        intercepts=rng.uniform(50.0, 150.0, 1000),
        slopes=rng.uniform(1.0, 5.0, 1000),
        common_deviation=20.0,
        own_deviation=20.0,
    )
    return PollutionEconomy(industry, Damage(slope=0.01), instrument, rng=1, wealth_cents=77, most_records=10)


def test_a_million_payments_conserve_every_cent_in_bounded_memory():
    permits = 15_000.0
    economy = big_economy(PermitCollar(permits, 40.0, 60.0, free_share=0.5))
    for _ in range(10):
        economy.run(100)
        assert economy.ledger.total == 77_000
    assert economy.periods["period"].tolist() == list(range(991, 1001))
    assert len(economy.rows) == 10 * 1000
    assert economy.periods["total_cents"].unique().tolist() == [77_000]


def test_only_every_tenth_period_is_recorded():
    industry = Industry(intercepts=[10.0, 12.0], slopes=1.0, common_deviation=1.0)
    sparse, dense = (
        PollutionEconomy(industry, Damage(), EmissionsTax(3.0), rng=0, record_every=every) for every in (10, 1)
    )
    sparse.run(25)
    dense.run(25)
    assert sparse.periods["period"].tolist() == [10, 20]
    kept = dense.periods[dense.periods["period"] % 10 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(sparse.periods, kept)


# ---------------------------------------------------------------- the tests above can fail


def small_economy() -> PollutionEconomy:
    industry = Industry(
        intercepts=[90.0, 110.0, 100.0], slopes=[2.0, 2.3, 4.1], common_deviation=9.0, own_deviation=3.0
    )
    return PollutionEconomy(industry, Damage(slope=1.0), PermitCap(40.0, free_share=0.4), rng=0, wealth_cents=50)


def test_the_audit_passes_an_honest_economy():
    honest = small_economy()
    honest.run(5)
    audit(honest, honest.rows, honest.periods, opening_cents=50)


FLOWS = ["payment_cents", "income_cents", "rebate_cents", "dividend_cents", "wealth_cents", "emissions"]


@pytest.mark.parametrize("column", FLOWS)
def test_the_audit_finds_one_wrong_cent_in_the_rows(column):
    honest = small_economy()
    honest.run(5)
    rows = honest.rows
    rows.loc[4, column] += 1
    with pytest.raises(AssertionError):
        audit(honest, rows, honest.periods, opening_cents=50)


@pytest.mark.parametrize("column", ["revenue", "rebate", "dividend", "households", "treasury", "total"])
def test_the_audit_finds_one_wrong_cent_in_the_periods(column):
    honest = small_economy()
    periods = honest.run(5)
    periods.loc[2, f"{column}_cents"] -= 1
    with pytest.raises(AssertionError):
        audit(honest, honest.rows, periods, opening_cents=50)


def test_the_ledger_finds_books_that_are_rounded_apart(monkeypatch):
    monkeypatch.setattr("walras.agents.pollution.economy.apportion", lambda amounts, limits=None: np.rint(amounts))
    with pytest.raises(SettlementError):
        small_economy().run(5)


def test_the_audit_finds_a_ledger_that_loses_cents(monkeypatch):
    def lossy(self, agents, **institutions):
        self._wealth = self._wealth + agents
        for name, cents in institutions.items():
            self._institutions[name] += cents - (cents > 0)

    monkeypatch.setattr(Ledger, "post", lossy)
    corrupt = small_economy()
    corrupt.run(5)
    with pytest.raises(AssertionError):
        audit(corrupt, corrupt.rows, corrupt.periods, opening_cents=50)
