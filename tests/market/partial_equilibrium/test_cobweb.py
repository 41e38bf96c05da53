"""Cobwebs: fixed points, slopes, verdicts, and cycles of any small period."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from walras.market import Property
from walras.market.partial_equilibrium import (
    AdaptiveExpectations,
    Cobweb,
    CobwebStatus,
    CustomExpectations,
    DirectCurve,
    InverseCurve,
    LinearCurve,
    NaiveExpectations,
    StabilityStatus,
)

LECTURE = Cobweb(LinearCurve(8.0, -1.0), DirectCurve(lambda price: math.tanh(2.0 * (price - 6.0)) + 1.0, 0.0, 20.0))


def linear(steepness: float, expectations: object = None) -> Cobweb:
    """Demand 10 - q and supply q = steepness * e: the price map has the slope -steepness."""
    supply = LinearCurve(0.0, 1.0 / steepness)
    return Cobweb(LinearCurve(10.0, -1.0), supply, expectations or NaiveExpectations())


def test_the_cobweb_of_the_quantecon_lecture() -> None:
    stability = LECTURE.stability().require()
    assert stability.price == pytest.approx(6.370387, abs=5e-7)
    assert stability.slope == pytest.approx(-1.207, abs=5e-4)
    assert stability.price_slope == stability.slope
    assert stability.growth == -stability.slope
    assert stability.status is StabilityStatus.UNSTABLE
    path = LECTURE.simulate(6.3, 500).require()
    assert (path.period, path.status) == (2, CobwebStatus.CYCLE)
    low, high = sorted(path.cycle)
    assert low < stability.price < high
    supply = math.tanh(2.0 * (low - 6.0)) + 1.0
    assert high == pytest.approx(8.0 - supply)


def test_a_path_by_hand() -> None:
    path = linear(0.5).simulate(4.0, 4).require(1e-15)
    assert path.expected_prices.tolist() == [4.0, 8.0, 6.0, 7.0]
    assert path.quantities.tolist() == [2.0, 4.0, 3.0, 3.5]
    assert path.prices.tolist() == [8.0, 6.0, 7.0, 6.5]
    assert (path.period, path.status, path.cycle.size) == (0, CobwebStatus.UNSETTLED, 0)
    adaptive = linear(0.5, AdaptiveExpectations(0.5)).simulate(4.0, 3)
    assert adaptive.expected_prices.tolist() == [4.0, 6.0, 6.5]
    custom = linear(0.5, CustomExpectations(lambda past: 0.5 * past[0] + 0.5 * past[1], 2)).simulate([4.0, 8.0], 3)
    assert custom.expected_prices.tolist() == [6.0, 5.5, 7.125]  # prices 7, 7.25


def test_it_settles() -> None:
    path = linear(0.5).simulate(4.0, 100).require()
    assert (path.period, path.status) == (1, CobwebStatus.CONVERGED)
    assert path.cycle == pytest.approx([10.0 / 1.5])
    assert linear(0.5).declared_properties == {Property.CONSERVES}


@given(steepness=st.floats(0.05, 0.95), start=st.floats(0.0, 10.0))
def test_naive_linear_cobwebs_have_a_closed_form(steepness: float, start: float) -> None:
    path = linear(steepness).simulate(start, 12).require(1e-9)
    fixed = 10.0 / (1.0 + steepness)
    expected = fixed + (start - fixed) * (-steepness) ** np.arange(1, 13)
    np.testing.assert_allclose(path.prices, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("steepness", "expectations", "slope", "status"),
    [
        (0.5, NaiveExpectations(), -0.5, StabilityStatus.STABLE),
        (1.0, NaiveExpectations(), -1.0, StabilityStatus.MARGINAL),
        (2.0, NaiveExpectations(), -2.0, StabilityStatus.UNSTABLE),
        (2.0, AdaptiveExpectations(0.5), -0.5, StabilityStatus.STABLE),
        (2.0, AdaptiveExpectations(1.0), -2.0, StabilityStatus.UNSTABLE),
        (3.0, AdaptiveExpectations(0.5), -1.0, StabilityStatus.MARGINAL),
        (0.9, CustomExpectations(lambda past: past[0]), -0.9, StabilityStatus.STABLE),
        (1.5, CustomExpectations(lambda past: past[0], 3), -1.5, StabilityStatus.UNSTABLE),
    ],
)
def test_slopes_and_verdicts(steepness: float, expectations: object, slope: float, status: StabilityStatus) -> None:
    stability = linear(steepness, expectations).stability().require()
    assert stability.price == pytest.approx(10.0 / (1.0 + steepness))
    assert stability.quantity == pytest.approx(10.0 * steepness / (1.0 + steepness))
    assert stability.price_slope == pytest.approx(-steepness, rel=1e-8)
    assert stability.slope == pytest.approx(slope, rel=1e-7)
    assert stability.growth == pytest.approx(abs(slope), rel=1e-7)
    assert stability.status is status


def test_averaging_two_prices_turns_in_the_complex_plane() -> None:
    # z^2 = -s (z + 1) / 2 with s = 1.5: |z|^2 = 0.75
    stability = linear(1.5, CustomExpectations(lambda past: 0.5 * (past[0] + past[1]), 2)).stability()
    assert stability.growth == pytest.approx(math.sqrt(0.75), rel=1e-7)
    assert stability.slope == pytest.approx(-0.375, rel=1e-6)
    assert stability.status is StabilityStatus.STABLE


@given(steepness=st.floats(0.2, 1.8), weight=st.floats(0.1, 1.0))
def test_the_verdict_is_what_paths_do(steepness: float, weight: float) -> None:
    cobweb = linear(steepness, AdaptiveExpectations(weight))
    stability = cobweb.stability()
    assume(abs(stability.growth - 1.0) > 0.05)
    prices = cobweb.simulate(stability.price * 1.001, 40).prices
    away = np.abs(prices - stability.price)
    assert (away[-1] < away[0]) == (stability.status is StabilityStatus.STABLE)


@pytest.mark.parametrize("period", [2, 3, 4, 5])
def test_cycles_of_every_small_period(period: int) -> None:
    # These expectations undo the price map of `period` periods ago, so that every start is a cycle of that period.
    rule = CustomExpectations(lambda past: 10.0 - past[period - 1], period)
    start = np.linspace(4.0, 6.0, period)
    path = linear(1.0, rule).simulate(start, 40).require()
    assert (path.period, path.status) == (period, CobwebStatus.CYCLE)
    assert sorted(path.cycle) == pytest.approx(sorted(start))
    assert linear(1.0, rule).simulate(start, 40, longest_period=period - 1).status is CobwebStatus.UNSETTLED
    assert linear(1.0, rule).simulate(start, 2 * period).period == period
    assert linear(1.0, rule).simulate(start, 2 * period - 1).period == 0


def test_the_tolerance_decides_what_is_settled() -> None:
    assert linear(0.5).simulate(4.0, 12, tolerance=1e-2).period == 1
    assert linear(0.5).simulate(4.0, 12).period == 0


def test_nothing_is_supplied_at_a_low_expected_price() -> None:
    cobweb = Cobweb(LinearCurve(10.0, -1.0), LinearCurve(2.0, 1.0))
    path = cobweb.simulate(1.0, 2).require()
    assert path.quantities.tolist() == [0.0, 8.0]
    assert path.prices.tolist() == [10.0, 2.0]


def test_curves_from_functions() -> None:
    cobweb = Cobweb(InverseCurve(lambda q: 10.0 - q, 10.0), InverseCurve(lambda q: 2.0 * q, 10.0))
    np.testing.assert_allclose(cobweb.simulate(4.0, 4).require().prices, [8.0, 6.0, 7.0, 6.5])


def test_a_path_that_was_tampered_with_fails() -> None:
    cobweb = linear(0.5)
    path = cobweb.simulate(4.0, 100)
    good = cobweb._certify(path.prices, path.expected_prices, path.quantities, 1)
    assert good.largest < 1e-9
    bump = np.zeros(100)
    bump[99] = 0.5
    assert cobweb._certify(path.prices + bump, path.expected_prices, path.quantities, 1).recurrence > 0.01
    for changed in (
        (path.prices + bump, path.expected_prices, path.quantities),
        (path.prices, path.expected_prices + bump, path.quantities),
        (path.prices, path.expected_prices, path.quantities + bump),
    ):
        assert cobweb._certify(*changed, 0).dynamics > 0.01
        assert cobweb._certify(*changed, 0).recurrence == 0.0
