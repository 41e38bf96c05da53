"""Q-learning: the value of each action in each state of the world, learned from what it earned and led to.

In state s the greedy action is `argmax_a Q(s, a)`; with probability `epsilon(t) = exploration exp(-decay t)`, t
counting rounds from 0, any action is drawn instead. After action a in state s has earned x and led to state s',

    Q(s, a) <- (1 - learning_rate) Q(s, a) + learning_rate (x + discount max_b Q(s', b)).

Without memory there is one state. With memory the state is what all players did in the last round, so that what a
player does can reward and punish.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.learning.observation import Information, Observation, first_counts
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import (
    FloatArray,
    boolean,
    finite_number,
    fraction,
    nonnegative_number,
    positive_number,
)

__all__ = ["QLearning", "QTable"]


@final
@dataclass(frozen=True, eq=False)
class QTable:
    """What a Q-learner knows.

    Attributes
    ----------
    values
        Q, shape (R, S, K).
    states
        Where the world is, shape (R,): 0 before the first round; with memory, own action times the number of joint
        actions of the others, plus theirs.
    rounds
        Rounds played.
    profiles
        Joint actions of the others.
    """

    values: FloatArray
    states: IntArray
    rounds: int
    profiles: int


@final
@dataclass(frozen=True, kw_only=True)
class QLearning:
    """Learns the value of actions by trying them, ever less at random.

    Parameters
    ----------
    learning_rate
        Weight of the new estimate, in (0, 1].
    discount
        Weight of what comes after, in [0, 1).
    exploration
        epsilon of the first round, in [0, 1].
    decay
        Rate at which it falls in a round, 0 or more.
    memory
        Whether the state is what all did in the last round. The table then has an entry for each joint action and own
        action.
    initial_values
        Q of each action before the first round, the same in each state: one number, or one for each action.

    Notes
    -----
    *Observes*: its own payoff; with memory, the actions of the others too. *Ties*: the first of the best actions.
    *Cost*: O(S K) a round, since `learn` gives a new table; `learn_to_price` repeats the same policy over millions of
    rounds without that.
    *Source*: Watkins and Dayan 1992; in pricing, Calvano et al. 2020 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.learning import Observation, QLearning
    >>> policy = QLearning(learning_rate=0.5, discount=0.9)
    >>> after = policy.learn(policy.start(actions=2), Observation(np.array([1]), np.array([4.0])))
    >>> after.values.tolist()
    [[[0.0, 2.0]]]
    """

    learning_rate: float = 0.1
    discount: float = 0.95
    exploration: float = 1.0
    decay: float = 1e-3
    memory: bool = False
    initial_values: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        positive_number("QLearning.learning_rate", fraction("QLearning.learning_rate", self.learning_rate))
        if fraction("QLearning.discount", self.discount) == 1.0:
            raise InvalidInputError("QLearning.discount must be below 1, got 1.0: values would grow without bound.")
        fraction("QLearning.exploration", self.exploration)
        nonnegative_number("QLearning.decay", self.decay)
        boolean("QLearning.memory", self.memory)
        for value in self.initial_values if isinstance(self.initial_values, tuple) else (self.initial_values,):
            finite_number("QLearning.initial_values", value)

    @property
    def observes(self) -> Information:
        """What the policy must be told after each round."""
        return Information.OTHERS_ACTIONS if self.memory else Information.OWN_PAYOFF

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> QTable:
        """Give the table before the first round."""
        actions, replications, profiles = first_counts(actions, replications, profiles)
        if isinstance(self.initial_values, tuple) and len(self.initial_values) != actions:
            raise InvalidInputError(
                f"QLearning.initial_values must have one entry per action: expected {actions}, got "
                f"{len(self.initial_values)}."
            )
        states = actions * profiles if self.memory else 1
        values = np.empty((replications, states, actions))
        values[:] = self.initial_values
        return QTable(values, np.zeros(replications, dtype=np.int64), 0, profiles)

    def epsilon(self, rounds: int) -> float:
        """Give the probability of a random action after so many rounds."""
        return float(self.exploration * np.exp(-self.decay * rounds))

    def mixed_strategy(self, state: QTable) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        replications, _, actions = state.values.shape
        epsilon = self.epsilon(state.rounds)
        probabilities = np.full((replications, actions), epsilon / actions)
        probabilities[np.arange(replications), self._greedy(state)] += 1.0 - epsilon
        return probabilities

    def choose(self, state: QTable, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,): any where the draw is below epsilon, else the greedy one."""
        epsilon, actions = self.epsilon(state.rounds), state.values.shape[2]
        greedy = self._greedy(state)
        if epsilon == 0.0:
            return greedy
        explored = np.minimum((draws / epsilon * actions).astype(np.int64), actions - 1)
        return np.where(draws < epsilon, explored, greedy)

    def learn(self, state: QTable, observation: Observation) -> QTable:
        """Give the table after the round that was seen."""
        rows = np.arange(len(state.states))
        reached = state.states
        if self.memory:
            reached = observation.actions * state.profiles + observation.require_others()
        values = state.values.copy()
        now = values[rows, state.states, observation.actions]
        target = observation.payoffs + self.discount * values[rows, reached].max(axis=1)
        values[rows, state.states, observation.actions] = (1.0 - self.learning_rate) * now + self.learning_rate * target
        return QTable(values, reached, state.rounds + 1, state.profiles)

    def _greedy(self, state: QTable) -> IntArray:
        return np.asarray(state.values[np.arange(len(state.states)), state.states].argmax(axis=1), dtype=np.int64)
