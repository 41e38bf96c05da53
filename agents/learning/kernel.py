"""Rounds of Q-learning in one session: plain Python, compiled by numba where it is installed.

The rule is that of `walras.agents.learning.q_learning.QLearning`; a table of the greedy action of each state is kept,
so that a round costs O(1) unless the best action of a state became worse.
"""

from walras.agents.money import IntArray
from walras.market.validation import FloatArray

__all__ = ["best_action", "learn_rounds"]


def best_action(values: FloatArray, player: int, state: int) -> int:
    """Give the first action of the highest value."""
    best = 0
    for action in range(1, values.shape[2]):
        if values[player, state, action] > values[player, state, best]:
            best = action
    return best


def learn_rounds(
    values: FloatArray,
    greedy: IntArray,
    progress: IntArray,
    actions: IntArray,
    payoffs: FloatArray,
    draws: FloatArray,
    epsilons: FloatArray,
    rates: FloatArray,
    patience: int,
) -> int:
    """Play rounds until the draws are used up or nobody's greedy action has changed for `patience` rounds.

    Parameters
    ----------
    values, greedy
        Q, shape (n, S, K), and the greedy actions, shape (n, S): changed in place.
    progress
        The state of the world, and for how many rounds no greedy action has changed, shape (2,): changed in place.
    actions
        Room for the actions of a round, shape (n,): changed in place.
    payoffs
        Of each player at each joint action, shape (K^n, n); joint actions are numbered in lexicographic order.
    draws
        Uniform on [0, 1), shape (rounds, n).
    epsilons
        Probability of a random action in each round, shape (rounds, n).
    rates
        Learning rate, and discount, of each player, shape (2, n).
    patience
        Rounds without a change after which to stop.

    Returns
    -------
    int
        Rounds played.
    """
    players, states, count = values.shape
    state, stable = progress[0], progress[1]
    played = 0
    for number in range(len(draws)):
        joint = 0
        for player in range(players):
            draw, epsilon = draws[number, player], epsilons[number, player]
            action = min(int(draw / epsilon * count), count - 1) if draw < epsilon else greedy[player, state]
            actions[player] = action
            joint = joint * count + action
        reached = joint if states > 1 else 0
        changed = False
        for player in range(players):
            action = actions[player]
            rate = rates[0, player]
            target = payoffs[joint, player] + rates[1, player] * values[player, reached, greedy[player, reached]]
            before = values[player, state, action]
            after = (1.0 - rate) * before + rate * target
            values[player, state, action] = after
            best = greedy[player, state]
            if action != best:
                top = values[player, state, best]
                if after > top or (after == top and action < best):
                    greedy[player, state] = action
                    changed = True
            elif after < before:
                best = best_action(values, player, state)
                if best != action:
                    greedy[player, state] = best
                    changed = True
        state = reached
        stable = 0 if changed else stable + 1
        played += 1
        if stable >= patience:
            break
    progress[0], progress[1] = state, stable
    return played
