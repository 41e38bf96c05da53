"""Trading posts: the price rule, conservation, closed posts, and the pool that one trader faces."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import InfeasibleError, Property
from walras.market.market_makers import ConstantProduct, TradingPost, TradingPostStatus
from walras.market.market_makers.trading_post import certify_posts
from walras.market.testing.strategies.market_makers import post_orders

POST = TradingPost()


@given(orders=post_orders())
def test_rule(orders):
    bids, offers = orders
    clearing = POST.clear(bids, offers).require(1e-12)
    for post in range(bids.shape[1]):
        money, goods = bids[:, post].sum(), offers[:, post].sum()
        if money == 0.0 or goods == 0.0:
            assert np.isnan(clearing.prices[post])
            for table in ("goods_bought", "goods_sold", "money_spent", "money_earned"):
                assert not getattr(clearing, table)[:, post].any()
            continue
        assert clearing.prices[post] == pytest.approx(money / goods, rel=1e-15)
        np.testing.assert_allclose(clearing.goods_bought[:, post], bids[:, post] * goods / money, rtol=1e-14)
        np.testing.assert_allclose(clearing.money_earned[:, post], offers[:, post] * money / goods, rtol=1e-14)
        np.testing.assert_array_equal(clearing.goods_sold[:, post], offers[:, post])
        np.testing.assert_array_equal(clearing.money_spent[:, post], bids[:, post])


@given(orders=post_orders())
def test_nothing_is_made_or_lost(orders):
    clearing = POST.clear(*orders)
    np.testing.assert_array_equal(clearing.net_goods, clearing.goods_bought - clearing.goods_sold)
    rounding = 1e-12 * (1.0 + max(np.max(orders[0]), np.max(orders[1])))
    np.testing.assert_allclose(clearing.net_goods.sum(axis=0), 0.0, atol=rounding)
    assert clearing.net_money.shape == (orders[0].shape[0],)
    np.testing.assert_allclose(clearing.net_money.sum(), 0.0, atol=rounding * orders[0].shape[1])
    np.testing.assert_allclose(clearing.net_money, (clearing.money_earned - clearing.money_spent).sum(axis=1))


@pytest.mark.parametrize(
    ("bids", "status"),
    [
        ([[1.0, 1.0]], TradingPostStatus.OPEN),
        ([[1.0, 0.0]], TradingPostStatus.SOME_CLOSED),
        ([[0.0, 0.0]], TradingPostStatus.CLOSED),
    ],
)
def test_status(bids, status):
    assert POST.clear(bids, [[1.0, 2.0]]).status is status


@given(orders=post_orders(), data=st.data())
def test_a_trader_faces_a_constant_product(orders, data):
    bids, offers = orders
    trader, post = (data.draw(st.integers(0, size - 1)) for size in bids.shape)
    others = np.arange(bids.shape[0]) != trader
    assume(bids[others, post].sum() > 0.0 and offers[others, post].sum() > 0.0)
    pool = POST.pool_facing(bids, offers, trader, post)
    assert pool.reserves == (offers[others, post].sum(), bids[others, post].sum())
    assert pool.fee == 0.0
    alone_bids, alone_offers = bids.copy(), offers.copy()
    alone_offers[trader, post] = 0.0
    bought = POST.clear(alone_bids, alone_offers).goods_bought[trader, post]
    assert pool.swap_exact_in(bids[trader, post], sold=1).amount_out == pytest.approx(bought, rel=1e-9)
    alone_bids[trader, post], alone_offers[trader, post] = 0.0, offers[trader, post]
    earned = POST.clear(alone_bids, alone_offers).money_earned[trader, post]
    assert pool.swap_exact_in(offers[trader, post], sold=0).amount_out == pytest.approx(earned, rel=1e-9)


def test_pool_facing_example():
    assert POST.pool_facing([[2.0], [6.0], [1.0]], [[0.0], [3.0], [1.0]], 2, 0) == ConstantProduct((3.0, 8.0), fee=0.0)


@pytest.mark.parametrize(("bids", "offers"), [([[1.0], [0.0]], [[0.0], [1.0]]), ([[0.0], [1.0]], [[1.0], [0.0]])])
def test_no_pool_where_others_are_missing(bids, offers):
    with pytest.raises(InfeasibleError, match=r"At post 0 the others bid [01] and offer [01]: both must be above 0"):
        POST.pool_facing(bids, offers, 0, 0)


@pytest.mark.parametrize("scale", [1e-74, 1e-12, 1e12, 1e74])
def test_any_unit(scale):
    clearing = POST.clear([[6.0 * scale], [0.0]], [[0.0], [3.0]]).require(1e-14)
    assert clearing.prices[0] == pytest.approx(2.0 * scale)
    clearing = POST.clear([[6.0], [0.0]], [[0.0], [3.0 * scale]]).require(1e-14)
    assert clearing.goods_bought[0, 0] == pytest.approx(3.0 * scale)


BIDS, OFFERS = np.array([[4.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])
RIGHT = {
    "prices": np.array([2.0, np.nan]),
    "goods_bought": np.array([[2.0, 0.0], [0.0, 0.0]]),
    "goods_sold": np.array([[0.0, 0.0], [2.0, 0.0]]),
    "money_spent": np.array([[4.0, 0.0], [0.0, 0.0]]),
    "money_earned": np.array([[0.0, 0.0], [4.0, 0.0]]),
}


def changed(name, place, value):
    table = RIGHT[name].copy()
    table[place] = value
    return certify_posts(BIDS, OFFERS, **(RIGHT | {name: table}))


def test_the_answer_is_right():
    clearing = POST.clear(BIDS, OFFERS)
    for name, table in RIGHT.items():
        np.testing.assert_array_equal(getattr(clearing, name), table)
    assert certify_posts(BIDS, OFFERS, **RIGHT).violations(0.0) == {}


@pytest.mark.parametrize(
    ("name", "place", "value", "expected"),
    [
        ("goods_bought", (0, 0), 1.0, {"goods": 0.5, "price_rule": 0.5}),
        ("money_earned", (1, 0), 3.0, {"money": 0.25, "price_rule": 0.25}),
        ("money_spent", (0, 0), 3.0, {"money": 0.25, "feasibility": 0.25}),
        ("goods_sold", (1, 0), 1.0, {"goods": 0.5, "feasibility": 0.5}),
        ("prices", 0, 3.0, {"price_rule": 0.5}),
        ("money_spent", (0, 1), 1.0, {"feasibility": 1.0, "money": 1.0}),
        ("goods_sold", (0, 1), 0.5, {"feasibility": 0.5, "goods": 0.5}),
        ("goods_bought", (1, 0), -1.0, {"feasibility": 0.5, "goods": 0.5}),
        ("money_earned", (0, 0), -1.0, {"feasibility": 0.25, "money": 0.25}),
    ],
)
def test_certificate_convicts(name, place, value, expected):
    certificate = changed(name, place, value)
    for residual, size in expected.items():
        assert getattr(certificate, residual) == pytest.approx(size), residual


def test_promises():
    assert POST.declared_properties == {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.STRONGLY_BUDGET_BALANCED,
        Property.MONOTONE,
        Property.ANONYMOUS,
        Property.SCALE_FREE,
    }
