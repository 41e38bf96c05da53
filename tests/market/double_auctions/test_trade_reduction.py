"""McAfee's double auction, against its definition by hand, and against every misreport on a grid."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.double_auctions import McAfeeAuction, McAfeeStatus
from walras.market.double_auctions.trade_reduction import certify_trade_reduction
from walras.market.testing.strategies.double_auctions import unit_traders

AUCTION = McAfeeAuction()


def utilities(outcome, bids, asks):
    buyers = bids * outcome.buyer_allocation - outcome.buyer_payments
    return buyers, outcome.seller_receipts - asks * outcome.seller_allocation


@given(traders=unit_traders())
def test_passes_its_certificate(traders):
    AUCTION.clear(*traders).require(1e-12)


@given(traders=unit_traders(whole=True))
def test_definition(traders):
    bids, asks = traders
    outcome = AUCTION.clear(bids, asks)
    high, low = np.sort(bids)[::-1], np.sort(asks)
    pairs = min(bids.size, asks.size)
    agree = sum(high[place] >= low[place] for place in range(pairs))
    assert outcome.efficient_quantity == agree
    if agree == 0:
        assert outcome.status is McAfeeStatus.NO_TRADE
        expected = 0
    else:
        price = (high[agree] + low[agree]) / 2 if agree < pairs else np.nan
        one_price = low[agree - 1] <= price <= high[agree - 1]
        expected = agree if one_price else agree - 1
        assert outcome.status is (McAfeeStatus.EFFICIENT if one_price else McAfeeStatus.REDUCED)
        if expected:
            prices = (price, price) if one_price else (high[agree - 1], low[agree - 1])
            assert (outcome.buyer_price, outcome.seller_price) == prices
    assert outcome.quantity == outcome.buyer_allocation.sum() == outcome.seller_allocation.sum() == expected
    assert outcome.gains == (high - 0)[:expected].sum() - low[:expected].sum()
    assert outcome.lost_gains == high[expected:agree].sum() - low[expected:agree].sum()
    assert outcome.revenue == outcome.buyer_payments.sum() - outcome.seller_receipts.sum() >= 0.0
    if not expected:
        assert np.isnan(outcome.buyer_price)
        assert np.isnan(outcome.seller_price)


@given(traders=unit_traders(whole=True, most=4), data=st.data())
def test_truth_is_the_best_report(traders, data):
    bids, asks = traders
    honest_buyers, honest_sellers = utilities(AUCTION.clear(bids, asks), bids, asks)
    buyer, seller = data.draw(st.integers(0, bids.size - 1)), data.draw(st.integers(0, asks.size - 1))
    for report in np.arange(-4.0, 21.0, 0.5):
        lie = bids.copy()
        lie[buyer] = report
        assert utilities(AUCTION.clear(lie, asks), bids, asks)[0][buyer] <= honest_buyers[buyer]
        lie = asks.copy()
        lie[seller] = report
        assert utilities(AUCTION.clear(bids, lie), bids, asks)[1][seller] <= honest_sellers[seller]


@given(traders=unit_traders(whole=True))
def test_nobody_loses_and_at_most_the_least_trade_is_lost(traders):
    bids, asks = traders
    outcome = AUCTION.clear(bids, asks)
    for gains in utilities(outcome, bids, asks):
        assert np.all(gains >= 0.0)
    assert outcome.efficient_quantity - 1 <= outcome.quantity <= outcome.efficient_quantity


def test_one_pair_never_trades():
    outcome = AUCTION.clear([10.0], [1.0])
    assert (outcome.quantity, outcome.efficient_quantity, outcome.lost_gains) == (0, 1, 9.0)
    assert outcome.status is McAfeeStatus.REDUCED


def test_one_price_where_the_next_pair_sets_it():
    outcome = AUCTION.clear([9.0, 8.0, 5.0], [2.0, 4.0, 6.0])
    assert (outcome.quantity, outcome.buyer_price, outcome.seller_price, outcome.revenue) == (2, 5.5, 5.5, 0.0)
    assert outcome.buyer_payments.tolist() == [5.5, 5.5, 0.0]


@pytest.mark.parametrize(("next_ask", "status"), [(7.0, McAfeeStatus.EFFICIENT), (7.5, McAfeeStatus.REDUCED)])
def test_a_price_at_the_last_ask_or_bid_will_do(next_ask, status):
    assert AUCTION.clear([9.0, 4.0, 1.0], [2.0, 4.0, next_ask]).status is status


def test_equal_traders_are_served_in_the_order_given():
    outcome = AUCTION.clear([5.0, 9.0, 5.0, 5.0], [1.0, 1.0, 1.0])
    assert outcome.buyer_allocation.tolist() == [1, 1, 0, 0]
    assert outcome.seller_allocation.tolist() == [1, 1, 0]


def test_a_side_without_a_next_trader():
    assert AUCTION.clear([9.0, 8.0], [1.0, 2.0, 3.0]).quantity == 1
    assert AUCTION.clear([9.0, 8.0, 7.0], [1.0, 2.0]).quantity == 1


BIDS, ASKS = np.array([9.0, 8.0, 1.0]), np.array([2.0, 6.0, 7.0])
RIGHT = [np.array([1, 0, 0]), np.array([1, 0, 0]), np.array([8.0, 0.0, 0.0]), np.array([6.0, 0.0, 0.0])]


def certify(**changes):
    names = ["bought", "sold", "payments", "receipts"]
    values = [np.array(changes.get(name, right)) for name, right in zip(names, RIGHT, strict=True)]
    return certify_trade_reduction(BIDS, ASKS, *values)


def test_the_answer_is_right():
    outcome = AUCTION.clear(BIDS, ASKS)
    for name, right in zip(
        ["buyer_allocation", "seller_allocation", "buyer_payments", "seller_receipts"], RIGHT, strict=True
    ):
        np.testing.assert_array_equal(getattr(outcome, name), right)
    assert certify().violations(0.0) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sold": [1, 1, 0], "receipts": [6.0, 6.0, 0.0]}, {"conservation": 0.5, "budget_balance": 4 / 9}),
        ({"bought": [0, 0, 1], "payments": [0.0, 0.0, 1.0]}, {"efficiency": 7 / 27}),
        ({"payments": [5.0, 0.0, 0.0]}, {"budget_balance": 1 / 9, "critical_payment": 3 / 9}),
        ({"payments": [10.0, 0.0, 0.0]}, {"individual_rationality": 1 / 9, "critical_payment": 2 / 9}),
        ({"receipts": [1.0, 0.0, 0.0]}, {"individual_rationality": 1 / 9, "critical_payment": 5 / 9}),
        ({"receipts": [5.5, 0.0, 0.0]}, {"critical_payment": 0.5 / 9}),
    ],
)
def test_certificate_convicts(changes, expected):
    certificate = certify(**changes)
    for name, residual in expected.items():
        assert getattr(certificate, name) == pytest.approx(residual, rel=1e-12), name
    assert {field.name for field in fields(certificate)} >= set(expected)


def test_promises():
    assert AUCTION.declared_properties == {
        Property.FEASIBLE,
        Property.CONSERVES,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.MONOTONE,
        Property.ANONYMOUS,
        Property.SCALE_FREE,
        Property.STRATEGY_PROOF,
        Property.ENVY_FREE,
    }
