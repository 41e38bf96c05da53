"""The VCG auction of different objects: Clarke by brute force, competitive prices, reserves, and the proof."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.auctions import UnitDemandAuction, UnitDemandStatus
from walras.market.auctions.unit_demand import certify_unit_demand
from walras.market.testing.strategies.auctions import UnitDemandCase, unit_demand_cases
from walras.market.validation import FloatArray


def best(gains: FloatArray) -> float:
    """Largest sum over all matchings, tried one by one."""
    bidders, objects = gains.shape
    padded = np.hstack([gains, np.zeros((bidders, bidders))])
    places = permutations(range(objects + bidders), bidders)
    return max(float(sum(padded[bidder, place] for bidder, place in enumerate(chosen))) for chosen in places)


def test_a_greedy_auction_would_reach_10() -> None:
    outcome = UnitDemandAuction().clear([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]]).require(0.0)
    assert outcome.assignment.tolist() == [1, 0]
    assert outcome.allocation.tolist() == [1, 1]
    assert outcome.winners.tolist() == [0, 1]
    assert outcome.welfare == 18.0
    assert outcome.prices.tolist() == [1.0, 0.0, 0.0]
    assert outcome.payments.tolist() == [0.0, 1.0]
    assert outcome.revenue == 1.0
    assert outcome.status is UnitDemandStatus.UNSOLD


def test_one_object_is_the_second_price_auction() -> None:
    outcome = UnitDemandAuction().clear([[5.0], [9.0], [7.0]])
    assert outcome.assignment.tolist() == [-1, 0, -1]
    assert outcome.payments.tolist() == [0.0, 7.0, 0.0]
    assert outcome.allocation.tolist() == [0, 1, 0]
    assert outcome.status is UnitDemandStatus.SOLD_OUT


def test_reserves() -> None:
    auction = UnitDemandAuction([2.0, 6.0])
    outcome = auction.clear([[5.0, 8.0], [3.0, 5.0]]).require(0.0)
    assert outcome.assignment.tolist() == [0, -1]
    assert outcome.prices.tolist() == [3.0, 6.0]
    assert outcome.welfare == 3.0
    assert UnitDemandAuction(4.0).clear([[4.0, 3.0]]).status is UnitDemandStatus.NOTHING_SOLD
    assert UnitDemandAuction().reserve == 0.0
    assert auction == UnitDemandAuction((2.0, 6.0))


def test_what_is_worth_nothing_is_not_sold() -> None:
    outcome = UnitDemandAuction().clear([[0.0, -1.0], [0.0, 0.0]]).require(0.0)
    assert outcome.assignment.tolist() == [-1, -1]
    assert outcome.welfare == outcome.revenue == 0.0


@given(case=unit_demand_cases(exact=True))
def test_payments_are_clarkes(case: UnitDemandCase) -> None:
    outcome = case.auction.clear(case.valuations)
    gains = case.valuations - np.asarray(case.auction.reserve)
    welfare = best(gains)
    assert outcome.welfare == pytest.approx(welfare, abs=1e-12)
    for bidder, thing in enumerate(outcome.assignment):
        own = case.valuations[bidder, thing] if thing >= 0 else 0.0
        clarke = own - (welfare - best(np.delete(gains, bidder, axis=0)))
        assert outcome.payments[bidder] == pytest.approx(clarke, abs=1e-12)


@given(case=unit_demand_cases())
def test_passes_its_certificate(case: UnitDemandCase) -> None:
    outcome = case.auction.clear(case.valuations).require(1e-12)
    sold = outcome.assignment[outcome.assignment >= 0]
    assert np.unique(sold).size == sold.size
    np.testing.assert_array_equal(outcome.payments[outcome.winners], outcome.prices[sold])
    assert np.all(outcome.prices >= np.asarray(case.auction.reserve))


@given(case=unit_demand_cases(exact=True), data=st.data())
def test_the_truth_is_the_best_report(case: UnitDemandCase, data: st.DataObject) -> None:
    bidder = data.draw(st.integers(0, len(case.valuations) - 1))
    told = case.valuations.copy()
    objects = told.shape[1]
    told[bidder] = np.array(data.draw(st.lists(st.integers(-4, 20), min_size=objects, max_size=objects))) / 2

    def utility(reports: FloatArray) -> float:
        outcome = case.auction.clear(reports)
        thing = outcome.assignment[bidder]
        return (float(case.valuations[bidder, thing]) if thing >= 0 else 0.0) - float(outcome.payments[bidder])

    assert utility(told) <= utility(case.valuations) + 1e-12


def test_long_chains_of_displacement() -> None:
    # Bidder i likes objects i and i + 1 alike; the first is contested from outside, and its price runs on to the last.
    size = 40
    valuations = np.zeros((size + 1, size))
    for bidder in range(size):
        valuations[bidder, bidder] = valuations[bidder, min(bidder + 1, size - 1)] = 10.0
    valuations[size, 0] = 4.0
    outcome = UnitDemandAuction().clear(valuations).require(0.0)
    assert outcome.prices.tolist() == [4.0] * size


def test_hundreds_of_bidders() -> None:
    outcome = UnitDemandAuction().clear(np.random.default_rng(0).random((300, 200))).require(1e-12)
    assert outcome.status is UnitDemandStatus.SOLD_OUT
    assert outcome.allocation.sum() == 200


ALWAYS = {
    Property.FEASIBLE,
    Property.INDIVIDUALLY_RATIONAL,
    Property.WEAKLY_BUDGET_BALANCED,
    Property.STRATEGY_PROOF,
    Property.ENVY_FREE,
    Property.IN_THE_CORE,
}


def test_declares() -> None:
    free = {Property.ANONYMOUS, Property.EFFICIENT, Property.SCALE_FREE, Property.COMPLEMENTARY_SLACKNESS}
    assert UnitDemandAuction().declared_properties == ALWAYS | free
    assert UnitDemandAuction([0.0, 0.0]).declared_properties == ALWAYS | free
    assert UnitDemandAuction([0.0, 1.0]).declared_properties == ALWAYS


VALUATIONS, RESERVES = np.array([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]]), np.zeros(3)


def violations(assignment: list[int], prices: list[float], payments: list[float]) -> dict[str, float]:
    certificate = certify_unit_demand(VALUATIONS, RESERVES, np.array(assignment), np.array(prices), np.array(payments))
    return certificate.violations(1e-9)


def test_certificate() -> None:
    assert violations([1, 0], [1.0, 0.0, 0.0], [0.0, 1.0]) == {}
    # Higher prices are competitive, too, but not the lowest.
    assert violations([1, 0], [3.0, 2.0, 0.0], [2.0, 3.0]) == {"lowest_prices": 0.2}
    # Too low: bidder 0 would rather have object 0.
    low = violations([1, 0], [0.5, 0.0, 0.0], [0.0, 0.5])
    assert low == {"duality_gap": 0.025, "competitive_prices": 0.05}
    assert violations([1, 0], [1.0, 0.0, 0.0], [0.0, 2.0]) == {"payment_rule": 0.1}
    assert violations([1, 0], [1.0, 0.0, 0.0], [9.5, 1.0]) == {"payment_rule": 0.95, "individual_rationality": 0.05}
    assert violations([0, -1], [9.0, 0.0, 0.0], [9.0, 0.0])["duality_gap"] == pytest.approx(0.4)
    unsold = violations([1, 0], [1.0, 0.0, 0.5], [0.0, 1.0])
    assert unsold["competitive_prices"] == pytest.approx(0.05)
    assert violations([1, 0], [1.0, 0.0, -0.5], [0.0, 1.0])["competitive_prices"] == pytest.approx(0.05)


@pytest.mark.parametrize("assignment", [[0, 0], [3, 0], [-2, 0]])
def test_impossible_assignments(assignment: list[int]) -> None:
    assert violations(assignment, [1.0, 0.0, 0.0], [0.0, 1.0])["feasibility"] == 1.0
