"""Supply rules: a cap finds a price, a posted price finds a quantity."""

from dataclasses import FrozenInstanceError
from fractions import Fraction

import numpy as np
import pytest

from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand, PostedPrice, Status

VALUATIONS, COSTS = [5.0, 3.0, 1.0], [2.0, 4.0, 4.0]


@pytest.mark.parametrize("number", [3, 3.0, np.float32(3.0), np.array(3), Fraction(6, 2)], ids=repr)
def test_any_real_number_is_taken_and_stored_as_a_float(number: float) -> None:
    for supply in (FixedSupply(number), PostedPrice(number)):
        assert supply == type(supply)(3.0)
        assert hash(supply) == hash(type(supply)(3.0))
    assert type(FixedSupply(number).quantity) is type(PostedPrice(number).price) is float


def test_supply_rules_differ_by_kind_and_by_number() -> None:
    assert FixedSupply(3.0) != PostedPrice(3.0)
    assert FixedSupply(3.0) != FixedSupply(4.0)
    assert PostedPrice(3.0) != PostedPrice(4.0)


def test_supply_rules_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        FixedSupply(3.0).quantity = 4.0  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        PostedPrice(3.0).price = 4.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("price", "allocation"),
    [
        (6.0, [0.0, 0.0, 0.0]),
        (5.0, [1.0, 0.0, 0.0]),  # who is indifferent buys
        (4.0, [1.0, 0.0, 0.0]),
        (3.0, [1.0, 1.0, 0.0]),
        (-1.0, [1.0, 1.0, 1.0]),
    ],
)
def test_a_posted_price_sells_what_is_asked_for(price: float, allocation: list[float]) -> None:
    clearing = CapacityMarket(PostedPrice(price)).clear(VALUATIONS, COSTS)
    assert clearing.allocation.tolist() == allocation
    assert clearing.price == price
    assert clearing.price_interval == (price, price)
    assert clearing.seller_revenue == price * np.dot(allocation, COSTS)
    assert clearing.status is Status.POSTED
    assert clearing.certificate.violations(0.0) == {}


@pytest.mark.parametrize("demand", [LinearDemand(1.5), LogitDemand(1.5)])
def test_a_posted_price_and_a_cap_are_two_views_of_one_market(demand: LinearDemand | LogitDemand) -> None:
    posted = CapacityMarket(PostedPrice(2.25), demand).clear(VALUATIONS, COSTS)
    capped = CapacityMarket(FixedSupply(posted.quantity_sold), demand).clear(VALUATIONS, COSTS)
    assert capped.price == pytest.approx(2.25, rel=1e-12)
    assert capped.allocation == pytest.approx(posted.allocation, rel=1e-12)
    assert capped.status is Status.CLEARED
