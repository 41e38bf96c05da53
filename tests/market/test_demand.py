"""Demand rules: shares, the surplus they bring, and the margins that support them."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.strategies import RULES, SMOOTH_RULES, demands

from walras.market import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.demand import logistic
from walras.market.validation import FloatArray

every_rule = pytest.mark.parametrize("rule", RULES)
every_smooth_rule = pytest.mark.parametrize("rule", SMOOTH_RULES)
# In units of the rule's own scale, from deep in one tail to deep in the other.
relative_margins = st.one_of(st.sampled_from([0.0, 1.0, -1e3, 1e3]), st.floats(-50.0, 50.0))


def scale_of(demand: Demand) -> float:
    match demand:
        case LinearDemand(width=scale) | LogitDemand(temperature=scale):
            return scale
        case StepDemand():
            return 1.0


def one(value: float) -> FloatArray:
    return np.array([value])


@pytest.mark.parametrize(
    ("demand", "margin", "share"),
    [
        (StepDemand(), -1e-300, 0.0),
        (StepDemand(), 0.0, 1.0),  # who is indifferent buys
        (StepDemand(), 1e-300, 1.0),
        (LinearDemand(2.0), -1.0, 0.0),
        (LinearDemand(2.0), 0.0, 0.0),
        (LinearDemand(2.0), 0.5, 0.25),
        (LinearDemand(2.0), 2.0, 1.0),
        (LinearDemand(2.0), 3.0, 1.0),
        (LogitDemand(2.0), 0.0, 0.5),
        (LogitDemand(2.0), 2.0 * math.log(3.0), 0.75),
        (LogitDemand(2.0), -2.0 * math.log(3.0), 0.25),
        (LogitDemand(2.0), 1e308, 1.0),
        (LogitDemand(2.0), -1e308, 0.0),
    ],
)
def test_share(demand: Demand, margin: float, share: float) -> None:
    assert demand.share(one(margin)) == pytest.approx(one(share), rel=1e-15, abs=0.0)


@pytest.mark.parametrize(
    ("demand", "margin", "share", "surplus"),
    [
        (StepDemand(), 3.0, 1.0, 3.0),
        (StepDemand(), 3.0, 0.5, 1.5),
        (StepDemand(), -3.0, 1.0, -3.0),
        (LinearDemand(2.0), 1.0, 0.5, 0.25),  # the triangle under demand: margin^2 / (2 width)
        (LinearDemand(2.0), 3.0, 1.0, 2.0),
        (LogitDemand(2.0), 0.0, 0.5, 2.0 * math.log(2.0)),
        (LogitDemand(2.0), 5.0, 0.0, 0.0),
        (LogitDemand(2.0), 5.0, 1.0, 5.0),
    ],
)
def test_surplus(demand: Demand, margin: float, share: float, surplus: float) -> None:
    assert demand.surplus(one(margin), one(share)) == pytest.approx(one(surplus), rel=1e-15, abs=0.0)


@every_rule
@given(data=st.data(), relative=relative_margins, other=st.floats(0.0, 1.0))
def test_the_share_bought_brings_the_largest_surplus(
    data: st.DataObject, rule: str, relative: float, other: float
) -> None:
    demand = data.draw(demands(rule))
    margin = one(relative * scale_of(demand))
    best = demand.surplus(margin, demand.share(margin))
    rounding = 1e-14 * max(abs(margin[0]), scale_of(demand))
    assert best >= demand.surplus(margin, one(other)) - rounding
    assert best >= -rounding  # a share of 0 is worth nothing and costs nothing


@every_rule
@given(data=st.data(), relative=st.lists(relative_margins, min_size=2, max_size=2))
def test_the_share_bought_rises_with_the_margin(data: st.DataObject, rule: str, relative: list[float]) -> None:
    demand = data.draw(demands(rule))
    low, high = demand.share(np.sort(relative) * scale_of(demand))
    assert 0.0 <= low <= high <= 1.0


@every_rule
@given(data=st.data(), relative=relative_margins)
def test_a_margin_supports_the_share_it_leads_to(data: st.DataObject, rule: str, relative: float) -> None:
    demand = data.draw(demands(rule))
    margin = one(relative * scale_of(demand))
    low, high = demand.supporting_margins(demand.share(margin))
    rounding = 1e-13 * scale_of(demand)
    assert low - rounding <= margin <= high + rounding


@every_smooth_rule
@given(data=st.data(), share=st.floats(0.01, 0.99), error=st.floats(1e-6, 1.0))
def test_no_other_margin_supports_an_inner_share(data: st.DataObject, rule: str, share: float, error: float) -> None:
    demand = data.draw(demands(rule))
    low, high = demand.supporting_margins(one(share))
    assert demand.share(low) == pytest.approx(one(share), rel=1e-12)
    assert high - low < 1e-6 * scale_of(demand)
    assert abs(demand.share(high + error * scale_of(demand)) - share) > 1e-9


@pytest.mark.parametrize(
    ("share", "margins"), [(0.0, (-np.inf, 0.0)), (0.3, (0.0, 0.0)), (1.0, (0.0, np.inf))], ids=["none", "part", "all"]
)
def test_margins_that_support_a_step_share(share: float, margins: tuple[float, float]) -> None:
    assert StepDemand().supporting_margins(one(share)) == margins


@pytest.mark.parametrize(
    ("share", "margins"), [(0.0, (-np.inf, 0.0)), (0.3, (0.6, 0.6)), (1.0, (2.0, np.inf))], ids=["none", "part", "all"]
)
def test_margins_that_support_a_linear_share(share: float, margins: tuple[float, float]) -> None:
    assert LinearDemand(2.0).supporting_margins(one(share)) == margins


@pytest.mark.parametrize(("share", "log_odds"), [(0.5, 0.0), (0.75, math.log(3.0)), (0.25, -math.log(3.0))])
def test_margins_that_support_a_logit_share(share: float, log_odds: float) -> None:
    low, high = LogitDemand(2.0).supporting_margins(one(share))
    assert low < 2.0 * log_odds + 1e-15
    assert high > 2.0 * log_odds - 1e-15
    assert high - low < 1e-13


def test_a_logit_share_of_nothing_or_everything_needs_an_extreme_margin() -> None:
    low, high = LogitDemand(1.0).supporting_margins(np.array([0.0, 1.0]))
    assert low[0] == -np.inf
    assert high[0] < -740.0  # the smallest positive float is exp(-744.4)
    assert low[1] > 33.0  # the largest float below 1 is 1 - exp(-36.7)
    assert high[1] == np.inf


@every_smooth_rule
@pytest.mark.parametrize("margin", [-1.0, -1e-3, 1e-3, 1.0])
def test_smooth_shares_tend_to_step_shares(rule: str, margin: float) -> None:
    rule_type = {"linear": LinearDemand, "logit": LogitDemand}[rule]
    errors = [abs(rule_type(scale).share(one(margin)) - StepDemand().share(one(margin)))[0] for scale in (1.0, 1e-5)]
    assert errors[0] >= errors[1]
    assert errors[1] < 1e-40


@given(z=st.floats(-800.0, 800.0))
def test_logistic_is_accurate_in_both_tails(z: float) -> None:
    exact = 1 / (1 + (-Decimal(z)).exp())
    assert logistic(one(z)) == pytest.approx(one(float(exact)), rel=1e-14, abs=1e-320)


def test_logistic_of_the_largest_numbers() -> None:
    largest = np.finfo(np.float64).max
    np.testing.assert_array_equal(logistic(np.array([-np.inf, -largest, largest, np.inf])), [0.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize("rule_type", [LinearDemand, LogitDemand])
def test_equal_rules_compare_and_hash_equal(rule_type: type[LinearDemand | LogitDemand]) -> None:
    assert rule_type(2) == rule_type(np.float32(2.0))
    assert hash(rule_type(2)) == hash(rule_type(2.0))
    assert rule_type(2.0) != rule_type(3.0)
    assert rule_type() == rule_type(1.0)


def test_step_rules_differ_by_divisibility() -> None:
    assert StepDemand() == StepDemand(divisible=True) == StepDemand(divisible=np.True_)
    assert StepDemand() != StepDemand(divisible=False)
    assert type(StepDemand(divisible=np.False_).divisible) is bool
