"""The money-exchange model: conservation, the stationary law (by enumeration), the geometric limit."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents import SettlementError
from walras.agents.money import MOST_CENTS
from walras.agents.wealth import exchange_wealth, stationary_wealth_gini, stationary_wealth_law
from walras.market import InvalidInputError, gini


class Scripted(np.random.Generator):
    """A generator whose permutations are given."""

    def __init__(self, orders):
        super().__init__(np.random.PCG64(0))
        self._orders = iter(orders)

    def permutation(self, size):
        return np.array(next(self._orders))


def divisions(agents, units):
    return [state for state in product(range(units + 1), repeat=agents) if sum(state) == units]


@given(
    wealth=st.lists(st.integers(0, 5), min_size=2, max_size=9),
    rounds=st.integers(0, 20),
    seed=st.integers(0, 99),
)
def test_money_is_neither_made_nor_lost_and_nobody_owes(wealth, rounds, seed):
    start = np.array(wealth)
    after = exchange_wealth(start, rounds, np.random.default_rng(seed))
    assert after.sum() == start.sum()
    assert after.min() >= 0
    assert after.dtype == np.int64
    assert start.tolist() == wealth
    if rounds == 0:
        assert after.tolist() == wealth


def test_one_round_by_hand():
    # 0 gives to 2; 1 has nothing to give to 3; 4 stays alone.
    after = exchange_wealth(np.array([2, 0, 1, 1, 7]), 1, Scripted([[0, 1, 2, 3, 4]]))
    assert after.tolist() == [1, 0, 2, 1, 7]
    assert exchange_wealth(np.array([2, 0]), 2, Scripted([[0, 1], [0, 1]])).tolist() == [0, 2]


@pytest.mark.parametrize(("agents", "units"), [(2, 3), (3, 3), (4, 2), (5, 2)])
def test_all_divisions_are_equally_likely_in_the_long_run(agents, units):
    # The chance of each move equals that of the opposite one: the uniform law is stationary, and every division is
    # reached from every other, so it is the only one.
    states = divisions(agents, units)
    orders = list(permutations(range(agents)))
    moves = np.zeros((len(states), len(states)))
    for start, state in enumerate(states):
        for order in orders:
            end = exchange_wealth(np.array(state), 1, Scripted([order]))
            moves[start, states.index(tuple(end.tolist()))] += 1.0 / len(orders)
    np.testing.assert_allclose(moves, moves.T, atol=1e-15)
    assert np.all(np.linalg.matrix_power(moves, 30) > 0.0)
    poorest = sum(state[0] == 0 for state in states) / len(states)
    by_formula = math.comb(units + agents - 2, agents - 2) / math.comb(units + agents - 1, agents - 1)
    assert poorest == pytest.approx(by_formula)


def test_simulated_wealth_follows_the_geometric_law():
    wealth = exchange_wealth(np.full(20_000, 2), 300, np.random.default_rng(1))
    law = stationary_wealth_law(2.0, 8)
    shares = np.bincount(wealth, minlength=9)[:9] / wealth.size
    # Four standard errors of a share of 20,000 draws.
    assert np.all(np.abs(shares - law) <= 4.0 * np.sqrt(law * (1.0 - law) / wealth.size))
    assert gini(wealth) == pytest.approx(stationary_wealth_gini(2.0), abs=0.007)


@pytest.mark.parametrize("mean", [0.01, 1.0, 2.5, 20.0])
def test_the_laws_mean_and_gini_coefficient(mean):
    law = stationary_wealth_law(mean, 3000)
    units = np.arange(3001)
    assert law.sum() == pytest.approx(1.0, rel=1e-12)
    assert law @ units == pytest.approx(mean, rel=1e-10)
    assert gini(units, weights=law) == pytest.approx(stationary_wealth_gini(mean), rel=1e-10)
    assert stationary_wealth_gini(mean) == pytest.approx(1.0 / (1.0 + mean / (1.0 + mean)), rel=1e-14)


def test_published_values_and_limits():
    assert stationary_wealth_gini(1.0) == pytest.approx(2.0 / 3.0, rel=1e-15)
    assert round(stationary_wealth_gini(20.0), 4) == 0.5122
    assert stationary_wealth_gini(1e300) == 0.5
    assert stationary_wealth_gini(1e-300) == 1.0
    assert stationary_wealth_gini(5e-324) == 1.0
    assert stationary_wealth_law(1.0, 0).tolist() == [0.5]
    assert stationary_wealth_law(1.0, 2).tolist() == pytest.approx([0.5, 0.25, 0.125], rel=1e-15)


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (lambda: exchange_wealth([1], 1, RNG), InvalidInputError, ("wealth", "shape (1,)")),
        (lambda: exchange_wealth([1.5, 2.0], 1, RNG), InvalidInputError, ("wealth", "whole numbers", "float64")),
        (lambda: exchange_wealth([[1, 2]], 1, RNG), InvalidInputError, ("wealth", "shape (1, 2)")),
        (lambda: exchange_wealth([True, False], 1, RNG), InvalidInputError, ("wealth", "bool")),
        (lambda: exchange_wealth("ab", 1, RNG), InvalidInputError, ("wealth", "shape ()")),
        (lambda: exchange_wealth([1, -2, -3], 1, RNG), InvalidInputError, ("wealth", "entry 1 is -2")),
        (lambda: exchange_wealth([1, 2], -1, RNG), InvalidInputError, ("rounds must be 0 or more", "-1")),
        (lambda: exchange_wealth([1, 2], 1.5, RNG), InvalidInputError, ("rounds must be a whole number", "1.5")),
        (lambda: exchange_wealth([1, 2], 1, 0), InvalidInputError, ("rng must be a Generator", "0")),
        (lambda: exchange_wealth([MOST_CENTS, 1], 1, RNG), SettlementError, ("wealth must be at most 1e+13 units",)),
        (lambda: stationary_wealth_law(0.0, 1), InvalidInputError, ("mean_wealth must be above 0", "0.0")),
        (lambda: stationary_wealth_law(1.0, -1), InvalidInputError, ("most must be 0 or more", "-1")),
        (lambda: stationary_wealth_law(math.nan, 1), InvalidInputError, ("mean_wealth must be finite",)),
        (lambda: stationary_wealth_gini(-1.0), InvalidInputError, ("mean_wealth must be above 0", "-1.0")),
        (lambda: stationary_wealth_gini("1"), InvalidInputError, ("mean_wealth must be a real number",)),
    ],
)
def test_bad_input(call, error, parts):
    with pytest.raises(error) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []


def test_the_largest_amount_is_taken():
    assert exchange_wealth([MOST_CENTS, 0], 1, RNG).sum() == MOST_CENTS
