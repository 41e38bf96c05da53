"""Several goods: Newton against known equilibria, its safeguards, and what it says when it fails."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import root

from walras.market import NotConvergedError, Property
from walras.market.partial_equilibrium import GoodsCertificate, NewtonStatus, NonlinearMarket

CROSS = np.array([[0.5, 0.4], [0.8, 0.2]])
MARKET = NonlinearMarket(lambda prices: np.exp(-CROSS @ prices) + 1.0, np.sqrt)


def test_two_goods_of_the_quantecon_lecture() -> None:
    np.testing.assert_allclose(MARKET.excess_demand([1.0, 0.5]), [0.4966, 0.6995], atol=5e-5)
    found = MARKET.equilibrium([1.0, 1.0]).require(1e-12)
    np.testing.assert_allclose(found.prices, [1.57080182, 1.46928838], atol=5e-9)
    np.testing.assert_allclose(found.quantities_demanded, found.quantities_supplied, rtol=1e-12)
    np.testing.assert_array_equal(found.excess_demand, found.quantities_demanded - found.quantities_supplied)
    assert found.status is NewtonStatus.CONVERGED
    assert 2 <= found.iterations <= 8
    assert found.is_stable
    assert MARKET.declared_properties == {Property.CONSERVES}


@pytest.mark.parametrize("start", [1e-6, 1e-2, 50.0, 1e4])
def test_from_far_away(start: float) -> None:
    found = MARKET.equilibrium([start, 1.0]).require(1e-12)
    np.testing.assert_allclose(found.prices, [1.57080182, 1.46928838], atol=5e-9)
    assert np.all(found.prices > 0.0)


def test_with_the_users_jacobian() -> None:
    def jacobian(prices: np.ndarray) -> np.ndarray:
        return -CROSS * np.exp(-CROSS @ prices)[:, None] - np.diag(0.5 / np.sqrt(prices))

    given_one = NonlinearMarket(MARKET.demand, MARKET.supply, jacobian).equilibrium([1.0, 1.0]).require(1e-12)
    np.testing.assert_allclose(given_one.prices, MARKET.equilibrium([1.0, 1.0]).prices, rtol=1e-12)
    np.testing.assert_allclose(MARKET.equilibrium([1.0, 1.0]).jacobian, given_one.jacobian, rtol=1e-7)


@given(data=st.data(), goods=st.integers(1, 4), scale=st.sampled_from([1e-9, 1.0, 1e9]))
def test_linear_systems_against_a_solver(data: st.DataObject, goods: int, scale: float) -> None:
    numbers = st.floats(0.1, 1.0)
    own = np.array(data.draw(st.lists(numbers, min_size=goods, max_size=goods)))
    cross = 0.2 * np.array([data.draw(st.lists(numbers, min_size=goods, max_size=goods)) for _ in range(goods)])
    matrix = np.diag(own + 1.0) + cross / goods
    known = np.array(data.draw(st.lists(st.floats(0.2, 5.0), min_size=goods, max_size=goods))) * scale
    constant = matrix @ known
    market = NonlinearMarket(lambda prices: constant - (matrix - np.diag(own)) @ prices, lambda prices: own * prices)
    found = market.equilibrium(np.full(goods, scale)).require(1e-10)
    np.testing.assert_allclose(found.prices, known, rtol=1e-8)
    np.testing.assert_allclose(found.jacobian, -matrix, rtol=1e-4, atol=1e-4)


@given(weights=st.lists(st.floats(0.2, 2.0), min_size=4, max_size=4))
def test_exponential_demand_against_scipy(weights: list[float]) -> None:
    cross = np.array(weights).reshape(2, 2)
    market = NonlinearMarket(lambda prices: np.exp(-cross @ prices) + 1.0, np.sqrt)
    found = market.equilibrium([1.0, 1.0]).require(1e-11)
    expected = root(lambda prices: np.exp(-cross @ prices) + 1.0 - np.sqrt(np.abs(prices)), found.prices, tol=1e-14)
    np.testing.assert_allclose(found.prices, expected.x, rtol=1e-8)


def test_there_may_be_no_equilibrium() -> None:
    market = NonlinearMarket(lambda prices: 2.0 + 1.0 / prices, lambda prices: prices / (1.0 + prices))
    found = market.equilibrium([1.0], max_iterations=50)
    assert found.status in {NewtonStatus.STALLED, NewtonStatus.ITERATION_LIMIT}
    assert found.certificate.clearing > 0.4
    with pytest.raises(NotConvergedError, match="clearing"):
        found.require()


def test_a_local_minimum_of_the_excess_stalls() -> None:
    market = NonlinearMarket(lambda prices: 2.0 + (prices - 1.0) ** 2, np.ones_like)
    found = market.equilibrium([1.0])
    assert found.status is NewtonStatus.STALLED
    assert found.prices.tolist() == [1.0]
    assert found.certificate == GoodsCertificate(clearing=0.5)


def test_iterations_run_out() -> None:
    found = MARKET.equilibrium([1e4, 1.0], max_iterations=1)
    assert found.status is NewtonStatus.ITERATION_LIMIT
    assert found.iterations == 1
    assert MARKET.equilibrium(MARKET.equilibrium([1.0, 1.0]).prices, max_iterations=1).iterations == 0


def test_an_unstable_equilibrium_is_found_and_said_to_be_one() -> None:
    market = NonlinearMarket(lambda prices: prices**2, lambda prices: prices)  # demand rises: Giffen
    found = market.equilibrium([1.3]).require(1e-12)
    assert found.prices[0] == pytest.approx(1.0)
    assert not found.is_stable


def test_trials_outside_the_functions_domain_are_not_taken() -> None:
    market = NonlinearMarket(lambda prices: np.log(3.0 - prices) + 2.0, lambda prices: 2.0 * prices)
    found = market.equilibrium([0.05]).require(1e-12)
    assert found.prices[0] == pytest.approx(np.exp(0) + 0.2, abs=0.3)
    np.testing.assert_allclose(np.log(3.0 - found.prices) + 2.0, 2.0 * found.prices)
