"""Comparative statics and limits: derivatives of the price, quantal response, and smooth demand growing sharp.

With slopes s_i = dx_i / dm_i, differentiating `sum_i w_i x_i = B` gives

    dp/dv_i = w_i s_i / sum_j w_j s_j,   dp/dB = -1 / sum_j w_j s_j,   dp/dw_i = x_i / sum_j w_j s_j,
    dp/dt_i = -dp/dv_i,                  dx_i/dv_j = s_i (1[i = j] - dp/dv_j).
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.support.oracles import assert_same_allocation
from tests.support.strategies import SMOOTH_RULES, CapacityCase, capacity_cases

from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand, PerUnitTax, PostedPrice, StepDemand
from walras.market.validation import FloatArray

STEP_SIZE = 1e-5


@st.composite
def moderate_markets(draw: st.DrawFn, rule: str) -> CapacityCase:
    """Markets in which every number is of the order of 1, so that a finite difference has eight good digits."""
    agents = draw(st.integers(1, 6))

    def numbers(low: float, high: float) -> FloatArray:
        return np.array(draw(st.lists(st.floats(low, high), min_size=agents, max_size=agents)))

    costs, scale = numbers(0.5, 2.0), draw(st.floats(0.5, 2.0))
    quantity = draw(st.floats(0.1, 0.9)) * math.fsum(costs)
    demand = LogitDemand(scale) if rule == "logit" else LinearDemand(scale)
    return CapacityCase(numbers(-1.0, 1.0), costs, quantity, demand, numbers(-1.0, 1.0))


def central_difference(case: CapacityCase, field: str, agent: int | None) -> tuple[float, FloatArray]:
    """Derivative of the price and of the shares in one number of the case."""

    def cleared(step: float) -> tuple[float, FloatArray]:
        value = getattr(case, field) + (step if agent is None else step * np.eye(case.costs.size)[agent])
        clearing = case.but(**{field: value}).clear()
        return clearing.price, clearing.allocation

    (price_up, shares_up), (price_down, shares_down) = cleared(STEP_SIZE), cleared(-STEP_SIZE)
    return (price_up - price_down) / (2 * STEP_SIZE), (shares_up - shares_down) / (2 * STEP_SIZE)


def slopes(case: CapacityCase, shares: FloatArray) -> FloatArray:
    if isinstance(case.demand, LogitDemand):
        return shares * (1.0 - shares) / case.demand.temperature
    return np.where((shares > 0.0) & (shares < 1.0), 1.0 / case.demand.width, 0.0)


@pytest.mark.parametrize("rule", SMOOTH_RULES)
@given(data=st.data())
def test_derivatives_are_the_closed_forms(data: st.DataObject, rule: str) -> None:
    case = data.draw(moderate_markets(rule))
    agent = data.draw(st.integers(0, case.costs.size - 1))
    shares = case.clear().allocation
    s = slopes(case, shares)
    aggregate = np.dot(case.costs, s)
    # Away from the kinks of linear demand, where the two sides differ.
    assume(rule == "logit" or (aggregate > 0.0 and not near_a_kink(case)))
    price_in_valuation = case.costs[agent] * s[agent] / aggregate
    expected = {
        ("valuations", agent): (price_in_valuation, s * (np.eye(s.size)[agent] - price_in_valuation)),
        ("tax_rates", agent): (-price_in_valuation, -s * (np.eye(s.size)[agent] - price_in_valuation)),
        ("costs", agent): (shares[agent] / aggregate, -s * shares[agent] / aggregate),
        ("quantity", None): (-1.0 / aggregate, s / aggregate),
    }
    for (field, who), (price, allocation) in expected.items():
        measured_price, measured_allocation = central_difference(case, field, who)
        assert measured_price == pytest.approx(price, rel=1e-6, abs=1e-7), field
        assert measured_allocation == pytest.approx(allocation, rel=1e-6, abs=1e-7), field


def near_a_kink(case: CapacityCase) -> bool:
    """Whether some agent is about to enter the market or to be full."""
    margins = (case.net_valuations - case.clear().price) / case.demand.width
    return bool(np.any(np.abs(margins) < 1e-2) or np.any(np.abs(margins - 1.0) < 1e-2))


def test_the_shadow_price_of_supply_is_the_price() -> None:
    """Envelope theorem: one more unit raises welfare (before tax and payments) by the price."""
    valuations, costs, demand = np.array([1.0, 0.2, -0.5]), np.array([1.0, 2.0, 1.5]), LogitDemand(0.5)

    def welfare(quantity: float) -> float:
        clearing = CapacityMarket(FixedSupply(quantity), demand).clear(valuations, costs)
        return math.fsum(clearing.surplus) + clearing.seller_revenue

    price = CapacityMarket(FixedSupply(2.0), demand).clear(valuations, costs).price
    assert (welfare(2.0 + 1e-5) - welfare(2.0 - 1e-5)) / 2e-5 == pytest.approx(price, rel=1e-8)


@pytest.mark.parametrize("rule", SMOOTH_RULES)
@given(data=st.data())
def test_smooth_demand_tends_to_step_demand(data: st.DataObject, rule: str) -> None:
    step = data.draw(capacity_cases("step", exact=True))
    levels = np.unique(step.net_valuations)
    gap = float(np.diff(levels).min()) if levels.size > 1 else 1.0
    expected = step.clear().allocation
    smooth = {"linear": LinearDemand, "logit": LogitDemand}[rule]
    errors = [np.abs(step.but(demand=smooth(gap / k)).clear().allocation - expected).max() for k in (0.1, 1, 10, 100)]
    assert errors[-1] <= 1e-9
    assert errors[-1] <= errors[0] + 1e-12
    if rule == "linear":  # no further than the gap between two levels, the margin is the same
        assert max(errors[1:]) <= 1e-12


@given(case=capacity_cases("step"))
def test_sharp_demand_serves_whom_step_demand_serves_at_any_scale(case: CapacityCase) -> None:
    levels = np.unique(case.net_valuations)
    gap = float(np.diff(levels).min()) if levels.size > 1 else 1.0
    assume(gap > 1e-12 * max(case.money_scale, 1e-3))
    sharp = case.but(demand=LogitDemand(gap / 200.0)).clear().require(1e-9)
    assert_same_allocation(sharp.allocation, case.clear().allocation, case.costs, case.quantity, 1e-9)


def test_logit_shares_are_the_mean_of_shaken_step_agents() -> None:
    """Quantal response: price-taking step agents whose valuations carry logistic shocks of scale tau."""
    draws, temperature = 40_000, 0.4
    valuations, costs, tax_rates = np.array([1.0, 0.5, 0.5, 0.0, -1.0]), np.array([1.0, 2.0, 0.5, 1.0, 3.0]), [0.1] * 5
    smooth = CapacityMarket(FixedSupply(2.5), LogitDemand(temperature), PerUnitTax(tax_rates))
    clearing = smooth.clear(valuations, costs)

    shocks = np.random.default_rng(7).logistic(scale=temperature, size=(draws, 5))
    shaken = (valuations + shocks).reshape(-1)  # (draws * 5,)
    posted = CapacityMarket(PostedPrice(clearing.price), StepDemand(), PerUnitTax(tax_rates * draws))
    choices = posted.clear(shaken, np.tile(costs, draws)).allocation.reshape(draws, 5)
    surplus = posted.clear(shaken, np.tile(costs, draws)).surplus.reshape(draws, 5)

    for measured, expected in ((choices, clearing.allocation), (surplus, clearing.surplus)):
        standard_error = measured.std(axis=0) / math.sqrt(draws)
        np.testing.assert_array_less(np.abs(measured.mean(axis=0) - expected), 4.0 * standard_error)
        np.testing.assert_array_less(standard_error, 0.02 * np.maximum(expected, 0.1))  # the test can tell


def test_linear_demand_of_width_one_and_unit_costs_is_entmax_budget_sparsemax() -> None:
    torch = pytest.importorskip("torch")
    entmax = pytest.importorskip("entmax")
    valuations = np.random.default_rng(3).normal(size=(20, 12))
    for budget in (2.0, 3.5, 11.0):
        peer = entmax.budget_bisect(torch.tensor(valuations), budget=budget, n_iter=60).numpy()
        ours = [CapacityMarket(FixedSupply(budget), LinearDemand(1.0)).clear(row, 1.0).allocation for row in valuations]
        np.testing.assert_allclose(ours, peer, rtol=0.0, atol=1e-12)
