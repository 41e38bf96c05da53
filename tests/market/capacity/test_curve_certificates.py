"""The certificate sees an answer that does not lie on the supply rule's curve, in units or in money."""

import math
from dataclasses import replace

import numpy as np
import pytest

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    Certificate,
    Clearing,
    ElasticSupply,
    FixedSupply,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    NotConvergedError,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    StepDemand,
    Supply,
)
from walras.market.clearing import certify

VALUATIONS, COSTS = np.array([5.0, 3.0, 1.0]), np.array([2.0, 4.0, 4.0])
INF = math.inf


def recertified(
    market: CapacityMarket, clearing: Clearing, *, ad_valorem: float = 0.0, **changes: object
) -> Certificate:
    changed = replace(clearing, **changes)
    return certify(
        market.supply,
        market.demand,
        VALUATIONS,
        COSTS,
        np.zeros(3),
        changed.price,
        changed.allocation,
        changed.payments,
        tax_revenue=changed.tax_revenue,
        seller_revenue=changed.seller_revenue,
        ad_valorem=ad_valorem,
    )


def residual(supply: Supply, price: float, sold: float, demand: object = None) -> float:
    """Conservation of an answer in which `sold` units go to the first agents, as far as each can use them."""
    allocation, left = np.zeros(3), sold
    for agent, cost in enumerate(COSTS):
        allocation[agent] = min(left / cost, 1.0)
        left -= allocation[agent] * cost
    return certify(
        supply,
        demand or LinearDemand(1.0),
        VALUATIONS,
        COSTS,
        np.zeros(3),
        price,
        allocation,
        np.zeros(3),
        tax_revenue=0.0,
        seller_revenue=0.0,
    ).conservation


@pytest.mark.parametrize(
    ("supply", "price", "sold", "expected"),
    [
        # money is measured against the largest of the bids (5), the price and the bound
        (PostedPrice(2.0), 2.0, 3.0, 0.0),
        (PostedPrice(2.0), 2.5, 3.0, 0.1),
        (PostedPrice(20.0), 15.0, 3.0, 0.25),
        (FixedSupply(4.0), 2.0, 4.0, 0.0),
        (FixedSupply(4.0), -2.0, 4.0, 0.0),
        (FixedSupply(4.0), 2.0, 3.0, 0.25),
        (FixedSupply(4.0), 2.0, 5.0, 0.25),
        (FixedSupply(4.0), INF, 3.0, 0.25),
        (FixedSupply(4.0), -INF, 3.0, 0.25),
        (FixedSupply(0.0), INF, 0.0, 0.0),
        (FixedSupply(0.0), INF, 1.0, 0.1),
        (FixedSupply(10.0 + 5e-12), 0.5, 10.0, 0.0),
        (FixedSupply(4.0, free_disposal=True), 2.0, 4.0, 0.0),
        (FixedSupply(4.0, free_disposal=True), 0.0, 3.0, 0.0),
        (FixedSupply(4.0, free_disposal=True), 0.0, 5.0, 0.25),
        (FixedSupply(4.0, free_disposal=True), 2.0, 3.0, 0.25),
        (FixedSupply(4.0, free_disposal=True), 0.5, 2.0, 0.1),
        (FixedSupply(4.0, free_disposal=True), -1.0, 4.0, 0.2),
        (FixedSupply(4.0, free_disposal=True), -INF, 4.0, INF),
        (FixedSupply(40.0, free_disposal=True), 0.0, 10.0, 0.0),
        (PriceCollar(4.0, 1.0, 3.0), 2.0, 4.0, 0.0),
        (PriceCollar(4.0, 1.0, 3.0), 1.0, 2.0, 0.0),
        (PriceCollar(4.0, 1.0, 3.0), 1.0, 5.0, 0.25),
        (PriceCollar(4.0, 1.0, 3.0), 3.0, 9.0, 0.0),
        (PriceCollar(4.0, 1.0, 3.0), 3.0, 3.0, 0.25),
        (PriceCollar(4.0, 1.0, 3.0), 0.5, 4.0, 0.1),
        (PriceCollar(4.0, 1.0, 3.0), 3.5, 4.0, 0.1),
        (PriceCollar(4.0, 1.0, 3.0), 3.5, 9.0, 0.1),
        (PriceCollar(4.0, 1.0, 3.0), 0.5, 2.0, 0.1),
        (PriceCollar(4.0, 1.0, 3.0), 2.0, 2.0, 0.2),
        (PriceCollar(4.0, 1.0, 30.0), 24.0, 6.0, 0.2),
        (PriceCollar(4.0, -INF, 3.0), -9.0, 4.0, 0.0),
        (PriceCollar(4.0, -INF, 3.0), -9.0, 3.0, 0.25),
        # the lesser of what is wrong in units and in money
        (LinearSupply(0.0, 0.5), 2.0, 4.0, 0.0),
        (LinearSupply(0.0, 0.5), 2.0, 5.0, 0.1),
        (LinearSupply(0.0, 0.5), 2.0, 3.0, 0.1),
        (LinearSupply(0.0, 5.0), 20.0, 5.0, 0.2),
        (LinearSupply(2.0, 1.0), 1.0, 0.0, 0.0),
        (LinearSupply(2.0, 1.0), 2.5, 0.0, 0.05),
        (ElasticSupply(4.0, 2.0, 2.0), 2.0, 4.0, 0.0),
        (ElasticSupply(4.0, 2.0, 2.0), 3.0, 9.0, 0.0),
        (ElasticSupply(4.0, 2.0, 1e-9), 0.5, 4.0, 1.4e-9),
        (ElasticSupply(4.0, 2.0, 1e9), 2.0, 9.0, 0.0),
    ],
)
def test_distance_from_the_curve(supply: Supply, price: float, sold: float, expected: float) -> None:
    assert residual(supply, price, sold) == pytest.approx(expected, rel=0.02, abs=1e-9)


@pytest.mark.parametrize(
    ("supply", "price", "sold", "expected"),
    [
        # the next agent of those not served would use 4 units
        (FixedSupply(5.0), 4.0, 2.0, 0.0),
        (FixedSupply(7.0), 4.0, 2.0, 1 / 7),
        (FixedSupply(1.0), 4.0, 2.0, 1.0),
        (PriceCollar(7.0, 1.0, 4.5), 4.0, 2.0, 1 / 7),
        (LinearSupply(0.0, 1.0), 4.0, 2.0, 0.0),
        (LinearSupply(0.0, 1.0), 7.0, 2.0, 1 / 7),
        (LinearSupply(0.0, 1.0), 1.0, 2.0, 0.2),
    ],
)
def test_whole_agents_may_leave_less_than_the_next_would_use(
    supply: Supply, price: float, sold: float, expected: float
) -> None:
    assert residual(supply, price, sold, StepDemand(divisible=False)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("supply", [FixedSupply(4.0), PriceCollar(4.0, 1.0, 2.0), LinearSupply(0.0, 1.0)], ids=repr)
def test_nan_is_never_on_the_curve(supply: Supply) -> None:
    assert math.isnan(residual(supply, 2.0, math.nan))
    if not isinstance(supply, FixedSupply):
        assert math.isnan(residual(supply, math.nan, 4.0))


def test_an_infinite_price_is_not_on_a_rising_curve() -> None:
    assert math.isnan(residual(LinearSupply(0.0, 1.0), INF, 4.0))


@pytest.mark.parametrize(
    "supply",
    [
        PostedPrice(2.5),
        PriceCollar(4.0, 3.5, 4.0),
        PriceCollar(1.0, 1.0, 2.0),
        FixedSupply(20.0, free_disposal=True),
        ElasticSupply(3.0, 2.0, 1.5),
        LinearSupply(0.5, 0.5),
    ],
    ids=repr,
)
@pytest.mark.parametrize("demand", [LinearDemand(3.0), LogitDemand(1.0)], ids=repr)
def test_a_tampered_clearing_is_rejected(supply: Supply, demand: LinearDemand) -> None:
    market = CapacityMarket(supply, demand)
    clearing = market.clear(VALUATIONS, COSTS).require(1e-12)
    assert recertified(market, clearing) == clearing.certificate
    for change in (
        {"price": clearing.price + 1e-3},
        {"price": clearing.price - 1e-3},
        {"allocation": 0.999 * clearing.allocation},
        {"payments": clearing.payments + np.array([0.0, 1e-3, 0.0])},
        {"seller_revenue": clearing.seller_revenue + 1e-3},
    ):
        certificate = recertified(market, clearing, **change)
        assert certificate.largest > 1e-6
        with pytest.raises(NotConvergedError):
            replace(clearing, certificate=certificate).require()


def test_another_tax_rate_than_the_one_paid_is_seen() -> None:
    market = CapacityMarket(FixedSupply(4.0), tax=AdValoremTax(0.5))
    clearing = market.clear(VALUATIONS, COSTS)
    assert recertified(market, clearing, ad_valorem=0.5) == clearing.certificate
    wrong = recertified(market, clearing, ad_valorem=0.6)
    assert {"complementary_slackness", "budget_balance"} <= set(wrong.violations(1e-3))


def test_a_price_cannot_be_more_exact_than_the_net_price_it_makes() -> None:
    """With a rate of 9 the net price is 30: an error of 0.1 in margins of that size is 1/300."""
    market = CapacityMarket(FixedSupply(1.0), tax=(AdValoremTax(9.0), PerUnitTax(0.0)))
    certificate = certify(
        market.supply,
        StepDemand(),
        np.array([30.1]),
        np.array([2.0]),
        np.zeros(1),
        3.0,
        np.array([0.5]),
        np.array([30.0]),
        tax_revenue=27.0,
        seller_revenue=3.0,
        ad_valorem=9.0,
    )
    assert certificate.complementary_slackness == pytest.approx(0.1 / 30.1)
    assert certificate.budget_balance == 0.0
