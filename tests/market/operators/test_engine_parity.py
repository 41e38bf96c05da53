"""Compiled = explicit: the operator's outcome is the NumPy engine's, on every market that the strategies reach.

Tolerances are stated in `tests.support.operator_checks`: 1e-9 of a share (float64), 1e-5 (float32), and units sold to
2e-12 or 2e-6 of the supply.
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.operator_checks import (
    CONSERVATION,
    SHARES,
    assert_conserves,
    assert_matches_engine,
    compiled,
    in_float32,
    tensors,
)
from tests.support.oracles import assert_same_allocation
from tests.support.strategies import (
    DIVISIBLE_RULES,
    RULES,
    CapacityCase,
    capacity_cases,
    cost_vectors,
    demands,
    quantities,
    tax_vectors,
    valuation_vectors,
)

from walras.market import (
    CapacityMarket,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
)
from walras.market.operators import OperatorClearing, compile_mechanism

every_rule = pytest.mark.parametrize("rule", RULES)
every_divisible_rule = pytest.mark.parametrize("rule", DIVISIBLE_RULES)
cases = st.data()


def draw_case(data: st.DataObject, rule: str, **options: bool) -> CapacityCase:
    return data.draw(capacity_cases(rule, **options), label="case")


# ---------------------------------------------------------------- fixed supply


@every_rule
@given(data=cases)
def test_fixed_supply_in_float64(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    assert_matches_engine(case, compiled(case))


@every_rule
@given(data=cases)
def test_fixed_supply_in_float32(data: st.DataObject, rule: str) -> None:
    case = in_float32(draw_case(data, rule))
    outcome = compiled(case, torch.float32)
    assert outcome.allocation.dtype == torch.float32
    assert_matches_engine(case, outcome)


@every_rule
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(data=cases)
def test_ties_boundaries_and_taxes_in_exact_numbers(data: st.DataObject, dtype: torch.dtype, rule: str) -> None:
    case = draw_case(data, rule, exact=True)
    outcome, expected = compiled(case, dtype), case.clear()
    assert_matches_engine(case, outcome, expected)
    if isinstance(case.demand, StepDemand):
        assert float(outcome.price) == expected.price
        whole = np.isin(expected.allocation, [0.0, 1.0])
        np.testing.assert_array_equal(outcome.allocation.numpy()[whole], expected.allocation[whole])


@pytest.mark.parametrize("rule", ["step", "logit", "linear"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(data=cases)
def test_prices_of_nothing_and_of_everything_are_the_engines(
    data: st.DataObject, dtype: torch.dtype, rule: str
) -> None:
    case = draw_case(data, rule, exact=True)
    for quantity, share in ((0.0, 0.0), (math.fsum(case.costs), 1.0)):
        corner = case.but(quantity=quantity)
        outcome, expected = compiled(corner, dtype), corner.clear()
        assert float(outcome.price) == expected.price
        assert torch.all(outcome.allocation == share)
        assert float(outcome.quantity_sold) == quantity


def test_a_supply_within_rounding_of_the_sum_of_costs_sells_everything() -> None:
    costs = torch.full((10,), 0.1)  # whose float32 sum is not 1
    for rule in (LinearDemand(1.0), LogitDemand(1.0)):
        outcome = compile_mechanism(CapacityMarket(FixedSupply(1.0), rule))(torch.linspace(0.0, 1.0, 10), costs)
        assert torch.all(outcome.allocation == 1.0)


@pytest.mark.parametrize("rule", ["linear", "logit"])
def test_rounding_does_not_hide_that_supply_ends_between_two_agents(rule: str) -> None:
    # Six costs of 1e-6 sum to less than 6e-6 in some orders; the price is the midpoint all the same.
    demand = LinearDemand(1.0) if rule == "linear" else LogitDemand(1.0)
    valuations = torch.tensor([5.0] * 6 + [-900.0] * 2, dtype=torch.float64)
    costs = torch.full((8,), 1e-6, dtype=torch.float64)
    outcome = compile_mechanism(CapacityMarket(FixedSupply(6e-6), demand))(valuations, costs)
    middle = 0.5 * (-900.0 + 4.0) if rule == "linear" else 0.5 * (-900.0 + 5.0)
    assert float(outcome.price) == pytest.approx(middle, rel=1e-12)


@pytest.mark.parametrize("rule", ["linear", "logit"])
@pytest.mark.parametrize("agents", [1, 2, 3, 7])
def test_equal_agents_share_alike_whatever_the_supply(agents: int, rule: str) -> None:
    demand = LinearDemand(0.7) if rule == "linear" else LogitDemand(0.7)
    supply = torch.linspace(0.0, 1.0, 41, dtype=torch.float64)
    operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))
    costs = torch.full((agents,), 1.0 / agents, dtype=torch.float64)
    outcome = operator(torch.full((agents,), 1.875, dtype=torch.float64), costs, supply=supply)
    torch.testing.assert_close(outcome.allocation, supply[:, None].expand(41, agents), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("rule", ["linear", "logit"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_tiny_supply_is_sold_to_the_last_unit(dtype: torch.dtype, rule: str) -> None:
    demand = LinearDemand(1.0) if rule == "linear" else LogitDemand(1.0)
    case = CapacityCase(np.zeros(3), np.array([2.0**-20, 1.0, 2.0**-20]), 2.0**-30, demand, np.zeros(3))
    assert_conserves(case, compiled(case, dtype))
    distinct = case.but(valuations=np.array([0.0, -1.0, 3.0]))
    assert_conserves(distinct, compiled(distinct, dtype))


# ---------------------------------------------------------------- posted price


@every_rule
@given(data=cases)
def test_posted_price_in_float64(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule)
    price = data.draw(st.one_of(st.sampled_from(case.net_valuations.tolist()), st.floats(-1e6, 1e6)), label="price")
    expected = case.post(price)
    outcome = post(case, price, torch.float64)
    np.testing.assert_allclose(outcome.allocation.numpy(), expected.allocation, rtol=1e-14, atol=1e-300)
    assert float(outcome.price) == price
    assert float(outcome.quantity_sold) == pytest.approx(expected.quantity_sold, rel=1e-13, abs=1e-300)


@every_rule
@given(data=cases)
def test_posted_price_in_float32(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule, exact=True)
    price = data.draw(st.integers(-32, 32), label="price in eighths") / 8
    outcome = post(case, price, torch.float32)
    np.testing.assert_allclose(outcome.allocation.numpy(), case.post(price).allocation, rtol=1e-5, atol=1e-7)


@every_divisible_rule
@given(data=cases)
def test_posting_the_clearing_price_reproduces_the_cap(data: st.DataObject, rule: str) -> None:
    case = draw_case(data, rule, exact=True)
    cap = compiled(case)
    assume(bool(cap.price.isfinite()))
    posted = post(case, float(cap.price), torch.float64)
    settled = case.net_valuations != float(cap.price)  # under step demand the others are indifferent
    if rule != "step":
        settled[:] = True
    np.testing.assert_allclose(posted.allocation.numpy()[settled], cap.allocation.numpy()[settled], atol=1e-11)


def post(case: CapacityCase, price: float, dtype: torch.dtype) -> OperatorClearing:
    market = CapacityMarket(PostedPrice(price), case.demand, PerUnitTax(case.tax_rates))
    return compile_mechanism(market)(*tensors(case, dtype))


# ---------------------------------------------------------------- overrides and batches


@every_rule
@pytest.mark.parametrize("supply_rule", [FixedSupply, PostedPrice])
@given(data=cases)
def test_tensors_at_the_call_replace_the_numbers_of_the_specification(
    data: st.DataObject, supply_rule: type, rule: str
) -> None:
    case = draw_case(data, rule, exact=True)
    level = case.quantity if supply_rule is FixedSupply else 0.25
    market = CapacityMarket(supply_rule(level), case.demand, PerUnitTax(case.tax_rates))
    expected = compile_mechanism(market)(*tensors(case))
    other = CapacityMarket(supply_rule(0.5), other_demand(case.demand), PerUnitTax(77.0))
    given_tensors = {"supply": torch.tensor(level), "tax": torch.tensor(case.tax_rates)}
    match case.demand:
        case LinearDemand(width=scale) | LogitDemand(temperature=scale):
            given_tensors["temperature"] = torch.tensor(scale)
    outcome = compile_mechanism(other)(*tensors(case), **given_tensors)
    for got, wanted in zip(outcome, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0.0, atol=0.0)


def other_demand(demand: Demand) -> Demand:
    match demand:
        case LinearDemand():
            return LinearDemand(123.0)
        case LogitDemand():
            return LogitDemand(123.0)
        case _:
            return demand


@st.composite
def batches(draw: st.DrawFn, rule: str) -> list[CapacityCase]:
    """Two to four markets of as many agents each, under one demand rule."""
    agents, demand = draw(st.integers(1, 6)), draw(demands(rule))
    rows = []
    for _ in range(draw(st.integers(2, 4))):
        valuations, costs, taxes = (draw(kind(agents)) for kind in (valuation_vectors, cost_vectors, tax_vectors))
        quantity = draw(quantities(valuations - taxes, costs))
        rows.append(CapacityCase(valuations, costs, quantity, demand, taxes))
    return rows


@every_rule
@given(data=cases)
def test_a_batch_is_a_loop_over_its_rows(data: st.DataObject, rule: str) -> None:
    rows = data.draw(batches(rule), label="rows")
    valuations, costs, taxes = (
        torch.tensor(np.stack([getattr(row, name) for row in rows])) for name in ("valuations", "costs", "tax_rates")
    )
    supply = torch.tensor([row.quantity for row in rows], dtype=torch.float64)
    batch = compile_mechanism(rows[0].market)(valuations, costs, supply=supply, tax=taxes)
    for position, row in enumerate(rows):
        alone, together = compiled(row), OperatorClearing(*(tensor[position] for tensor in batch))
        assert_same_allocation(
            together.allocation.numpy(), alone.allocation.numpy(), row.costs, row.quantity, SHARES[torch.float64]
        )
        assert_matches_engine(row, together)


def test_large_markets_of_many_scales_are_solved_in_the_fixed_number_of_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    for dtype in (torch.float32, torch.float64):
        valuations = torch.randn(32, 256, generator=generator, dtype=dtype)
        costs = torch.rand(32, 256, generator=generator, dtype=dtype).mul(6.0).exp()
        supply = torch.rand(32, generator=generator, dtype=dtype) * costs.sum(-1)
        temperature = torch.logspace(-6, 3, 32, dtype=dtype)
        for demand in (LinearDemand(), LogitDemand()):
            operator = compile_mechanism(CapacityMarket(FixedSupply(0.0), demand))
            sold = (operator(valuations, costs, supply=supply, temperature=temperature).allocation * costs).double()
            error = (sold.sum(-1) - supply.double()).abs() / supply.double()
            assert float(error.max()) <= CONSERVATION[dtype]
