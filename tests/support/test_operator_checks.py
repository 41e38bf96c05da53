"""The comparisons with the engine can fail: each is shown an outcome that it must refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.support.operator_checks import assert_conserves, assert_matches_engine, compiled, in_float32
from tests.support.strategies import RULES, CapacityCase, capacity_cases
from torch import Tensor

from walras.market import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.operators import OperatorClearing

DEMANDS = {"step": StepDemand(), "linear": LinearDemand(0.5), "logit": LogitDemand(0.5)}
every_demand = pytest.mark.parametrize("demand", DEMANDS.values(), ids=DEMANDS)


def case_of(demand: Demand) -> CapacityCase:
    return CapacityCase(np.array([1.0, 0.8, 0.3]), np.array([1.0, 2.0, 1.0]), 2.0, demand, np.array([0.0, 0.1, 0.0]))


def number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


@every_demand
def test_the_right_outcome_passes(demand: Demand) -> None:
    assert_matches_engine(case_of(demand), compiled(case_of(demand)))
    assert_matches_engine(in_float32(case_of(demand)), compiled(in_float32(case_of(demand)), torch.float32))


@every_demand
def test_shares_that_are_a_little_off_are_refused(demand: Demand) -> None:
    case, right = case_of(demand), compiled(case_of(demand))
    moved = right.allocation + number(1e-8) * torch.tensor([0.0, -1.0, 2.0])  # conserves units
    with pytest.raises(AssertionError, match="agents"):
        assert_matches_engine(case, right._replace(allocation=moved))


@every_demand
@pytest.mark.parametrize("error", [1e-6, -1e-6, float("inf"), float("nan")])
def test_a_price_that_is_a_little_off_is_refused(error: float, demand: Demand) -> None:
    case, right = case_of(demand), compiled(case_of(demand))
    with pytest.raises(AssertionError):
        assert_matches_engine(case, right._replace(price=right.price + error))


@every_demand
def test_a_wrong_sum_of_units_is_refused(demand: Demand) -> None:
    case, right = case_of(demand), compiled(case_of(demand))
    with pytest.raises(AssertionError, match="quantity_sold"):
        assert_conserves(case, right._replace(quantity_sold=right.quantity_sold * (1.0 + 1e-11)))


@every_demand
def test_nan_is_refused(demand: Demand) -> None:
    case = case_of(demand)
    nothing = OperatorClearing(torch.full((3,), torch.nan), number(torch.nan), number(torch.nan))
    with pytest.raises(AssertionError):
        assert_matches_engine(case, nothing)


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_rounded_cases_hold_in_float32(data: st.DataObject, rule: str) -> None:
    case = in_float32(data.draw(capacity_cases(rule)))
    for values in (case.valuations, case.costs, np.array([case.quantity])):
        np.testing.assert_array_equal(values, values.astype(np.float32).astype(np.float64))
    case.clear()  # feasible still
