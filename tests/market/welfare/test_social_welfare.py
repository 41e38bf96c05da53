"""Social welfare functions and surplus: values by hand, order, limits, weights as repetition."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market.testing.strategies.welfare import holdings, weights, whole_weights
from walras.market.welfare import (
    atkinson_index,
    atkinson_welfare,
    deadweight_loss,
    efficiency,
    log_nash_welfare,
    nash_welfare,
    quasi_linear_surplus,
    rawlsian_welfare,
    utilitarian_welfare,
)

EVERY = {
    "utilitarian": utilitarian_welfare,
    "rawlsian": rawlsian_welfare,
    "nash": nash_welfare,
    "log_nash": log_nash_welfare,
    "atkinson2": lambda u, w=None: atkinson_welfare(u, 2.0, w),
    "atkinson0": lambda u, w=None: atkinson_welfare(u, 0.0, w),
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: utilitarian_welfare([1.0, -3.0]), -2.0),
        (lambda: utilitarian_welfare([1.0, -3.0], [5.0, 1.0]), 2.0),
        (lambda: utilitarian_welfare([1e100, 1.0, -1e100]), 1.0),
        (lambda: rawlsian_welfare([1.0, -3.0]), -3.0),
        (lambda: rawlsian_welfare([1.0, -3.0], [1.0, 0.0]), 1.0),
        (lambda: nash_welfare([2.0, 8.0]), 4.0),
        (lambda: nash_welfare([2.0, 16.0], [2.0, 1.0]), 4.0),
        (lambda: nash_welfare([0.0, 8.0]), 0.0),
        (lambda: nash_welfare([0.0, 8.0], [0.0, 1.0]), 8.0),
        (lambda: log_nash_welfare([2.0, 8.0]), math.log(16.0)),
        (lambda: log_nash_welfare([2.0, 8.0], [2.0, 1.0]), math.log(32.0)),
        (lambda: log_nash_welfare([0.0, 8.0]), -math.inf),
        (lambda: log_nash_welfare([0.0, 8.0], [0.0, 1.0]), math.log(8.0)),
        (lambda: atkinson_welfare([1.0, 4.0], 0.0), 2.5),
        (lambda: atkinson_welfare([1.0, 4.0], 0.5), 2.25),
        (lambda: atkinson_welfare([1.0, 4.0], 1.0), 2.0),
        (lambda: atkinson_welfare([1.0, 4.0], 2.0), 1.6),
        (lambda: atkinson_welfare([1.0, 4.0], math.inf), 1.0),
        (lambda: atkinson_welfare([0.0, 4.0], 1.0), 0.0),
        (lambda: atkinson_welfare([0.0, 0.0], 3.0), 0.0),
        (lambda: atkinson_welfare([0.3, 0.3, 0.3], 3.0), 0.3),
        (lambda: atkinson_welfare([1e308, 1e308], 0.0), 1e308),
        (lambda: efficiency(6.0, 8.0), 0.75),
        (lambda: efficiency(-4.0, 8.0), -0.5),
        (lambda: efficiency(0.0, 0.0), 1.0),
        (lambda: efficiency(-1.0, 0.0), -math.inf),
        (lambda: efficiency(8.0 * (1.0 + 1e-12), 8.0), 1.0),
        (lambda: deadweight_loss(6.0, 8.0), 2.0),
        (lambda: deadweight_loss(-1.0, 0.0), 1.0),
        (lambda: deadweight_loss(8.0 * (1.0 + 1e-12), 8.0), 0.0),
    ],
)
def test_values_by_hand(value, expected):
    assert value() == pytest.approx(expected, rel=1e-14, abs=0.0)


@pytest.mark.parametrize("welfare", EVERY.values(), ids=EVERY)
@given(data=st.data(), u=holdings(moderate=True))
def test_whole_weights_are_repetition(welfare, data, u):
    counts = data.draw(whole_weights(u.size))
    assert welfare(u, counts) == pytest.approx(welfare(np.repeat(u, counts.astype(int))), rel=1e-9, abs=1e-9)


@given(data=st.data(), u=holdings(moderate=True))
def test_more_aversion_never_raises_the_equivalent(data, u):
    w = data.draw(weights(u.size))
    levels = [atkinson_welfare(u, aversion, w) for aversion in (0.0, 0.5, 1.0, 3.0, 50.0, math.inf)]
    assert all(level >= after * (1.0 - 1e-9) for level, after in pairwise(levels))
    assert levels[0] == pytest.approx(np.average(u, weights=w), rel=1e-9)
    assert levels[2] == nash_welfare(u, w)
    assert levels[-1] == rawlsian_welfare(u, w)


@given(u=holdings(positive=True, moderate=True), aversion=st.sampled_from([0.5, 1.0, 2.0]))
def test_the_equivalent_is_what_inequality_leaves_of_the_mean(u, aversion):
    expected = u.mean() * (1.0 - atkinson_index(u, aversion))
    assert atkinson_welfare(u, aversion) == pytest.approx(expected, rel=1e-9, abs=1e-12 * u.mean())


@given(data=st.data(), values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_payments_only_move_surplus(data, values):
    payments = data.draw(st.lists(st.floats(-1e6, 1e6), min_size=len(values), max_size=len(values)))
    outcome = quasi_linear_surplus(values, payments)
    assert outcome.total == pytest.approx(outcome.agents.sum() + outcome.revenue, abs=1e-6)
    assert outcome.total == math.fsum(values)
    assert outcome.revenue == math.fsum(payments)
    np.testing.assert_array_equal(outcome.agents, np.array(values) - np.array(payments))


def test_one_payment_for_all():
    outcome = quasi_linear_surplus([3.0, 4.0], 1.0)
    assert (outcome.agents.tolist(), outcome.revenue, outcome.total) == ([2.0, 3.0], 2.0, 7.0)
