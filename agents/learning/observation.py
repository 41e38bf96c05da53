"""What a learner sees after a round, and what a learning policy is.

A game is repeated. In each round player i chooses one of K actions, and learns from what it then observes. All arrays
carry a leading axis of R replications: R independent copies of the repeated game, played at once.

A policy is a rule, and holds nothing that it has learned. What it has learned is a *state*, a new one for each round:

    state = policy.start(actions, replications)
    action = policy.choose(state, draws)              draws: uniform on [0, 1), one for each replication
    state = policy.learn(state, observation)

The state says with which probabilities each action is played next (`mixed_strategy`); `choose` draws from them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar, final

import numpy as np

from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, whole_number

__all__ = ["Information", "LearningPolicy", "Observation", "best_actions", "draw_actions", "first_counts"]

StateT = TypeVar("StateT")


class Information(Enum):
    """What a policy must be told after each round, beside its own action."""

    OWN_PAYOFF = "the payoff that it got"
    ALL_PAYOFFS = "what each of its actions would have earned against what the others did"
    OTHERS_ACTIONS = "the payoff that it got, and what the others did"


@final
@dataclass(frozen=True, eq=False)
class Observation:
    """What a player sees after a round, in R replications.

    Attributes
    ----------
    actions
        What it did, shape (R,).
    payoffs
        What it got, shape (R,).
    all_payoffs
        What each of its K actions would have earned against what the others did, shape (R, K); None if not told.
    others
        Which of the joint actions of the others was played, from 0, shape (R,); None if not told.
    """

    actions: IntArray
    payoffs: FloatArray
    all_payoffs: FloatArray | None = None
    others: IntArray | None = None

    def require_all_payoffs(self) -> FloatArray:
        """Give `all_payoffs`, or raise `InvalidInputError`."""
        if self.all_payoffs is None:
            raise InvalidInputError(
                "Observation.all_payoffs is missing: the policy must be told what each action would have earned."
            )
        return self.all_payoffs

    def require_others(self) -> IntArray:
        """Give `others`, or raise `InvalidInputError`."""
        if self.others is None:
            raise InvalidInputError("Observation.others is missing: the policy must be told what the others did.")
        return self.others


class LearningPolicy(Protocol[StateT]):
    """How a player learns in a repeated game: pure functions from states to states.

    Attributes
    ----------
    observes
        What it must be told. `play` tells it no more than that.
    """

    @property
    def observes(self) -> Information:
        """What the policy must be told after each round."""

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> StateT:
        """Give the state before the first round.

        Parameters
        ----------
        actions
            Number of own actions K, 1 or more.
        replications
            Number of replications R, 1 or more.
        profiles
            Number of joint actions of the others, 1 or more.
        """

    def mixed_strategy(self, state: StateT) -> FloatArray:
        """Give the probability of each action in the next round, shape (R, K)."""

    def choose(self, state: StateT, draws: FloatArray) -> IntArray:
        """Give the actions of the next round, shape (R,), from uniform draws on [0, 1), shape (R,)."""

    def learn(self, state: StateT, observation: Observation) -> StateT:
        """Give the state after a round. The one that is passed stays as it is."""


def draw_actions(probabilities: FloatArray, draws: FloatArray) -> IntArray:
    """Draw one action for each row of probabilities, by inversion: the first action whose cumulative sum exceeds u.

    Parameters
    ----------
    probabilities
        Shape (R, K), 0 or more, rows that sum to about 1. An action of probability 0 is never drawn.
    draws
        Uniform on [0, 1), shape (R,).
    """
    cumulative = np.cumsum(probabilities, axis=1)
    total = cumulative[:, -1]
    # A draw next to 1 may round up to the total, beyond the last action that has a probability.
    reached = np.minimum(draws * total, np.nextafter(total, 0.0))
    return np.asarray((cumulative <= reached[:, None]).sum(axis=1), dtype=np.int64)


def best_actions(scores: FloatArray) -> FloatArray:
    """Probabilities, shape (R, K), that are equal among the actions of exactly the highest score and 0 elsewhere."""
    best = scores == scores.max(axis=1, keepdims=True)
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def first_counts(actions: int, replications: int, profiles: int = 1) -> tuple[int, int, int]:
    """Give the three arguments of `LearningPolicy.start`, checked."""
    return (
        whole_number("actions", actions, minimum=1),
        whole_number("replications", replications, minimum=1),
        whole_number("profiles", profiles, minimum=1),
    )
