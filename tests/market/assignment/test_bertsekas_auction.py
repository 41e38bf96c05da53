"""Bertsekas' auction: within n * epsilon of the best, exact for whole numbers; price wars with and without scaling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.assignment import (
    AssignmentMarket,
    BertsekasAuction,
    BertsekasStatus,
    BiddingOrder,
    efficient_assignment,
)
from walras.market.testing.strategies.assignment import assignment_valuations

every_order = pytest.mark.parametrize("order", BiddingOrder)
every_scaling = pytest.mark.parametrize("factor", [None, 4.0, 1.5])


def worth(valuations, assignment):
    return sum(valuations[who, thing] for who, thing in enumerate(assignment) if thing >= 0)


@every_order
@every_scaling
@given(valuations=assignment_valuations(whole=True))
def test_exact_for_whole_numbers(order, factor, valuations):
    outcome = BertsekasAuction(scaling_factor=factor, order=order).clear(valuations)
    assert outcome.status is BertsekasStatus.OPTIMAL
    assert outcome.welfare == worth(valuations, efficient_assignment(valuations))
    assert outcome.welfare == worth(valuations, outcome.assignment)
    assert outcome.epsilon == 1.0 / (max(valuations.shape) + 1)


@every_order
@given(valuations=assignment_valuations(decades=3), epsilon=st.sampled_from([1.0, 0.1]))
def test_within_epsilon_of_the_best_and_of_the_core(order, valuations, epsilon):
    outcome = BertsekasAuction(epsilon, order=order).clear(valuations)
    size, largest = max(valuations.shape), np.max(np.abs(valuations))
    rounding = 1e-9 * largest
    assert outcome.epsilon == epsilon
    assert outcome.welfare >= worth(valuations, efficient_assignment(valuations)) - size * epsilon - rounding
    assert np.all(outcome.prices >= 0.0)
    allowed = (2.0 * epsilon + rounding) / max(largest, np.max(outcome.prices), 1e-300)
    assert outcome.certificate.feasibility == 0.0
    assert outcome.certificate.blocking_pair <= allowed
    assert outcome.certificate.complementary_slackness <= allowed
    assert outcome.certificate.individual_rationality <= allowed
    for who, thing in enumerate(outcome.assignment):
        gain = valuations[who, thing] - outcome.prices[thing] if thing >= 0 else 0.0
        assert outcome.buyer_surplus[who] == gain


@every_order
def test_status_is_optimal_only_where_it_is_proved(order):
    valuations = [[3.0, 1.0], [2.0, 1.0]]
    assert BertsekasAuction(0.49, order=order).clear(valuations).status is BertsekasStatus.OPTIMAL
    assert BertsekasAuction(0.5, order=order).clear(valuations).status is BertsekasStatus.WITHIN_EPSILON
    assert BertsekasAuction(0.1, order=order).clear([[3.5, 1.0]]).status is BertsekasStatus.WITHIN_EPSILON


@every_order
def test_a_price_war_lasts_as_long_as_there_are_epsilons_to_bid(order):
    counts = [BertsekasAuction(0.25, None, order).clear([[c, c, 0.0]] * 3).bids for c in (10.0, 100.0, 1000.0)]
    for count, value in zip(counts, (10.0, 100.0, 1000.0), strict=True):
        assert value / 0.25 <= count <= value / 0.25 + 8


def test_bids_of_the_textbook_price_war():
    counts = [BertsekasAuction(0.25, None).clear([[c, c, 0.0]] * 3).bids for c in (10.0, 100.0, 1000.0)]
    assert counts == [43, 403, 4003]


@pytest.mark.parametrize(
    ("order", "prices"), [(BiddingOrder.ONE_AT_A_TIME, [0.0, 1.25]), (BiddingOrder.ALL_AT_ONCE, [6.0, 0.0])]
)
def test_a_bid_leaves_the_buyer_as_well_off_as_with_its_second_best(order, prices):
    # The first buyer bids 7.25 for object 0. The second bids 8.5 for object 1 if it has seen that, and 1.25 if not.
    outcome = BertsekasAuction(0.25, None, order).clear([[10.0, 3.0], [0.0, 1.0]])
    assert outcome.prices.tolist() == prices
    assert outcome.bids == 2


@every_order
def test_with_scaling_a_price_war_takes_bids_like_the_logarithm(order):
    auction = BertsekasAuction(0.25, order=order)
    counts = [auction.clear([[c, c, 0.0]] * 3).bids for c in (1e1, 1e3, 1e5, 1e7)]
    steps = np.diff(counts)
    assert np.all(steps < 60)
    assert counts[-1] < 200


def test_phases_end_with_epsilon_and_begin_at_half_the_largest_valuation():
    outcome = BertsekasAuction(0.25, 4.0).clear([[16.0, 0.0]])
    assert len(outcome.bids_of_phase) == 3  # 4, 1, 0.25: the next would be 16
    assert sum(outcome.bids_of_phase) == outcome.bids
    assert len(BertsekasAuction(0.25, 4.0).clear([[32.0, 0.0]]).bids_of_phase) == 4  # 16 is half of 32
    assert len(BertsekasAuction(0.25, None).clear([[32.0, 0.0]]).bids_of_phase) == 1


@every_order
def test_bidding_stops_at_the_limit(order):
    outcome = BertsekasAuction(0.25, None, order, max_bids=20).clear([[1000.0, 1000.0, 0.0]] * 3)
    assert outcome.status is BertsekasStatus.STOPPED
    assert 20 <= outcome.bids <= 22
    assert outcome.certificate.blocking_pair > 0.5
    assert np.sum(outcome.assignment >= 0) == 2


def test_a_limit_that_is_just_enough_is_enough():
    rivals = [[10.0, 10.0, 0.0]] * 3
    assert BertsekasAuction(0.25, None, max_bids=43).clear(rivals).status is not BertsekasStatus.STOPPED
    assert BertsekasAuction(0.25, None, max_bids=42).clear(rivals).status is BertsekasStatus.STOPPED
    # Within the phases before the last, stopping is stopping too.
    assert BertsekasAuction(0.25, max_bids=6).clear(rivals).status is BertsekasStatus.STOPPED


@every_order
def test_one_buyer_and_one_object(order):
    outcome = BertsekasAuction(order=order).clear([[5.0]])
    assert outcome.assignment.tolist() == [0]
    assert outcome.prices.tolist() == [0.0]
    assert outcome.bids == len(outcome.bids_of_phase)


@every_order
def test_everybody_stays_out(order):
    outcome = BertsekasAuction(order=order).clear([[-1.0, -2.0], [0.0, -1.0]])
    assert outcome.assignment.tolist() == [-1, -1]
    assert outcome.welfare == 0.0


@every_order
@pytest.mark.parametrize("shape", [(40, 40), (30, 45), (45, 30)])
def test_agrees_with_the_exact_market(order, shape):
    valuations = np.random.default_rng(3).integers(0, 100, shape).astype(float)
    outcome = BertsekasAuction(order=order).clear(valuations)
    assert outcome.welfare == AssignmentMarket().clear(valuations).welfare


def test_fractions_come_within_a_ten_millionth():
    valuations = np.random.default_rng(4).random((20, 20))
    outcome = BertsekasAuction().clear(valuations)
    best = AssignmentMarket().clear(valuations).welfare
    assert best - 1e-7 * np.max(valuations) <= outcome.welfare <= best + 1e-12
    assert outcome.epsilon == pytest.approx(1e-7 * np.max(valuations) / 20)
    assert outcome.status is BertsekasStatus.WITHIN_EPSILON


def test_the_default_epsilon_moves_the_largest_prices():
    outcome = BertsekasAuction().clear([[1e15, 0.0], [1e15, 1.0]])
    assert outcome.epsilon == pytest.approx(64 * 2.0**-52 * 1e15)
    assert outcome.status is BertsekasStatus.WITHIN_EPSILON


def test_defaults_and_promises():
    auction = BertsekasAuction()
    assert (auction.epsilon, auction.scaling_factor, auction.max_bids) == (None, 4.0, 10_000_000)
    assert auction.order is BiddingOrder.ONE_AT_A_TIME
    assert auction.declared_properties == {Property.FEASIBLE, Property.WEAKLY_BUDGET_BALANCED}
