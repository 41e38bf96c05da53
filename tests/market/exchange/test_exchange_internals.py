"""Parts of the solvers by themselves: orbits, power means, the best bundle, the Newton step."""

import numpy as np
import pytest

from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief, Linear, PowerUtility
from walras.market.exchange.best_bundle import best_bundle
from walras.market.exchange.homothetic import log_power_mean, normalised, share_jacobian, softmax
from walras.market.exchange.newton import _groped, damped_step
from walras.market.exchange.orbit import Motion, orbit_of
from walras.market.exchange.perfect_substitutes import has_linear_consumers, smoothed
from walras.market.exchange.utility import first_order_waste


def turning(growth: float, turns: float = 4.0, points: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """A path around (1, 1, 1), `points` a turn, growing by `growth` each turn; and its size."""
    angles = 2 * np.pi * np.arange(int(turns * points)) / points
    size = 0.1 * growth ** (angles / (2 * np.pi))
    first, second = np.array([1.0, -1.0, 0.0]) / 2**0.5, np.array([1.0, 1.0, -2.0]) / 6**0.5
    path = 1.0 + size[:, None] * (np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second)
    return path, size


def test_a_circle_returns_and_spirals_do_not() -> None:
    assert orbit_of(*turning(1.0), 1e-6) == (Motion.RETURNS, 50)
    assert orbit_of(*turning(1.1), 1e-6) == (Motion.MOVES_AWAY, None)
    assert orbit_of(*turning(0.9), 1e-6) == (Motion.UNDER_WAY, None)
    assert orbit_of(*turning(1.0, 1.5), 1e-6).motion is Motion.UNDER_WAY  # one return is not enough to compare sizes
    assert orbit_of(*turning(1.005), 0.05).period == 50
    assert orbit_of(*turning(1.005), 0.05, size_tolerance=1e-3).period is None


def test_orbits_in_proportions_and_of_short_paths() -> None:
    path, size = turning(1.0)
    assert orbit_of(path * np.linspace(1.0, 9.0, len(path))[:, None], size, 1e-6).period == 50
    assert orbit_of(path[:15], size[:15], 1e-6) == (Motion.UNDER_WAY, None)
    assert orbit_of(np.ones((40, 2)), np.ones(40), 1e-6) == (Motion.UNDER_WAY, None)
    broken = size.copy()
    broken[3] = np.nan
    assert orbit_of(path, broken, 1e-6) == (Motion.UNDER_WAY, None)


def test_power_means() -> None:
    weights, values = np.array([[0.25, 0.75, 0.0]]), np.array([[1.0, 16.0, 99.0]])

    def mean(exponent: float, numbers: np.ndarray = values) -> float:
        with np.errstate(divide="ignore"):
            return float(np.exp(log_power_mean(weights, np.log(numbers), np.array([exponent])))[0])

    expected = {-np.inf: 1.0, -1.0: 1 / (0.25 + 0.75 / 16), 0.0: 8.0, 0.5: 3.25**2, 1.0: 12.25, 2.0: 192.25**0.5}
    for exponent, value in (expected | {np.inf: 16.0}).items():
        assert mean(exponent) == pytest.approx(value, rel=1e-14)
    nothing = np.array([[0.0, 16.0, 99.0]])
    assert [mean(exponent, nothing) for exponent in (-np.inf, -1.0, 0.0)] == [0.0, 0.0, 0.0]
    assert mean(1.0, nothing) == pytest.approx(12.0)
    assert mean(0.5, nothing) == pytest.approx(9.0)
    endless = np.array([[1.0, np.inf, 99.0]])
    assert [mean(exponent, endless) for exponent in (0.0, 1.0, np.inf)] == [np.inf] * 3
    assert mean(-1.0, endless) == pytest.approx(4.0)


def test_shares() -> None:
    np.testing.assert_allclose(normalised(np.array([[1e300, 3e300], [1e-300, 0.0]])), [[0.25, 0.75], [1.0, 0.0]])
    np.testing.assert_allclose(softmax(np.array([[1000.0, 1000.0 + np.log(3.0), -np.inf]])), [[0.25, 0.75, 0.0]])
    # Cobb-Douglas: x_1 = a w / p_1, with w = p_1 + 2 p_2 at a = 1/4.
    jacobian = share_jacobian(np.array([[0.25, 0.75]]), np.array([1.0]), np.array([2.0, 1.0]), np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(jacobian, [[0.125 - 0.25, 0.25], [0.75, 1.5 - 3.0]])


def test_first_order_waste() -> None:
    gradient, prices = np.array([[2.0, 1.0]]), np.array([1.0, 1.0])
    assert first_order_waste(gradient, prices, np.array([4.0]), np.array([[3.0, 1.0]])).tolist() == [0.125]
    assert first_order_waste(gradient, prices, np.array([4.0]), np.array([[9.0, 0.0]])).tolist() == [0.0]
    assert first_order_waste(-gradient, prices, np.array([4.0]), np.array([[3.0, 1.0]])).tolist() == [0.0]
    endless = np.array([[np.inf, 1.0]])
    assert first_order_waste(endless, prices, np.array([4.0]), np.array([[0.0, 4.0]])).tolist() == [1.0]


def test_best_bundle() -> None:
    prices = np.array([1.0, 2.0, 4.0])
    found = best_bundle(lambda x: float(np.log(x).sum()), lambda x: 1.0 / x, prices, 12.0)
    np.testing.assert_allclose(found, [4.0, 2.0, 1.0], rtol=1e-9)
    assert best_bundle(lambda x: 0.0, lambda x: x, prices, 0.0).tolist() == [0.0, 0.0, 0.0]
    # Good 2 is never worth its price: its quantity is exactly 0.
    found = best_bundle(
        lambda x: float(np.log(x[0]) + np.log(x[1]) + 1e-3 * x[2]),
        lambda x: np.array([1.0 / x[0], 1.0 / x[1], 1e-3]),
        prices,
        12.0,
    )
    np.testing.assert_allclose(found, [6.0, 3.0, 0.0], atol=1e-7)
    assert found[2] == 0.0


def test_newton_and_levenberg_steps() -> None:
    matrix, values = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([2.0, -4.0])
    step = damped_step(matrix, values, 0.0)
    np.testing.assert_allclose(step, [-1.0, 1.0])
    damped = damped_step(matrix, values, 0.25)
    np.testing.assert_allclose(damped, [-0.25 / 0.5, 1.0 / 1.25])
    assert damped_step(np.zeros((2, 2)), values, 0.0) is None
    assert damped_step(np.array([[1.0, 1.0], [1.0, 1.0]]), values, 0.0) is None
    assert damped_step(np.array([[np.nan, 1.0], [1.0, 1.0]]), values, 0.0) is None


def test_who_is_linear_and_how_it_is_smoothed() -> None:
    weights, endowments = [[1.0, 2.0], [2.0, 1.0]], np.ones((2, 2))
    cases = {
        True: [Linear(weights), CES(weights, [1.0, 0.5]), PowerUtility(weights, 1.0)],
        False: [Leontief(weights), CES(weights, 0.999), PowerUtility(weights, 0.5)],
    }
    for linear, utilities in cases.items():
        for utility in utilities:
            economy = ExchangeEconomy(utility, endowments)
            assert has_linear_consumers(economy) is linear
            assert not has_linear_consumers(smoothed(economy, 64.0))
    mixed = smoothed(ExchangeEconomy(CES(weights, [1.0, 0.5]), endowments), 4.0).utilities[0]
    assert mixed.rho.tolist() == [0.75, 0.5]


def test_groping_comes_near() -> None:
    economy = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), [[1.0, 2.0], [2.0, 1.0]])
    prices = _groped(economy, np.array([1.0, 1e-3]))
    np.testing.assert_allclose(prices / prices.sum(), [0.25, 0.75], atol=1e-4)
