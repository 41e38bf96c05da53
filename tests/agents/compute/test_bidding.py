"""Policies are pure: they are tested here without Mesa, a market or a ledger."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from walras.agents.compute import (
    Bidders,
    BiddingPolicy,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    affordable_bids,
)
from walras.agents.compute.policies import PolicyAssignment
from walras.market import Demand, InvalidInputError, LinearDemand, LogitDemand, StepDemand
from walras.market.validation import FloatArray

POLICIES = [Truthful(), ZeroIntelligenceUnconstrained(8.0), ZeroIntelligenceConstrained()]
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)

RICH = 1e9


def bidders(valuations: FloatArray, affordable: FloatArray | float = RICH) -> Bidders:
    return Bidders(valuations, np.ones_like(valuations), np.broadcast_to(affordable, valuations.shape))


# ---------------------------------------------------------------- the contract of every policy


@every_policy
@given(data=st.data())
def test_bids_at_most_what_is_affordable(data: st.DataObject, policy: BiddingPolicy) -> None:
    agents = data.draw(st.integers(1, 6))
    valuations = np.array(data.draw(st.lists(st.floats(0.0, 1e6), min_size=agents, max_size=agents)))
    affordable = np.array(data.draw(st.lists(st.floats(-1e6, 1e6), min_size=agents, max_size=agents)))
    bids = policy.bids(bidders(valuations, affordable), np.random.default_rng(data.draw(st.integers(0, 2**32))))
    assert bids.shape == (agents,)
    assert np.all(np.isfinite(bids))
    assert np.all(bids <= affordable)
    assert np.all(bids >= np.minimum(affordable, 0.0))


@every_policy
def test_the_same_generator_gives_the_same_bids_and_leaves_the_bidders_alone(policy: BiddingPolicy) -> None:
    who = bidders(np.array([1.0, 2.0, 3.0]))
    for field in dataclasses.fields(who):
        getattr(who, field.name).setflags(write=False)
    first, second = (policy.bids(who, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


# ---------------------------------------------------------------- the law of each


@given(valuations=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=6).map(np.array))
def test_truthful_bids_are_valuations_where_wealth_allows(valuations: FloatArray) -> None:
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(Truthful().bids(bidders(valuations), rng), valuations)
    np.testing.assert_array_equal(Truthful().bids(bidders(valuations, 1.0), rng), np.minimum(valuations, 1.0))
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn


@pytest.mark.parametrize("ceiling", [1.0, 200.0])
def test_unconstrained_zero_intelligence_is_uniform_up_to_the_ceiling_gode_sunder_1993(ceiling: float) -> None:
    valuations = np.linspace(0.0, 300.0, 40_000)
    bids = ZeroIntelligenceUnconstrained(ceiling).bids(bidders(valuations), np.random.default_rng(1))
    assert_uniform(bids / ceiling)
    assert abs(np.corrcoef(bids, valuations)[0, 1]) < 0.02  # whatever the unit is worth


def test_constrained_zero_intelligence_is_uniform_up_to_the_valuation_gode_sunder_1993() -> None:
    valuations = np.linspace(0.5, 300.0, 40_000)
    bids = ZeroIntelligenceConstrained().bids(bidders(valuations), np.random.default_rng(2))
    assert np.all(bids <= valuations)
    assert_uniform(bids / valuations)


def test_zero_intelligence_draws_among_the_bids_that_it_can_afford() -> None:
    valuations = np.full(40_000, 10.0)
    for policy in (ZeroIntelligenceUnconstrained(10.0), ZeroIntelligenceConstrained()):
        assert_uniform(policy.bids(bidders(valuations, 4.0), np.random.default_rng(3)) / 4.0)


def test_the_check_of_uniformity_can_fail() -> None:
    draws = np.random.default_rng(4).random(40_000)
    for wrong in (draws**1.05, 0.98 * draws, np.minimum(draws, 0.97)):
        with pytest.raises(AssertionError):
            assert_uniform(wrong)


def assert_uniform(fractions: FloatArray) -> None:
    """Mean 1/2 and variance 1/12 within five standard errors, and the whole distribution by Kolmogorov and Smirnov."""
    draws = fractions.size
    assert abs(fractions.mean() - 1 / 2) < 5 * np.sqrt(1 / 12 / draws)
    assert abs(fractions.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / draws)  # the variance of (u - 1/2)^2 is 1/180
    assert stats.kstest(fractions, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("ceiling", [0.0, -1.0, np.nan, np.inf, "high"])
def test_a_ceiling_is_above_0(ceiling: float) -> None:
    with pytest.raises(InvalidInputError, match=r"ZeroIntelligenceUnconstrained\.ceiling"):
        ZeroIntelligenceUnconstrained(ceiling)


# ---------------------------------------------------------------- what is affordable

demands = st.one_of(
    st.builds(StepDemand, divisible=st.booleans()),
    st.floats(1e-3, 1e3).map(LinearDemand),
    st.floats(1e-3, 1e3).map(LogitDemand),
)


def highest_payment(demand: Demand, bid: float, cost: float) -> float:
    """Most that the agent pays at any net price (money), by search over a fine grid of prices."""
    scale = max(abs(bid), getattr(demand, "width", 0.0), getattr(demand, "temperature", 0.0), 1e-9)
    prices = np.concatenate([np.linspace(0.0, 40.0 * scale, 20_001), scale * np.geomspace(1e-9, 1.0, 2_001), [bid]])
    prices = prices[prices >= 0.0]
    return float(np.max(prices * cost * demand.share(bid - prices)))


@given(demand=demands, wealth=st.integers(0, 10**6), cost=st.floats(1e-2, 1e2))
def test_the_affordable_bid_can_be_paid_at_every_price_and_a_higher_one_cannot(
    demand: Demand, wealth: int, cost: float
) -> None:
    bid = float(affordable_bids(demand, np.array([cost]), np.array([wealth]))[0])
    owned = (wealth + 0.5 * isinstance(demand, LogitDemand)) / 100  # logit: up to half a cent is rounded away
    assert highest_payment(demand, bid, cost) <= owned * (1 + 1e-9)
    if isinstance(demand, StepDemand) or (isinstance(demand, LogitDemand) and abs(bid) > 1e-2 * demand.temperature):
        raised = bid + 0.05 * max(abs(bid), 1e-3)
        assert highest_payment(demand, raised, cost) > owned


def test_the_affordable_bid_counts_in_the_units_of_money() -> None:
    costs, wealth = np.array([2.0, 4.0]), np.array([500, 0])
    assert affordable_bids(StepDemand(), costs, wealth).tolist() == [2.5, 0.0]
    assert affordable_bids(LinearDemand(), costs, wealth, 1000).tolist() == [0.25, 0.0]


# ---------------------------------------------------------------- collecting bids


def collect_bids(policies: list[BiddingPolicy], who: Bidders) -> FloatArray:
    return PolicyAssignment(policies, len(policies)).bids(who, np.random.default_rng(0))


class Fixed:
    """A policy of the user's: bids what it is told, and counts how often it is asked."""

    def __init__(self, bids: object) -> None:
        self.answer = bids
        self.asked = 0

    def bids(self, bidders: Bidders, rng: np.random.Generator) -> FloatArray:
        self.asked += 1
        return self.answer  # type: ignore[return-value]


def test_each_policy_is_asked_once_for_its_own_bidders() -> None:
    low, high = Fixed(np.array([1.0, 2.0])), Fixed(np.array([7.0]))
    bids = collect_bids([low, high, low], bidders(np.array([5.0, 5.0, 5.0])))
    assert bids.tolist() == [1.0, 7.0, 2.0]
    assert (low.asked, high.asked) == (1, 1)


def test_sharing_a_policy_or_having_ones_own_draws_the_same_bids() -> None:
    who = bidders(np.array([5.0, 6.0, 7.0]))
    shared = collect_bids([ZeroIntelligenceConstrained()] * 3, who)
    own = collect_bids([ZeroIntelligenceConstrained() for _ in range(3)], who)
    np.testing.assert_array_equal(shared, own)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0, np.nan], "Bids of .* must be finite"),
        ([1.0], "expected 2, got 1"),
        ([1.0, RICH * 2], "for agent 1, who can afford"),
        ("high", "must be a vector of real numbers"),
    ],
)
def test_wrong_bids_are_refused(answer: object, message: str) -> None:
    policy = Fixed(answer)
    with pytest.raises(InvalidInputError, match=message):
        collect_bids([policy, policy], bidders(np.array([1.0, 2.0])))


def test_what_is_no_policy_is_refused() -> None:
    for wrong in (Truthful, 3, "truthful"):
        with pytest.raises(InvalidInputError, match="A policy has a method bids"):
            collect_bids([Truthful(), wrong], bidders(np.array([1.0, 2.0])))
