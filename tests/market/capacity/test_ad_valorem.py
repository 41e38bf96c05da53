"""Taxes in proportion to the price: rates, closed forms, and who bears them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    FixedSupply,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    Status,
    StepDemand,
)

THREE = ([5.0, 3.0, 1.0], [2.0, 4.0, 4.0])


def test_rates_are_spread_stored_and_compared() -> None:
    np.testing.assert_array_equal(AdValoremTax(0.5).rates(3), [0.5] * 3)
    np.testing.assert_array_equal(AdValoremTax().rates(2), [0.0, 0.0])
    np.testing.assert_array_equal(AdValoremTax([0.5, -0.5]).rates(2), [0.5, -0.5])
    assert AdValoremTax([1, 2]) == AdValoremTax(np.array([1.0, 2.0]))
    assert hash(AdValoremTax([1, 2])) == hash(AdValoremTax((1.0, 2.0)))
    assert AdValoremTax(0.5) != PerUnitTax(0.5)
    assert AdValoremTax(-1.0 + 1e-15).rate == -1.0 + 1e-15


def test_a_tax_alike_for_all_on_a_cap() -> None:
    clearing = CapacityMarket(FixedSupply(4.0), tax=AdValoremTax(0.5)).clear(*THREE)
    assert clearing.price == 2.0  # 3 without the tax, of which the seller keeps 1 / 1.5
    assert clearing.allocation.tolist() == [1.0, 0.5, 0.0]
    assert clearing.payments.tolist() == [6.0, 6.0, 0.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (8.0, 4.0)
    assert clearing.surplus.tolist() == [4.0, 0.0, 0.0]


def test_both_taxes_reorder_the_agents_by_their_entry_prices() -> None:
    """Entry prices: (5 - 1) / 4 = 1, (3 + 1) / 2 = 2, 1."""
    taxes = (PerUnitTax([1.0, -1.0, 0.0]), AdValoremTax([3.0, 1.0, 0.0]))
    market = CapacityMarket(FixedSupply(5.0), tax=taxes)
    clearing = market.clear(*THREE).require(0.0)
    assert clearing.price_interval == (1.0, 1.0)
    assert clearing.allocation == pytest.approx([1 / 6, 1.0, 1 / 6])
    assert clearing.payments == pytest.approx([5 / 3, 4.0, 2 / 3])  # net prices 5, 1, 1
    assert clearing.tax_revenue == pytest.approx(4 / 3)  # 4 per unit from the first, nothing on balance from the second
    assert clearing.status is Status.RATIONED


def test_taxes_of_one_kind_add_up_in_any_order() -> None:
    several = (AdValoremTax(0.25), PerUnitTax([0.5, 0.0, 0.0]), PerUnitTax(0.25), AdValoremTax([0.25, 0.0, 0.75]))
    at_once = (PerUnitTax([0.75, 0.25, 0.25]), AdValoremTax([0.5, 0.25, 1.0]))
    for demand in (StepDemand(), LinearDemand(2.0), LogitDemand(1.0)):
        markets = [CapacityMarket(FixedSupply(5.0), demand, tax) for tax in (several, list(at_once), at_once[::-1])]
        first, *others = (market.clear(*THREE) for market in markets)
        for other in others:
            np.testing.assert_array_equal(first.allocation, other.allocation)
            assert first.price == other.price
    assert markets[1].tax == at_once  # a list is kept as a tuple
    assert CapacityMarket(FixedSupply(5.0), tax=()).clear(*THREE).tax_revenue == 0.0


def test_linear_demand_by_hand() -> None:
    """Net prices are 2 p and p: 2 (5 - 2 p) / 8 + 4 (3 - p) / 8 = 2 at p = 3/4."""
    market = CapacityMarket(FixedSupply(2.0), LinearDemand(8.0), AdValoremTax([1.0, 0.0]))
    clearing = market.clear([5.0, 3.0], [2.0, 4.0]).require(1e-15)
    assert clearing.price == pytest.approx(0.75, rel=1e-15)
    assert clearing.allocation == pytest.approx([7 / 16, 9 / 32], rel=1e-15)
    assert clearing.tax_revenue == pytest.approx(0.75 * 7 / 8, rel=1e-15)


def test_linear_demand_with_unequal_taxes_may_clear_at_an_interval() -> None:
    """The taxed agent is full below (6 - 2) / 2 = 2, the other below 2 too, the third enters at 1."""
    market = CapacityMarket(FixedSupply(6.0), LinearDemand(2.0), AdValoremTax([1.0, 0.0, 0.0]))
    clearing = market.clear([6.0, 4.0, 1.0], [2.0, 4.0, 4.0])
    assert clearing.price_interval == (1.0, 2.0)
    assert clearing.allocation.tolist() == [1.0, 1.0, 0.0]


def test_logit_demand_by_hand() -> None:
    """Margins 3 - 2 p and 1 - p are log 3 and 0 at p = 1."""
    market = CapacityMarket(FixedSupply(2.5), LogitDemand(1.0), AdValoremTax([1.0, 0.0]))
    clearing = market.clear([2.0 + math.log(3.0), 1.0], [2.0, 2.0]).require(1e-14)
    assert clearing.price == pytest.approx(1.0, rel=1e-14)
    assert clearing.allocation == pytest.approx([0.75, 0.5], rel=1e-14)


def test_buyer_and_seller_share_a_tax_by_the_slopes_of_their_curves() -> None:
    """Demand 4 - q of the net price, supply 2 p: p = 4/3 without tax, and 4 - p - t = 2 p with one per unit."""
    bids = ([4.0], [4.0])
    demand, supply = LinearDemand(4.0), LinearSupply(0.0, 0.5)
    untaxed = CapacityMarket(supply, demand).clear(*bids)
    taxed = CapacityMarket(supply, demand, PerUnitTax(0.75)).clear(*bids)
    assert untaxed.price == pytest.approx(4 / 3, rel=1e-14)
    assert untaxed.price - taxed.price == pytest.approx(0.75 / 3, rel=1e-12)  # the seller bears a third
    ad_valorem = CapacityMarket(supply, demand, AdValoremTax(1.0)).clear(*bids)
    assert ad_valorem.price == pytest.approx(1.0, rel=1e-14)  # 4 - 2 p = 2 p
    assert ad_valorem.tax_revenue == pytest.approx(2.0, rel=1e-14)


def test_a_posted_price_passes_the_tax_on() -> None:
    clearing = CapacityMarket(PostedPrice(1.0), LinearDemand(4.0), AdValoremTax(1.0)).clear(*THREE)
    assert clearing.allocation.tolist() == [0.75, 0.25, 0.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (2.5, 2.5)


def test_money_at_an_infinite_price_with_an_ad_valorem_tax() -> None:
    market = CapacityMarket(FixedSupply(10.0), LogitDemand(), AdValoremTax([0.5, 0.0, -0.5]))
    clearing = market.clear(*THREE)
    assert clearing.payments.tolist() == [-math.inf] * 3
    assert clearing.seller_revenue == -math.inf
    assert math.isnan(clearing.tax_revenue)
    assert clearing.surplus.tolist() == [math.inf] * 3


@given(
    entries=st.lists(st.integers(0, 24), min_size=2, max_size=6),
    rates=st.lists(st.sampled_from([-0.5, 0.0, 1.0, 3.0]), min_size=6, max_size=6),
    fraction=st.integers(0, 8),
)
def test_step_agents_are_ranked_by_entry_price_whatever_their_rates(
    entries: list[int], rates: list[float], fraction: int
) -> None:
    factors = 1.0 + np.array(rates[: len(entries)])
    costs = np.ones(len(entries))
    quantity = len(entries) * fraction / 8
    taxed = CapacityMarket(FixedSupply(quantity), tax=AdValoremTax(factors - 1.0)).clear(entries * factors, costs)
    untaxed = CapacityMarket(FixedSupply(quantity)).clear(entries, costs)
    np.testing.assert_array_equal(taxed.allocation, untaxed.allocation)
    assert taxed.price_interval == untaxed.price_interval
