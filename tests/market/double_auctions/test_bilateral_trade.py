"""Bilateral trade and its linear equilibrium: closed forms, and best answers by search."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.double_auctions import BilateralStatus, BilateralTrade, LinearEquilibrium
from walras.market.double_auctions.bilateral import certify_bilateral

every_k = pytest.mark.parametrize("k", [0.0, 0.25, 0.5, 0.8, 1.0])
prices = st.one_of(
    st.integers(0, 5).map(float), st.floats(-12, 12).map(lambda power: 10.0**power), st.floats(-9.0, 9.0)
)


@given(bids=st.lists(prices, min_size=1, max_size=5), data=st.data(), k=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_rule(bids, data, k):
    asks = data.draw(st.lists(prices, min_size=len(bids), max_size=len(bids)))
    outcome = BilateralTrade(k).clear(bids, asks).require(1e-12)
    for pair, (bid, ask) in enumerate(zip(bids, asks, strict=True)):
        units = outcome.buyer_allocation[pair], outcome.seller_allocation[pair]
        if bid >= ask:
            assert units == (1, 1)
            assert ask <= outcome.prices[pair] <= bid
            assert outcome.prices[pair] == pytest.approx(k * bid + (1 - k) * ask, rel=1e-12, abs=1e-12)
            assert outcome.buyer_payments[pair] == outcome.seller_receipts[pair] == outcome.prices[pair]
        else:
            assert units == (0, 0)
            assert np.isnan(outcome.prices[pair])
            assert outcome.buyer_payments[pair] == outcome.seller_receipts[pair] == 0.0


@pytest.mark.parametrize(
    ("bids", "status"),
    [
        ([5.0, 5.0], BilateralStatus.ALL_TRADE),
        ([5.0, 4.0], BilateralStatus.SOME_TRADE),
        ([4.0, 4.0], BilateralStatus.NO_TRADE),
    ],
)
def test_status(bids, status):
    assert BilateralTrade().clear(bids, [5.0, 5.0]).status is status


def test_chatterjee_and_samuelson():
    equilibrium = BilateralTrade().linear_equilibrium()
    values = np.linspace(0.0, 1.0, 11)
    np.testing.assert_allclose(equilibrium.bid(values), 2 * values / 3 + 1 / 12)
    np.testing.assert_allclose(equilibrium.ask(values), 2 * values / 3 + 1 / 4)
    assert equilibrium.probability_of_trade == pytest.approx(9 / 32)
    assert equilibrium.expected_gains == pytest.approx(9 / 64)
    assert equilibrium.first_best_gains == pytest.approx(1 / 6)


def test_at_the_ends_one_side_is_honest_and_the_other_a_monopolist():
    shares = np.array([0.0, 0.4, 1.0])
    buyer_offers = LinearEquilibrium(k=1.0)
    np.testing.assert_allclose(buyer_offers.ask(shares), shares)
    np.testing.assert_allclose(buyer_offers.bid(shares), shares / 2)
    seller_offers = LinearEquilibrium(k=0.0)
    np.testing.assert_allclose(seller_offers.bid(shares), shares)
    np.testing.assert_allclose(seller_offers.ask(shares), (1 + shares) / 2)


@every_k
@pytest.mark.parametrize("value", [0.05, 0.3, 0.6, 0.95])
def test_bids_and_asks_are_best_answers(k, value):
    """Expected utilities of all reports on a grid, against a fine grid of the other's types."""
    trade, equilibrium = BilateralTrade(k), LinearEquilibrium(k)
    others = (np.arange(4000) + 0.5) / 4000
    reports = np.linspace(-0.1, 1.1, 601)

    def buyer(bid):
        outcome = trade.clear(np.full(others.size, bid), equilibrium.ask(others))
        return np.mean(value * outcome.buyer_allocation - outcome.buyer_payments)

    def seller(ask):
        outcome = trade.clear(equilibrium.bid(others), np.full(others.size, ask))
        return np.mean(outcome.seller_receipts - value * outcome.seller_allocation)

    for utility, own in ((buyer, equilibrium.bid([value])[0]), (seller, equilibrium.ask([value])[0])):
        best = max(utility(report) for report in reports[::10])
        assert utility(own) >= best - 2e-4


@every_k
@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (10.0, 14.0), (-3.0, 1.0)])
def test_probability_and_gains(k, low, high):
    equilibrium = BilateralTrade(k).linear_equilibrium(low, high)
    grid = low + (high - low) * (np.arange(600) + 0.5) / 600
    values, costs = (table.ravel() for table in np.meshgrid(grid, grid))
    outcome = BilateralTrade(k).clear(equilibrium.bid(values), equilibrium.ask(costs))
    assert np.mean(outcome.buyer_allocation) == pytest.approx(equilibrium.probability_of_trade, abs=2e-3)
    gains = np.mean((values - costs) * outcome.buyer_allocation)
    assert gains == pytest.approx(equilibrium.expected_gains, abs=2e-3 * (high - low))
    first_best = np.mean(np.maximum(values - costs, 0.0))
    assert first_best == pytest.approx(equilibrium.first_best_gains, rel=1e-2)


def test_defaults():
    assert BilateralTrade() == BilateralTrade(0.5)
    assert BilateralTrade(0.3).linear_equilibrium() == LinearEquilibrium(0.3, 0.0, 1.0)
    assert LinearEquilibrium() == LinearEquilibrium(0.5, 0.0, 1.0)


BIDS, ASKS = np.array([8.0, 3.0]), np.array([4.0, 5.0])


def certify(bought=(1, 0), sold=(1, 0), payments=(5.0, 0.0), receipts=(5.0, 0.0)):
    return certify_bilateral(0.25, BIDS, ASKS, *map(np.array, (bought, sold, payments, receipts)))


def test_the_answer_is_right():
    assert BilateralTrade(0.25).clear(BIDS, ASKS).buyer_payments.tolist() == [5.0, 0.0]
    assert certify().violations(0.0) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bought": (0, 0)}, {"trade_rule": 1.0}),
        ({"sold": (1, 1)}, {"trade_rule": 1.0, "individual_rationality": 1.0}),
        ({"payments": (6.0, 0.0)}, {"budget_balance": 1 / 8, "price_rule": 0.25 / 8}),
        ({"receipts": (6.0, 0.0)}, {"budget_balance": 1 / 8, "price_rule": 0.75 / 8}),
        ({"payments": (9.0, 0.0)}, {"individual_rationality": 1 / 8}),
        ({"receipts": (2.0, 0.0)}, {"individual_rationality": 2 / 8}),
    ],
)
def test_certificate_convicts(changes, expected):
    certificate = certify(**changes)
    for name, residual in expected.items():
        assert getattr(certificate, name) == pytest.approx(residual), name


def test_promises():
    assert BilateralTrade().declared_properties == {
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
