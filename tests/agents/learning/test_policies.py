"""Learning policies: one contract for all, and each rule by hand."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from walras.agents.learning import (
    AdaptiveForecast,
    AverageForecast,
    BestResponse,
    Exp3,
    FictitiousPlay,
    Hedge,
    Information,
    NaiveForecast,
    NormalFormGame,
    Observation,
    QLearning,
    RationalForecast,
    RothErev,
    SmoothFictitiousPlay,
    exp3_bound,
    hedge_bound,
    play,
)
from walras.agents.learning.observation import draw_actions
from walras.market import InvalidInputError

POLICIES = [
    BestResponse(),
    BestResponse(inertia=0.3),
    FictitiousPlay(),
    SmoothFictitiousPlay(temperature=0.2),
    RothErev(),
    RothErev(initial_propensity=3.0, experimentation=0.2, forgetting=0.1, lowest=-1.0),
    Hedge(rate=0.4),
    Exp3(exploration=0.2),
    QLearning(),
    QLearning(learning_rate=0.5, discount=0.0, exploration=0.0),
    QLearning(learning_rate=0.3, memory=True, initial_values=(1.0, 0.0, 2.0)),
]
EACH = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: f"{policy!r}"[:60])
K, PROFILES = 3, 2


def observed(policy, payoffs, actions, others):
    """What a policy sees of a round in which its actions would have earned `payoffs`, shape (R, K)."""
    own = payoffs[np.arange(len(payoffs)), actions]
    match policy.observes:
        case Information.ALL_PAYOFFS:
            return Observation(actions, own, all_payoffs=payoffs)
        case Information.OTHERS_ACTIONS:
            return Observation(actions, own, others=others)
    return Observation(actions, own)


def history(policy, rounds, replications, rng):
    """States before each of some random rounds."""
    state = policy.start(K, replications, PROFILES)
    for _ in range(rounds):
        yield state
        actions = policy.choose(state, rng.random(replications))
        payoffs = rng.integers(0, 3, (replications, K)) / 2
        state = policy.learn(state, observed(policy, payoffs, actions, rng.integers(0, PROFILES, replications)))
    yield state


@EACH
def test_strategies_are_probabilities_and_choices_are_drawn_from_them(policy):
    draws = (np.arange(500) + 0.5) / 500
    for state in history(policy, rounds=8, replications=4, rng=np.random.default_rng(0)):
        strategy = policy.mixed_strategy(state)
        assert strategy.shape == (4, K)
        assert strategy.min() >= 0.0
        np.testing.assert_allclose(strategy.sum(axis=1), 1.0, atol=1e-12)
        chosen = np.array([policy.choose(state, np.full(4, draw)) for draw in draws])
        for row in range(4):
            shares = np.bincount(chosen[:, row], minlength=K) / len(draws)
            np.testing.assert_allclose(shares, strategy[row], atol=2 / len(draws))


@EACH
def test_learning_is_pure(policy):
    rng = np.random.default_rng(1)
    state = policy.start(K, 2, PROFILES)
    for _ in range(3):
        before = copy.deepcopy(state)
        payoffs = rng.integers(0, 3, (2, K)) / 2
        seen = observed(policy, payoffs, policy.choose(state, rng.random(2)), rng.integers(0, PROFILES, 2))
        one, two = policy.learn(state, seen), policy.learn(state, seen)
        assert pickle.dumps(state) == pickle.dumps(before)
        assert pickle.dumps(one) == pickle.dumps(two)
        state = one


@EACH
def test_replications_are_independent_and_alike(policy):
    """Three side by side do what each of them does alone on its draws."""
    game = NormalFormGame((np.arange(6.0).reshape(3, 2) % 4 / 4, np.ones((3, 2))))
    draws = np.random.default_rng(2).random((30, 2, 3))

    def path(columns):
        state = policy.start(K, len(columns), PROFILES)
        done = []
        for of_round in draws[:, :, columns]:
            actions = policy.choose(state, of_round[0])
            others = (of_round[1] * PROFILES).astype(int)
            earned = game.all_payoffs(0, np.stack([actions, others], axis=1))
            state = policy.learn(state, observed(policy, earned, actions, others))
            done.append(actions)
        return np.array(done)

    together = path([0, 1, 2])
    for column in range(3):
        assert path([column])[:, 0].tolist() == together[:, column].tolist()


@EACH
def test_one_action_is_always_played(policy):
    if policy.observes is Information.OTHERS_ACTIONS:
        policy = QLearning(memory=True)
    state = policy.start(1, 2, 1)
    for _ in range(3):
        assert policy.choose(state, np.array([0.0, 0.999])).tolist() == [0, 0]
        seen = observed(policy, np.ones((2, 1)), np.zeros(2, dtype=int), np.zeros(2, dtype=int))
        state = policy.learn(state, seen)


@EACH
def test_counts_are_checked(policy):
    for counts in ((0, 1, 1), (K, 0, 1), (K, 1, 0), (1.5, 1, 1)):
        with pytest.raises(InvalidInputError):
            policy.start(*counts)


@given(
    weights=st.lists(st.sampled_from([0.0, 1e-300, 0.1, 1.0]), min_size=1, max_size=5).filter(any),
    draw=st.one_of(st.floats(0.0, 1.0, exclude_max=True), st.just(float(np.nextafter(1.0, 0.0)))),
)
def test_an_action_of_probability_zero_is_never_drawn(weights, draw):
    chances = np.array([weights]) / sum(weights)
    assert chances[0, draw_actions(chances, np.array([draw]))[0]] > 0.0


# ---------------------------------------------------------------- each rule


def after(policy, rounds):
    """The state after rounds of (action, what each action would have earned)."""
    state = policy.start(len(rounds[0][1]))
    for action, payoffs in rounds:
        state = policy.learn(state, observed(policy, np.array([payoffs], dtype=float), np.array([action]), None))
    return state


def strategy(policy, rounds):
    return policy.mixed_strategy(after(policy, rounds))[0]


def test_best_response_looks_at_the_last_round_only():
    rounds = [(0, [5, 0, 0]), (1, [1, 3, 3])]
    assert strategy(BestResponse(), rounds).tolist() == [0.0, 0.5, 0.5]
    assert strategy(BestResponse(inertia=0.4), [(0, [1, 3, 2])]).tolist() == pytest.approx([0.4, 0.6, 0.0])
    assert BestResponse(inertia=0.4).mixed_strategy(BestResponse().start(2)).tolist() == [[0.5, 0.5]]


def test_fictitious_play_looks_at_all_rounds_alike():
    rounds = [(0, [5, 0, 0]), (1, [0, 3, 1]), (1, [0, 3, 4])]
    assert strategy(FictitiousPlay(), rounds).tolist() == [0.0, 1.0, 0.0]
    assert strategy(FictitiousPlay(), rounds[:2]).tolist() == [1.0, 0.0, 0.0]
    means = np.array([5, 6, 5]) / 3
    expected = np.exp(means / 0.5) / np.exp(means / 0.5).sum()
    np.testing.assert_allclose(strategy(SmoothFictitiousPlay(temperature=0.5), rounds), expected)


def test_hedge_weighs_totals_exponentially():
    rounds = [(0, [5, 1, 1]), (1, [1, 3, 1])]
    totals = (np.array([6, 4, 2]) - 2) / 4
    expected = np.exp(0.7 * totals) / np.exp(0.7 * totals).sum()
    np.testing.assert_allclose(strategy(Hedge(rate=0.7, lowest=1.0, highest=5.0), rounds), expected)


def test_exp3_weighs_by_rarity():
    policy = Exp3(exploration=0.3, lowest=0.0, highest=2.0)
    weights = np.ones(3)
    for action, payoff in ((0, 2.0), (2, 1.0), (0, 0.5)):
        chances = 0.7 * weights / weights.sum() + 0.1
        weights[action] *= np.exp(0.3 / 3 * (payoff / 2.0) / chances[action])
    rounds = [(0, [2.0, 9, 9]), (2, [9, 9, 1.0]), (0, [0.5, 9, 9])]
    np.testing.assert_allclose(strategy(policy, rounds), 0.7 * weights / weights.sum() + 0.1)


def test_roth_erev_adds_what_was_earned():
    policy = RothErev(initial_propensity=2.0, experimentation=0.2, forgetting=0.1, lowest=-1.0)
    propensities = np.full(3, 2.0)
    for action, payoff in ((1, 3.0), (1, -1.0), (0, 0.5)):
        share = np.full(3, 0.1)
        share[action] = 0.8
        propensities = 0.9 * propensities + (payoff + 1.0) * share
    state = after(policy, [(1, [0, 3.0, 0]), (1, [0, -1.0, 0]), (0, [0.5, 0, 0])])
    np.testing.assert_allclose(state.values[0], propensities)
    np.testing.assert_allclose(policy.mixed_strategy(state)[0], propensities / propensities.sum())


def test_propensities_never_die():
    policy = RothErev(forgetting=0.5)
    state = policy.start(2)
    for _ in range(3000):
        state = policy.learn(state, Observation(np.array([0]), np.array([1.0])))
    assert state.values.min() > 0.0


def test_q_learning_by_hand():
    policy = QLearning(learning_rate=0.5, discount=0.5, exploration=0.8, decay=0.1, memory=True)
    state = policy.start(2, 1, 2)
    values, world = np.zeros((4, 2)), 0
    for rounds, (action, other, payoff) in enumerate([(1, 0, 4.0), (1, 1, 2.0), (0, 1, 1.0), (1, 0, 3.0), (1, 0, 5.0)]):
        assert policy.epsilon(state.rounds) == pytest.approx(0.8 * np.exp(-0.1 * rounds))
        chances = np.full(2, policy.epsilon(rounds) / 2)
        chances[values[world].argmax()] += 1.0 - policy.epsilon(rounds)
        np.testing.assert_allclose(policy.mixed_strategy(state)[0], chances)
        reached = 2 * action + other
        values[world, action] += 0.5 * (payoff + 0.5 * values[reached].max() - values[world, action])
        world = reached
        state = policy.learn(state, Observation(np.array([action]), np.array([payoff]), others=np.array([other])))
        np.testing.assert_allclose(state.values[0], values)
        assert state.states.tolist() == [world]


def test_forecasts_by_hand():
    observed_prices = [4.0, 8.0, 6.0]
    expected = {
        NaiveForecast(): [10.0, 4.0, 8.0, 6.0],
        AdaptiveForecast(0.25): [10.0, 8.5, 8.375, 7.78125],
        AverageForecast(): [10.0, 4.0, 6.0, 6.0],
        RationalForecast(): [10.0, 10.0, 10.0, 10.0],
    }
    for rule, forecasts in expected.items():
        state = rule.start(10.0)
        path = [float(state.expected)]
        for price in observed_prices:
            state = rule.learn(state, price)
            path.append(float(state.expected))
        assert path == forecasts
    assert AdaptiveForecast(1.0).learn(AdaptiveForecast(1.0).start([1.0, 2.0]), [3.0, 5.0]).expected.tolist() == [3, 5]


def test_bounds_are_least_at_the_best_parameter():
    assert hedge_bound(4, 1000) == pytest.approx(np.sqrt(500 * np.log(4)))
    assert exp3_bound(4, 10**6) == pytest.approx(2 * np.sqrt(np.e - 1) * np.sqrt(10**6 * 4 * np.log(4)))
    for factor in (0.5, 0.9, 1.1, 2.0):
        rate = factor * Hedge.for_horizon(4, 1000).rate
        assert hedge_bound(4, 1000, rate) > hedge_bound(4, 1000)
        assert exp3_bound(4, 10**6, factor * Exp3.for_horizon(4, 10**6).exploration) > exp3_bound(4, 10**6)
    assert Exp3.for_horizon(4, 2).exploration == 1.0
    assert Hedge(rate=1.0, lowest=-1.0, highest=3.0).regret_bound(2, 10) == 4 * hedge_bound(2, 10, 1.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BestResponse(inertia=1.0), "inertia must be below 1"),
        (lambda: SmoothFictitiousPlay(temperature=0.0), "SmoothFictitiousPlay.temperature"),
        (lambda: RothErev(initial_propensity=0.0), "RothErev.initial_propensity"),
        (lambda: RothErev(forgetting=1.0), "RothErev.forgetting must be below 1"),
        (lambda: after(RothErev(), [(0, [-1.0, 0.0])]), "reinforcements cannot be negative"),
        (lambda: Hedge(rate=0.0), "Hedge.rate"),
        (lambda: Hedge(rate=1.0, lowest=1.0, highest=1.0), "Hedge.lowest must be below"),
        (lambda: after(Hedge(rate=1.0), [(0, [0.5, 2.0])]), "Hedge takes payoffs from 0 to 1"),
        (lambda: Exp3(exploration=0.0), "exploration must be above 0"),
        (lambda: after(Exp3(exploration=0.5), [(0, [float("nan"), 0.0])]), "Exp3 takes payoffs"),
        (lambda: QLearning(discount=1.0), "discount must be below 1"),
        (lambda: QLearning(learning_rate=0.0), "QLearning.learning_rate"),
        (lambda: QLearning(initial_values=(1.0,)).start(2), "one entry per action: expected 2, got 1"),
        (lambda: BestResponse().learn(BestResponse().start(2), Observation(np.array([0]), np.array([1.0]))), "missing"),
        (
            lambda: QLearning(memory=True).learn(
                QLearning(memory=True).start(2), Observation(np.array([0]), np.array([1.0]))
            ),
            "what the others did",
        ),
        (lambda: AdaptiveForecast(0.0), "weight must be above 0"),
        (lambda: NaiveForecast().start("high"), "first must be a number"),
        (lambda: NaiveForecast().start(np.inf), "first must be finite"),
        (lambda: NaiveForecast().learn(NaiveForecast().start(1.0), [1.0, 2.0]), "shape of the forecast"),
        (lambda: hedge_bound(1, 10), "actions must be 2 or more"),
        (lambda: play(NormalFormGame((np.zeros(1),)), [], rounds=1, rng=0), "one for each of 1 players, got 0"),
        (lambda: play(NormalFormGame((np.zeros(1),)), [RothErev()], rounds=0, rng=0), "rounds must be 1 or more"),
        (lambda: play(NormalFormGame((np.zeros(1),)), [RothErev()], rounds=1, rng="a"), "rng must be"),
        (lambda: play(NormalFormGame((np.zeros(1),)), [RothErev()], rounds=1, rng=0).late_payoffs(), "at least two"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
