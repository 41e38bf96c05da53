"""Marginal contributions and Shapley values against brute force: W(S) of every set, by a slow knapsack of its own."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.compute import marginal_contributions, pivot_payments, shapley_values
from walras.market import InvalidInputError
from walras.market.validation import FloatArray


def welfare(valuations: FloatArray, costs: FloatArray, quantity: float, members: tuple[int, ...]) -> float:
    """Serve the most valued first."""
    total, left = 0.0, quantity
    for agent in sorted(members, key=lambda agent: -valuations[agent]):
        units = min(left, costs[agent])
        total += max(valuations[agent], 0.0) * units
        left -= units
    return total


def brute_force_marginal(valuations: FloatArray, costs: FloatArray, quantity: float) -> FloatArray:
    everybody = tuple(range(valuations.size))
    without = [tuple(other for other in everybody if other != agent) for agent in everybody]
    with_all = welfare(valuations, costs, quantity, everybody)
    return np.array([with_all - welfare(valuations, costs, quantity, others) for others in without])


def brute_force_shapley(valuations: FloatArray, costs: FloatArray, quantity: float) -> FloatArray:
    """The mean over all orders."""
    total = np.zeros(valuations.size)
    for order in itertools.permutations(range(valuations.size)):
        for place, agent in enumerate(order):
            before = welfare(valuations, costs, quantity, order[:place])
            total[agent] += welfare(valuations, costs, quantity, order[: place + 1]) - before
    return total / math.factorial(valuations.size)


# Few different numbers make ties at the margin likely; negative valuations are never served.
markets = st.integers(1, 7).flatmap(
    lambda agents: st.tuples(
        st.lists(
            st.one_of(st.sampled_from([0.0, 1.0, 2.0, -1.0]), st.floats(-5.0, 50.0)), min_size=agents, max_size=agents
        ).map(np.array),
        st.lists(st.one_of(st.sampled_from([1.0, 2.0]), st.floats(0.1, 5.0)), min_size=agents, max_size=agents).map(
            np.array
        ),
        st.one_of(st.sampled_from([0.0, 1.0, 2.5, 4.0, 100.0]), st.floats(0.0, 20.0)),
    )
)


@given(market=markets)
def test_marginal_contributions_are_what_welfare_loses_without_each_agent_clarke_1971(
    market: tuple[FloatArray, FloatArray, float],
) -> None:
    valuations, costs, quantity = market
    expected = brute_force_marginal(valuations, costs, quantity)
    scale = 1e-9 * (1.0 + np.abs(valuations).max() * costs.sum())
    np.testing.assert_allclose(marginal_contributions(valuations, costs, quantity), expected, rtol=0.0, atol=scale)
    assert expected.sum() <= welfare(valuations, costs, quantity, tuple(range(valuations.size))) + scale
    pivots = pivot_payments(valuations, costs, quantity)
    assert np.all(pivots >= 0.0)
    assert np.all(pivots <= (valuations * costs).clip(min=0.0) + scale)


def test_the_brute_force_finds_an_agent_that_is_next_in_line_after_itself() -> None:
    """The error that the closed form must avoid: a marginal agent's own unserved units replace nothing."""
    valuations, costs = np.array([5.0, 3.0, 1.0]), np.array([2.0, 4.0, 4.0])
    careless = 3.0 * 2.0  # the second agent has 2 of its 4 units; its other 2 are worth 3 each
    assert pivot_payments(valuations, costs, 4.0).tolist() == [6.0, 2.0, 0.0]
    assert pivot_payments(valuations, costs, 4.0)[1] != careless
    np.testing.assert_allclose(marginal_contributions(valuations, costs, 4.0), [4.0, 4.0, 0.0])


def test_equal_agents_at_the_margin_displace_one_another() -> None:
    np.testing.assert_allclose(pivot_payments([3.0, 2.0, 2.0, 2.0], [1.0] * 4, 2.0), [2.0, 2 / 3, 2 / 3, 2 / 3])


@given(values=st.lists(st.integers(1, 40), min_size=3, max_size=8, unique=True), units=st.integers(1, 2))
def test_of_unit_demands_each_pays_the_highest_losing_value_vickrey_1961(values: list[int], units: int) -> None:
    bids = np.array(values, dtype=float)
    pivots = pivot_payments(bids, np.ones_like(bids), float(units))
    losing = np.sort(bids)[-units - 1]
    np.testing.assert_array_equal(pivots, np.where(bids > losing, losing, 0.0))


@given(market=markets)
def test_sampled_shapley_values_share_out_welfare_exactly(market: tuple[FloatArray, FloatArray, float]) -> None:
    valuations, costs, quantity = market
    values = shapley_values(valuations, costs, quantity, rng=np.random.default_rng(0), orders=3)
    total = welfare(valuations, costs, quantity, tuple(range(valuations.size)))
    assert values.sum() == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert np.all(values >= -1e-9)
    assert np.all(values[valuations <= 0.0] <= 1e-9)


def test_sampled_shapley_values_tend_to_the_mean_over_all_orders_shapley_1953() -> None:
    rng = np.random.default_rng(3)
    valuations, costs, quantity = rng.uniform(0.0, 10.0, 6), rng.uniform(1.0, 4.0, 6), 7.0
    exact = brute_force_shapley(valuations, costs, quantity)
    samples = np.array([shapley_values(valuations, costs, quantity, rng=rng, orders=20) for _ in range(100)])
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    assert np.all(np.abs(samples.mean(axis=0) - exact) <= 4.0 * error + 1e-12)
    assert np.all(exact >= brute_force_marginal(valuations, costs, quantity) - 1e-12)  # substitutes


def test_the_same_generator_gives_the_same_shapley_values() -> None:
    first, second = (
        shapley_values([3.0, 2.0, 1.0], [1.0, 2.0, 1.0], 2.0, rng=np.random.default_rng(5), orders=7) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, np.nan], [1.0, 1.0], 1.0), "valuations must be finite"),
        (([1.0, 2.0], [1.0, 0.0], 1.0), "costs must be above 0"),
        (([1.0, 2.0], [1.0], 1.0), "expected 2, got 1"),
        (([1.0, 2.0], [1.0, 1.0], -1.0), "quantity must be 0 or more"),
        (([], [], 1.0), "valuations is empty"),
    ],
)
def test_refuses_malformed_markets(arguments: tuple[object, object, float], message: str) -> None:
    for contributions in (pivot_payments, marginal_contributions):
        with pytest.raises(InvalidInputError, match=message):
            contributions(*arguments)
    with pytest.raises(InvalidInputError, match=message):
        shapley_values(*arguments, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orders": 0}, "orders must be 1 or more"),
        ({"orders": 1.5}, "orders must be a whole number"),
        ({"rng": 3}, "rng must be a Generator"),
    ],
)
def test_refuses_malformed_samples(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        shapley_values([1.0], [1.0], 1.0, **({"rng": np.random.default_rng(0)} | options))
