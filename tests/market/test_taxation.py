"""Per-unit taxes: rates, and who bears them. The general properties stand in test_capacity_market.py."""

import numpy as np
import pytest

from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, PerUnitTax, PostedPrice

VALUATIONS, COSTS = [5.0, 3.0, 1.0], [2.0, 4.0, 4.0]


def test_one_rate_is_spread_over_all_agents() -> None:
    np.testing.assert_array_equal(PerUnitTax(0.5).rates(3), [0.5, 0.5, 0.5])
    np.testing.assert_array_equal(PerUnitTax().rates(2), [0.0, 0.0])


def test_one_rate_per_agent() -> None:
    np.testing.assert_array_equal(PerUnitTax([0.5, -1.0]).rates(2), [0.5, -1.0])


@pytest.mark.parametrize("agents", [1, 3])
def test_rates_of_another_length_are_refused(agents: int) -> None:
    with pytest.raises(InvalidInputError, match=rf"PerUnitTax\.rate .* expected {agents}, got 2"):
        PerUnitTax([0.5, -1.0]).rates(agents)


@pytest.mark.parametrize("rate", [[1, 2], (1.0, 2.0), np.array([1.0, 2.0]), np.array([1, 2], dtype=np.int32)], ids=repr)
def test_equal_taxes_compare_and_hash_equal(rate: list[float]) -> None:
    assert PerUnitTax(rate) == PerUnitTax((1.0, 2.0))
    assert hash(PerUnitTax(rate)) == hash(PerUnitTax((1.0, 2.0)))
    assert PerUnitTax(rate) != PerUnitTax((2.0, 1.0))


def test_a_tax_does_not_change_with_the_array_it_was_made_from() -> None:
    rates = np.array([1.0, 2.0])
    tax = PerUnitTax(rates)
    rates[0] = 7.0
    tax.rates(2)[1] = 7.0
    np.testing.assert_array_equal(tax.rates(2), [1.0, 2.0])


def test_a_tax_on_the_best_agent_reorders_the_queue() -> None:
    clearing = CapacityMarket(FixedSupply(4.0), tax=PerUnitTax([4.5, 0.0, 0.0])).clear(VALUATIONS, COSTS)
    assert clearing.allocation.tolist() == [0.0, 1.0, 0.0]  # net valuations 0.5, 3, 1
    assert clearing.price_interval == (1.0, 3.0)
    assert clearing.payments.tolist() == [0.0, 8.0, 0.0]
    assert clearing.tax_revenue == 0.0  # the tax drove its payer away


def test_the_supplier_bears_a_uniform_tax_under_a_cap() -> None:
    clearing = CapacityMarket(FixedSupply(4.0), tax=PerUnitTax(0.5)).clear(VALUATIONS, COSTS)
    assert clearing.price == 2.5  # 3 without the tax
    assert clearing.allocation.tolist() == [1.0, 0.5, 0.0]
    assert clearing.payments.tolist() == [6.0, 6.0, 0.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (10.0, 2.0)
    assert clearing.surplus.tolist() == [4.0, 0.0, 0.0]


def test_the_treasury_pays_for_a_subsidy() -> None:
    clearing = CapacityMarket(FixedSupply(4.0), tax=PerUnitTax([0.0, 0.0, -3.0])).clear(VALUATIONS, COSTS)
    assert clearing.allocation.tolist() == [1.0, 0.0, 0.5]  # net valuations 5, 3, 4
    assert clearing.price == 4.0
    assert clearing.payments.tolist() == [8.0, 0.0, 2.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (16.0, -6.0)


def test_buyers_bear_a_tax_on_a_posted_price() -> None:
    clearing = CapacityMarket(PostedPrice(1.0), LinearDemand(4.0), PerUnitTax(1.0)).clear(VALUATIONS, COSTS)
    assert clearing.allocation.tolist() == [0.75, 0.25, 0.0]  # margins 3, 1, -1
    assert clearing.payments.tolist() == [3.0, 2.0, 0.0]
    assert (clearing.seller_revenue, clearing.tax_revenue) == (2.5, 2.5)
    assert clearing.surplus.tolist() == [2.25, 0.5, 0.0]  # cost * margin^2 / (2 width)
