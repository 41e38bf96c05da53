"""Caps with bounds on the price and supply curves, by hand; and the limits in which one rule becomes another."""

import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import (
    CapacityMarket,
    Demand,
    ElasticSupply,
    FixedSupply,
    InfeasibleError,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    Status,
    StepDemand,
    Supply,
)
from walras.market.testing.strategies.capacity import RULES, capacity_cases

INF = math.inf
STEP, WHOLE = StepDemand(), StepDemand(divisible=False)
THREE = ([5.0, 3.0, 1.0], [2.0, 4.0, 4.0])
TIED = ([5.0, 3.0, 3.0], [2.0, 4.0, 2.0])
NEGATIVE = ([2.0, -1.0], [2.0, 2.0])

EXAMPLES = {
    # (supply, demand, bids, price interval, price, allocation, status)
    "disposed": (FixedSupply(3.0, free_disposal=True), STEP, NEGATIVE, (0.0, 0.0), 0.0, [1.0, 0.0], Status.DISPOSED),
    "not disposed": (
        FixedSupply(1.0, free_disposal=True),
        STEP,
        NEGATIVE,
        (2.0, 2.0),
        2.0,
        [0.5, 0.0],
        Status.RATIONED,
    ),
    "price 0 to 2": (FixedSupply(2.0, free_disposal=True), STEP, NEGATIVE, (0.0, 2.0), 1.0, [1.0, 0.0], Status.CLEARED),
    "more than all": (FixedSupply(99.0, free_disposal=True), STEP, THREE, (0.0, 0.0), 0.0, [1.0] * 3, Status.DISPOSED),
    "all": (FixedSupply(10.0, free_disposal=True), STEP, THREE, (0.0, 1.0), 0.5, [1.0] * 3, Status.CLEARED),
    "indifferent at 0": (
        FixedSupply(3.0, free_disposal=True),
        STEP,
        ([1.0, 0.0], [2.0, 2.0]),
        (0.0, 0.0),
        0.0,
        [1.0, 0.5],
        Status.RATIONED,
    ),
    "linear, disposed": (
        FixedSupply(7.0, free_disposal=True),
        LinearDemand(4.0),
        THREE,
        (0.0, 0.0),
        0.0,
        [1.0, 0.75, 0.25],
        Status.DISPOSED,
    ),
    "whole, disposed": (
        FixedSupply(9.0, free_disposal=True),
        WHOLE,
        ([5.0, 3.0, -1.0], [2.0, 4.0, 1.0]),
        (0.0, 0.0),
        0.0,
        [1.0, 1.0, 0.0],
        Status.DISPOSED,
    ),
    "whole, unsold": (
        FixedSupply(5.0, free_disposal=True),
        WHOLE,
        THREE,
        (3.0, 5.0),
        4.0,
        [1.0, 0.0, 0.0],
        Status.UNSOLD,
    ),
    # within its bounds a collar is a cap
    "inside": (PriceCollar(4.0, 2.0, 4.0), STEP, THREE, (3.0, 3.0), 3.0, [1.0, 0.5, 0.0], Status.RATIONED),
    "inside, cut": (PriceCollar(2.0, 3.5, 4.0), STEP, THREE, (3.5, 4.0), 3.75, [1.0, 0.0, 0.0], Status.CLEARED),
    # held at a bound
    "floor": (PriceCollar(7.0, 2.0, 4.0), STEP, THREE, (2.0, 2.0), 2.0, [1.0, 1.0, 0.0], Status.AT_FLOOR),
    "ceiling": (PriceCollar(1.0, 2.0, 4.0), STEP, THREE, (4.0, 4.0), 4.0, [1.0, 0.0, 0.0], Status.AT_CEILING),
    "no floor": (PriceCollar(1.0, -INF, 4.0), STEP, THREE, (4.0, 4.0), 4.0, [1.0, 0.0, 0.0], Status.AT_CEILING),
    "more than all use": (PriceCollar(99.0, 0.5, INF), STEP, THREE, (0.5, 0.5), 0.5, [1.0] * 3, Status.AT_FLOOR),
    # who is indifferent at a bound is served as far as the quantity reaches
    "tied at the floor": (PriceCollar(5.0, 3.0, 4.0), STEP, TIED, (3.0, 3.0), 3.0, [1.0, 0.5, 0.5], Status.RATIONED),
    "tied at the floor, all fit": (PriceCollar(9.0, 3.0, 4.0), STEP, TIED, (3.0, 3.0), 3.0, [1.0] * 3, Status.AT_FLOOR),
    "tied at the ceiling": (
        PriceCollar(1.0, 1.0, 3.0),
        STEP,
        TIED,
        (3.0, 3.0),
        3.0,
        [1.0, 0.0, 0.0],
        Status.AT_CEILING,
    ),
    "linear at the ceiling": (
        PriceCollar(0.5, 0.0, 3.0),
        LinearDemand(4.0),
        THREE,
        (3.0, 3.0),
        3.0,
        [0.5, 0.0, 0.0],
        Status.AT_CEILING,
    ),
    "logit at the ceiling": (
        PriceCollar(0.5, 0.0, 3.0),
        LogitDemand(1.0),
        ([3.0], [2.0]),
        (3.0, 3.0),
        3.0,
        [0.5],
        Status.AT_CEILING,
    ),
    "whole at the floor": (PriceCollar(6.5, 2.0, 4.0), WHOLE, THREE, (2.0, 3.0), 2.5, [1.0, 1.0, 0.0], Status.UNSOLD),
    "whole at the ceiling": (
        PriceCollar(1.0, 0.0, 2.0),
        WHOLE,
        THREE,
        (2.0, 2.0),
        2.0,
        [1.0, 1.0, 0.0],
        Status.AT_CEILING,
    ),
    # the seller's curve: S(p) = p
    "curve, between two": (
        LinearSupply(0.0, 1.0),
        STEP,
        ([5.0, 1.0], [2.0, 4.0]),
        (2.0, 2.0),
        2.0,
        [1.0, 0.0],
        Status.CLEARED,
    ),
    "curve, rations": (LinearSupply(0.0, 1.0), STEP, THREE, (3.0, 3.0), 3.0, [1.0, 0.25, 0.0], Status.RATIONED),
    "curve, fills the margin": (
        LinearSupply(0.0, 1.0),
        STEP,
        ([5.0, 3.0, 1.0], [2.0, 1.0, 4.0]),
        (3.0, 3.0),
        3.0,
        [1.0, 1.0, 0.0],
        Status.CLEARED,
    ),
    "curve, everybody": (LinearSupply(0.0, 0.05), STEP, THREE, (0.5, 0.5), 0.5, [1.0] * 3, Status.CLEARED),
    "curve, nobody": (LinearSupply(7.0, 1.0), STEP, THREE, (5.0, 7.0), 6.0, [0.0] * 3, Status.CLEARED),
    "curve, negative": (LinearSupply(-9.0, 1.0), STEP, NEGATIVE, (-5.0, -5.0), -5.0, [1.0, 1.0], Status.CLEARED),
    "elastic, rations": (ElasticSupply(3.0, 3.0, 2.0), STEP, THREE, (3.0, 3.0), 3.0, [1.0, 0.25, 0.0], Status.RATIONED),
    "elastic, between two": (
        ElasticSupply(1.0, 1.0, 0.5),
        STEP,
        ([5.0, 1.0], [2.0, 4.0]),
        (4.0, 4.0),
        4.0,
        [1.0, 0.0],
        Status.CLEARED,
    ),
    "elastic, nobody": (
        ElasticSupply(1.0, 1.0, 2.0),
        STEP,
        ([-3.0, -1.0], [1.0, 1.0]),
        (-1.0, 0.0),
        -0.5,
        [0.0, 0.0],
        Status.CLEARED,
    ),
    # 4 (3 - p) / 4 = p
    "curve, linear demand": (
        LinearSupply(0.0, 1.0),
        LinearDemand(4.0),
        ([3.0], [4.0]),
        (1.5, 1.5),
        1.5,
        [0.375],
        Status.CLEARED,
    ),
    "curve, linear demand, nobody": (
        LinearSupply(6.0, 1.0),
        LinearDemand(4.0),
        THREE,
        (5.0, 6.0),
        5.5,
        [0.0] * 3,
        Status.CLEARED,
    ),
    "curve, logit demand": (
        LinearSupply(2.0, 1.0),
        LogitDemand(1.0),
        ([3.0], [2.0]),
        (3.0, 3.0),
        3.0,
        [0.5],
        Status.CLEARED,
    ),
    # the next would pay 3 for units of which the last costs 6: whole agents stop, at the next one's price
    "curve, whole": (LinearSupply(0.0, 1.0), WHOLE, THREE, (3.0, 3.0), 3.0, [1.0, 0.0, 0.0], Status.UNSOLD),
    "curve, whole, fits": (LinearSupply(0.0, 0.5), WHOLE, THREE, (3.0, 3.0), 3.0, [1.0, 1.0, 0.0], Status.CLEARED),
    "curve, whole, nobody": (LinearSupply(0.0, 3.0), WHOLE, THREE, (5.0, 5.0), 5.0, [0.0] * 3, Status.UNSOLD),
    "curve, whole, everybody": (LinearSupply(0.0, 0.05), WHOLE, THREE, (0.5, 0.5), 0.5, [1.0] * 3, Status.CLEARED),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_cleared_by_hand(name: str) -> None:
    supply, demand, bids, interval, price, allocation, status = EXAMPLES[name]
    clearing = CapacityMarket(supply, demand).clear(*bids).require(1e-12)
    assert clearing.price_interval == pytest.approx(interval, rel=1e-14, abs=1e-14)
    assert clearing.price == pytest.approx(price, rel=1e-14, abs=1e-14)
    assert clearing.allocation == pytest.approx(np.array(allocation), rel=1e-13, abs=1e-14)
    assert clearing.status is status


def test_all_that_is_for_sale_may_be_more_than_agents_can_use_only_where_the_price_has_a_floor() -> None:
    for supply in (FixedSupply(11.0), PriceCollar(11.0, -INF, 4.0)):
        with pytest.raises(InfeasibleError, match=rf"{type(supply).__name__}\.quantity .* \[0, 10\], got 11"):
            CapacityMarket(supply).clear(*THREE)
    rounded = CapacityMarket(PriceCollar(10.0 + 5e-12, -INF, 4.0)).clear(*THREE)
    assert rounded.allocation.tolist() == [1.0, 1.0, 1.0]
    assert CapacityMarket(FixedSupply(10.0 + 5e-12, free_disposal=True)).clear(*THREE).status is Status.CLEARED
    assert CapacityMarket(FixedSupply(10.0 + 5e-11, free_disposal=True)).clear(*THREE).status is Status.DISPOSED


def test_supply_rules_store_floats_and_compare() -> None:
    number = Fraction(6, 2)
    assert PriceCollar(number, 1, np.float32(2.0)) == PriceCollar(3.0, 1.0, 2.0)
    assert ElasticSupply(number, 1, 2) == ElasticSupply(3.0, 1.0, 2.0) != ElasticSupply(3.0, 1.0, 2.5)
    assert LinearSupply(number, 1) == LinearSupply(3.0, 1.0) != LinearSupply(3.0, 2.0)
    assert FixedSupply(3.0, free_disposal=True) != FixedSupply(3.0)
    assert len({FixedSupply(3.0), FixedSupply(number), FixedSupply(3.0, free_disposal=True)}) == 2
    assert repr(FixedSupply(3.0)) == "FixedSupply(quantity=3.0)"
    assert repr(FixedSupply(3.0, free_disposal=True)) == "FixedSupply(quantity=3.0, free_disposal=True)"
    for supply in (PriceCollar(1.0, 2.0, 2.0), ElasticSupply(1.0, 1.0, 1.0), LinearSupply(0.0, 1.0)):
        assert all(type(value) is float for value in vars(supply).values())
        with pytest.raises(FrozenInstanceError):
            supply.quantity = 4.0  # type: ignore[misc,union-attr]


@pytest.mark.parametrize(
    ("supply", "price", "quantity"),
    [
        (ElasticSupply(3.0, 2.0, 2.0), 4.0, 12.0),
        (ElasticSupply(3.0, 2.0, 2.0), 1.0, 0.75),
        (ElasticSupply(3.0, 2.0, 0.5), 8.0, 6.0),
        (LinearSupply(1.0, 0.5), 4.0, 6.0),
        (LinearSupply(-1.0, 0.5), 0.0, 2.0),
    ],
)
def test_a_curve_is_read_both_ways(supply: ElasticSupply | LinearSupply, price: float, quantity: float) -> None:
    assert supply.quantity_at(price) == pytest.approx(quantity, rel=1e-15)
    assert supply.price_at(quantity) == pytest.approx(price, rel=1e-15, abs=1e-15)


def test_a_curve_ends_where_float64_does() -> None:
    supply = ElasticSupply(2.0, 1.0, 1e6)
    assert supply.quantity_at(2.0) == INF
    assert supply.quantity_at(0.5) == supply.quantity_at(0.0) == supply.quantity_at(-1.0) == 0.0
    assert supply.quantity_at(1.0) == 2.0
    assert supply.price_at(0.0) == supply.price_at(-1.0) == 0.0
    assert ElasticSupply(2.0, 1.0, 1e-6).price_at(4.0) == INF
    assert ElasticSupply(1e-300, 1e300, 1.0).quantity_at(1e-300) == 0.0
    assert ElasticSupply(1e-300, 1e-300, 1.0).quantity_at(1e300) == pytest.approx(1e300, rel=1e-12)
    assert LinearSupply(3.0, 1.0).quantity_at(2.0) == 0.0


# ---------------------------------------------------------------- one rule is the limit of another

DEMANDS = [STEP, WHOLE, LinearDemand(4.0), LogitDemand(1.0)]


@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
@pytest.mark.parametrize("quantity", [1.0, 4.0, 5.5])
def test_inelastic_supply_is_a_cap(demand: Demand, quantity: float) -> None:
    cap = CapacityMarket(FixedSupply(quantity, free_disposal=True), demand).clear(*THREE)
    elastic = CapacityMarket(ElasticSupply(quantity, 2.0, 1e-12), demand).clear(*THREE)
    np.testing.assert_allclose(elastic.allocation, cap.allocation, rtol=0.0, atol=1e-10)
    low, high = cap.price_interval
    assert low - 1e-9 <= elastic.price <= high + 1e-9


@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
@pytest.mark.parametrize("price", [4.0, 2.0, 0.5])
def test_infinitely_elastic_supply_is_a_posted_price(demand: Demand, price: float) -> None:
    posted = CapacityMarket(PostedPrice(price), demand).clear(*THREE)
    elastic = CapacityMarket(ElasticSupply(1.0, price, 1e10), demand).clear(*THREE)
    np.testing.assert_allclose(elastic.allocation, posted.allocation, rtol=0.0, atol=1e-8)
    assert elastic.price == pytest.approx(price, rel=1e-8)


@pytest.mark.parametrize("demand", DEMANDS, ids=repr)
def test_a_flat_marginal_cost_is_a_posted_price(demand: Demand) -> None:
    posted = CapacityMarket(PostedPrice(2.0), demand).clear(*THREE)
    flat = CapacityMarket(LinearSupply(2.0, 1e-12), demand).clear(*THREE)
    np.testing.assert_allclose(flat.allocation, posted.allocation, rtol=0.0, atol=1e-9)
    assert flat.price == pytest.approx(2.0, rel=1e-10)


@given(data=st.data(), rule=st.sampled_from(RULES))
def test_a_collar_without_bounds_is_a_cap(data: st.DataObject, rule: str) -> None:
    case = data.draw(capacity_cases(rule))
    for floor, cap in ((-INF, FixedSupply(case.quantity)), (0.0, FixedSupply(case.quantity, free_disposal=True))):
        expected = market(cap, case.demand, case.tax_rates).clear(case.valuations, case.costs)
        collar = market(PriceCollar(case.quantity, floor, INF), case.demand, case.tax_rates)
        clearing = collar.clear(case.valuations, case.costs)
        np.testing.assert_array_equal(clearing.allocation, expected.allocation)
        assert clearing.price_interval == expected.price_interval
        assert (clearing.status is expected.status) or expected.status is Status.DISPOSED


@given(data=st.data(), rule=st.sampled_from(["linear", "logit"]))
def test_a_collar_of_one_price_is_that_posted_price(data: st.DataObject, rule: str) -> None:
    case = data.draw(capacity_cases(rule, exact=True))
    price = data.draw(st.integers(-24, 24)) / 8
    collar = market(PriceCollar(case.quantity, price, price), case.demand, case.tax_rates)
    clearing = collar.clear(case.valuations, case.costs)
    assert clearing.price == price
    np.testing.assert_allclose(clearing.allocation, case.post(price).allocation, rtol=0.0, atol=1e-9)


@given(case=capacity_cases("step", exact=True), elasticity=st.sampled_from([0.25, 1.0, 4.0]))
def test_a_supply_curve_through_a_clearing_point_clears_there(case: object, elasticity: float) -> None:
    cap = case.clear()
    assume(cap.price > 0.0 and cap.quantity_sold > 0.0 and math.isfinite(cap.price))
    curve = market(ElasticSupply(case.quantity, cap.price, elasticity), case.demand, case.tax_rates)
    clearing = curve.clear(case.valuations, case.costs)
    assert clearing.price == pytest.approx(cap.price, rel=1e-12)
    np.testing.assert_allclose(clearing.quantities, cap.quantities, rtol=0.0, atol=1e-9 * case.quantity)


def market(supply: Supply, demand: Demand, tax_rates: np.ndarray) -> CapacityMarket:
    return CapacityMarket(supply, demand, PerUnitTax(tax_rates))
