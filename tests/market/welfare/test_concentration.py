"""Concentration: values by hand, weights as repetition, bounds, and what replication does."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.market.testing.strategies.welfare import holdings, whole_weights
from walras.market.welfare import (
    concentration_ratio,
    effective_number,
    herfindahl_index,
    shannon_entropy,
    shannon_evenness,
)

MEASURES = {
    "herfindahl": herfindahl_index,
    "effective": effective_number,
    "largest1": lambda x, w=None: concentration_ratio(x, 1, w),
    "largest3": lambda x, w=None: concentration_ratio(x, 3, w),
    "entropy": shannon_entropy,
    "evenness": shannon_evenness,
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (lambda: herfindahl_index([2.0, 1.0, 1.0]), 0.375),
        (lambda: herfindahl_index([0.0, 0.0]), 0.5),
        (lambda: herfindahl_index([0.0, 0.0], [3.0, 1.0]), 0.25),
        (lambda: effective_number([2.0, 1.0, 1.0]), 1.0 / 0.375),
        (lambda: concentration_ratio([5.0, 1.0, 3.0, 1.0], 2), 0.8),
        (lambda: concentration_ratio([5.0, 1.0, 3.0, 1.0], 9), 1.0),
        (lambda: concentration_ratio([5.0, 1.0], 2, [1.0, 5.0]), 0.6),
        (lambda: concentration_ratio([4.0, 1.0], 1, [0.5, 3.0]), 0.5),
        (lambda: shannon_entropy([2.0, 1.0, 1.0], unit="bits"), 1.5),
        (lambda: shannon_entropy([2.0, 1.0, 1.0]), 1.5 * math.log(2.0)),
        (lambda: shannon_entropy([2.0, 1.0, 1.0], unit="nats"), 1.5 * math.log(2.0)),
        (lambda: shannon_entropy([2.0, 1.0], [1.0, 2.0], unit="bits"), 1.5),
        (lambda: shannon_evenness([2.0, 1.0, 1.0]), 1.5 / math.log2(3.0)),
        (lambda: shannon_evenness([0.0, 3.0]), 0.0),
        (lambda: shannon_evenness([3.0]), 1.0),
        (lambda: shannon_evenness([0.0, 0.0, 0.0]), 1.0),
    ],
)
def test_values_by_hand(value, expected):
    assert value() == pytest.approx(expected, rel=1e-14, abs=1e-300)


@every_measure
@given(data=st.data(), x=holdings(moderate=True))
def test_whole_weights_are_repetition(measure, data, x):
    counts = data.draw(whole_weights(x.size))
    repeated = np.repeat(x, counts.astype(int))
    assert measure(x, counts) == pytest.approx(measure(repeated), rel=1e-9, abs=1e-12)


@every_measure
@given(x=holdings(moderate=True), factor=st.sampled_from([1e-9, 3.0, 1e200]))
def test_has_no_unit(measure, x, factor):
    assert measure(factor * x) == pytest.approx(measure(x), rel=1e-9, abs=1e-12)


@given(x=holdings())
def test_bounds(x):
    n = x.size
    assert 1.0 / n - 1e-12 <= herfindahl_index(x) <= 1.0 + 1e-12
    assert 1.0 - 1e-12 <= effective_number(x) <= n + 1e-9
    assert 0.0 <= shannon_entropy(x) <= math.log(n) + 1e-12
    assert 0.0 <= shannon_evenness(x) <= 1.0
    ratios = [concentration_ratio(x, k) for k in range(1, n + 1)]
    assert ratios == sorted(ratios)
    assert ratios[-1] == pytest.approx(1.0)


@given(x=holdings(moderate=True), copies=st.integers(2, 4))
def test_twice_the_firms_is_half_the_concentration(x, copies):
    many = np.tile(x, copies)
    assert herfindahl_index(many) == pytest.approx(herfindahl_index(x) / copies)
    assert effective_number(many) == pytest.approx(effective_number(x) * copies)
    assert shannon_entropy(many) == pytest.approx(shannon_entropy(x) + math.log(copies), abs=1e-12)


def test_huge_weights_stay_numbers():
    assert effective_number([1.0, 1.0], [1e307, 1e307]) == pytest.approx(2e307)
    assert shannon_evenness([1.0, 1.0], [1e307, 1e307]) == pytest.approx(1.0)
    assert herfindahl_index([1e308, 5e-324]) == 1.0


def test_weights_may_miss_one_agent_by_rounding_only():
    assert shannon_evenness([1.0], [1.0 - 1e-12]) == 1.0
    assert herfindahl_index([1.0, 2.0, 9.0], [0.0, 1.0, 0.0]) == 1.0
