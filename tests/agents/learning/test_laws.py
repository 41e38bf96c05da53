"""Where learning leads: what is proved or published about each rule."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from walras.agents.learning import (
    BestResponse,
    Exp3,
    FictitiousPlay,
    Hedge,
    NormalFormGame,
    ProposerMarket,
    QLearning,
    RothErev,
    SmoothFictitiousPlay,
    coordination_game,
    play,
    prisoners_dilemma,
    rock_paper_scissors,
    shapley_game,
    ultimatum_game,
    zero_sum_game,
)

PENNIES = zero_sum_game([[1.0, -1.0], [-1.0, 1.0]])


# ---------------------------------------------------------------- play itself


class Fixed:
    """Draws from the same probabilities for ever, and remembers what it was shown."""

    def __init__(self, strategy, observes):
        self.strategy, self.observes = np.array(strategy), observes

    def start(self, actions, replications=1, profiles=1):
        self.profiles = profiles
        return ()

    def mixed_strategy(self, state):
        return np.tile(self.strategy, (2, 1))

    def choose(self, state, draws):
        return (draws[:, None] >= np.cumsum(self.strategy)).sum(axis=1)

    def learn(self, state, observation):
        return (*state, observation)


def test_play_tells_what_is_observed_and_adds_up():
    from walras.agents.learning import Information

    table = np.random.default_rng(0).integers(0, 9, (3, 2, 3, 2)).astype(float)
    game = NormalFormGame(tuple(table))
    strategies = [[0.5, 0.5], [0.2, 0.3, 0.5], [0.9, 0.1]]
    policies = [Fixed(s, told) for s, told in zip(strategies, Information, strict=True)]
    played = play(game, policies, rounds=40, rng=3, replications=2, record_every=10)
    seen = [[o.actions for o in state] for state in played.states]
    joint = np.stack([np.array(of_player) for of_player in seen], axis=-1)  # (T, R, n)
    draws = np.random.default_rng(3).random((40, 3, 2))
    for player, strategy in enumerate(strategies):
        chosen = (draws[:, player, :, None] >= np.cumsum(strategy)).sum(axis=2)
        assert chosen.tolist() == joint[:, :, player].tolist()
        counts = np.stack([(chosen == action).mean(axis=0) for action in range(len(strategy))], axis=1)
        np.testing.assert_allclose(played.frequencies[player], counts)
        earned = np.array([[table[player][tuple(each)] for each in rows] for rows in joint])
        np.testing.assert_allclose(played.payoffs[:, player], earned.mean(axis=0))
        of_each = np.array([game.all_payoffs(player, rows) for rows in joint])  # (T, R, K)
        best = of_each.sum(axis=0).max(axis=1)
        np.testing.assert_allclose(played.regrets[:, player], best - earned.sum(axis=0))
        np.testing.assert_allclose(played.expected_regrets[:, player], best - (of_each @ strategy).sum(axis=0))
        half = [(chosen[20:] == action).mean(axis=0) for action in range(len(strategy))]
        assert played.recorded_rounds.tolist() == [10, 20, 30, 40]
        np.testing.assert_allclose(played.late_frequencies(player), np.stack(half, axis=1))
        np.testing.assert_allclose(played.late_payoffs()[:, player], earned[20:].mean(axis=0))
        assert played.last_actions[:, player].tolist() == chosen[-1].tolist()
        shown = played.states[player][7]
        np.testing.assert_allclose(shown.payoffs, earned[7])
        if player == 0:
            assert shown.all_payoffs is None
            assert shown.others is None
        elif player == 1:
            np.testing.assert_allclose(shown.all_payoffs, of_each[7])
        else:
            assert shown.others.tolist() == (3 * joint[7, :, 0] + joint[7, :, 1]).tolist()
    assert [policy.profiles for policy in policies] == [6, 4, 6]


def test_memory_is_bounded_whatever_the_number_of_rounds():
    played = play(PENNIES, [RothErev(lowest=-1.0)] * 2, rounds=1_234, rng=0)
    assert len(played.recorded_rounds) <= 100


# ---------------------------------------------------------------- fictitious play


@settings(max_examples=12)
@given(
    matrix=st.lists(st.lists(st.integers(-3, 3), min_size=3, max_size=3), min_size=2, max_size=4),
    seed=st.integers(0, 9),
)
def test_fictitious_play_finds_the_value_of_a_zero_sum_game(matrix, seed):
    """Robinson 1951; the gap between what the frequencies guarantee falls about as T^(-1/2)."""
    played = play(zero_sum_game(matrix), [FictitiousPlay()] * 2, rounds=1_000, rng=seed)
    gap = zero_sum_game(matrix).exploitability([frequency[0] for frequency in played.frequencies])
    assert gap <= 25 / math.sqrt(1_000)


def test_fictitious_play_settles_in_two_by_two_games():
    """Miyasawa 1961: in every one; beliefs come to an equilibrium."""
    rng = np.random.default_rng(0)
    for _ in range(6):
        game = NormalFormGame(tuple(rng.normal(size=(2, 2, 2))))
        played = play(game, [FictitiousPlay()] * 2, rounds=1_500, rng=rng)
        assert game.exploitability([frequency[0] for frequency in played.frequencies]) < 0.1


def test_fictitious_play_circles_in_shapleys_game():
    """Frequencies stay away from the equilibrium, and runs become longer by the factor that solves x^3 = x^2 + 1."""
    rounds = 12_000
    played = play(shapley_game(), [FictitiousPlay()] * 2, rounds=rounds, rng=1, record_every=1)
    paths = np.stack([path[:, 0] for path in played.frequency_paths])  # (player, T, K)
    late = paths[:, rounds // 10 :]
    assert np.abs(late - 1 / 3).max(axis=(0, 2)).min() > 0.1
    actions = np.diff(paths * played.recorded_rounds[:, None], axis=1, prepend=0.0).argmax(axis=2)  # (player, T)
    switches = np.flatnonzero(np.any(np.diff(actions, axis=1) != 0, axis=0)) + 1
    lengths = np.diff(switches).astype(float)
    root = np.roots([1.0, -1.0, 0.0, -1.0]).real.max()
    assert root == pytest.approx(1.4656, abs=1e-4)
    assert lengths[-1] / lengths[-4] == pytest.approx(root**3, rel=0.03)


def test_smooth_fictitious_play_rests_at_the_quantal_response_equilibrium():
    game = NormalFormGame(([[9.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]))  # asymmetric matching pennies
    played = play(game, [SmoothFictitiousPlay(temperature=0.5)] * 2, rounds=5_000, rng=0, replications=200)
    mean = [frequency.mean(axis=0) for frequency in played.frequencies]
    for player in range(2):
        earned = game.expected_payoffs(player, mean)
        response = np.exp(earned / 0.5) / np.exp(earned / 0.5).sum()
        np.testing.assert_allclose(mean[player], response, atol=0.02)
    assert mean[0][0] > 0.55  # Nash says 1/2, whatever the own payoff of 9


def test_best_replies_with_inertia_coordinate():
    played = play(coordination_game([1.0, 1.0]), [BestResponse(inertia=0.5)] * 2, 200, rng=0, replications=500)
    assert (played.late_payoffs() == 1.0).all()
    without = play(coordination_game([1.0, 1.0]), [BestResponse()] * 2, 200, rng=0, replications=500)
    assert (without.late_payoffs() < 1.0).any()  # some miss each other for ever


# ---------------------------------------------------------------- regret


class Adversary:
    """Not a player: shows a learner payoffs made to hurt it, and measures its regret in expectation."""

    def __init__(self, rounds, rng):
        self.rounds, self.rng = rounds, rng

    def regret(self, policy, actions):
        state = policy.start(actions)
        totals, earned = np.zeros(actions), 0.0
        for _ in range(self.rounds):
            strategy = policy.mixed_strategy(state)[0]
            payoffs = np.zeros(actions)
            payoffs[strategy.argmin()] = 1.0  # pays what is played least
            earned += float(strategy @ payoffs)
            totals += payoffs
            chosen = policy.choose(state, self.rng.random(1))
            state = policy.learn(state, seen_by(policy, payoffs, chosen))
        return totals.max() - earned


def seen_by(policy, payoffs, chosen):
    from walras.agents.learning import Observation

    return Observation(chosen, payoffs[chosen], all_payoffs=payoffs[None, :])


@pytest.mark.parametrize(("actions", "rounds"), [(2, 50), (5, 400)])
def test_hedge_keeps_its_bound_against_an_adversary(actions, rounds):
    policy = Hedge.for_horizon(actions, rounds)
    regret = Adversary(rounds, np.random.default_rng(0)).regret(policy, actions)
    assert 0.3 * policy.regret_bound(actions, rounds) < regret <= policy.regret_bound(actions, rounds)


@given(
    payoffs=st.lists(st.lists(st.sampled_from([0.0, 0.4, 1.0]), min_size=3, max_size=3), min_size=1, max_size=40),
    rate=st.sampled_from([0.05, 0.5, 3.0]),
)
def test_hedge_keeps_its_bound_on_any_sequence(payoffs, rate):
    policy, table = Hedge(rate=rate), np.array(payoffs)
    state, earned = policy.start(3), 0.0
    for row in table:
        earned += float(policy.mixed_strategy(state)[0] @ row)
        state = policy.learn(state, seen_by(policy, row, np.array([0])))
    assert table.sum(axis=0).max() - earned <= policy.regret_bound(3, len(table)) + 1e-9


def test_exp3_keeps_its_bound_in_expectation():
    rounds = 2_000
    policy = Exp3.for_horizon(3, rounds, lowest=-1.0, highest=1.0)
    against = NormalFormGame((rock_paper_scissors().payoffs[0], np.zeros((3, 3))))
    opponent = RothErev(initial_propensity=2.0)  # of payoff 0: it plays uniformly for ever
    played = play(against, [policy, opponent], rounds, rng=0, replications=200)
    assert played.regrets[:, 0].mean() <= policy.regret_bound(3, rounds)
    biased = NormalFormGame((np.array([[0.5], [-0.5], [0.0]]), np.zeros((3, 1))))
    played = play(biased, [policy, RothErev()], rounds, rng=0, replications=200)
    regret = played.regrets[:, 0].mean()
    assert 0.0 < regret <= policy.regret_bound(3, rounds)
    assert played.late_frequencies(0)[:, 0].mean() > 0.8  # it finds the best arm


def test_hedge_against_itself_comes_to_the_value():
    """Two with little regret play a zero-sum game nearly optimally on average (Freund and Schapire 1999)."""
    matrix = [[2.0, -1.0, 0.0], [-1.0, 1.0, 3.0]]
    rounds = 2_000
    policies = [Hedge.for_horizon(count, rounds, lowest=-3.0, highest=3.0) for count in (2, 3)]
    played = play(zero_sum_game(matrix), policies, rounds, rng=0, replications=10)
    bound = sum(policy.regret_bound(count, rounds) for policy, count in zip(policies, (2, 3), strict=True)) / rounds
    for replication in range(10):
        frequencies = [frequency[replication] for frequency in played.frequencies]
        assert zero_sum_game(matrix).exploitability(frequencies) < bound + 0.2
    assert played.payoffs[:, 0].mean() == pytest.approx(0.2, abs=0.05)  # the value: mixing 2 : 3 over two columns


# ---------------------------------------------------------------- reinforcement, Q-learning


@pytest.mark.parametrize("propensity", [0.5, 1.0, 3.0])
def test_constant_rewards_make_polyas_urn(propensity):
    """The share of an action tends to a random limit, Beta(q, q) for rewards of 1."""
    same = NormalFormGame((np.ones(2),))
    played = play(same, [RothErev(initial_propensity=propensity)], 1_500, rng=0, replications=2_000)
    shares = played.frequencies[0][:, 0]
    assert stats.kstest(shares, stats.beta(propensity, propensity).cdf).statistic < 1.63 / math.sqrt(2_000) + 0.01


def test_reinforcement_in_roth_and_erevs_games():
    """Same theory, other play: the responder of a market soon gets nearly all, that of an ultimatum little more."""
    market = play(ProposerMarket(), [RothErev(initial_propensity=1.0)] * 9, 200, rng=0, replications=100)
    assert market.last_actions.max(axis=1).mean() > 8.9
    ultimatum = play(ultimatum_game(), [RothErev(initial_propensity=10 / 9)] * 2, 1_000, rng=0, replications=300)
    offers = 1 + ultimatum.last_actions[:, 0]
    assert 3.5 < offers.mean() < 5.0  # subgame perfection says 1
    assert np.mean(offers <= 1) < 0.1


def test_q_learners_find_the_dominant_action():
    policy = QLearning(learning_rate=0.1, discount=0.0, decay=5e-3)
    played = play(prisoners_dilemma(), [policy] * 2, 3_000, rng=0, replications=50)
    assert (played.last_actions == 1).all()
    assert played.states[0].values[:, 0, 1].mean() == pytest.approx(1.0, abs=0.05)


def test_q_learning_solves_a_decision_problem():
    """One player, states it moves between itself: Q comes to the fixed point of the Bellman equation."""
    game = NormalFormGame((np.array([1.0, 0.3, -0.5]),))
    policy = QLearning(learning_rate=0.1, discount=0.5, exploration=1.0, decay=0.0, memory=True)
    values = play(game, [policy], 8_000, rng=0).states[0].values[0]
    np.testing.assert_allclose(values, np.tile(np.array([1.0, 0.3, -0.5]) + 0.5 * 2.0, (3, 1)), atol=1e-6)
