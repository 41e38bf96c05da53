"""The oracles agree with answers by hand and with each other, and the comparison helpers reject a wrong answer."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.oracles import (
    assert_optimal,
    assert_same_allocation,
    linear_shares,
    logit_shares,
    step_by_linear_program,
    step_dual_value,
    step_price_interval,
    step_welfare,
)
from tests.support.strategies import DIVISIBLE_RULES, CapacityCase, capacity_cases, demands
from tests.support.tampering import tampered

from walras.market import Clearing, Demand, LinearDemand, LogitDemand, Status, StepDemand


def market(demand: Demand, quantity: float) -> CapacityCase:
    return CapacityCase(np.array([5.0, 3.0, 1.0]), np.array([2.0, 4.0, 4.0]), quantity, demand, np.zeros(3))


RATIONED = market(StepDemand(), 4.0)
BY_RULE = {"step": RATIONED, "linear": market(LinearDemand(4.0), 3.0), "logit": market(LogitDemand(1.0), 5.0)}


def test_step_oracles_by_hand() -> None:
    assert step_welfare(RATIONED) == 16  # 2 units at 5, 2 at 3
    assert step_price_interval(RATIONED) == (3.0, 3.0)
    assert [step_dual_value(RATIONED, price) for price in (1, 3, 5)] == [20, 16, 20]
    assert step_by_linear_program(RATIONED) == pytest.approx((16.0, 3.0))


@pytest.mark.parametrize(
    ("quantity", "interval"), [(0.0, (5.0, math.inf)), (2.0, (3.0, 5.0)), (6.0, (1.0, 3.0)), (10.0, (-math.inf, 1.0))]
)
def test_step_price_interval_by_hand(quantity: float, interval: tuple[float, float]) -> None:
    assert step_price_interval(market(StepDemand(), quantity)) == interval


def test_smooth_oracles_by_hand() -> None:
    np.testing.assert_allclose(linear_shares(BY_RULE["linear"]), [5 / 6, 1 / 3, 0.0], rtol=1e-15)
    even = CapacityCase(np.array([math.log(3.0), 0.0]), np.ones(2), 1.0, LogitDemand(0.5), np.zeros(2))
    np.testing.assert_allclose(logit_shares(even), [0.75, 0.25], rtol=1e-15)
    np.testing.assert_array_equal(logit_shares(even.but(quantity=0.0)), [0.0, 0.0])
    np.testing.assert_array_equal(logit_shares(even.but(quantity=2.0)), [1.0, 1.0])


@given(case=capacity_cases("step", exact=True))
def test_the_two_step_oracles_agree(case: CapacityCase) -> None:
    program = step_by_linear_program(case)
    assert program.welfare == pytest.approx(float(step_welfare(case)), rel=1e-6, abs=1e-6)
    assert float(step_dual_value(case, program.price)) == pytest.approx(program.welfare, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("rule", DIVISIBLE_RULES)
@pytest.mark.parametrize("error", [-1e-6, 1e-6])
def test_a_perturbed_allocation_is_rejected(rule: str, error: float) -> None:
    case = BY_RULE[rule]
    clearing = case.clear()
    assert_optimal(case, clearing)
    moved = clearing.allocation + np.array([0.0, error, -error])
    with pytest.raises(AssertionError, match=r"welfare|agents"):
        assert_optimal(case, replace(clearing, allocation=moved))


@pytest.mark.parametrize("change", [{"price": 3.0 + 1e-6}, {"price_interval": (3.0 - 1e-6, 3.0)}], ids=repr)
def test_a_perturbed_step_price_is_rejected(change: dict[str, object]) -> None:
    with pytest.raises(AssertionError, match="not dual optimal"):
        assert_optimal(RATIONED, replace(RATIONED.clear(), **change))


@given(data=st.data(), error=st.floats(1e-6, 1.0))
def test_a_share_moved_between_different_agents_is_rejected(data: st.DataObject, error: float) -> None:
    case = data.draw(capacity_cases("step", exact=True).filter(has_marginal_units))
    clearing = case.clear()
    served = int(np.argmax(np.where(clearing.allocation == 1.0, case.net_valuations, -np.inf)))
    waiting = int(np.argmin(np.where(clearing.allocation == 0.0, case.net_valuations, np.inf)))
    units = error * min(case.costs[served], case.costs[waiting])
    quantities = clearing.quantities.copy()
    quantities[[served, waiting]] += [-units, units]
    with pytest.raises(AssertionError, match="welfare"):
        assert_optimal(case, replace(clearing, allocation=quantities / case.costs))


def has_marginal_units(case: CapacityCase) -> bool:
    allocation: np.ndarray = case.clear().allocation
    return bool((allocation == 1.0).any() and (allocation == 0.0).any())


def test_no_oracle_is_claimed_for_whole_agents() -> None:
    case = market(StepDemand(divisible=False), 4.0)
    with pytest.raises(NotImplementedError, match="divisible=False"):
        assert_optimal(case, case.clear())


@pytest.mark.parametrize(
    ("difference", "cost", "same"),
    [
        (1e-10, 1.0, True),
        (1e-8, 1.0, False),
        (0.5, 1e-10, True),  # half of an agent that is tiny beside the supply
        (0.5, 1e-8, False),
        (math.nan, 1.0, False),
    ],
)
def test_allocations_are_compared_by_share_and_by_quantity(difference: float, cost: float, same: bool) -> None:
    def compare() -> None:
        expected, costs = np.array([0.25, 0.25]), np.array([4.0, cost])
        assert_same_allocation(np.add(expected, [0.0, difference]), expected, costs, quantity=1.0, tolerance=1e-9)

    if same:
        compare()
    else:
        with pytest.raises(AssertionError, match=r"agents \[1\]"):
            compare()


def test_tampering_certifies_anew() -> None:
    clearing: Clearing = RATIONED.clear()
    assert tampered(RATIONED, clearing).certificate == clearing.certificate
    assert tampered(RATIONED, clearing, price=4.0).certificate != clearing.certificate
    assert tampered(RATIONED, clearing, price=4.0).status is Status.RATIONED


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown rule 'stepp'"):
        demands("stepp")
