"""Curves: values, limits at jumps, best quantities and areas, against quadrature and counting."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from walras.market.partial_equilibrium import (
    ConstantElasticityCurve,
    DirectCurve,
    InverseCurve,
    LinearCurve,
    Side,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.market.testing.strategies.partial_equilibrium import induced_values

SMOOTH = {
    "falling": (LinearCurve(10.0, -1.0), Side.BUYERS),
    "rising": (LinearCurve(1.0, 0.5), Side.SELLERS),
    "elastic demand": (ConstantElasticityCurve(-2.0, 3.0, 1.5), Side.BUYERS),
    "unit demand": (ConstantElasticityCurve(-1.0, 3.0, 1.5), Side.BUYERS),
    "inelastic demand": (ConstantElasticityCurve(-0.5, 3.0, 1.5), Side.BUYERS),
    "elastic supply": (ConstantElasticityCurve(0.7, 3.0, 1.5), Side.SELLERS),
    "inverse demand": (InverseCurve(lambda q: 9.0 - q**2, 3.0), Side.BUYERS),
    "inverse supply": (InverseCurve(lambda q: 1.0 + q**3, 3.0), Side.SELLERS),
    "direct demand": (DirectCurve(lambda p: math.sqrt(9.0 - p), 0.0, 9.0), Side.BUYERS),
    "direct supply": (DirectCurve(lambda p: p**2, 0.0, 2.0), Side.SELLERS),
}
every_curve = pytest.mark.parametrize("name", SMOOTH)


@every_curve
@given(start=st.floats(0.05, 2.9), end=st.floats(0.05, 2.9))
def test_area_is_the_integral_of_the_price(name: str, start: float, end: float) -> None:
    curve, _ = SMOOTH[name]
    expected, _ = quad(curve.price_before, start, end, epsabs=1e-12)
    assert curve.area(start, end) == pytest.approx(expected, rel=1e-7, abs=1e-9)


@every_curve
@given(quantity=st.floats(0.05, 2.9))
def test_quantities_and_prices_are_inverse(name: str, quantity: float) -> None:
    curve, side = SMOOTH[name]
    assert curve.price_before(quantity) == curve.price_after(quantity)
    low, high = curve.quantities_at(curve.price_before(quantity), side)
    assert low <= high
    assert high == pytest.approx(quantity, rel=1e-9)


@every_curve
def test_which_side_a_curve_can_be(name: str) -> None:
    curve, side = SMOOTH[name]
    other = Side.SELLERS if side is Side.BUYERS else Side.BUYERS
    assert curve.may_belong_to(side)
    assert not curve.may_belong_to(other)
    assert curve.knots == ()
    assert curve.capacity == (
        math.inf
        if "Linear" in repr(curve) or "Elasticity" in repr(curve)
        else pytest.approx(4.0 if name == "direct supply" else 3.0)
    )


def test_linear_corners() -> None:
    flat = LinearCurve(2.0, 0.0)
    assert flat.may_belong_to(Side.BUYERS)
    assert flat.may_belong_to(Side.SELLERS)
    assert flat.quantities_at(2.0, Side.BUYERS) == (0.0, math.inf)
    assert flat.quantities_at(1.0, Side.BUYERS) == flat.quantities_at(3.0, Side.SELLERS) == (math.inf, math.inf)
    assert flat.quantities_at(3.0, Side.BUYERS) == flat.quantities_at(1.0, Side.SELLERS) == (0.0, 0.0)
    assert LinearCurve(10.0, -1.0).quantities_at(11.0, Side.BUYERS) == (0.0, 0.0)


def test_constant_elasticity_corners() -> None:
    demand, supply = ConstantElasticityCurve(-2.0, 8.0), ConstantElasticityCurve(2.0)
    assert demand.quantities_at(0.0, Side.BUYERS) == (math.inf, math.inf)
    assert supply.quantities_at(0.0, Side.SELLERS) == supply.quantities_at(-1.0, Side.SELLERS) == (0.0, 0.0)
    assert demand.price_after(0.0) == math.inf
    assert supply.price_after(0.0) == 0.0
    assert demand.area(0.0, 2.0) == pytest.approx(8.0)  # (8 / q)^(1/2) from 0 to 2
    assert ConstantElasticityCurve(-1.0).area(0.0, 1.0) == math.inf
    assert ConstantElasticityCurve(-0.5).area(0.0, 1.0) == math.inf
    assert ConstantElasticityCurve(-0.5).area(0.0, 0.0) == 0.0
    assert ConstantElasticityCurve(1e-3).price_before(1e6) == math.inf


@given(values=induced_values(), price=st.integers(-1, 25).map(lambda halves: halves / 2))
def test_step_quantities_are_counted(values: list[float], price: float) -> None:
    array = np.array(values)
    demand, supply = StepDemandCurve(values), StepSupplyCurve(values)
    assert demand.quantities_at(price, Side.BUYERS) == (np.sum(array > price), np.sum(array >= price))
    assert supply.quantities_at(price, Side.SELLERS) == (np.sum(array < price), np.sum(array <= price))


@given(values=induced_values(), halves=st.integers(0, 16))
def test_step_prices_and_areas_are_those_of_single_units(values: list[float], halves: int) -> None:
    quantity = min(halves / 2, float(len(values)))
    for curve, ordered in (
        (StepDemandCurve(values), sorted(values, reverse=True)),
        (StepSupplyCurve(values), sorted(values)),
    ):
        assert curve.capacity == len(values)
        assert curve.knots == tuple(range(1, len(values)))
        if quantity > 0.0:
            assert curve.price_before(quantity) == ordered[math.ceil(quantity) - 1]
        if quantity < len(values):
            assert curve.price_after(quantity) == ordered[math.floor(quantity)]
        whole = int(quantity)
        part = (quantity - whole) * ordered[whole] if quantity > whole else 0.0
        assert curve.area(0.0, quantity) == pytest.approx(sum(ordered[:whole]) + part)
        assert curve.area(quantity, 0.0) == -curve.area(0.0, quantity)


def test_steps_of_several_sizes() -> None:
    demand = StepDemandCurve([3.0, 5.0], [4.0, 1.5])
    assert (demand.capacity, demand.knots) == (5.5, (1.5,))
    assert (demand.price_before(1.5), demand.price_after(1.5)) == (5.0, 3.0)
    assert demand.area(1.0, 2.0) == 4.0
    assert demand == StepDemandCurve((3.0, 5.0), np.array([4.0, 1.5]))
    assert hash(demand) == hash(StepDemandCurve([3, 5], [4, 1.5]))
    assert (demand.may_belong_to(Side.BUYERS), demand.may_belong_to(Side.SELLERS)) == (True, False)
    supply = StepSupplyCurve(3.0 * np.ones(2), 2.0)
    assert supply.quantities == (2.0, 2.0)
    assert (supply.may_belong_to(Side.BUYERS), supply.may_belong_to(Side.SELLERS)) == (False, True)


def test_outside_their_prices_direct_curves_are_constant() -> None:
    demand = DirectCurve(lambda p: 8.0 - p, 2.0, 6.0)  # from 6 units at 2 to 2 units at 6, none above
    assert (demand.capacity, demand.knots) == (6.0, (2.0,))
    assert demand.quantities_at(1.0, Side.BUYERS) == (6.0, 6.0)
    assert demand.quantities_at(7.0, Side.BUYERS) == (0.0, 0.0)
    assert demand.quantities_at(6.0, Side.BUYERS) == (0.0, 2.0)
    assert demand.quantities_at(2.0, Side.BUYERS) == (6.0, 6.0)
    assert (demand.price_before(1.0), demand.price_before(4.0), demand.price_before(6.0)) == pytest.approx((6, 4, 2))
    assert demand.area(0.0, 4.0) == pytest.approx(12.0 + 10.0)
    assert demand.area(0.5, 1.0) == pytest.approx(3.0)
    supply = DirectCurve(lambda p: p, 1.0, 3.0)
    assert (supply.capacity, supply.knots) == (3.0, (1.0,))
    assert supply.quantities_at(0.5, Side.SELLERS) == (0.0, 0.0)
    assert supply.quantities_at(1.0, Side.SELLERS) == (0.0, 1.0)
    assert supply.quantities_at(3.0, Side.SELLERS) == (3.0, 3.0)
    assert supply.quantities_at(4.0, Side.SELLERS) == (3.0, 3.0)
    assert supply.area(0.0, 3.0) == pytest.approx(1.0 + 4.0)


def test_inverse_curves_stop_at_their_capacity() -> None:
    demand = InverseCurve(lambda q: 9.0 - q, 3.0)
    assert demand.quantities_at(1.0, Side.BUYERS) == (3.0, 3.0)
    assert demand.quantities_at(10.0, Side.BUYERS) == (0.0, 0.0)
    supply = InverseCurve(lambda q: 1.0 + q, 3.0)
    assert supply.quantities_at(0.5, Side.SELLERS) == (0.0, 0.0)
    assert supply.quantities_at(9.0, Side.SELLERS) == (3.0, 3.0)
    assert supply.quantities_at(2.5, Side.SELLERS) == (1.5, 1.5)
