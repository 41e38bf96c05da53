"""The assignment market against brute force: efficiency, the corners of the price lattice, uniqueness, VCG payments."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.assignment import (
    AssignmentMarket,
    AssignmentStatus,
    efficient_assignment,
)
from walras.market.assignment.candidates import match_by_candidates
from walras.market.assignment.certificate import certify_assignment
from walras.market.assignment.lattice import highest_prices, is_only_best, lowest_prices
from walras.market.testing.strategies.assignment import assignment_valuations


def every_assignment(valuations):
    """All ways to give each buyer at most one object, without a pair that is worth nothing or less."""
    buyers, objects = valuations.shape
    seen = set(permutations([*range(objects), *[-1] * buyers], buyers))
    return [way for way in seen if all(thing < 0 or valuations[who, thing] > 0.0 for who, thing in enumerate(way))]


def worth(valuations, assignment):
    return sum(valuations[who, thing] for who, thing in enumerate(assignment) if thing >= 0)


def best_worth(valuations):
    return max(worth(valuations, way) for way in every_assignment(valuations))


def price_bounds_by_program(valuations, assignment):
    """Each price made as low and as high as the inequalities of competitive prices allow, by linear programmes."""
    from scipy.optimize import linprog

    buyers, objects = valuations.shape
    rows, limits, equal, values = [], [], [], []
    for who in range(buyers):
        for thing in range(objects):
            row = np.zeros(buyers + objects)
            row[who] = row[buyers + thing] = -1.0
            rows.append(row)
            limits.append(-valuations[who, thing])
    for who, thing in enumerate(assignment):
        row = np.zeros(buyers + objects)
        row[who] = 1.0
        if thing >= 0:
            row[buyers + thing] = 1.0
        equal.append(row)
        values.append(valuations[who, thing] if thing >= 0 else 0.0)
    for thing in set(range(objects)) - set(assignment):
        row = np.zeros(buyers + objects)
        row[buyers + thing] = 1.0
        equal.append(row)
        values.append(0.0)
    bounds = []
    for sign in (1.0, -1.0):
        aim = np.concatenate([np.zeros(buyers), np.full(objects, sign)])
        solved = linprog(aim, rows, limits, equal, values)
        assert solved.status == 0
        bounds.append(solved.x[buyers:])
    return bounds


# ---------------------------------------------------------------- efficiency


@given(valuations=assignment_valuations())
def test_no_assignment_is_worth_more(valuations):
    clearing = AssignmentMarket().clear(valuations).require(1e-12)
    best = best_worth(valuations)
    assert clearing.welfare == pytest.approx(best, rel=1e-12, abs=0.0)
    assert worth(valuations, clearing.assignment) == pytest.approx(best, rel=1e-12, abs=0.0)
    np.testing.assert_array_equal(efficient_assignment(valuations), clearing.assignment)


@given(valuations=assignment_valuations())
def test_no_pair_worth_nothing_is_formed(valuations):
    for who, thing in enumerate(efficient_assignment(valuations)):
        assert thing == -1 or valuations[who, thing] > 0.0


def test_staying_out_is_better_than_a_loss():
    clearing = AssignmentMarket().clear([[-1.0, -2.0], [3.0, -1.0]])
    assert clearing.assignment.tolist() == [-1, 0]
    assert clearing.welfare == 3.0
    assert AssignmentMarket().clear([[0.0]]).assignment.tolist() == [-1]


def test_a_forbidden_pair_has_a_negative_valuation():
    assert efficient_assignment([[5.0, -1.0], [4.0, -1.0]]).tolist() == [0, -1]


# ---------------------------------------------------------------- prices


@given(valuations=assignment_valuations(whole=True))
def test_corners_are_those_of_the_linear_programme(valuations):
    clearing = AssignmentMarket().clear(valuations)
    low, high = price_bounds_by_program(valuations, clearing.assignment)
    np.testing.assert_allclose(clearing.lowest_prices, low, atol=1e-7)
    np.testing.assert_allclose(clearing.highest_prices, high, atol=1e-7)


@given(valuations=assignment_valuations(whole=True))
def test_lowest_prices_are_vcg_payments(valuations):
    clearing = AssignmentMarket().clear(valuations)
    total = best_worth(valuations)
    for who, thing in enumerate(clearing.assignment):
        others = np.delete(valuations, who, axis=0)
        without = best_worth(others) if len(others) else 0.0
        own = valuations[who, thing] if thing >= 0 else 0.0
        assert clearing.payments[who] == own - (total - without)
        assert clearing.buyer_surplus[who] == total - without


@given(valuations=assignment_valuations(whole=True))
def test_highest_prices_give_sellers_what_they_add(valuations):
    clearing = AssignmentMarket(k=1.0).clear(valuations)
    total = best_worth(valuations)
    for thing in range(valuations.shape[1]):
        others = np.delete(valuations, thing, axis=1)
        without = best_worth(others) if others.shape[1] else 0.0
        assert clearing.prices[thing] == total - without


@given(valuations=assignment_valuations(), k=st.sampled_from([0.0, 0.25, 1.0]))
def test_prices_lie_between_the_corners_and_support_the_assignment(valuations, k):
    clearing = AssignmentMarket(k).clear(valuations).require(1e-12)
    low, high = clearing.lowest_prices, clearing.highest_prices
    assert np.all(low <= clearing.prices)
    assert np.all(clearing.prices <= high)
    np.testing.assert_allclose(clearing.prices, low + k * (high - low), rtol=1e-15)
    rounding = 1e-12 * max(np.max(np.abs(valuations)), 1e-300)
    assert np.all(clearing.buyer_surplus >= -rounding)
    assert np.all(np.max(valuations - clearing.prices, axis=1) <= clearing.buyer_surplus + rounding)
    unsold = sorted(set(range(valuations.shape[1])) - set(clearing.assignment.tolist()))
    assert not clearing.highest_prices[unsold].any()
    assert not clearing.lowest_prices[unsold].any()


@given(valuations=assignment_valuations())
def test_payments_are_the_prices_of_what_is_owned(valuations):
    clearing = AssignmentMarket(0.5).clear(valuations)
    for who, thing in enumerate(clearing.assignment):
        paid = clearing.prices[thing] if thing >= 0 else 0.0
        assert clearing.payments[who] == paid
        assert clearing.buyer_surplus[who] == (valuations[who, thing] if thing >= 0 else 0.0) - paid


def test_shapley_and_shubik_houses():
    # Three buyers, three houses, net of what sellers ask (Shapley and Shubik 1971): 16 is shared.
    clearing = AssignmentMarket().clear([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0]])
    assert clearing.welfare == 16.0
    assert clearing.assignment.tolist() == [1, 2, 0]
    assert clearing.lowest_prices.tolist() == [1.0, 3.0, 0.0]
    assert clearing.highest_prices.tolist() == [2.0, 5.0, 1.0]
    assert clearing.status is AssignmentStatus.UNIQUE


def test_one_object_is_sold_between_the_two_highest_values():
    clearing = AssignmentMarket(0.25).clear([[7.0], [10.0], [3.0]])
    assert clearing.assignment.tolist() == [-1, 0, -1]
    assert (clearing.lowest_prices[0], clearing.highest_prices[0], clearing.prices[0]) == (7.0, 10.0, 7.75)
    assert clearing.buyer_surplus.tolist() == [0.0, 2.25, 0.0]


def test_the_default_favours_buyers():
    assert AssignmentMarket() == AssignmentMarket(0.0)
    assert AssignmentMarket().clear([[4.0]]).prices.tolist() == [0.0]


def test_a_chain_of_rivals_raises_prices_step_by_step():
    # Everybody would rather have the next object: each price builds on the one before.
    size = 30
    valuations = np.diag(np.full(size, 100.0)) + np.diag(np.full(size - 1, 103.0), 1)
    valuations = np.vstack([valuations, [1.0] + [0.0] * (size - 1)])
    clearing = AssignmentMarket().clear(valuations).require(0.0)
    assert clearing.lowest_prices.tolist() == [1.0 + 3.0 * step for step in range(size)]


def test_large_markets_are_proved_too():
    valuations = np.random.default_rng(0).integers(0, 1000, (150, 170)).astype(float)
    clearing = AssignmentMarket().clear(valuations).require(0.0)
    assert np.all(clearing.lowest_prices <= clearing.highest_prices)


@pytest.mark.parametrize("scale", [1e-300, 1e-12, 1e12, 1e140])
def test_any_unit_of_money(scale):
    valuations = np.array([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0]])
    clearing = AssignmentMarket().clear(valuations * scale).require(1e-12)
    np.testing.assert_allclose(clearing.lowest_prices, np.array([1.0, 3.0, 0.0]) * scale, rtol=1e-14)
    assert clearing.status is AssignmentStatus.UNIQUE


# ---------------------------------------------------------------- ties


@given(valuations=assignment_valuations(whole=True), k=st.sampled_from([0.0, 0.5, 1.0]))
def test_status_says_whether_another_assignment_is_as_good(valuations, k):
    ways = [worth(valuations, way) for way in every_assignment(valuations)]
    unique = ways.count(max(ways)) == 1
    assert (AssignmentMarket(k).clear(valuations).status is AssignmentStatus.UNIQUE) == unique


def test_nothing_to_gain_is_unique():
    clearing = AssignmentMarket().clear([[0.0, -1.0], [0.0, 0.0]])
    assert clearing.status is AssignmentStatus.UNIQUE
    assert clearing.prices.tolist() == [0.0, 0.0]


def test_ties_are_ties_up_to_rounding():
    valuations = np.array([[0.1 + 0.2, 0.1], [0.3, 0.1]])
    assert AssignmentMarket().clear(valuations).status is AssignmentStatus.TIED
    assert AssignmentMarket().clear([[0.1 + 0.2, 0.3]]).status is AssignmentStatus.TIED
    valuations[0, 0] += 1e-6
    assert AssignmentMarket().clear(valuations).status is AssignmentStatus.UNIQUE


# ---------------------------------------------------------------- certificate


VALUATIONS = np.array([[5.0, 8.0, 2.0], [7.0, 9.0, 6.0], [2.0, 3.0, 0.0], [1.0, 0.0, 0.0]])
CLEARING = AssignmentMarket(0.5).clear(VALUATIONS)


def certified(assignment=CLEARING.assignment, prices=CLEARING.prices, low=None, high=None):
    bounds = (
        CLEARING.lowest_prices if low is None else np.array(low),
        CLEARING.highest_prices if high is None else np.array(high),
    )
    return certify_assignment(VALUATIONS, np.array(assignment), np.array(prices), bounds)


def test_the_answer_is_right():
    assert CLEARING.assignment.tolist() == [1, 2, 0, -1]
    assert certified().violations(0.0) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"assignment": [1, 1, 0, -1]}, {"feasibility": 1.0, "duality_gap": 1.0, "price_bounds": 1.0}),
        ({"assignment": [1, 3, 0, -1]}, {"feasibility": 1.0, "blocking_pair": 1.0}),
        ({"assignment": [1, -2, 0, -1]}, {"feasibility": 1.0, "individual_rationality": 1.0}),
        ({"assignment": [0, 1, -1, -1]}, {"complementary_slackness": 0.5 / 9}),
        ({"prices": [-1.0, 3.5, 0.5]}, {"individual_rationality": 1.0 / 9, "blocking_pair": 2.5 / 9}),
        ({"prices": [3.0, 5.0, 0.5]}, {"individual_rationality": 1.0 / 9}),
        ({"prices": [1.5, 2.0, 0.5]}, {"blocking_pair": 1.5 / 9}),
        ({"low": [1.5, 3.5, 0.0]}, {"price_bounds": 0.5 / 9}),
        ({"low": [1.0, 2.5, 0.0]}, {"price_bounds": 0.5 / 9}),
        ({"high": [2.0, 4.0, 1.0]}, {"price_bounds": 1.0 / 9}),
        ({"high": [2.0, 5.5, 1.0]}, {"price_bounds": 0.5 / 9}),
    ],
)
def test_certificate_convicts(change, expected):
    certificate = certified(**change)
    for name, residual in expected.items():
        assert getattr(certificate, name) == pytest.approx(residual, rel=1e-12), name
    assert certificate.largest > 0.0


def test_a_worse_assignment_has_a_gap():
    # Buyer 0 and buyer 1 exchanged: worth 7 + 3 ... less than 16.
    worse = certified(assignment=[0, 1, -1, -1])
    assert worse.duality_gap == pytest.approx((16.0 - 14.0) / (9.0 * 3.0))


def test_highest_prices_of_unsold_objects_count():
    valuations = np.array([[4.0, 1.0]])
    certificate = certify_assignment(valuations, np.array([0]), np.zeros(2), (np.zeros(2), np.array([3.0, 1.0])))
    assert certificate.price_bounds == pytest.approx(0.25)


@given(valuations=assignment_valuations(whole=True), data=st.data())
def test_only_the_corners_pass(valuations, data):
    clearing = AssignmentMarket().clear(valuations)
    thing = data.draw(st.integers(0, valuations.shape[1] - 1))
    for name, step in (
        ("lowest_prices", 0.5),
        ("lowest_prices", -0.5),
        ("highest_prices", 0.5),
        ("highest_prices", -0.5),
    ):
        moved = {each: getattr(clearing, each).copy() for each in ("lowest_prices", "highest_prices")}
        moved[name][thing] += step
        bounds = (moved["lowest_prices"], moved["highest_prices"])
        certificate = certify_assignment(valuations, clearing.assignment, clearing.prices, bounds)
        assert certificate.price_bounds > 0.0


def test_the_kernels_agree_with_the_market():
    assert lowest_prices(VALUATIONS, CLEARING.assignment).tolist() == CLEARING.lowest_prices.tolist()
    assert highest_prices(VALUATIONS, CLEARING.assignment).tolist() == CLEARING.highest_prices.tolist()
    assert is_only_best(VALUATIONS, CLEARING.assignment, CLEARING.prices)


def test_require_raises_on_a_tampered_answer():
    from walras.market import NotConvergedError

    tampered = replace(CLEARING, certificate=certified(prices=[0.0, 0.0, 0.0]))
    with pytest.raises(NotConvergedError, match="blocking_pair"):
        tampered.require()


# ---------------------------------------------------------------- promises


def test_promises():
    always = {
        Property.FEASIBLE,
        Property.INDIVIDUALLY_RATIONAL,
        Property.WEAKLY_BUDGET_BALANCED,
        Property.ANONYMOUS,
        Property.SCALE_FREE,
        Property.EFFICIENT,
        Property.ENVY_FREE,
        Property.IN_THE_CORE,
        Property.COMPLEMENTARY_SLACKNESS,
    }
    assert AssignmentMarket(0.5).declared_properties == always
    assert AssignmentMarket(0.0).declared_properties == always | {Property.STRATEGY_PROOF}


# ---------------------------------------------------------------- large markets


def scipy_worth(valuations):
    from scipy.optimize import linear_sum_assignment

    clipped = np.maximum(valuations, 0.0)
    return clipped[linear_sum_assignment(clipped, maximize=True)].sum()


LARGE = {
    "uniform": lambda generator, shape: generator.random(shape),
    "whole": lambda generator, shape: generator.integers(0, 500, shape).astype(float),
    "few values": lambda generator, shape: generator.integers(0, 3, shape).astype(float),
    "mostly negative": lambda generator, shape: generator.normal(-2.0, 1.0, shape),
    "low rank": lambda generator, shape: generator.random((shape[0], 3)) @ generator.random((3, shape[1])),
    "lognormal": lambda generator, shape: np.exp(generator.normal(0.0, 4.0, shape)),
    "zeros": lambda generator, shape: np.zeros(shape),
    "alike": lambda generator, shape: generator.random(shape[1]) + 1e-3 * generator.random(shape),
}


GIVEN_UP = {"zeros", ("low rank", (300, 310))}


@pytest.mark.parametrize("shape", [(150, 150), (150, 400), (300, 310)])
@pytest.mark.parametrize("kind", LARGE)
def test_candidates_match_as_well_as_scipy_or_are_given_up(kind, shape):
    valuations = np.maximum(LARGE[kind](np.random.default_rng(11), shape), 0.0)
    columns = match_by_candidates(valuations)
    assert (columns is None) == (kind in GIVEN_UP or (kind, shape) in GIVEN_UP)
    if columns is not None:
        assert np.unique(columns).size == shape[0]
        assert valuations[np.arange(shape[0]), columns].sum() == pytest.approx(scipy_worth(valuations), rel=1e-13)


@pytest.mark.parametrize("shape", [(500, 510), (530, 500), (499, 510)])
@pytest.mark.parametrize("kind", ["uniform", "mostly negative", "zeros"])
def test_large_markets_are_matched_as_well_as_scipy_does(kind, shape):
    valuations = LARGE[kind](np.random.default_rng(11), shape)
    assignment = efficient_assignment(valuations)
    owned = assignment[assignment >= 0]
    assert np.unique(owned).size == owned.size
    assert worth(valuations, assignment) == pytest.approx(scipy_worth(valuations), rel=1e-13)


def test_the_order_in_memory_does_not_matter():
    valuations = LARGE["uniform"](np.random.default_rng(14), (510, 520))
    np.testing.assert_array_equal(efficient_assignment(np.asfortranarray(valuations)), efficient_assignment(valuations))


@pytest.mark.parametrize("kind", ["uniform", "whole", "mostly negative", "lognormal", "alike"])
def test_large_markets_pass_their_certificate(kind):
    AssignmentMarket(0.5).clear(LARGE[kind](np.random.default_rng(12), (200, 220))).require(1e-11)
