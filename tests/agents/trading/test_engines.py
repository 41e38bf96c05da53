"""Two engines, one result: the same seed leaves the same trades, cent for cent, in objects and in (compiled) arrays."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents import SettlementError
from walras.agents.money import MOST_CENTS
from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    DoubleAuctionPeriod,
    GjerstadDickhaut,
    InducedMarket,
    Truthful,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
    columnar,
    kernel,
)
from walras.market import InvalidInputError

SMITH = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)

policies = st.sampled_from(
    [
        Truthful(),
        ZeroIntelligenceQuotes(),
        ZeroIntelligenceQuotes(constrained=False),
        ZeroIntelligencePlus(),
        ZeroIntelligencePlus(inertia=(0.5, 0.9), relative_shift=0.3, absolute_shift=1.0),
    ]
)


@st.composite
def markets(draw):
    """Few traders and prices, so that ties, nothing to gain, worths of 0 and of the ceiling all occur."""
    ceiling = draw(st.sampled_from([1, 12, 400]))
    sides = []
    for falling in (True, False):
        units = draw(st.integers(1, 3))
        worths = st.lists(st.integers(0, ceiling), min_size=units, max_size=units)
        traders = draw(st.lists(worths, min_size=1, max_size=5))
        sides.append([sorted(trader, reverse=falling) for trader in traders])
    return InducedMarket(values=sides[0], costs=sides[1], ceiling=ceiling)


@given(
    market=markets(),
    data=st.data(),
    tax_rate=st.sampled_from([0.0, 0.1, 0.25, 1.0]),
    wealth=st.sampled_from([None, 0, 30, 1000]),
    seed=st.integers(0, 2**32),
    parts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_the_same_seed_gives_the_same_trades(market, data, tax_rate, wealth, seed, parts):
    count = market.buyers + market.sellers
    each = data.draw(st.one_of(policies, st.lists(policies, min_size=count, max_size=count)))
    options = {"rng": seed, "tax_rate": tax_rate, "wealth_cents": wealth, "most_quotes": 60}
    objects = DoubleAuctionLaboratory(market, each, **options, most_days=4, most_trades=7)
    arrays = [
        ColumnarLaboratory(market, each, **options, most_days=4, most_trades=7, use_numba=numba)
        for numba in (True, False)
    ]
    for days in parts:
        rows = objects.run(days)
        for laboratory in arrays:
            pd.testing.assert_frame_equal(laboratory.run(days), rows, check_exact=True)
            pd.testing.assert_frame_equal(laboratory.trades, objects.trades, check_exact=True)
            pd.testing.assert_frame_equal(laboratory.trader_rows, objects.trader_rows, check_exact=True)
            assert laboratory.treasury_cents == objects.ledger.balance("treasury")
            assert laboratory.experimenter_cents == objects.ledger.balance("experimenter")
    learned = [trader.state.margin if trader.learning else np.nan for trader in objects.traders]
    for laboratory in arrays:
        np.testing.assert_array_equal(laboratory.margins(), learned)


@given(
    values=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    costs=st.lists(st.integers(0, 12), min_size=1, max_size=6),
    constrained=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_a_day_is_a_double_auction_period(values, costs, constrained, seed):
    """So its trades are those of the order book too, which is held to `DoubleAuctionPeriod.log`."""
    policy = ZeroIntelligenceQuotes(constrained=constrained)
    period = DoubleAuctionPeriod(values, costs, 12, policy, most_quotes=500).run(np.random.default_rng(seed))
    laboratory = ColumnarLaboratory(InducedMarket(values, costs, 12), policy, rng=seed, most_quotes=500)
    day = laboratory.run(1).iloc[0]
    assert laboratory.trades["price_cents"].tolist() == period.prices.tolist()
    assert laboratory.trades["buyer"].tolist() == period.buyers.tolist()
    assert (laboratory.trades["seller"] - len(values)).tolist() == period.sellers.tolist()
    assert (day["quotes"], day["surplus_cents"], day["efficiency"]) == (
        period.quotes,
        period.surplus,
        period.efficiency,
    )


def test_engines_agree_for_a_long_time():
    """More draws, days and trades than fit into one visit of the kernel."""
    each = [ZeroIntelligencePlus(), ZeroIntelligenceQuotes()] * 11
    options = {"rng": 5, "tax_rate": 0.07, "most_quotes": 300, "most_days": 10**6, "most_trades": 10**6}
    objects = DoubleAuctionLaboratory(SMITH, each, **options)
    arrays = ColumnarLaboratory(SMITH, each, **options)
    pd.testing.assert_frame_equal(arrays.run(60), objects.run(60), check_exact=True)
    pd.testing.assert_frame_equal(arrays.trades, objects.trades, check_exact=True)
    whole, parts = (ColumnarLaboratory(SMITH, ZeroIntelligenceQuotes(), **options) for _ in range(2))
    whole.run(9_000)
    for days in (1, 4_999, 3_000, 1_000):
        parts.run(days)
    assert len(whole.days) == 9_000 > columnar._DAYS
    assert len(whole.trades) > columnar._TRADES
    pd.testing.assert_frame_equal(parts.days, whole.days, check_exact=True)
    pd.testing.assert_frame_equal(parts.trades, whole.trades, check_exact=True)


def test_engines_agree_among_the_poor():
    """Bids are what buyers can pay, and asks what lets sellers pay their cost."""
    policy = ZeroIntelligenceQuotes(constrained=False)
    options = {"rng": 2, "tax_rate": 0.1, "wealth_cents": 150, "most_quotes": 60}
    objects, arrays = (engine(SMITH, policy, **options) for engine in (DoubleAuctionLaboratory, ColumnarLaboratory))
    pd.testing.assert_frame_equal(arrays.run(60), objects.run(60), check_exact=True)
    pd.testing.assert_frame_equal(arrays.trades, objects.trades, check_exact=True)
    assert objects.ledger.wealth.min() < 50


def test_a_day_of_more_trades_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr(columnar, "_TRADES", 4)
    market = InducedMarket(values=[[9] * 20], costs=[[1] * 20], ceiling=10)
    small = ColumnarLaboratory(market, Truthful(), rng=0)
    small.run(5)
    monkeypatch.undo()
    large = ColumnarLaboratory(market, Truthful(), rng=0)
    large.run(5)
    assert len(small.trades) == 100
    pd.testing.assert_frame_equal(small.trades, large.trades, check_exact=True)


def test_without_numba_the_kernel_is_plain_python(monkeypatch):
    monkeypatch.setattr(columnar, "is_compiler_installed", lambda: False)
    assert ColumnarLaboratory(SMITH, Truthful(), rng=0)._play is kernel.play
    with pytest.raises(InvalidInputError, match=r"numba is not installed: pip install walras\[fast\]"):
        ColumnarLaboratory(SMITH, Truthful(), rng=0, use_numba=True)


def test_a_day_by_hand():
    """A buyer of value 9 and a seller of cost 2, who say so: the second to be picked takes the first one's quote."""
    market = InducedMarket(values=[9], costs=[2], ceiling=10)
    laboratory = DoubleAuctionLaboratory(market, Truthful(), rng=0, wealth_cents=100, tax_rate=0.5)
    draws = np.random.default_rng(0).random(1024)[::2]
    seller_first = bool(draws[0] >= 0.5)
    picks = (draws >= 0.5).tolist()
    quotes = picks.index(not picks[0]) + 1
    # Net of half of the price as a tax, 9 buys up to 6: 6 + 3 = 9.
    price = 2 if seller_first else 6
    tax = int(0.5 * price + 0.5)
    laboratory.step()
    row = laboratory.trades.iloc[0].to_dict()
    assert row == {
        "day": 1,
        "trade": 1,
        "quote": quotes,
        "buyer": 0,
        "seller": 1,
        "value_cents": 9,
        "cost_cents": 2,
        "price_cents": price,
        "tax_cents": tax,
    }
    rebate = tax // 2
    wealth = [100 + 9 - price - tax + rebate, 100 + price - 2 + rebate]
    assert laboratory.ledger.wealth.tolist() == wealth
    assert laboratory.ledger.balance("experimenter") == 2 - 9
    assert laboratory.ledger.balance("treasury") == tax - 2 * rebate
    assert [trader.goods for trader in laboratory.traders] == [0, 0]


# ---------------------------------------------------------------- errors

ENGINES = pytest.mark.parametrize("engine", [DoubleAuctionLaboratory, ColumnarLaboratory])
FINE = {"market": SMITH, "policy": Truthful(), "rng": 0}


@ENGINES
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"market": [1]}, ("market", "InducedMarket", "[1]")),
        ({"policy": Truthful}, ("policy needs a method quote", "Truthful")),
        ({"policy": 0.5}, ("policy needs a method quote", "0.5")),
        ({"policy": [Truthful()] * 3}, ("one for each of 11 buyers and 11 sellers", "got 3")),
        ({"rng": None}, ("rng must be a numpy Generator or an integer seed", "None")),
        ({"tax_rate": 1.5}, ("tax_rate", "1.5")),
        ({"wealth_cents": -1}, ("wealth_cents", "-1")),
        ({"wealth_cents": MOST_CENTS}, ("wealth_cents must be at most", "22 traders")),
        ({"most_quotes": 0}, ("most_quotes must be 1 or more", "0")),
        ({"most_days": 0}, ("most_days must be 1 or more", "0")),
        ({"most_trades": -1}, ("most_trades", "-1")),
    ],
)
def test_bad_input(engine, change, parts):
    with pytest.raises(InvalidInputError) as raised:
        engine(**{**FINE, **change})
    assert [part for part in parts if part not in str(raised.value)] == []


@ENGINES
def test_bad_days(engine):
    with pytest.raises(InvalidInputError, match="days must be 1 or more, got 0"):
        engine(**FINE).run(0)


def test_policies_that_arrays_do_not_know():
    with pytest.raises(InvalidInputError, match="DoubleAuctionLaboratory runs any policy"):
        ColumnarLaboratory(SMITH, GjerstadDickhaut(), rng=0)
    with pytest.raises(InvalidInputError, match="use_numba must be True or False, got 1"):
        ColumnarLaboratory(SMITH, Truthful(), rng=0, use_numba=1)


@pytest.mark.parametrize("price", [401, -1, 1.5, True])
def test_quotes_that_are_no_prices(price):
    class Wrong:
        def quote(self, side, worth, ceiling, draw):
            return price

    with pytest.raises(InvalidInputError, match="a quote is a whole number of cents from 0 to 400"):
        DoubleAuctionLaboratory(SMITH, Wrong(), rng=0).step()


@ENGINES
def test_a_debt_that_is_too_large_is_not_settled(engine):
    rich = InducedMarket(values=[[10**9] * 1000], costs=[[0] * 1000], ceiling=10**9)
    with pytest.raises(SettlementError, match="beyond exact settlement"):
        engine(rich, Truthful(), rng=0).run(11)


@ENGINES
def test_progress_is_told_and_memory_is_bounded(engine):
    told = []
    laboratory = engine(SMITH, ZeroIntelligenceQuotes(), rng=0, most_days=3, most_trades=5)
    rows = laboratory.run(10, lambda done, of: told.append((done, of)))
    assert told[-1] == (10, 10)
    assert rows["day"].tolist() == [8, 9, 10] == laboratory.days["day"].tolist()
    assert len(laboratory.trades) == 5
    assert laboratory.trades["day"].iloc[-1] == 10
    laboratory.step()
    assert laboratory.days["day"].tolist() == [9, 10, 11]
    records = laboratory._records
    assert sum(len(part["day"]) for part in records._days) <= 3 + 10  # one part more than is needed
    for _ in range(20):
        laboratory.step()
    assert sum(len(part["day"]) for part in records._days) == 3
    assert sum(len(part) for part in records._trades) < 5 + 11
    assert laboratory.tax_rate == 0.0
