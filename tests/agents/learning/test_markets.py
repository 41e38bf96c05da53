"""Markets of firms: equilibria and cartels against numerical optimisation, and the identities of market power."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar

from walras.agents.learning import BertrandMarket, CobwebMarket, CournotMarket, LogitMarket, market_power
from walras.market import InvalidInputError
from walras.market.partial_equilibrium import LinearCurve

costs = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.5, 9.0, 11.0]), min_size=1, max_size=4)
demands = st.builds(LinearCurve, st.sampled_from([2.0, 10.0]), st.sampled_from([-0.5, -1.0, -3.0]))
cournots = st.builds(CournotMarket, demands, costs)
bertrands = st.builds(BertrandMarket, demands, costs)
cobwebs = st.builds(CobwebMarket, demands, costs, st.sampled_from([0.5, 1.0, 4.0]))
logits = st.builds(
    LogitMarket,
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=3),
    st.sampled_from([1.0, 2.0]),
    st.sampled_from([-1.0, 0.0, 0.5]),
    st.sampled_from([0.1, 0.25, 1.0]),
    st.sampled_from([1.0, 50.0]),
)


def profits(market, actions):
    prices, quantities = market.sell(np.asarray(actions, dtype=float))
    return prices * quantities - market.costs(quantities)


@settings(max_examples=30)
@given(market=st.one_of(cournots, logits), data=st.data())
def test_replies_are_best(market, data):
    actions = np.array(data.draw(st.lists(st.floats(0.0, 6.0), min_size=market.firms, max_size=market.firms)))
    for firm in range(market.firms):
        best = actions.copy()
        best[firm] = market.reply(firm, actions)
        for tried in np.linspace(0.0, 12.0, 241):
            other = actions.copy()
            other[firm] = tried
            assert profits(market, other)[firm] <= profits(market, best)[firm] + 1e-9


@settings(max_examples=40)
@given(market=st.one_of(cournots, logits, cobwebs))
def test_nobody_leaves_the_equilibrium(market):
    equilibrium = market.equilibrium()
    for firm in range(market.firms):
        assert market.reply(firm, equilibrium) == pytest.approx(equilibrium[firm], abs=1e-9)


@settings(max_examples=25)
@given(market=st.one_of(cournots, bertrands, logits, cobwebs), seed=st.integers(0, 5))
def test_a_cartel_earns_the_most(market, seed):
    best = profits(market, market.collusion()).sum()
    rng = np.random.default_rng(seed)
    scale = 12.0
    for actions in (*rng.uniform(0.0, scale, (40, market.firms)), market.equilibrium()):
        assert profits(market, actions).sum() <= best + 1e-7
    around = market.collusion() * rng.uniform(0.9, 1.1, (40, market.firms))
    assert max(profits(market, actions).sum() for actions in around) <= best + 1e-7


@settings(max_examples=40)
@given(market=st.one_of(cournots, bertrands, logits, cobwebs), data=st.data())
def test_power_adds_up_and_nothing_beats_the_first_best(market, data):
    actions = data.draw(st.lists(st.floats(0.0, 12.0), min_size=market.firms, max_size=market.firms))
    power = market_power(market, actions)
    assert power.welfare == pytest.approx(power.consumer_surplus + power.profit, abs=1e-9)
    assert power.deadweight_loss >= -1e-9
    assert power.profit == pytest.approx(profits(market, actions).sum(), abs=1e-9)
    assert 1 / market.firms - 1e-12 <= power.herfindahl <= 1.0 + 1e-12
    assert math.isnan(power.lerner) or power.lerner <= 1.0 + 1e-12


@given(market=cobwebs)
def test_price_takers_reach_the_first_best(market):
    assert market_power(market, market.equilibrium()).deadweight_loss == pytest.approx(0.0, abs=1e-9)


@given(market=cournots)
def test_cournot_margins_are_concentration_over_elasticity(market):
    """Lerner index = Herfindahl index / elasticity of demand, in Cournot equilibrium."""
    power = market_power(market, market.equilibrium())
    if power.quantity > 1e-9:
        elasticity = power.price / (-market.demand.slope * power.quantity)
        assert power.lerner == pytest.approx(power.herfindahl / elasticity, rel=1e-9)


@pytest.mark.parametrize("firms", [1, 2, 3, 10])
def test_equal_cournot_firms_in_closed_form(firms):
    market = CournotMarket(LinearCurve(13.0, -2.0), [1.0] * firms)
    power = market_power(market, market.equilibrium())
    assert market.equilibrium().tolist() == pytest.approx([12 / (2 * (firms + 1))] * firms)
    assert power.price == pytest.approx(1 + 12 / (firms + 1))
    assert power.deadweight_loss == pytest.approx(0.5 * 12**2 / 2 / (firms + 1) ** 2)


@given(market=bertrands)
def test_bertrand_firms_sell_at_the_second_cost_or_as_a_monopoly(market):
    prices, quantities = market.sell(market.equilibrium())
    ascending = np.sort(market.unit_costs)
    a = market.demand.intercept
    monopoly = max((a + ascending[0]) / 2, ascending[0])
    expected = min(monopoly, ascending[1]) if market.firms > 1 else monopoly
    assert prices[np.argmin(market.unit_costs)] == expected
    assert quantities.sum() == pytest.approx(max((a - expected) / -market.demand.slope, 0.0))
    assert profits(market, market.equilibrium()).min() >= 0.0


@settings(max_examples=20)
@given(market=bertrands, data=st.data())
def test_bertrand_replies_are_best_on_ticks(market, data):
    """No price on a fine grid of ticks earns more than the reply does, but for what a finer undercut would bring."""
    actions = np.array(data.draw(st.lists(st.integers(0, 1200), min_size=market.firms, max_size=market.firms))) / 100
    for firm in range(market.firms):
        best = actions.copy()
        best[firm] = market.reply(firm, actions)
        earned = profits(market, best)[firm]
        for tried in np.arange(0, 1201, 7) / 100:
            other = actions.copy()
            other[firm] = tried
            assert profits(market, other)[firm] <= earned + 0.011 * 10.0 / 0.5


def test_the_published_logit_market():
    """Calvano et al. 2020: prices of the one-period equilibrium and of a cartel, with two firms."""
    market = LogitMarket([1.0, 1.0])
    assert market.equilibrium() == pytest.approx([1.473, 1.473], abs=5e-4)
    assert market.collusion() == pytest.approx([1.925, 1.925], abs=5e-4)
    joint = minimize(lambda p: -profits(market, p).sum(), [1.5, 1.5], tol=1e-10).x
    assert joint == pytest.approx(market.collusion(), abs=1e-4)
    alone = minimize_scalar(lambda p: -profits(market, [p, 1.3])[0], bounds=(1.0, 3.0), method="bounded").x
    assert alone == pytest.approx(market.reply(0, np.array([9.0, 1.3])), abs=1e-4)


def test_consumer_surplus_is_the_area_under_demand():
    market = LogitMarket([0.5, 1.0], qualities=[2.0, 1.5], size=3.0)
    prices = np.array([1.2, 1.4])
    heights = np.linspace(0.0, 30.0, 30_001)
    # Raise both prices together: what is sold is the fall of the surplus.
    sold = market.sell(prices + heights[:, None])[1].sum(axis=1)
    area = float(((sold[1:] + sold[:-1]) / 2 * np.diff(heights)).sum())
    assert float(market.consumer_surplus(prices)) == pytest.approx(area, rel=1e-6)


def test_a_cobweb_with_all_its_producers_in_closed_form():
    market = CobwebMarket(LinearCurve(10.0, -0.5), [1.0, 2.0, 0.0], cost_slopes=[2.0, 4.0, 1.0])
    # All sell at the equilibrium; together they supply (p - 1)/2 + (p - 2)/4 + p = 1.75 p - 1.
    price = (10 + 0.5) / (1 + 0.5 * 1.75)
    assert market.equilibrium().tolist() == pytest.approx([price] * 3)
    assert market.price_slope == pytest.approx(-0.5 * 1.75)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CournotMarket(LinearCurve(10.0, 1.0), [1.0]), "must fall from a price above 0"),
        (lambda: CournotMarket(LinearCurve(-1.0, -1.0), [1.0]), "must fall from a price above 0"),
        (lambda: CournotMarket("demand", [1.0]), "CournotMarket.demand"),
        (lambda: CournotMarket(LinearCurve(10.0, -1.0), [-1.0]), "CournotMarket.unit_costs"),
        (lambda: BertrandMarket(LinearCurve(10.0, -1.0), [1.0], tick=0.0), "BertrandMarket.tick"),
        (lambda: LogitMarket([1.0], scale=0.0), "LogitMarket.scale"),
        (lambda: LogitMarket([1.0, 1.0], qualities=[1.0]), "LogitMarket.qualities"),
        (lambda: CobwebMarket(LinearCurve(10.0, -1.0), [1.0], cost_slopes=0.0), "CobwebMarket.cost_slopes"),
        (lambda: market_power(CournotMarket(LinearCurve(10.0, -1.0), [1.0]), [1.0, 2.0]), "actions"),
        (lambda: market_power(CournotMarket(LinearCurve(10.0, -1.0), [1.0]), [math.nan]), "actions"),
    ],
)
def test_bad_markets(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
