"""Zero-intelligence traders: the rule, its efficiency, and that the order book makes the same trades."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.trading import DoubleAuctionPeriod, PeriodStatus, ZeroIntelligenceQuotes
from walras.market import InvalidInputError
from walras.market.order_book import ContinuousDoubleAuction, Side

worths = st.lists(st.integers(0, 12), min_size=1, max_size=6)
policies = st.booleans().map(lambda constrained: ZeroIntelligenceQuotes(constrained=constrained))


class Scripted:
    """Quotes the worth whatever is drawn."""

    def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
        return worth


class OutOfRange:
    def __init__(self, price: object) -> None:
        self.price = price

    def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
        return self.price  # type: ignore[return-value]


@given(values=worths, costs=worths, policy=policies, seed=st.integers(0, 2**32))
def test_the_order_book_makes_the_same_trades(
    values: list[int], costs: list[int], policy: ZeroIntelligenceQuotes, seed: int
) -> None:
    market = DoubleAuctionPeriod(values, costs, ceiling=12, policy=policy, most_quotes=500)
    period = market.run(np.random.default_rng(seed))
    trades = ContinuousDoubleAuction().run(period.log).require(0.0).trades
    assert trades["price"].tolist() == period.prices.tolist()
    accounts = np.sort(np.stack([trades["maker"], trades["taker"]]), axis=0)
    assert accounts.T.tolist() == [
        [buyer, len(values) + seller] for buyer, seller in zip(period.buyers, period.sellers, strict=True)
    ]
    assert (trades["quantity"] == 1).all()


@given(values=worths, costs=worths, seed=st.integers(0, 2**32))
def test_constrained_traders_never_lose_and_stop_when_no_gain_is_left(
    values: list[int], costs: list[int], seed: int
) -> None:
    market = DoubleAuctionPeriod(values, costs, ceiling=12)
    period = market.run(np.random.default_rng(seed))
    gains = [values[buyer] - price for buyer, price in zip(period.buyers, period.prices, strict=True)]
    gains += [price - costs[seller] for seller, price in zip(period.sellers, period.prices, strict=True)]
    assert all(gain >= 0 for gain in gains)
    assert sum(gains) == period.surplus <= period.largest_surplus
    assert len(set(period.buyers.tolist())) == len(period.buyers)
    left = [value for buyer, value in enumerate(values) if buyer not in period.buyers]
    right = [cost for seller, cost in enumerate(costs) if seller not in period.sellers]
    assert max(left, default=0) <= min(right, default=12)
    assert period.status is PeriodStatus.EXHAUSTED
    assert 0.0 <= period.efficiency <= 1.0


@given(values=worths, costs=worths, seed=st.integers(0, 2**32))
def test_standing_quotes_improve_until_they_trade(values: list[int], costs: list[int], seed: int) -> None:
    period = DoubleAuctionPeriod(values, costs, ceiling=12).run(np.random.default_rng(seed))
    bid, ask, prices = -1, 13, []
    for _, side, _, price in period.standing.tolist():
        assert price > bid if side == 1 else price < ask
        earlier = ask if side == 1 else bid
        bid, ask = (price, ask) if side == 1 else (bid, price)
        if bid >= ask:
            prices.append(earlier)
            bid, ask = -1, 13
    assert prices == period.prices.tolist()


def test_the_largest_surplus_is_that_of_the_best_pairs() -> None:
    market = DoubleAuctionPeriod(range(105, 55, -5), range(30, 90, 6), ceiling=125)
    assert market.largest_surplus == 294
    assert DoubleAuctionPeriod([3], [3, 9], ceiling=9).largest_surplus == 0


def test_quotes_at_worth_realise_a_gain_that_is_known() -> None:
    market = DoubleAuctionPeriod([9], [2], ceiling=10, policy=Scripted())
    period = market.run(np.random.default_rng(3))
    assert (period.surplus, period.efficiency, len(period.prices)) == (7, 1.0, 1)
    assert period.prices[0] in (2, 9)
    assert period.quotes == int(period.standing[-1, 0]) + 1


def test_nothing_to_gain_ends_before_the_first_quote() -> None:
    period = DoubleAuctionPeriod([5], [5], ceiling=10).run(np.random.default_rng(0))
    assert (period.quotes, period.efficiency, period.status) == (0, 1.0, PeriodStatus.EXHAUSTED)
    assert len(period.log) == 0


def test_a_period_may_run_out_of_quotes() -> None:
    market = DoubleAuctionPeriod([10**6], [10**6 - 1], ceiling=10**7, most_quotes=20)
    period = market.run(np.random.default_rng(0))
    assert (period.quotes, period.status, period.efficiency) == (20, PeriodStatus.OUT_OF_QUOTES, 0.0)
    last = DoubleAuctionPeriod([9], [2], ceiling=10, policy=Scripted(), most_quotes=1).run(np.random.default_rng(0))
    assert (last.quotes, last.status) == (1, PeriodStatus.OUT_OF_QUOTES)


@pytest.mark.parametrize(
    ("constrained", "side", "lowest", "highest"),
    [(True, Side.BUY, 0, 4), (True, Side.SELL, 4, 9), (False, Side.BUY, 0, 9), (False, Side.SELL, 0, 9)],
)
def test_zero_intelligence_quotes_cover_their_range_alike(
    constrained: bool, side: Side, lowest: int, highest: int
) -> None:
    policy = ZeroIntelligenceQuotes(constrained=constrained)
    draws = (np.arange(1000) + 0.5) / 1000
    quotes = [policy.quote(side, 4, 9, draw) for draw in draws.tolist()]
    counts = np.bincount(quotes)
    assert (min(quotes), max(quotes)) == (lowest, highest)
    expected = 1000 / (highest - lowest + 1)
    assert np.abs(counts[lowest:] - expected).max() <= 1.0
    assert policy.quote(side, 4, 9, np.nextafter(1.0, 0.0)) == highest


def test_the_same_seed_gives_the_same_period() -> None:
    market = DoubleAuctionPeriod([9, 8, 7], [1, 2, 3], ceiling=10)
    one, two, other = (market.run(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.standing.tolist() == two.standing.tolist()
    assert one.standing.tolist() != other.standing.tolist()


def test_unconstrained_traders_trade_too_much() -> None:
    values, costs = range(1050, 550, -50), range(300, 900, 60)
    rng = np.random.default_rng(0)
    free = DoubleAuctionPeriod(values, costs, ceiling=1250, policy=ZeroIntelligenceQuotes(constrained=False))
    bound = DoubleAuctionPeriod(values, costs, ceiling=1250)
    assert np.mean([free.run(rng).efficiency for _ in range(100)]) < 0.92
    assert np.mean([bound.run(rng).efficiency for _ in range(100)]) > 0.95


def test_losses_without_possible_gains_count() -> None:
    class TooHigh:
        def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
            return ceiling if side is Side.BUY else 0

    market = DoubleAuctionPeriod([5, 0], [4, 10], ceiling=10, policy=TooHigh())
    worst = min(market.run(np.random.default_rng(seed)).efficiency for seed in range(30))
    assert worst < 0.0


RNG = np.random.default_rng(0)
CASES: list[tuple[Callable[[], object], tuple[str, ...]]] = [
    (lambda: DoubleAuctionPeriod([], [1], ceiling=9), ("DoubleAuctionPeriod.values", "one or more", "[]")),
    (lambda: DoubleAuctionPeriod([1.5], [1], ceiling=9), ("DoubleAuctionPeriod.values", "whole", "[1.5]")),
    (lambda: DoubleAuctionPeriod([1], [[1]], ceiling=9), ("DoubleAuctionPeriod.costs", "[[1]]")),
    (lambda: DoubleAuctionPeriod([1], [-1], ceiling=9), ("DoubleAuctionPeriod.costs", "0 ... 9", "-1")),
    (lambda: DoubleAuctionPeriod([10], [1], ceiling=9), ("DoubleAuctionPeriod.values", "0 ... 9", "10")),
    (lambda: DoubleAuctionPeriod([1], [1], ceiling=0), ("DoubleAuctionPeriod.ceiling", "1 or more", "0")),
    (lambda: DoubleAuctionPeriod([1], [1], ceiling=2**52), ("DoubleAuctionPeriod.ceiling", "2**52", str(2**52))),
    (lambda: DoubleAuctionPeriod([1], [1], 9, most_quotes=0), ("DoubleAuctionPeriod.most_quotes", "1 or more", "0")),
    (lambda: DoubleAuctionPeriod([1], [1], 9, policy=None), ("DoubleAuctionPeriod.policy", "quote", "None")),
    (lambda: DoubleAuctionPeriod([1], [1], 9, policy=ZeroIntelligenceQuotes), ("DoubleAuctionPeriod.policy",)),
    (lambda: ZeroIntelligenceQuotes(constrained=1), ("ZeroIntelligenceQuotes.constrained", "True or False", "1")),
    (lambda: DoubleAuctionPeriod([5], [1], 9).run(7), ("rng", "Generator", "7")),
    (lambda: DoubleAuctionPeriod([5], [1], 9, OutOfRange(10)).run(RNG), ("quotes 10", "0 to 9")),
    (lambda: DoubleAuctionPeriod([5], [1], 9, OutOfRange(-1)).run(RNG), ("quotes -1", "0 to 9")),
    (lambda: DoubleAuctionPeriod([5], [1], 9, OutOfRange(2.0)).run(RNG), ("quotes 2.0", "whole")),
]


@pytest.mark.parametrize(("call", "parts"), CASES, ids=[" ".join(case[1])[:50] for case in CASES])
def test_bad_input(call: Callable[[], object], parts: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        call()
    assert all(part in str(caught.value) for part in parts), caught.value
