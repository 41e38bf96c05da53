"""The call auction against slow oracles: volume, gains, price interval, rationing, certificate."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.double_auctions import CallAuction, CallAuctionStatus, Rationing
from walras.market.double_auctions.clearing import certify_call_auction
from walras.market.testing.strategies.double_auctions import order_cases

DIVISIBLE = [Rationing.TIME, Rationing.PRO_RATA, Rationing.LOT]
every_rule = pytest.mark.parametrize("rule", DIVISIBLE)
every_whole_rule = pytest.mark.parametrize("rule", Rationing)


def cleared(case, k=0.5, rule=Rationing.TIME):
    auction = CallAuction(k, rule)
    generator = np.random.default_rng(7)
    return auction.clear(case.bids, case.asks, case.bid_quantities, case.ask_quantities, generator=generator)


def unit_prices(case):
    """One entry per unit of whole orders: bids from the highest, asks from the lowest."""
    bids = np.sort(np.repeat(case.bids, case.bid_quantities.astype(int)))[::-1]
    return bids, np.sort(np.repeat(case.asks, case.ask_quantities.astype(int)))


def by_hand(case):
    """Volume and price interval, unit by unit."""
    bids, asks = unit_prices(case)
    volume = 0
    while volume < min(bids.size, asks.size) and bids[volume] >= asks[volume]:
        volume += 1
    low = max(asks[volume - 1] if volume else -np.inf, bids[volume] if volume < bids.size else -np.inf)
    high = min(bids[volume - 1] if volume else np.inf, asks[volume] if volume < asks.size else np.inf)
    return volume, (low, high)


def best_gains(case):
    """Largest gains from trade, by linear programme."""
    from scipy.optimize import linprog

    balance = [np.concatenate([np.ones(case.bids.size), -np.ones(case.asks.size)])]
    caps = [(0.0, cap) for cap in [*case.bid_quantities, *case.ask_quantities]]
    return -linprog(np.concatenate([-case.bids, case.asks]), A_eq=balance, b_eq=[0.0], bounds=caps).fun


# ---------------------------------------------------------------- volume and price


@every_whole_rule
@given(case=order_cases(whole=True))
def test_volume_and_interval_unit_by_unit(rule, case):
    clearing = cleared(case, rule=rule).require(0.0 if rule is not Rationing.PRO_RATA else 1e-14)
    volume, interval = by_hand(case)
    assert (clearing.volume, clearing.price_interval) == (volume, interval)
    assert clearing.buyer_allocation.sum() == pytest.approx(volume, rel=1e-15)
    assert clearing.seller_allocation.sum() == pytest.approx(volume, rel=1e-15)


@every_rule
@given(case=order_cases())
def test_passes_its_certificate(rule, case):
    clearing = cleared(case, rule=rule).require(1e-10)
    assert clearing.volume == pytest.approx(clearing.buyer_allocation.sum(), rel=1e-11, abs=0.0)
    assert clearing.volume == pytest.approx(clearing.seller_allocation.sum(), rel=1e-11, abs=0.0)


@given(case=order_cases(whole=True))
def test_gains_are_the_largest(case):
    assert cleared(case).gains == pytest.approx(best_gains(case), abs=1e-7)


@given(case=order_cases(), k=st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_price_divides_the_interval(case, k):
    clearing = cleared(case, k)
    low, high = clearing.price_interval
    assert low <= clearing.price <= high
    assert clearing.price == pytest.approx(k * high + (1.0 - k) * low, rel=1e-12, abs=1e-12 * (abs(low) + abs(high)))
    if k in (0.0, 1.0):
        assert clearing.price == (low, high)[int(k)]


@given(case=order_cases())
def test_money_and_surplus_follow_from_the_price(case):
    clearing = cleared(case)
    np.testing.assert_array_equal(clearing.buyer_payments, clearing.price * clearing.buyer_allocation)
    np.testing.assert_array_equal(clearing.seller_receipts, clearing.price * clearing.seller_allocation)
    np.testing.assert_array_equal(clearing.buyer_surplus, (case.bids - clearing.price) * clearing.buyer_allocation)
    np.testing.assert_array_equal(clearing.seller_surplus, (clearing.price - case.asks) * clearing.seller_allocation)
    assert np.all(clearing.buyer_surplus >= 0.0)
    assert np.all(clearing.seller_surplus >= 0.0)
    assert clearing.gains == pytest.approx(clearing.buyer_surplus.sum() + clearing.seller_surplus.sum(), rel=1e-15)


def test_smith_1962():
    bids, asks = np.arange(3.25, 0.5, -0.25), np.arange(0.75, 3.5, 0.25)
    clearing = CallAuction().clear(bids, asks)
    assert (clearing.price, clearing.volume, clearing.gains) == (2.0, 6.0, 7.5)


def test_zero_intelligence_market():
    clearing = CallAuction().clear(np.arange(105.0, 59.0, -5.0), np.arange(30.0, 85.0, 6.0))
    assert (clearing.volume, clearing.gains, clearing.price_interval) == (7.0, 294.0, (70.0, 72.0))
    assert clearing.price == 71.0


def test_a_bid_and_an_ask_at_one_price_trade():
    clearing = CallAuction().clear([5.0], [5.0])
    assert (clearing.volume, clearing.price, clearing.status) == (1.0, 5.0, CallAuctionStatus.CLEARED)


def test_no_trade_has_a_price_between_the_best_quotes():
    clearing = CallAuction(0.25).clear([4.0, 3.0], [8.0, 9.0])
    assert clearing.status is CallAuctionStatus.NO_TRADE
    assert (clearing.volume, clearing.price, clearing.price_interval) == (0.0, 5.0, (4.0, 8.0))
    assert not clearing.buyer_allocation.any()
    assert not clearing.seller_allocation.any()
    assert clearing.gains == 0.0
    assert clearing.certificate.violations(0.0) == {}


def test_one_side_is_served_in_full():
    clearing = CallAuction(0.5).clear([9.0, 8.0], [1.0], ask_quantities=2.0)
    assert (clearing.volume, clearing.price_interval, clearing.price) == (2.0, (1.0, 8.0), 4.5)
    clearing = CallAuction(0.5).clear([9.0], [1.0, 2.0], bid_quantities=2.0)
    assert (clearing.volume, clearing.price_interval, clearing.price) == (2.0, (2.0, 9.0), 5.5)


def test_negative_prices():
    clearing = CallAuction().clear([-2.0, -5.0], [-6.0, -3.0])
    assert (clearing.volume, clearing.price_interval) == (1.0, (-5.0, -3.0))


def test_fractions_of_a_unit_that_add_up_are_not_rationed():
    # 0.1 + 0.2 is above 0.3 in float64.
    clearing = CallAuction().clear([7.0, 6.0], [2.0], [0.1, 0.2], [0.3]).require(1e-12)
    assert clearing.status is CallAuctionStatus.CLEARED
    assert clearing.buyer_allocation.tolist() == [0.1, 0.2]
    assert clearing.price_interval == (2.0, 6.0)
    clearing = CallAuction().clear([7.0], [2.0, 3.0], [0.3], [0.1, 0.2]).require(1e-12)
    assert clearing.seller_allocation.tolist() == [0.1, 0.2]
    assert clearing.price_interval == (3.0, 7.0)


def test_whole_units_are_counted_exactly():
    large = 2.0**52
    clearing = CallAuction().clear([7.0, 6.0], [2.0], [large, 1.0], [large]).require(0.0)
    assert clearing.buyer_allocation.tolist() == [large, 0.0]
    assert clearing.price_interval == (6.0, 7.0)


@pytest.mark.parametrize("scale", [1e-140, 1e-12, 1e12, 1e140])
def test_any_unit_of_money_and_goods(scale):
    clearing = CallAuction().clear(np.array([9.0, 8.0]) * scale, [2.0 * scale], 3.0, 4.0).require(1e-12)
    assert clearing.price == pytest.approx(8.0 * scale, rel=1e-15)
    clearing = CallAuction().clear([9.0, 8.0], [2.0], 3.0 * scale, 4.0 * scale).require(1e-12)
    np.testing.assert_allclose(clearing.buyer_allocation, [3.0 * scale, scale], rtol=1e-12)


def test_many_orders():
    generator = np.random.default_rng(1)
    bids, asks = generator.normal(100, 10, 5000).round(1), generator.normal(100, 10, 4000).round(1)
    bought, sold = generator.integers(1, 9, 5000).astype(float), generator.integers(1, 9, 4000).astype(float)
    clearing = CallAuction().clear(bids, asks, bought, sold).require(1e-12)
    inside = (bids > clearing.price, asks < clearing.price)
    np.testing.assert_array_equal(clearing.buyer_allocation[inside[0]], bought[inside[0]])
    np.testing.assert_array_equal(clearing.seller_allocation[inside[1]], sold[inside[1]])


# ---------------------------------------------------------------- rationing


@every_whole_rule
def test_better_prices_are_served_first(rule):
    generator = np.random.default_rng(0)
    clearing = CallAuction(0.5, rule).clear([5.0, 7.0, 5.0, 4.0], [1.0], [4.0, 3.0, 2.0, 9.0], 6.0, generator=generator)
    assert clearing.buyer_allocation[1] == 3.0
    assert clearing.buyer_allocation[3] == 0.0
    assert clearing.buyer_allocation[[0, 2]].sum() == 3.0
    assert clearing.price == 5.0
    assert clearing.status is CallAuctionStatus.RATIONED


def test_first_come_first_served():
    clearing = CallAuction().clear([5.0, 5.0, 5.0, 5.0], [1.0], [2.0, 3.0, 1.0, 1.0], 4.0)
    assert clearing.buyer_allocation.tolist() == [2.0, 2.0, 0.0, 0.0]
    clearing = CallAuction().clear([5.0], [1.0, 2.0, 2.0], 4.0, [1.0, 2.0, 3.0])
    assert clearing.seller_allocation.tolist() == [1.0, 2.0, 1.0]


def test_pro_rata_serves_the_same_share():
    clearing = CallAuction(0.5, Rationing.PRO_RATA).clear([5.0, 5.0], [1.0], [1.0, 3.0], 2.0)
    assert clearing.buyer_allocation.tolist() == [0.5, 1.5]


def test_whole_pro_rata_rounds_the_largest_fractions_up():
    auction = CallAuction(0.5, Rationing.WHOLE_PRO_RATA)
    assert auction.clear([5.0] * 3, [1.0], [10.0, 20.0, 30.0], 10.0).buyer_allocation.tolist() == [2.0, 3.0, 5.0]
    assert auction.clear([5.0] * 3, [1.0], 1.0, 2.0).buyer_allocation.tolist() == [1.0, 1.0, 0.0]
    assert auction.clear([5.0] * 3, [1.0], [1.0, 3.0, 3.0], 4.0).buyer_allocation.tolist() == [0.0, 2.0, 2.0]


def test_whole_pro_rata_is_exact_beyond_64_bits():
    large = 2.0**50
    bought = CallAuction(0.5, Rationing.WHOLE_PRO_RATA).clear([5.0] * 2, [1.0], [large, large - 1.0], large)
    # Shares are large^2 / (2 large - 1) = large / 2 + 1/4 + ..., and large / 2 - 1/4 - ...: the second is rounded up.
    assert bought.buyer_allocation.tolist() == [large / 2, large / 2]


@given(case=order_cases(whole=True))
def test_whole_pro_rata_gives_whole_units_near_their_share(case):
    whole = cleared(case, rule=Rationing.WHOLE_PRO_RATA)
    fractions = cleared(case, rule=Rationing.PRO_RATA)
    for name in ("buyer_allocation", "seller_allocation"):
        units = getattr(whole, name)
        np.testing.assert_array_equal(units, np.floor(units))
        assert np.all(np.abs(units - getattr(fractions, name)) < 1.0)


def test_lots_serve_each_order_as_often():
    generator = np.random.default_rng(5)
    auction = CallAuction(0.5, Rationing.LOT)
    draws = np.array([auction.clear([5.0] * 3, [1.0], generator=generator).buyer_allocation for _ in range(600)])
    assert set(draws.ravel().tolist()) == {0.0, 1.0}
    np.testing.assert_array_equal(draws.sum(axis=1), 1.0)
    np.testing.assert_allclose(draws.mean(axis=0), 1.0 / 3.0, atol=0.08)


def test_lots_are_drawn_for_whole_orders():
    allocation = CallAuction(0.5, Rationing.LOT).clear(
        [5.0] * 3, [1.0], [3.0, 2.0, 1.0], 3.0, generator=np.random.default_rng(3)
    )
    served = np.random.default_rng(3).permutation(3)
    left, expected = 3.0, np.zeros(3)
    for order in served:
        expected[order] = min(left, [3.0, 2.0, 1.0][order])
        left -= expected[order]
    assert allocation.buyer_allocation.tolist() == expected.tolist()


@every_whole_rule
@given(case=order_cases(whole=True))
def test_status_says_whether_an_order_is_served_in_part(rule, case):
    clearing = cleared(case, rule=rule)
    partly = any(
        np.any((units > 0) & (units < wanted))
        for units, wanted in (
            (clearing.buyer_allocation, case.bid_quantities),
            (clearing.seller_allocation, case.ask_quantities),
        )
    )
    expected = CallAuctionStatus.RATIONED if partly else CallAuctionStatus.CLEARED
    assert clearing.status is (expected if clearing.volume else CallAuctionStatus.NO_TRADE)


@given(case=order_cases())
def test_the_order_in_which_prices_are_given_does_not_matter_without_ties(case):
    assume(np.unique(case.bids).size == case.bids.size and np.unique(case.asks).size == case.asks.size)
    clearing = cleared(case)
    mirrored = CallAuction().clear(
        case.bids[::-1], case.asks[::-1], case.bid_quantities[::-1], case.ask_quantities[::-1]
    )
    np.testing.assert_allclose(mirrored.buyer_allocation[::-1], clearing.buyer_allocation, rtol=1e-9, atol=1e-9)
    assert mirrored.price == pytest.approx(clearing.price, rel=1e-12)


# ---------------------------------------------------------------- certificate

BIDS, ASKS = np.array([9.0, 7.0, 5.0]), np.array([2.0, 4.0, 8.0])
WANTED, OFFERED = np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0, 1.0])
RIGHT = {
    "price": 7.0,
    "price_interval": (7.0, 7.0),
    "buyer_allocation": np.array([1.0, 1.0, 0.0]),
    "seller_allocation": np.array([1.0, 1.0, 0.0]),
    "buyer_payments": np.array([7.0, 7.0, 0.0]),
    "seller_receipts": np.array([7.0, 7.0, 0.0]),
}


def certify(**changes):
    return certify_call_auction(BIDS, ASKS, WANTED, OFFERED, **(RIGHT | changes))


def test_the_answer_is_right():
    clearing = CallAuction().clear(BIDS, ASKS, WANTED, OFFERED)
    for name, value in RIGHT.items():
        np.testing.assert_array_equal(getattr(clearing, name), value)
    assert certify().violations(0.0) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"buyer_allocation": np.array([1.0, 0.0, 0.0])}, {"conservation": 0.5, "payment_rule": 7 / 18}),
        ({"buyer_allocation": np.array([2.0, 0.0, 0.0])}, {"feasibility": 0.5}),
        ({"buyer_allocation": np.array([1.0, 2.0, -1.0])}, {"feasibility": 0.5}),
        ({"buyer_allocation": np.array([1.0, 0.0, 1.0])}, {"best_response": 0.5, "duality_gap": 1 / 9}),
        ({"seller_allocation": np.array([0.0, 1.0, 1.0])}, {"best_response": 1.0, "duality_gap": 1 / 3}),
        ({"buyer_allocation": np.array([0.0, 2.0, 0.0])}, {"best_response": 0.5, "price": 2 / 9}),
        (
            {"buyer_allocation": np.array([1.0, 0.0, 0.0]), "seller_allocation": np.array([1.0, 0.0, 0.0])},
            {"volume": 1.0, "best_response": 1.0},
        ),
        ({"price_interval": (6.0, 7.0)}, {"price": 1 / 9}),
        ({"price_interval": (7.0, 7.5)}, {"price": 0.5 / 9}),
        ({"price": 6.0}, {"price": 1 / 9, "best_response": 0.5, "payment_rule": 1 / 18}),
        ({"price": 7.5}, {"price": 0.5 / 9, "best_response": 0.5}),
        ({"buyer_payments": np.array([7.0, 6.0, 0.0])}, {"payment_rule": 1 / 18}),
        ({"seller_receipts": np.array([7.0, 7.0, 1.0])}, {"payment_rule": 1 / 18}),
    ],
)
def test_certificate_convicts(changes, expected):
    certificate = certify(**changes)
    for name, residual in expected.items():
        assert getattr(certificate, name) == pytest.approx(residual, rel=1e-12), name


def test_trade_that_is_left_out_shows_even_at_no_gain():
    nothing = {"buyer_allocation": np.zeros(1), "seller_allocation": np.zeros(1)}
    money = {"buyer_payments": np.zeros(1), "seller_receipts": np.zeros(1)}
    five, one = np.array([5.0]), np.ones(1)
    certificate = certify_call_auction(five, five, one, one, 5.0, (5.0, 5.0), **nothing, **money)
    assert certificate.volume == 1.0
    assert certificate.best_response == 0.0


# ---------------------------------------------------------------- promises


def test_defaults_and_promises():
    assert CallAuction() == CallAuction(0.5, Rationing.TIME)
    assert CallAuction().declared_properties == {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.STRONGLY_BUDGET_BALANCED,
        Property.MONOTONE,
        Property.ANONYMOUS,
        Property.SCALE_FREE,
        Property.EFFICIENT,
        Property.ENVY_FREE,
    }


def test_quantities_are_one_unless_given():
    clearing = CallAuction().clear([9.0, 8.0], [1.0, 2.0])
    assert clearing.buyer_allocation.tolist() == clearing.seller_allocation.tolist() == [1.0, 1.0]
