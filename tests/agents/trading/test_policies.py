"""How traders come to their quotes: each rule against its definition, and the markets that follow."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agents.trading.test_engines import SMITH

from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    DoubleAuctionPeriod,
    GjerstadDickhaut,
    InducedMarket,
    LearningPolicy,
    MarginState,
    MarketMaker,
    Shout,
    Situation,
    Standing,
    Truthful,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
    dealer_spread,
    reservation_price,
)
from walras.agents.trading.beliefs import QuoteMemory, acceptance, interpolated
from walras.market import InvalidInputError
from walras.market.order_book import Side

BUYER = Situation(Side.BUY, 300, active=True, goods=0)
SELLER = Situation(Side.SELL, 100, active=True, goods=1)
DONE = {Side.BUY: Situation(Side.BUY, 300, active=False, goods=1), Side.SELL: Situation(Side.SELL, 100, False, 0)}
NOTHING = Standing(-1, 401, 400)


# ---------------------------------------------------------------- ZIP


def moved(situation, price, shout, policy=None):
    """How a margin trader's price changes when it hears a shout, with targets exactly at the price heard."""
    policy = policy or ZeroIntelligencePlus(relative_shift=0.05, absolute_shift=5.0)
    state = MarginState(price / situation.limit - 1.0, 0.0, 0.5, 0.0)
    after = policy.hear(state, situation, NOTHING, shout, (0.5, 0.5))
    return situation.limit * (1.0 + after.margin) - price


@pytest.mark.parametrize(
    ("situation", "price", "side", "heard", "accepted", "direction"),
    [
        # a seller whose price is at most that of a trade could have asked more
        (SELLER, 150, Side.SELL, 200, True, 1),
        (SELLER, 150, Side.BUY, 200, True, 1),
        (DONE[Side.SELL], 150, Side.BUY, 200, True, 1),
        # one whose price is higher would not have sold, if it was a bid that was accepted
        (SELLER, 250, Side.BUY, 200, True, -1),
        (SELLER, 250, Side.SELL, 200, True, 0),
        (DONE[Side.SELL], 250, Side.BUY, 200, True, 0),
        # and must ask less if a lower ask was not accepted
        (SELLER, 250, Side.SELL, 200, False, -1),
        (SELLER, 250, Side.BUY, 200, False, 0),
        (SELLER, 150, Side.SELL, 200, False, 0),
        # buyers are their mirror image
        (BUYER, 250, Side.BUY, 200, True, -1),
        (BUYER, 250, Side.SELL, 200, True, -1),
        (DONE[Side.BUY], 250, Side.SELL, 200, True, -1),
        (BUYER, 150, Side.SELL, 200, True, 1),
        (BUYER, 150, Side.BUY, 200, True, 0),
        (DONE[Side.BUY], 150, Side.SELL, 200, True, 0),
        (BUYER, 150, Side.BUY, 200, False, 1),
        (BUYER, 150, Side.SELL, 200, False, 0),
        (BUYER, 250, Side.BUY, 200, False, 0),
        # ties: a trade at one's own price is one that could have been better, and who shouted in vain gives way
        (SELLER, 200, Side.BUY, 200, True, 1),
        (BUYER, 200, Side.SELL, 200, True, -1),
        (BUYER, 200, Side.BUY, 200, False, 1),
        (SELLER, 200, Side.SELL, 200, False, -1),
        # a fraction of a cent above what it shouted: the same
        (BUYER, 200.2, Side.BUY, 200, False, 1),
        (SELLER, 199.8, Side.SELL, 200, False, -1),
    ],
)
def test_zip_moves_as_cliff_says(situation, price, side, heard, accepted, direction):
    change = moved(situation, price, Shout(side, heard, accepted=accepted, improved=True))
    assert np.sign(round(change, 9)) == direction


def test_zip_takes_a_step_of_widrow_and_hoff_with_momentum():
    policy = ZeroIntelligencePlus(relative_shift=0.1, absolute_shift=10.0)
    state = MarginState(0.5, 4.0, 0.25, 0.2)
    after = policy.hear(state, SELLER, NOTHING, Shout(Side.BUY, 200, accepted=True, improved=True), (0.5, 0.2))
    target = 200 * 1.05 + 2.0
    momentum = 0.2 * 4.0 + 0.8 * 0.25 * (target - 150.0)
    assert after.momentum == pytest.approx(momentum)
    assert after.margin == pytest.approx((150.0 + momentum) / 100.0 - 1.0)
    assert (after.learning_rate, after.inertia) == (0.25, 0.2)


@given(
    side=st.sampled_from(Side),
    limit=st.integers(0, 400),
    margin=st.floats(0.0, 1.0),
    heard=st.integers(0, 400),
    accepted=st.booleans(),
    shouter=st.sampled_from(Side),
    draws=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
)
def test_zip_never_quotes_at_a_loss(side, limit, margin, heard, accepted, shouter, draws):
    policy = ZeroIntelligencePlus()
    situation = Situation(side, limit, active=True, goods=0)
    state = MarginState(-margin if side is Side.BUY else margin, 0.0, 0.5, 0.1)
    state = policy.hear(state, situation, NOTHING, Shout(shouter, heard, accepted=accepted, improved=True), draws)
    price = policy.quote(state, situation, NOTHING, 0.5)
    assert 0 <= price <= 400
    assert price <= limit if side is Side.BUY else price >= limit
    assert -1.0 <= state.margin <= 0.0 if side is Side.BUY else state.margin >= 0.0


def test_zip_markets_settle_at_the_equilibrium_price():
    """Cliff and Bruten 1997: alpha falls day by day to a few percent, and next to nothing is lost."""
    days = [
        ColumnarLaboratory(SMITH, ZeroIntelligencePlus(), rng=seed, most_quotes=5_000).run(10) for seed in range(40)
    ]
    alpha = np.mean([rows["smith_alpha"] for rows in days], axis=0)
    price = np.mean([rows["mean_price_cents"] for rows in days], axis=0)
    efficiency = np.mean([rows["efficiency"] for rows in days], axis=0)
    assert alpha[0] > 0.1 > 0.04 > alpha[5:].max()
    assert np.abs(price[5:] - 200).max() < 2.0
    assert efficiency[2:].min() > 0.995


def test_zero_is_not_enough():
    """Where supply is flat, ZI-C prices stay away from the equilibrium price, at a cost or a value; ZIP's go there."""
    flat = InducedMarket(values=range(325, 50, -25), costs=[200] * 11, ceiling=400)
    assert flat.equilibrium().price == 200.0
    zero = ColumnarLaboratory(flat, ZeroIntelligenceQuotes(), rng=0).run(300)
    plus = ColumnarLaboratory(flat, ZeroIntelligencePlus(), rng=0, most_quotes=3_000).run(300)
    assert zero["mean_price_cents"].mean() > 215
    assert plus["mean_price_cents"].tail(250).mean() == pytest.approx(200, abs=4)


# ---------------------------------------------------------------- GD and GDX

QUOTES = st.lists(st.tuples(st.sampled_from([1, -1]), st.integers(0, 20), st.booleans()), max_size=12)


@given(quotes=QUOTES, side=st.sampled_from(Side))
def test_beliefs_are_the_counts_of_gjerstad_and_dickhaut(quotes, side):
    knots, chances = acceptance(QuoteMemory((tuple(quotes),)), side, ceiling=20)
    assert knots.tolist() == sorted({0, 20, *(price for _, price, _ in quotes)})
    for price, chance in zip(knots.tolist(), chances.tolist(), strict=True):
        if price not in {quoted for _, quoted, _ in quotes}:
            assert chance == float((price == 0) == (side is Side.SELL))
            continue
        if side is Side.SELL:
            taken = sum(q >= price for s, q, t in quotes if s == -1 and t)
            others = sum(q >= price for s, q, _ in quotes if s == 1)
            left = sum(q <= price for s, q, t in quotes if s == -1 and not t)
        else:
            taken = sum(q <= price for s, q, t in quotes if s == 1 and t)
            others = sum(q <= price for s, q, _ in quotes if s == -1)
            left = sum(q >= price for s, q, t in quotes if s == 1 and not t)
        assert chance == (taken + others) / (taken + others + left)
    prices = np.arange(21)
    between = interpolated(prices, knots, chances)
    assert ((between >= 0.0) & (between <= 1.0)).all()
    np.testing.assert_allclose(between[knots], chances, atol=1e-15)
    inner = np.diff(chances[np.isin(knots, [quoted for _, quoted, _ in quotes])])
    assert (inner * int(side) >= 0.0).all()  # the more an offer gives, the more likely it is taken


def test_interpolation_is_flat_at_the_knots_and_half_way_between_them():
    knots, chances = np.array([0, 1000]), np.array([1.0, 0.0])
    values = interpolated(np.array([0, 1, 500, 999, 1000]), knots, chances)
    assert values.tolist() == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0], abs=4e-6)
    assert values[2] == 0.5


def test_memory_keeps_the_fate_of_what_stood():
    memory = QuoteMemory()
    shouts = [
        (Side.BUY, 50, False, True, NOTHING),
        (Side.BUY, 60, False, True, Standing(50, 401, 400)),  # beats 50
        (Side.SELL, 90, False, True, Standing(60, 401, 400)),
        (Side.SELL, 95, False, False, Standing(60, 90, 400)),  # ignored
        (Side.BUY, 90, True, True, Standing(60, 90, 400)),  # takes 90; 60 is cancelled
        (Side.SELL, 70, False, True, NOTHING),
        (Side.BUY, 70, True, True, Standing(-1, 70, 400)),
    ]
    for side, price, accepted, improved, standing in shouts:
        memory = memory.after(standing, Shout(side, price, accepted=accepted, improved=improved), most_trades=5)
    first = ((1, 50, False), (1, 60, False), (1, 90, True), (-1, 90, True))
    assert memory.spans == (first, ((1, 70, True), (-1, 70, True)), ())
    assert memory.after(NOTHING, Shout(Side.BUY, 10, accepted=False, improved=True), 1) == memory
    later = memory.after(Standing(-1, 30, 400), Shout(Side.BUY, 30, accepted=True, improved=True), most_trades=1)
    assert later.spans == (((1, 30, True), (-1, 30, True)), ())


def test_memory_is_bounded_where_nobody_trades():
    memory = QuoteMemory()
    for price in range(1000):
        memory = memory.after(
            Standing(price, 2001, 2000), Shout(Side.BUY, price + 1, accepted=False, improved=True), most_trades=3
        )
    assert len(memory.quotes) == 256


def best_by_brute_force(policy, memory, situation, standing):
    """Largest value and a price that attains it, over all prices that could stand or trade, by recursion."""
    sells = situation.side is Side.SELL
    knots, chances = acceptance(memory, situation.side, standing.ceiling)

    def chance(price):
        if price == (standing.bid if sells else standing.ask):
            return 1.0
        return float(interpolated(np.array([price]), knots, chances)[0])

    if sells:
        prices = [p for p in range(standing.ceiling + 1) if situation.limit <= p < standing.ask and p >= standing.bid]
    else:
        prices = [p for p in range(standing.ceiling + 1) if standing.bid < p <= min(situation.limit, standing.ask)]

    def value(left):
        if left == 0:
            return 0.0, {}
        later = policy.discount * value(left - 1)[0]
        gains = {p: chance(p) * abs(p - situation.limit) + (1.0 - chance(p)) * later for p in prices}
        return max(gains.values()), gains

    return value(policy.horizon) if prices else (0.0, {})


@given(
    quotes=QUOTES,
    side=st.sampled_from(Side),
    limit=st.one_of(st.integers(0, 20), st.sampled_from([3, 17])),
    standing=st.one_of(
        st.just((-1, 21)),
        st.tuples(st.integers(-1, 20), st.integers(0, 21)).filter(lambda pair: pair[0] < pair[1]),
    ),
    horizon=st.sampled_from([1, 2, 4]),
    discount=st.sampled_from([0.0, 0.9, 1.0]),
)
def test_gdx_quotes_the_best_price(quotes, side, limit, standing, horizon, discount):
    policy = GjerstadDickhaut(horizon=horizon, discount=discount)
    memory = QuoteMemory((tuple(quotes),))
    situation, stands = Situation(side, limit, active=True, goods=1), Standing(*standing, 20)
    quote = policy.quote(memory, situation, stands, 0.0)
    largest, gains = best_by_brute_force(policy, memory, situation, stands)
    if not gains:
        assert quote == limit
        return
    assert gains[quote] == pytest.approx(largest, abs=1e-12)
    if discount == 0.0:
        assert quote == GjerstadDickhaut().quote(memory, situation, stands, 0.0)


def test_gdx_is_more_patient_the_further_it_looks():
    seen = QuoteMemory((((1, 180, False), (1, 200, True), (-1, 200, True), (-1, 240, False)), ()))
    quotes = [
        GjerstadDickhaut(horizon=horizon, discount=0.95).quote(seen, SELLER, NOTHING, 0.0) for horizon in (1, 3, 10, 50)
    ]
    assert quotes == sorted(quotes)
    assert quotes[0] < quotes[-1]
    weights = [
        GjerstadDickhaut(horizon=50, discount=discount).quote(seen, SELLER, NOTHING, 0.0)
        for discount in (0.0, 0.5, 0.95, 1.0)
    ]
    assert weights == sorted(set(weights))
    assert weights[0] == quotes[0]


def test_gd_tries_few_of_many_prices():
    wide = Standing(-1, 10**9 + 1, 10**9)
    seen = QuoteMemory((((-1, 123_456_789, True), (1, 123_456_789, True)), ()))
    price = GjerstadDickhaut().quote(seen, Situation(Side.SELL, 0, active=True, goods=1), wide, 0.0)
    assert price == 123_456_789 or price > 123_456_789
    assert price <= 10**9


@pytest.mark.parametrize("policy", [GjerstadDickhaut(), GjerstadDickhaut(horizon=10)], ids=["GD", "GDX"])
def test_gd_markets_settle_at_the_equilibrium_price(policy):
    """Gjerstad and Dickhaut 1998: prices converge within days, and nearly all gains are found."""
    days = [DoubleAuctionLaboratory(SMITH, policy, rng=seed, most_quotes=3_000).run(8) for seed in range(4)]
    assert np.mean([rows["efficiency"] for rows in days]) > 0.99
    assert np.mean([rows["smith_alpha"].tail(5) for rows in days]) < 0.05
    assert all(rows["exhausted"].all() for rows in days)


# ---------------------------------------------------------------- zero intelligence, truth


@pytest.mark.parametrize(
    ("market", "published", "error"),
    [
        (InducedMarket(range(105_000, 55_000, -5_000), range(30_000, 90_000, 6_000), 125_000), 0.9703, 0.0005),
        (InducedMarket(range(325_000, 50_000, -25_000), range(75_000, 350_000, 25_000), 400_000), 0.9654, 0.0008),
    ],
    ids=["zi-market", "smith-1962"],
)
def test_zi_c_efficiency_gode_and_sunder_1993(market, published, error):
    days = ColumnarLaboratory(market, ZeroIntelligenceQuotes(), rng=1993).run(30_000)
    assert days["efficiency"].mean() == pytest.approx(published, abs=4 * error)


def test_the_constraint_makes_the_market():
    """Gode and Sunder 1993: it is the budget constraint that finds the gains; without it traders lose."""
    bound = ColumnarLaboratory(SMITH, ZeroIntelligenceQuotes(), rng=0).run(2_000)
    free = ColumnarLaboratory(SMITH, ZeroIntelligenceQuotes(constrained=False), rng=0).run(2_000)
    assert bound["efficiency"].mean() > 0.95 > 0.5 > free["efficiency"].mean()
    assert free["profit_dispersion_cents"].mean() > 2 * bound["profit_dispersion_cents"].mean()


def test_truth_is_no_equilibrium_of_a_double_auction():
    """Quotes at worth trade whenever two could gain at all, also those who should not: much is lost."""
    days = ColumnarLaboratory(SMITH, Truthful(), rng=0).run(2_000)
    assert 0.6 < days["efficiency"].mean() < 0.8
    assert days["trades"].mean() > SMITH.equilibrium().quantity


def test_learners_need_a_laboratory():
    assert isinstance(ZeroIntelligencePlus(), LearningPolicy)
    with pytest.raises(InvalidInputError, match="DoubleAuctionLaboratory runs traders who learn"):
        DoubleAuctionPeriod([5], [1], 9, ZeroIntelligencePlus())


# ---------------------------------------------------------------- the market maker


def test_reservation_price_and_spread_have_their_limits():
    assert reservation_price(100.0, 0.0, 0.1, 4.0) == 100.0
    assert reservation_price(100.0, -3.0, 0.1, 4.0) == pytest.approx(101.2)
    assert dealer_spread(1e-9, 4.0, 1.5) == pytest.approx(2.0 / 1.5, rel=1e-6)
    assert dealer_spread(0.1, 4.0, 1.5) == pytest.approx(0.4 + 20.0 * math.log(1.0 + 0.1 / 1.5))


def test_a_dealer_leans_against_its_goods():
    maker = MarketMaker(first_price=200.0, risk_aversion=0.01, variance=400.0, depth=0.1, target=5)
    for side in Side:
        quotes = [
            maker.quote(200.0, Situation(side, 0, True, goods, is_dealer=True), NOTHING, 0.5) for goods in range(10)
        ]
        assert np.diff(quotes).tolist() == [-4] * 9
    bid, ask = (maker.quote(200.0, Situation(side, 0, True, 5, is_dealer=True), NOTHING, 0.5) for side in Side)
    assert (bid, ask) == (math.floor(200 - maker_half(maker)), math.ceil(200 + maker_half(maker)))
    heard = maker.hear(200.0, BUYER, NOTHING, Shout(Side.BUY, 250, accepted=True, improved=True), ())
    assert heard == 205.0
    assert maker.hear(200.0, BUYER, NOTHING, Shout(Side.BUY, 250, accepted=False, improved=True), ()) == 200.0


def maker_half(maker):
    return 0.5 * dealer_spread(maker.risk_aversion, maker.variance, maker.depth)


def test_risk_averse_dealers_hold_steadier_stocks_and_still_profit():
    """Avellaneda and Stoikov 2008, in a market of zero-intelligence traders."""
    spreads = {}
    for risk_aversion in (0.0, 0.02):
        maker = MarketMaker(first_price=200.0, risk_aversion=risk_aversion, depth=0.05, target=50)
        laboratory = DoubleAuctionLaboratory(
            SMITH, ZeroIntelligenceQuotes(), rng=0, dealers=[maker], dealer_goods=50, wealth_cents=10**6
        )
        goods = []
        for _ in range(150):
            laboratory.step()
            goods.append(laboratory.traders[-1].goods)
        assert laboratory.trader_rows["profit_cents"].iloc[-1] + 200 * (goods[-1] - 50) > 0
        spreads[risk_aversion] = np.std(goods)
    assert spreads[0.02] < 0.7 * spreads[0.0]


def test_only_dealers_make_markets():
    with pytest.raises(InvalidInputError, match="pass it as `dealers`"):
        DoubleAuctionLaboratory(SMITH, MarketMaker(first_price=200.0), rng=0).step()


def test_a_dealer_does_not_trade_with_itself():
    class Eager:
        def quote(self, side, worth, ceiling, draw):
            return 200

    laboratory = DoubleAuctionLaboratory(
        SMITH, ZeroIntelligenceQuotes(), rng=0, dealers=[Eager(), Eager()], dealer_goods=3, most_quotes=400
    )
    laboratory.run(20)
    assert (laboratory.trades["buyer"] != laboratory.trades["seller"]).all()
    dealers = laboratory.trades[["buyer", "seller"]] >= 22
    assert dealers.all(axis=1).any()  # with each other they do
    assert laboratory.quotes.empty


def test_quotes_can_be_recorded():
    laboratory = DoubleAuctionLaboratory(SMITH, Truthful(), rng=0, record_quotes=True)
    day = laboratory.run(1).iloc[0]
    assert len(laboratory.quotes) == day["quotes"]
    assert laboratory.quotes["accepted"].sum() == day["trades"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ZeroIntelligencePlus(first_margin=0.1), "first_margin must be a range of two numbers"),
        (lambda: ZeroIntelligencePlus(inertia=(0.5, 0.1)), "inertia must be a range within"),
        (lambda: ZeroIntelligencePlus(learning_rate=(0.5, 1.5)), "learning_rate must be a range within"),
        (lambda: ZeroIntelligencePlus(relative_shift=2.0), "relative_shift"),
        (lambda: ZeroIntelligencePlus(absolute_shift=-1.0), "absolute_shift"),
        (lambda: GjerstadDickhaut(memory=0), "GjerstadDickhaut.memory must be 1 or more"),
        (lambda: GjerstadDickhaut(horizon=1.5), "GjerstadDickhaut.horizon"),
        (lambda: GjerstadDickhaut(discount=1.5), "GjerstadDickhaut.discount"),
        (lambda: MarketMaker(first_price=-1.0), "MarketMaker.first_price"),
        (lambda: MarketMaker(first_price=1.0, depth=0.0), "MarketMaker.depth"),
        (lambda: MarketMaker(first_price=1.0, weight=2.0), "MarketMaker.weight"),
        (lambda: MarketMaker(first_price=1.0, target=-1), "MarketMaker.target"),
    ],
)
def test_bad_policies(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
