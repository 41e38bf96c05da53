"""Games and markets as games: payoffs and equilibria against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.learning import (
    CournotMarket,
    GridGame,
    NormalFormGame,
    ProposerMarket,
    coordination_game,
    price_grid,
    prisoners_dilemma,
    rock_paper_scissors,
    shapley_game,
    ultimatum_game,
    zero_sum_game,
)
from walras.market import InvalidInputError
from walras.market.partial_equilibrium import LinearCurve


@st.composite
def games(draw):
    """Two or three players with one to three actions and payoffs that tie often."""
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=2, max_size=3)))
    entries = st.lists(st.integers(-2, 2), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    return NormalFormGame(tuple(np.reshape(draw(entries), shape) for _ in shape))


def mixed(game, draws):
    """Half of the weight on one action, half spread over all."""
    counts = zip(game.action_counts, draws, strict=False)
    return [np.eye(count)[int(draw * count)] * 0.5 + 0.5 / count for count, draw in counts]


@given(game=games(), draws=st.lists(st.floats(0.0, 0.99), min_size=3, max_size=3), data=st.data())
def test_payoffs_against_sums_over_all_joint_actions(game, draws, data):
    strategies = mixed(game, draws)
    gains = []
    for player in range(game.players):
        expected = np.zeros(game.action_counts[player])
        for joint in itertools.product(*map(range, game.action_counts)):
            weight = np.prod([strategies[other][joint[other]] for other in range(game.players) if other != player])
            expected[joint[player]] += weight * game.payoffs[player][joint]
        np.testing.assert_allclose(game.expected_payoffs(player, strategies), expected, atol=1e-12)
        gains.append(expected.max() - expected @ strategies[player])
    assert game.exploitability(strategies) == pytest.approx(max(gains), abs=1e-12)
    joint = data.draw(st.tuples(*(st.integers(0, count - 1) for count in game.action_counts)))
    for player in range(game.players):
        column = [
            game.payoffs[player][(*joint[:player], action, *joint[player + 1 :])]
            for action in range(game.action_counts[player])
        ]
        assert game.all_payoffs(player, np.array([joint, joint])).tolist() == [column, column]


@given(game=games())
def test_pure_equilibria_are_those_that_nobody_leaves(game):
    def stable(joint):
        return all(
            game.payoffs[player][joint] >= game.payoffs[player][(*joint[:player], other, *joint[player + 1 :])]
            for player in range(game.players)
            for other in range(game.action_counts[player])
        )

    everything = list(itertools.product(*map(range, game.action_counts)))
    assert game.pure_equilibria() == [joint for joint in everything if stable(joint)]
    for joint in game.pure_equilibria():
        pure = [np.eye(count)[action] for count, action in zip(game.action_counts, joint, strict=True)]
        assert game.exploitability(pure) == 0.0


def test_named_games_have_the_equilibria_that_they_are_known_for():
    third = [np.full(3, 1 / 3)] * 2
    assert rock_paper_scissors().exploitability(third) == pytest.approx(0.0, abs=1e-15)
    assert rock_paper_scissors().pure_equilibria() == []
    assert shapley_game().exploitability(third) == pytest.approx(0.0, abs=1e-15)
    assert shapley_game().pure_equilibria() == []
    assert prisoners_dilemma().pure_equilibria() == [(1, 1)]
    assert coordination_game([1.0, 2.0]).pure_equilibria() == [(0, 0), (1, 1)]
    assert zero_sum_game([[1.0, 2.0]]).payoffs[1].tolist() == [[-1.0, -2.0]]
    assert ultimatum_game().pure_equilibria() == [(offer, offer) for offer in range(9)]
    assert (shapley_game().lowest, shapley_game().highest) == (0.0, 1.0)


def test_the_market_game_pays_the_best_offer():
    game = ProposerMarket(proposers=3, pie=10)
    assert game.action_counts == (10, 10, 10)
    earned = game.all_payoffs(1, np.array([[4, 9, 4], [0, 0, 9]]))
    assert earned[0].tolist() == [0, 0, 0, 0, 6 / 3, 5, 4, 3, 2, 1]
    assert earned[1].tolist() == [0] * 9 + [0.5]


def test_a_market_as_a_game_pays_profits():
    market = CournotMarket(LinearCurve(12.0, -1.0), [0.0, 3.0])
    game = GridGame(market, [[0.0, 2.0, 5.0], [1.0, 4.0]])
    table = game.normal_form()
    for i, j in itertools.product(range(3), range(2)):
        first, second = [0.0, 2.0, 5.0][i], [1.0, 4.0][j]
        price = 12.0 - first - second
        assert table.payoffs[0][i, j] == pytest.approx(price * first)
        assert table.payoffs[1][i, j] == pytest.approx((price - 3.0) * second)
        for player in range(2):
            rows = game.all_payoffs(player, np.array([[i, j]]))
            np.testing.assert_allclose(rows, table.all_payoffs(player, np.array([[i, j]])))
    assert game.values(np.array([[2, 0]])).tolist() == [[5.0, 1.0]]


def test_price_grids_go_a_little_beyond():
    assert price_grid(1.0, 2.0, points=3).tolist() == [0.9, 1.5, 2.1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormalFormGame(()), "at least one player"),
        (lambda: NormalFormGame((np.zeros((2, 2)), np.zeros((2, 3)))), "the same shape for all"),
        (lambda: NormalFormGame((np.zeros(2), np.zeros(2))), "one axis for each of the 2 players"),
        (lambda: NormalFormGame((np.array([np.nan]),)), "must be finite"),
        (lambda: NormalFormGame(("a",)), "one array of numbers for each player"),
        (lambda: prisoners_dilemma(reward=6.0), "temptation > reward"),
        (lambda: coordination_game([1.0, 0.0]), "payoffs must be above 0"),
        (lambda: rock_paper_scissors().exploitability([[1, 0, 0]]), "one for each of 2 players, got 1"),
        (lambda: rock_paper_scissors().exploitability([[1, 0, 0], [1, 1, 0]]), r"strategies\[1\] must be 3 prob"),
        (lambda: ultimatum_game(1), "pie must be 2 or more"),
        (lambda: ProposerMarket(proposers=1), "ProposerMarket.proposers must be 2 or more"),
        (lambda: price_grid(2.0, 1.0, points=3), "low < high"),
        (lambda: price_grid(1.0, 2.0, points=1), "points must be 2 or more"),
        (
            lambda: GridGame(CournotMarket(LinearCurve(12.0, -1.0), [0.0] * 3), [[1.0], [2.0]]),
            "one for each of 3 firms; got 2",
        ),
    ],
)
def test_bad_games(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
