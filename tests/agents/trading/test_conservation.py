"""No cent and no unit is made or lost: machines of random events, a million events, and proof that a loss is found."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.agents.trading.test_engines import SMITH, markets, policies

from walras.agents import Ledger, Treasury
from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    GjerstadDickhaut,
    MarketMaker,
    Truthful,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
    kernel,
)
from walras.agents.trading.traders import Trader
from walras.market.order_book import Side


def audit(laboratory, money, goods):
    """Raise AssertionError unless all money and goods are there, nobody owes, and the records add up to the books."""
    ledger, trades, rows = laboratory.ledger, laboratory.trades, laboratory.trader_rows
    assert ledger.wealth.min() >= 0
    assert int(ledger.wealth.sum()) + ledger.balance("treasury") + ledger.balance("experimenter") == money
    assert laboratory.total_goods == goods
    assert rows["goods"].min() >= 0
    assert ledger.balance("experimenter") == (trades["cost_cents"] - trades["value_cents"]).sum()
    assert rows["units_traded"].sum() == 2 * len(trades)
    rebates = int(laboratory.days["rebate_cents"].sum()) * len(rows)
    assert int(trades["tax_cents"].sum()) - rebates == ledger.balance("treasury")
    gains = np.full(len(rows), int(laboratory.days["rebate_cents"].sum()))
    np.add.at(gains, trades["buyer"], trades["value_cents"] - trades["price_cents"] - trades["tax_cents"])
    np.add.at(gains, trades["seller"], trades["price_cents"] - trades["cost_cents"])
    assert rows["profit_cents"].tolist() == gains.tolist()


def audit_arrays(laboratory, money):
    """Raise AssertionError unless all money is there, nobody owes, and the records add up to the books."""
    trades, rows = laboratory.trades, laboratory.trader_rows
    assert laboratory.wealth.min() >= 0
    assert laboratory.total_cents == money
    assert laboratory.experimenter_cents == (trades["cost_cents"] - trades["value_cents"]).sum()
    assert 0 <= laboratory.treasury_cents < len(rows)
    gains = np.full(len(rows), int(laboratory.days["rebate_cents"].sum()))
    np.add.at(gains, trades["buyer"], trades["value_cents"] - trades["price_cents"] - trades["tax_cents"])
    np.add.at(gains, trades["seller"], trades["price_cents"] - trades["cost_cents"])
    assert rows["profit_cents"].tolist() == gains.tolist()


any_policy = st.one_of(policies, st.sampled_from([GjerstadDickhaut(), GjerstadDickhaut(memory=1, horizon=5)]))
dealing = st.one_of(
    st.builds(
        MarketMaker, first_price=st.sampled_from([0.0, 5.0, 200.0]), risk_aversion=st.sampled_from([0.0, 0.01, 1.0])
    ),
    policies,
    any_policy,
)


class Laboratories(RuleBasedStateMachine):
    """Days, single quotes and rebates in any order, with dealers, taxes and little money."""

    @initialize(
        market=markets(),
        data=st.data(),
        dealers=st.lists(dealing, max_size=2),
        goods=st.integers(0, 3),
        tax_rate=st.sampled_from([0.0, 0.1, 1.0]),
        wealth=st.sampled_from([None, 0, 7, 500]),
        seed=st.integers(0, 2**32),
    )
    def found(self, market, data, dealers, goods, tax_rate, wealth, seed):
        count = market.buyers + market.sellers
        self.laboratory = DoubleAuctionLaboratory(
            market,
            data.draw(st.lists(any_policy, min_size=count, max_size=count)),
            rng=seed,
            tax_rate=tax_rate,
            dealers=dealers,
            dealer_goods=goods,
            wealth_cents=wealth,
            most_quotes=40,
        )
        self.money = (count + len(dealers)) * self.laboratory.opening_wealth
        self.goods = goods * len(dealers) + sum(len(units) for units in market.costs)

    @rule(days=st.integers(1, 3))
    def play(self, days):
        self.laboratory.run(days)

    @rule(quotes=st.integers(1, 15))
    def interrupt_a_day(self, quotes):
        """Look at the books between two quotes: they balance at every moment, not only in the evening."""
        laboratory = self.laboratory
        laboratory._open()
        for _ in range(quotes):
            if laboratory._can_gain():
                laboratory._quote_once()
            ledger = laboratory.ledger
            assert ledger.total == self.money
            assert ledger.wealth.min() >= 0
            assert laboratory.total_goods == self.goods
            assert min(trader.goods for trader in laboratory.traders) >= 0
        laboratory._close()

    @invariant()
    def books_balance(self):
        audit(self.laboratory, self.money, self.goods)


TestLaboratories = Laboratories.TestCase
TestLaboratories.settings = settings(max_examples=40, stateful_step_count=6, deadline=None)


@pytest.mark.parametrize(
    "policy", [ZeroIntelligenceQuotes(), ZeroIntelligenceQuotes(constrained=False), ZeroIntelligencePlus()]
)
def test_a_million_events_conserve_every_cent(policy):
    """A million quotes and more, with their trades, taxes and rebates, in one run of the compiled engine."""
    laboratory = ColumnarLaboratory(
        SMITH, policy, rng=0, tax_rate=0.05, most_quotes=2_000, most_days=10**6, most_trades=10**7
    )
    while laboratory.days["quotes"].sum() < 10**6:
        laboratory.run(5_000)
    audit_arrays(laboratory, 22 * laboratory.opening_wealth)
    assert len(laboratory.trades) > 10_000


def test_poor_traders_never_owe():
    """Losses eat up what unconstrained traders have; then they quote what they can pay, and the books still balance."""
    laboratory = ColumnarLaboratory(
        SMITH, ZeroIntelligenceQuotes(constrained=False), rng=1, tax_rate=0.3, wealth_cents=900, most_quotes=300
    )
    laboratory.run(300)
    audit_arrays(laboratory, 22 * 900)
    assert laboratory.wealth.min() < 400


# ---------------------------------------------------------------- the tests above can fail


def small(engine=DoubleAuctionLaboratory, **options):
    laboratory = engine(SMITH, ZeroIntelligenceQuotes(), rng=0, tax_rate=0.1, wealth_cents=5_000, **options)
    laboratory.run(5)
    return laboratory


def test_the_audits_pass_honest_laboratories():
    audit(small(), 22 * 5_000, 11)
    audit_arrays(small(ColumnarLaboratory, use_numba=False), 22 * 5_000)


def test_the_audit_finds_a_ledger_that_loses_cents(monkeypatch):
    honest = Ledger.transfer

    def lossy(self, payer, payee, cents):
        honest(self, payer, payee, cents)
        self._add(payee, -1 if cents > 150 else 0)

    monkeypatch.setattr(Ledger, "transfer", lossy)
    with pytest.raises(AssertionError):
        audit(small(), 22 * 5_000, 11)


def test_the_audit_finds_a_unit_that_is_sold_twice(monkeypatch):
    honest = Trader.trade_unit

    def twice(self, side):
        honest(self, side)
        self.goods += side is Side.BUY

    monkeypatch.setattr(Trader, "trade_unit", twice)
    with pytest.raises(AssertionError):
        audit(small(), 22 * 5_000, 11)


def test_the_audit_finds_a_tax_that_is_lost(monkeypatch):
    honest = kernel.trade

    def careless(memory, price):
        honest(memory, price)
        memory.registers[kernel.TREASURY] -= 1

    monkeypatch.setattr(kernel, "trade", careless)
    with pytest.raises(AssertionError):
        audit_arrays(small(ColumnarLaboratory, use_numba=False), 22 * 5_000)


def test_the_treasury_is_the_shared_one():
    assert isinstance(small().treasury, Treasury)


def test_truthful_traders_leave_the_experimenter_with_the_surplus_to_pay():
    laboratory = DoubleAuctionLaboratory(SMITH, Truthful(), rng=0)
    laboratory.run(10)
    assert laboratory.ledger.balance("experimenter") == -laboratory.days["surplus_cents"].sum()
