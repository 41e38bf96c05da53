"""The strategy for assignment markets reaches the corners that it promises."""

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from walras.market.assignment import AssignmentMarket, AssignmentStatus
from walras.market.testing.strategies.assignment import assignment_valuations

# What is found is not made smaller: only that it is found counts.
PATIENT = settings(
    max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck), database=None, phases=[Phase.generate]
)


@pytest.mark.parametrize(
    "corner",
    [
        lambda valuations: valuations.shape == (1, 1),
        lambda valuations: valuations.shape[0] > valuations.shape[1],
        lambda valuations: valuations.shape[0] < valuations.shape[1],
        lambda valuations: valuations.shape == (4, 4),
        lambda valuations: (valuations < 0.0).any(),
        lambda valuations: not valuations.any(),
        lambda valuations: len(valuations) > 1 and (valuations[0] == valuations[1]).all() and valuations.any(),
        lambda valuations: valuations.max() > 1e3 and (np.abs(valuations[valuations != 0.0]) < 1e-3).any(),
        lambda valuations: (AssignmentMarket().clear(valuations).assignment == -1).all(),
    ],
    ids=["one pair", "tall", "wide", "large", "negative", "zeros", "rivals", "over decades", "nobody buys"],
)
def test_corners(corner):
    find(assignment_valuations(), corner, settings=PATIENT)


@pytest.mark.parametrize("status", AssignmentStatus)
def test_every_status(status):
    find(assignment_valuations(), lambda each: AssignmentMarket().clear(each).status is status, settings=PATIENT)


@given(valuations=assignment_valuations(whole=True))
def test_whole_valuations_are_whole(valuations):
    np.testing.assert_array_equal(valuations, np.floor(valuations))


def test_sizes_and_ranges_are_those_asked_for():
    find(assignment_valuations(max_buyers=6, max_objects=1), lambda each: each.shape == (6, 1), settings=PATIENT)
    find(assignment_valuations(decades=12), lambda each: each.max() > 1e9, settings=PATIENT)
