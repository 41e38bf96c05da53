"""No cent is made or lost: machines of random events, a million events, and proof that a lost cent is found."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.wealth.test_engines import owned, rules, taxes

from walras.agents import Ledger, SettlementError, Treasury
from walras.agents.money import MOST_CENTS
from walras.agents.wealth import (
    Activation,
    ColumnarWealthEconomy,
    MoneyExchange,
    SavingExchange,
    WealthEconomy,
    YardSale,
    columnar,
    economy,
)
from walras.market.taxation import WealthTax


def audit(chosen, total):
    """Raise AssertionError unless all the money is there and nobody owes."""
    assert chosen.wealth.min() >= 0
    assert int(chosen.wealth.sum()) + chosen.treasury_cents == chosen.total_cents == total
    assert 0 <= chosen.treasury_cents < chosen.wealth.size  # the remainder of the last rebate
    assert set(chosen.periods["total_cents"]) == {total}


class WealthEconomies(RuleBasedStateMachine):
    """Periods and single meetings in any order, in an economy of objects and one of arrays."""

    @initialize(
        wealth=owned,
        chosen=rules,
        tax=taxes,
        seed=st.integers(0, 2**32),
        activation=st.sampled_from(Activation),
        numba=st.booleans(),
    )
    def found(self, wealth, chosen, tax, seed, activation, numba):
        self.total = sum(wealth)
        self.objects = WealthEconomy(wealth, chosen, rng=seed, tax=tax, activation=activation, most_rows=4)
        self.arrays = ColumnarWealthEconomy(wealth, chosen, rng=seed, tax=tax, most_rows=4, use_numba=numba)

    @rule(periods=st.integers(1, 5))
    def play(self, periods):
        self.objects.run(periods)
        self.arrays.run(periods)

    @rule(data=st.data(), chosen=rules, draw=st.floats(0.0, 1.0, exclude_max=True))
    def meet(self, data, chosen, draw):
        first, second = data.draw(st.permutations(self.objects.households))[:2]
        before = first.wealth_cents, second.wealth_cents
        paid = first.meet(second, chosen, draw)
        assert (first.wealth_cents, second.wealth_cents) == (before[0] - paid, before[1] + paid)

    @rule()
    def rebate(self):
        self.objects.treasury.rebate()

    @invariant()
    def books_balance(self):
        audit(self.objects, self.total)
        audit(self.arrays, self.total)


TestWealthEconomies = WealthEconomies.TestCase
TestWealthEconomies.settings = settings(max_examples=25, stateful_step_count=8, deadline=None)

LARGE = [
    (MoneyExchange(cents=10**6), np.full(1000, 10**9)),
    (SavingExchange(saving=0.2), np.full(1000, 10**10)),
    (YardSale(fraction=0.3), np.r_[MOST_CENTS - 999, np.ones(999, dtype=np.int64)]),
]


@pytest.mark.parametrize("numba", [True, False])
@pytest.mark.parametrize(("chosen", "wealth"), LARGE)
def test_a_million_events_conserve_every_cent(chosen, wealth, numba):
    """2,000 periods of 500 meetings, 1,000 taxes and 1,000 rebates: five million entries."""
    tax = WealthTax([0.0, 10**6], [0.01, 0.037])
    started = ColumnarWealthEconomy(wealth, chosen, rng=0, tax=tax, record_every=100, use_numba=numba)
    started.run(2000)
    audit(started, int(wealth.sum()))
    assert len(np.unique(started.wealth)) > 100


def test_a_million_meetings_one_by_one_conserve_every_cent():
    started = WealthEconomy(
        np.full(1000, 10**6), YardSale(fraction=0.2), rng=0, tax=WealthTax(0.0, 0.013), record_every=50
    )
    started.run(2000)
    audit(started, 10**9)


# ---------------------------------------------------------------- the tests above can fail


def small(engine):
    return engine(np.arange(50) * 11, YardSale(fraction=0.3), rng=0, tax=WealthTax(0.0, 0.05))


@pytest.mark.parametrize("engine", [WealthEconomy, ColumnarWealthEconomy])
def test_the_audit_passes_an_honest_economy(engine):
    honest = small(engine)
    honest.run(20)
    audit(honest, 11 * 49 * 25)


def test_the_audit_finds_a_cent_that_a_rule_makes(monkeypatch):
    def generous(wealth, order, draws, *parameters):
        wealth[order[0]] += 1

    monkeypatch.setattr(columnar, "compiled_meet", lambda: generous)
    corrupt = small(ColumnarWealthEconomy)
    corrupt.run(20)
    with pytest.raises(AssertionError):
        audit(corrupt, 11 * 49 * 25)


def test_the_audit_finds_a_treasury_that_keeps_too_much(monkeypatch):
    monkeypatch.setattr(columnar, "equal_split", lambda cents, heads: max(cents // heads - 1, 0))
    corrupt = small(ColumnarWealthEconomy)
    corrupt.run(20)
    with pytest.raises(AssertionError):
        audit(corrupt, 11 * 49 * 25)


def test_the_audit_finds_a_ledger_that_loses_cents(monkeypatch):
    honest = Ledger.transfer

    def lossy(self, payer, payee, cents):
        honest(self, payer, payee, cents)
        self._wealth[payee] -= cents > 50

    monkeypatch.setattr(Ledger, "transfer", lossy)
    corrupt = small(WealthEconomy)
    corrupt.run(20)
    with pytest.raises(AssertionError):
        audit(corrupt, 11 * 49 * 25)


def test_the_ledger_finds_a_tax_whose_revenue_is_rounded_apart(monkeypatch):
    real = economy.levy_of

    class Careless:
        def __init__(self, tax):
            self.levy = real(tax)

        def dues(self, wealth):
            return np.floor(0.05 * wealth + 0.4).astype(np.int64).view(Sloppy)

    class Sloppy(np.ndarray):
        def sum(self, *arguments, **named):
            return super().sum(*arguments, **named) + 1

    monkeypatch.setattr(economy, "levy_of", Careless)
    with pytest.raises(SettlementError, match="must sum to 0"):
        small(WealthEconomy).run(5)


def test_the_treasury_is_the_shared_one():
    assert isinstance(small(WealthEconomy).treasury, Treasury)
