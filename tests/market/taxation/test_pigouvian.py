"""Pigouvian taxes: the efficient quantity by brute force, and the market that reaches it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from walras.market import NotConvergedError
from walras.market.partial_equilibrium import (
    CompetitiveMarket,
    ConstantElasticityCurve,
    LinearCurve,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.market.taxation import PerUnitTax, PigouvianStatus, PigouvianTax
from walras.market.testing.strategies.partial_equilibrium import step_markets

DEMAND, SUPPLY = LinearCurve(10.0, -1.0), LinearCurve(1.0, 0.5)


def test_rising_damage_by_hand() -> None:
    optimum = PigouvianTax(lambda quantity: 0.5 * quantity).optimum(DEMAND, SUPPLY).require()
    assert optimum.quantity == pytest.approx(4.5, rel=1e-14)
    assert optimum.free_quantity == pytest.approx(6.0, rel=1e-14)
    assert isinstance(optimum.tax, PerUnitTax)
    assert optimum.tax.rate == pytest.approx(2.25)
    assert (optimum.consumer_price, optimum.producer_price) == pytest.approx((5.5, 3.25))
    assert optimum.revenue == pytest.approx(2.25 * 4.5)
    assert (optimum.damage, optimum.free_damage) == pytest.approx((0.25 * 4.5**2, 0.25 * 36.0))
    assert optimum.welfare_gain == pytest.approx(0.5 * 1.5 * 3.0)  # the triangle between 4.5 and 6, of height d(6) = 3
    assert optimum.status is PigouvianStatus.TAX


@pytest.mark.parametrize(
    ("damage", "quantity", "status"),
    [
        (1.5, 5.0, PigouvianStatus.TAX),
        (0.0, 6.0, PigouvianStatus.NO_CORRECTION),
        (-1.5, 7.0, PigouvianStatus.SUBSIDY),
        (9.0, 0.0, PigouvianStatus.PROHIBITION),
        (20.0, 0.0, PigouvianStatus.PROHIBITION),
    ],
)
def test_constant_damage(damage: float, quantity: float, status: PigouvianStatus) -> None:
    optimum = PigouvianTax(damage).optimum(DEMAND, SUPPLY).require()
    assert optimum.quantity == pytest.approx(quantity, abs=1e-12)
    assert optimum.tax.rate == damage
    assert optimum.status is status
    assert optimum.damage == pytest.approx(damage * quantity, abs=1e-10)
    lost = 0.75 * (6.0 - quantity) ** 2  # the integral of 9 - 1.5 q between the two quantities
    assert optimum.welfare_gain == pytest.approx(damage * (6.0 - quantity) - lost, abs=1e-10)


@given(damage=st.floats(0.0, 3.0), rise=st.floats(0.0, 2.0), elasticity=st.floats(0.3, 3.0))
def test_the_tax_supports_the_quantity_of_largest_welfare(damage: float, rise: float, elasticity: float) -> None:
    demand, supply = ConstantElasticityCurve(-elasticity, 3.0), ConstantElasticityCurve(1.0)
    optimum = PigouvianTax(lambda quantity: damage + rise * quantity).optimum(demand, supply).require(1e-8)

    def lost(quantity: float) -> float:
        harm = damage * quantity + 0.5 * rise * quantity**2
        return harm + supply.area(0.0, quantity) - demand.area(1e-3, quantity)

    found = minimize_scalar(
        lost, bounds=(1e-3, 2.0 * optimum.free_quantity), method="bounded", options={"xatol": 1e-10}
    )
    assert optimum.quantity == pytest.approx(found.x, rel=1e-4)
    taxed = CompetitiveMarket(demand, supply).equilibrium(optimum.tax).require()
    assert taxed.quantity == pytest.approx(optimum.quantity, rel=1e-9)
    assert optimum.welfare_gain >= -1e-12


@given(market=step_markets(), damage=st.integers(0, 6))
def test_units_whose_value_covers_cost_and_damage_are_traded(market: CompetitiveMarket, damage: int) -> None:
    optimum = PigouvianTax(float(damage)).optimum(market.demand, market.supply).require(1e-9)
    values = np.repeat(market.demand.values, (2 * np.array(market.demand.quantities)).astype(int))
    costs = np.repeat(market.supply.costs, (2 * np.array(market.supply.quantities)).astype(int))
    pairs = zip(sorted(values, reverse=True), sorted(costs), strict=False)  # halves of units
    assert optimum.quantity == sum(0.5 for value, cost in pairs if value >= cost + damage)


def test_a_damage_that_falls_too_fast_is_noticed() -> None:
    # No unit below the second is worth its damage, and the ones beyond make good for them: the efficient quantity is 6.
    stuck = PigouvianTax(lambda quantity: max(12.0 - 3.0 * quantity, 0.0)).optimum(DEMAND, SUPPLY)
    assert stuck.quantity == 0.0
    assert stuck.certificate.optimality > 0.01
    with pytest.raises(NotConvergedError, match="optimality"):
        stuck.require()


def test_nothing_to_trade_nothing_to_tax() -> None:
    optimum = PigouvianTax(1.0).optimum(StepDemandCurve([1.0]), StepSupplyCurve([3.0])).require(0.0)
    assert optimum.quantity == optimum.free_quantity == optimum.revenue == optimum.welfare_gain == 0.0
    assert optimum.status is PigouvianStatus.PROHIBITION


def test_marginal_damage_can_be_asked() -> None:
    assert PigouvianTax(lambda quantity: 2 * quantity).damage_at(3) == 6.0
    assert PigouvianTax(2).damage_at(3.0) == 2.0
