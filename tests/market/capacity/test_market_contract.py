"""What holds for every supply rule, demand rule and tax, at every market that the strategies reach."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.oracles import assert_equilibrium

from walras.market import AdValoremTax, FixedSupply, LogitDemand, PerUnitTax, PostedPrice, Status
from walras.market.testing.strategies.capacity import RULES, SUPPLIES, MarketCase, market_cases

every_rule = st.sampled_from(RULES)
every_supply = pytest.mark.parametrize("supply", SUPPLIES)
cases = st.data()


@every_supply
@given(data=cases, rule=every_rule)
def test_clears_where_demand_meets_supply(data: st.DataObject, rule: str, supply: str) -> None:
    case = data.draw(market_cases(rule, supply), label="case")
    clearing = case.clear().require(1e-9)
    assert np.all((clearing.allocation >= 0.0) & (clearing.allocation <= 1.0))
    assert clearing.price_interval[0] <= clearing.price <= clearing.price_interval[1]
    if clearing.status is not Status.NO_FINITE_PRICE and supply != "posted":
        assert_equilibrium(case, clearing)


@given(data=cases, rule=every_rule)
def test_money_adds_up_under_all_taxes(data: st.DataObject, rule: str) -> None:
    case = data.draw(market_cases(rule, data.draw(st.sampled_from(SUPPLIES))), label="case")
    clearing = case.clear()
    assume(clearing.status is not Status.NO_FINITE_PRICE)
    per_unit, ad_valorem = rates_of(case)
    net_prices = clearing.price * (1.0 + ad_valorem) + per_unit
    turnover = math.fsum((abs(clearing.price) * (1.0 + ad_valorem) + np.abs(per_unit)) * clearing.quantities)
    rounding = 1e-12 * turnover + 1e-300
    assert np.all(np.abs(clearing.payments - net_prices * clearing.quantities) <= rounding)
    assert clearing.seller_revenue == pytest.approx(clearing.price * clearing.quantity_sold, rel=0.0, abs=rounding)
    tax = math.fsum((clearing.price * ad_valorem + per_unit) * clearing.quantities)
    assert clearing.tax_revenue == pytest.approx(tax, rel=0.0, abs=rounding)


def rates_of(case: MarketCase) -> tuple[np.ndarray, np.ndarray]:
    taxes = case.market.tax if isinstance(case.market.tax, tuple) else (case.market.tax,)
    per_unit, ad_valorem = np.zeros(case.costs.size), np.zeros(case.costs.size)
    for tax in taxes:
        if isinstance(tax, PerUnitTax):
            per_unit += tax.rate
        else:
            ad_valorem += tax.rate
    return per_unit, ad_valorem


@given(data=cases, rule=every_rule)
def test_bounds_on_prices_are_kept(data: st.DataObject, rule: str) -> None:
    collar = data.draw(market_cases(rule, "collar"), label="collar")
    clearing, supply = collar.clear(), collar.market.supply
    low, high = clearing.price_interval
    assert supply.floor <= low <= clearing.price <= high <= supply.ceiling
    disposable = data.draw(market_cases(rule, "disposable"), label="disposable").clear()
    assert disposable.price_interval[0] >= 0.0


@given(data=cases, rule=every_rule)
def test_status_says_on_which_part_of_the_curve(data: st.DataObject, rule: str) -> None:
    collar = data.draw(market_cases(rule, "collar"), label="collar")
    clearing, supply = collar.clear(), collar.market.supply
    if clearing.status is Status.AT_FLOOR:
        assert clearing.price == supply.floor
        assert clearing.quantity_sold < supply.quantity * (1.0 + 1e-12)
    elif clearing.status is Status.AT_CEILING:
        assert clearing.price == supply.ceiling
        assert clearing.quantity_sold > supply.quantity * (1.0 - 1e-12)
    elif rule != "indivisible":
        assert clearing.quantity_sold == pytest.approx(supply.quantity, rel=1e-11, abs=0.0)
    disposable = data.draw(market_cases(rule, "disposable"), label="disposable")
    clearing, supply = disposable.clear(), disposable.market.supply
    if clearing.status is Status.DISPOSED:
        assert clearing.price == 0.0
        assert clearing.quantity_sold < supply.quantity * (1.0 + 1e-12)
    elif rule != "indivisible":
        assert clearing.quantity_sold == pytest.approx(supply.quantity, rel=1e-11, abs=0.0)


@given(data=cases, rule=every_rule, factor=st.sampled_from([0.25, 2.0, 1024.0]))
def test_an_ad_valorem_tax_alike_for_all_is_borne_by_a_fixed_supply(
    data: st.DataObject, rule: str, factor: float
) -> None:
    """What agents pay for a unit stays as it is; the seller gets a part of it."""
    case = data.draw(market_cases(rule, "fixed", taxed=False), label="case")
    taxed = case.but(market=type(case.market)(case.market.supply, case.market.demand, AdValoremTax(factor - 1.0)))
    before, after = case.clear(), taxed.clear()
    assume(before.status is not Status.NO_FINITE_PRICE)
    np.testing.assert_allclose(after.quantities, before.quantities, rtol=0.0, atol=1e-9 * (1e-300 + case.costs.sum()))
    money = float(np.abs(case.valuations).max()) + abs(before.price)
    saturated = 40.0 * case.market.demand.temperature if isinstance(case.market.demand, LogitDemand) else 0.0
    assert after.price * factor == pytest.approx(before.price, rel=1e-9, abs=1e-9 * money + saturated)


@given(data=cases, rule=every_rule)
def test_at_a_posted_price_an_ad_valorem_tax_is_a_tax_per_unit(data: st.DataObject, rule: str) -> None:
    case = data.draw(market_cases(rule, "posted", taxed=False), label="case")
    price = case.market.supply.price
    markets = [
        type(case.market)(PostedPrice(price), case.market.demand, tax) for tax in (AdValoremTax(1.0), PerUnitTax(price))
    ]
    first, second = (case.but(market=market).clear() for market in markets)
    np.testing.assert_allclose(first.allocation, second.allocation, rtol=1e-9, atol=1e-12)
    assert first.tax_revenue == pytest.approx(second.tax_revenue, rel=1e-9)


@given(data=cases, rule=every_rule)
def test_free_disposal_changes_nothing_while_the_price_is_above_zero(data: st.DataObject, rule: str) -> None:
    case = data.draw(market_cases(rule, "fixed"), label="case")
    disposable = case.but(
        market=type(case.market)(
            FixedSupply(case.market.supply.quantity, free_disposal=True), case.market.demand, case.market.tax
        )
    )
    before, after = case.clear(), disposable.clear()
    if before.price_interval[0] > 0.0:
        np.testing.assert_array_equal(after.allocation, before.allocation)
        assert after.price_interval == before.price_interval
        assert after.status is before.status
    else:
        assert after.quantity_sold <= before.quantity_sold * (1.0 + 1e-11)
