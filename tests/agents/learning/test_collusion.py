"""Algorithms that set prices: the fast session is the policy, and what has been published about it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walras.agents.learning import (
    CournotMarket,
    GridGame,
    LogitMarket,
    PricingSession,
    QLearning,
    RothErev,
    collusion,
    kernel,
    learn_to_price,
    play,
    price_grid,
    values_against_random,
)
from walras.market import InvalidInputError
from walras.market.partial_equilibrium import LinearCurve

LOGIT = LogitMarket([1.0, 1.0])
GRID = price_grid(float(LOGIT.equilibrium()[0]), float(LOGIT.collusion()[0]), points=15)
GAME = GridGame(LOGIT, [GRID])


@settings(max_examples=40)
@given(
    firms=st.integers(1, 3),
    memory=st.booleans(),
    points=st.integers(1, 4),
    rate=st.sampled_from([0.1, 0.5, 1.0]),
    discount=st.sampled_from([0.0, 0.8]),
    decay=st.sampled_from([0.0, 0.02, 0.3]),
    exploration=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**32),
)
def test_a_session_is_the_policy_played(firms, memory, points, rate, discount, decay, exploration, seed):
    """Same draws, same greedy actions in `play`; with four actions the second and third earn the same: ties."""
    game = GridGame(CournotMarket(LinearCurve(12.0, -1.0), [0.0, 1.0, 2.0][:firms]), [np.linspace(0.0, 12.0, points)])
    policy = QLearning(learning_rate=rate, discount=discount, exploration=exploration, decay=decay, memory=memory)
    rounds = 60
    options = {"rng": np.random.default_rng(seed), "patience": 10**6, "most_periods": rounds}
    (session,) = learn_to_price(game, [policy] * firms, **options)
    generator = np.random.default_rng(seed).spawn(1)[0]
    played = play(game, [policy] * firms, rounds, generator)
    assert (session.periods, session.converged) == (rounds, False)
    for firm, state in enumerate(played.states):
        table = state.values[0]
        if memory:  # own action first there, lexicographic order here
            shape = (points,) * firms
            table = np.moveaxis(table.reshape(*shape, points), 0, firm).reshape(-1, points)
        assert session.greedy[firm].tolist() == table.argmax(axis=1).tolist()
    if memory:
        assert session.last_state == np.ravel_multi_index(tuple(played.last_actions[0]), (points,) * firms)


def test_the_compiled_kernel_is_the_plain_one(monkeypatch):
    policies = [QLearning(learning_rate=0.2, decay=1e-3, memory=True)] * 2
    game = GridGame(LOGIT, [GRID[::4]])
    compiled = learn_to_price(game, policies, rng=3, sessions=2, patience=500, most_periods=6_000)
    monkeypatch.setattr(collusion, "_compiled_rounds", lambda: kernel.learn_rounds)
    plain = learn_to_price(game, policies, rng=3, sessions=2, patience=500, most_periods=6_000)
    for one, two in zip(compiled, plain, strict=True):
        assert one.greedy.tolist() == two.greedy.tolist()
        assert (one.periods, one.converged, one.last_state) == (two.periods, two.converged, two.last_state)
    assert compiled[0].greedy.tolist() != compiled[1].greedy.tolist()


def test_cycles_prices_gains_and_responses_by_hand():
    """Firm 0 copies what firm 1 did, firm 1 always does 2, on a grid of three prices."""
    market = LOGIT
    game = GridGame(market, [[1.4, float(market.equilibrium()[0]), float(market.collusion()[0])]])
    greedy = np.array([[state % 3 for state in range(9)], [2] * 9])
    session = PricingSession(game, periods=7, converged=True, greedy=greedy, last_state=0)
    assert session.cycle.tolist() == [[2, 2]]
    assert session.prices.tolist() == [market.collusion().tolist()]
    assert session.profit_gain == pytest.approx(1.0)
    assert session.response(1, 0, 4).tolist() == game.values(np.array([[2, 0], [0, 2], [2, 2], [2, 2]])).tolist()
    nash = PricingSession(game, 1, converged=True, greedy=np.full((2, 1), 1), last_state=0)
    assert nash.profit_gain == pytest.approx(0.0)
    # Firm 0 goes back and forth between its first two prices.
    turning = PricingSession(game, 1, converged=True, greedy=np.array([[1] * 3 + [0] * 6, [0] * 9]), last_state=8)
    assert turning.cycle.tolist() == [[1, 0], [0, 0]]


def test_values_against_random_are_mean_profits_for_ever():
    values = values_against_random(GAME, discount=0.9)
    profits = [
        np.mean([(p - 1.0) * LOGIT.sell(np.array([p, other]))[1][0] for other in GRID]) / (1.0 - 0.9) for p in GRID
    ]
    np.testing.assert_allclose(values[0], profits)
    np.testing.assert_allclose(values[1], profits)


def test_patient_algorithms_collude_and_punish_calvano_et_al_2020():
    """Profits well above the equilibrium's; who undercuts is answered by lower prices, which then come back."""
    policies = [
        QLearning(learning_rate=0.15, discount=0.95, decay=4e-5, memory=True, initial_values=values)
        for values in values_against_random(GAME, 0.95)
    ]
    sessions = learn_to_price(GAME, policies, rng=0, sessions=12)
    assert all(session.converged for session in sessions)
    gains = np.array([session.profit_gain for session in sessions])
    assert 0.6 < gains.mean() < 0.95
    cheap = int(np.abs(GRID - LOGIT.equilibrium()[0]).argmin())
    answers = np.mean([session.response(0, cheap, 25) for session in sessions], axis=0)
    usual = np.mean([session.prices.mean() for session in sessions])
    assert answers[1, 1] < usual - 0.04  # the other firm's price in the period after
    assert answers[-5:].mean() == pytest.approx(usual, abs=0.05)
    myopic = [QLearning(learning_rate=0.15, discount=0.0, decay=4e-5)] * 2
    without = learn_to_price(GAME, myopic, rng=0, sessions=12)
    assert np.mean([session.profit_gain for session in without]) < 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: learn_to_price("game", [], rng=0), "game"),
        (lambda: learn_to_price(GAME, [QLearning()], rng=0), "a QLearning for each of 2 firms"),
        (lambda: learn_to_price(GAME, [RothErev()] * 2, rng=0), "a QLearning for each of 2 firms"),
        (lambda: learn_to_price(GAME, [QLearning(), QLearning(memory=True)], rng=0), "all with or all without memory"),
        (lambda: learn_to_price(GAME, [QLearning()] * 2, rng=0, sessions=0), "sessions must be 1 or more"),
        (lambda: learn_to_price(GAME, [QLearning()] * 2, rng="a"), "rng must be"),
        (lambda: learn_to_price(GridGame(LOGIT, [[1.0], [1.0, 2.0]]), [QLearning()] * 2, rng=0), "the same size"),
        (
            lambda: learn_to_price(
                GridGame(LogitMarket([1.0] * 6), [np.linspace(1, 2, 15)]), [QLearning(memory=True)] * 6, rng=0
            ),
            "more than 50000000: take fewer firms",
        ),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
