"""The contract of the capacity market: what holds for every demand rule, at every market that the strategies reach."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.oracles import (
    assert_optimal,
    assert_same_allocation,
    step_by_linear_program,
    step_price_interval,
)
from tests.support.strategies import DIVISIBLE_RULES, RULES, SMOOTH_RULES, CapacityCase, capacity_cases

from walras.market import Clearing, LogitDemand, Status, StepDemand

every_rule = pytest.mark.parametrize("rule", RULES)
every_divisible_rule = pytest.mark.parametrize("rule", DIVISIBLE_RULES)
every_smooth_rule = pytest.mark.parametrize("rule", SMOOTH_RULES)
cases = st.data()  # `draw_case` draws from it, since the rule comes from pytest's parametrisation

EPSILON = float(np.finfo(np.float64).eps)


def draw_case(data: st.DataObject, rule: str, **options: bool) -> CapacityCase:
    return data.draw(capacity_cases(rule, **options), label="case")


def cleared(case: CapacityCase) -> Clearing:
    return case.clear().require(1e-9)


# ---------------------------------------------------------------- certificate, feasibility, conservation


@every_rule
@given(data=cases)
def test_passes_its_certificate(data: st.DataObject, rule: str) -> None:
    certificate = draw_case(data, rule).clear().certificate
    assert certificate.violations(1e-9) == {}
    assert certificate.conservation <= 1e-11
    assert certificate.feasibility == 0.0


@every_rule
@given(data=cases)
def test_shares_are_feasible(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    clearing = case.clear()
    assert clearing.allocation.shape == clearing.payments.shape == clearing.surplus.shape == case.costs.shape
    assert np.all((clearing.allocation >= 0.0) & (clearing.allocation <= 1.0))
    np.testing.assert_array_equal(clearing.quantities, case.costs * clearing.allocation)


@every_divisible_rule
@given(data=cases)
def test_sells_the_quantity_to_the_last_unit(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    assert case.clear().quantity_sold == pytest.approx(case.quantity, rel=1e-11, abs=0.0)


@every_rule
@given(data=cases)
def test_sells_nothing_and_everything(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    total = math.fsum(case.costs)
    assert not case.but(quantity=0.0).clear().allocation.any()
    everything = case.but(quantity=total).clear()
    assert_same_allocation(everything.allocation, np.ones_like(case.costs), case.costs, total, 1e-11)


# ---------------------------------------------------------------- optimality


@every_divisible_rule
@given(data=cases)
def test_is_what_the_slow_oracle_finds(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    assert_optimal(case, cleared(case))


@given(case=capacity_cases("step", exact=True))
def test_step_price_interval_is_the_set_of_dual_solutions(case: CapacityCase) -> None:
    clearing = cleared(case)
    assert clearing.price_interval == step_price_interval(case)
    assert clearing.price_interval[0] <= clearing.price <= clearing.price_interval[1]


@given(case=capacity_cases("step", exact=True))
def test_step_welfare_and_price_solve_the_linear_program(case: CapacityCase) -> None:
    clearing, program = cleared(case), step_by_linear_program(case)
    welfare = math.fsum(case.net_valuations * clearing.quantities)
    low, high = clearing.price_interval
    assert welfare == pytest.approx(program.welfare, rel=1e-6, abs=1e-6)
    assert low - 1e-6 <= program.price <= high + 1e-6


@given(case=capacity_cases("indivisible"))
def test_indivisible_agents_are_served_whole_in_order_until_one_does_not_fit(case: CapacityCase) -> None:
    clearing = cleared(case)
    in_order = np.argsort(-case.net_valuations, kind="stable")
    shares, costs = clearing.allocation[in_order], case.costs[in_order]
    served = int(shares.sum())
    np.testing.assert_array_equal(shares, np.arange(shares.size) < served)
    rounding = 2e-12 * case.quantity
    assert clearing.quantity_sold <= case.quantity + rounding
    if served < costs.size:
        assert case.quantity - clearing.quantity_sold < costs[served] + rounding
    low, high = clearing.price_interval
    assert low == (case.net_valuations[in_order][served] if served < costs.size else -np.inf)
    assert high == (case.net_valuations[in_order][served - 1] if served > 0 else np.inf)


# ---------------------------------------------------------------- comparative statics, in signs


@every_rule
@given(data=cases)
def test_a_higher_bid_never_gets_less(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    agent = data.draw(st.integers(0, case.costs.size - 1))
    raised = case.valuations.copy()
    raised[agent] += data.draw(st.floats(0.0, 1e3))
    before, after = cleared(case), cleared(case.but(valuations=raised))
    gained = after.quantities - before.quantities
    assert gained[agent] >= -1e-9 * case.quantity
    if rule in DIVISIBLE_RULES:  # where it is worth its rent, the others give it up and the price rises
        assert np.all(np.delete(gained, agent) <= 1e-9 * case.quantity)
        assert after.price_interval[0] >= before.price_interval[0] - price_rounding(case.but(valuations=raised))


@every_rule
@given(data=cases)
def test_more_supply_lowers_the_price_and_serves_nobody_less(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    added = data.draw(st.one_of(st.just(0.0), st.floats(1e-9, 1.0)))  # fraction of what is not yet sold
    more = case.quantity + added * (math.fsum(case.costs) - case.quantity)
    before, after = cleared(case), cleared(case.but(quantity=more))
    assert np.all(after.quantities >= before.quantities - 1e-9 * case.quantity)
    if rule in DIVISIBLE_RULES:
        assert after.price <= before.price + price_rounding(case)


@pytest.mark.parametrize("rule", ["step", "indivisible"])
@given(data=cases)
def test_served_sets_are_nested_in_the_quantity(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    served = np.zeros(case.costs.size, dtype=bool)
    for fraction in np.linspace(0.0, 1.0, 9):
        now = case.but(quantity=fraction * math.fsum(case.costs)).clear().allocation > 0.0
        assert np.all(now[served])
        served = now


def price_rounding(case: CapacityCase) -> float:
    """Bound on the error of a price (money per unit).

    Where every agent is saturated the sum of shares hardly moves with the price: shares are stored to one part in
    1e16, so a smooth price is then known to within 40 temperatures or widths only.
    """
    saturation = 40.0 * case.demand.temperature if isinstance(case.demand, LogitDemand) else 0.0
    return 1e-9 * max(case.money_scale, 1.0) + saturation


# ---------------------------------------------------------------- symmetries


@every_rule
@given(data=cases)
def test_agents_are_anonymous(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    if rule == "indivisible":  # which serves equal agents in the order given
        assume(np.unique(case.net_valuations).size == case.costs.size)
    order = np.array(data.draw(st.permutations(range(case.costs.size))))
    permuted = case.but(
        valuations=case.valuations[order], costs=case.costs[order], tax_rates=case.tax_rates[order]
    ).clear()
    assert_same_allocation(permuted.allocation, case.clear().allocation[order], case.costs[order], case.quantity, 1e-11)


@every_divisible_rule
@given(data=cases)
def test_equal_agents_get_equal_shares(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    shares = case.clear().allocation
    for net_valuation in np.unique(case.net_valuations):
        assert np.unique(shares[case.net_valuations == net_valuation]).size == 1


@every_rule
@given(data=cases, exponent=st.integers(-20, 20))
def test_the_unit_of_money_is_free(data: st.DataObject, rule: str, exponent: int) -> None:
    case, factor = draw_case(data, rule), 2.0**exponent  # a power of two: every rounding is scaled alike
    scaled = case.but(
        valuations=factor * case.valuations, tax_rates=factor * case.tax_rates, demand=scaled_demand(case, factor)
    )
    before, after = case.clear(), scaled.clear()
    np.testing.assert_array_equal(after.allocation, before.allocation)
    np.testing.assert_array_equal(after.payments, factor * before.payments)
    assert after.price_interval == tuple(factor * end for end in before.price_interval)
    assert after.price == factor * before.price


@every_rule
@given(data=cases, exponent=st.integers(-20, 20))
def test_the_unit_of_the_resource_is_free(data: st.DataObject, rule: str, exponent: int) -> None:
    case, factor = draw_case(data, rule), 2.0**exponent
    before, after = case.clear(), case.but(costs=factor * case.costs, quantity=factor * case.quantity).clear()
    np.testing.assert_array_equal(after.allocation, before.allocation)
    assert after.price_interval == before.price_interval
    assert after.price == before.price
    assert after.status is before.status


def scaled_demand(case: CapacityCase, factor: float) -> object:
    match case.demand:
        case StepDemand():
            return case.demand
        case LogitDemand(temperature=temperature):
            return LogitDemand(factor * temperature)
        case linear:
            return type(linear)(factor * linear.width)


# ---------------------------------------------------------------- prices versus quantities


@every_smooth_rule
@given(data=cases)
def test_posting_the_clearing_price_reproduces_the_cap(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    cap = cleared(case)
    assume(cap.status is not Status.NO_FINITE_PRICE)
    posted = case.post(cap.price)
    # The price is a float: it is off by a rounding of the money amounts, and demand answers with its slope.
    scale = case.demand.temperature if isinstance(case.demand, LogitDemand) else case.demand.width
    rounding = 4.0 * EPSILON * max(np.abs(case.valuations).max(), np.abs(case.tax_rates).max(), abs(cap.price)) / scale
    np.testing.assert_allclose(posted.allocation, cap.allocation, rtol=0.0, atol=1e-11 + rounding)
    assert posted.status is Status.POSTED


@given(case=capacity_cases("step", exact=True))
def test_posting_the_clearing_price_reproduces_the_cap_but_for_indifferent_agents(case: CapacityCase) -> None:
    cap = cleared(case)
    posted = case.post(cap.price)
    indifferent = case.net_valuations == cap.price
    np.testing.assert_array_equal(posted.allocation[~indifferent], cap.allocation[~indifferent])
    assert np.all(posted.allocation[indifferent] == 1.0)


# ---------------------------------------------------------------- taxes


@pytest.mark.parametrize("rule", ["step", "indivisible"])
@given(data=cases, rate=st.integers(-64, 64).map(lambda eighths: eighths / 8))
def test_the_supplier_bears_a_uniform_tax(data: st.DataObject, rule: str, rate: float) -> None:
    case = draw_case(data, rule, exact=True)
    untaxed, taxed = case.clear(), case.but(tax_rates=case.tax_rates + rate).clear()
    np.testing.assert_array_equal(taxed.allocation, untaxed.allocation)
    np.testing.assert_array_equal(taxed.surplus, untaxed.surplus)
    assert taxed.price == untaxed.price - rate
    assert taxed.price_interval == tuple(end - rate for end in untaxed.price_interval)
    assert taxed.tax_revenue - untaxed.tax_revenue == pytest.approx(rate * untaxed.quantity_sold, abs=1e-12)


@every_smooth_rule
@given(data=cases, rate=st.floats(-10.0, 10.0))
def test_the_supplier_bears_a_uniform_tax_under_smooth_demand(data: st.DataObject, rule: str, rate: float) -> None:
    case = draw_case(data, rule, exact=True)
    untaxed, taxed = case.clear(), case.but(tax_rates=case.tax_rates + rate).clear()
    np.testing.assert_allclose(taxed.allocation, untaxed.allocation, rtol=0.0, atol=1e-12)
    assert taxed.price == pytest.approx(untaxed.price - rate, abs=1e-11)
    assert taxed.tax_revenue - untaxed.tax_revenue == pytest.approx(rate * untaxed.quantity_sold, abs=1e-9)


@every_rule
@given(data=cases)
def test_only_net_valuations_matter_for_price_and_allocation(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    taxed, untaxed = case.clear(), case.but(valuations=case.net_valuations, tax_rates=np.zeros_like(case.costs)).clear()
    np.testing.assert_array_equal(taxed.allocation, untaxed.allocation)
    assert taxed.price == untaxed.price


@every_rule
@given(data=cases)
def test_buyers_bear_a_tax_on_a_posted_price(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule, exact=True)
    price = data.draw(st.integers(-32, 32)) / 8
    posted = case.post(price)
    np.testing.assert_array_equal(posted.allocation, case.demand.share(case.net_valuations - price))
    assert posted.price_interval == (price, price)
    assert posted.certificate.violations(1e-9) == {}


# ---------------------------------------------------------------- money


@every_rule
@given(data=cases)
def test_payments_go_to_the_seller_and_the_treasury(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    clearing = case.clear()
    assume(clearing.status is not Status.NO_FINITE_PRICE)
    turnover = math.fsum((abs(clearing.price) + np.abs(case.tax_rates)) * clearing.quantities)
    each = (clearing.price + case.tax_rates) * clearing.quantities
    np.testing.assert_allclose(clearing.payments, each, rtol=0.0, atol=1e-12 * turnover)
    assert clearing.seller_revenue == pytest.approx(clearing.price * clearing.quantity_sold, abs=1e-12 * turnover)
    assert clearing.tax_revenue == pytest.approx(math.fsum(case.tax_rates * clearing.quantities), abs=1e-12 * turnover)
    received = clearing.seller_revenue + clearing.tax_revenue
    assert math.fsum(clearing.payments) == pytest.approx(received, abs=1e-12 * turnover)


@every_rule
@given(data=cases)
def test_nobody_is_worse_off_than_outside(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    clearing = case.clear()
    at_stake = case.costs * max(case.money_scale, abs(clearing.price))
    assert np.all(clearing.surplus >= -1e-11 * at_stake) or clearing.status is Status.NO_FINITE_PRICE


@every_rule
@given(data=cases)
def test_surplus_is_what_the_shares_are_worth_less_what_was_paid(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    clearing = case.clear()
    assume(clearing.status is not Status.NO_FINITE_PRICE)
    worth = case.costs * case.demand.surplus(case.valuations, clearing.allocation)  # at a price of 0
    at_stake = case.costs * max(case.money_scale, abs(clearing.price))
    assert np.all(np.abs(clearing.surplus - (worth - clearing.payments)) <= 1e-11 * at_stake)


def test_clearing_leaves_the_bids_alone() -> None:
    valuations, costs = np.array([3.0, 1.0]), np.array([1.0, 2.0])
    for array in (valuations, costs):
        array.setflags(write=False)
    case = CapacityCase(valuations, costs, 2.0, StepDemand(), np.zeros(2))
    case.clear()
    np.testing.assert_array_equal(valuations, [3.0, 1.0])
