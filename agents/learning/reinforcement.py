"""Reinforcement: what has paid is done more often. The player need not know that it plays a game.

Each action has a propensity `q_k`, and is played with the probability `p_k = q_k / sum_j q_j`. After action k has
earned x, with the reinforcement `r = x - lowest`,

    q_j <- (1 - forgetting) q_j + r (1 - experimentation)              for j = k
    q_j <- (1 - forgetting) q_j + r experimentation / (K - 1)          for the others.

The basic model has neither experimentation nor forgetting. Where all K actions always earn r, it is Pólya's urn: the
share of the rounds in which an action is played tends to a *random* limit, for K = 2 of the law Beta(q_1/r, q_2/r) in
the propensities before the first round.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.learning.observation import Information, Observation, draw_actions, first_counts
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, fraction, positive_number

__all__ = ["Propensities", "RothErev"]


@final
@dataclass(frozen=True, eq=False)
class Propensities:
    """Propensity of each action, above 0, shape (R, K)."""

    values: FloatArray


@final
@dataclass(frozen=True, kw_only=True)
class RothErev:
    """Plays actions in proportion to what they have earned.

    Parameters
    ----------
    initial_propensity
        Of each action (units of payoff), above 0. The larger, the slower the player learns at first.
    experimentation
        Part of a reinforcement that goes to the other actions, in [0, 1).
    forgetting
        Part of all propensities that is lost in a round, in [0, 1).
    lowest
        Smallest payoff that can occur: reinforcements are what is earned above it.

    Notes
    -----
    *Observes*: its own payoff. Without forgetting, propensities add up to their start plus all reinforcements; with
    it, they stay below the larger of their start and the largest reinforcement over `forgetting`.
    *Cost*: O(K) a round.
    *Source*: Roth and Erev 1995; Erev and Roth 1998 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.learning import Observation, RothErev
    >>> policy = RothErev(initial_propensity=1.0, experimentation=0.1)
    >>> after = policy.learn(policy.start(actions=2), Observation(np.array([1]), np.array([3.0])))
    >>> after.values.round(9).tolist(), policy.mixed_strategy(after).round(2).tolist()
    ([[1.3, 3.7]], [[0.26, 0.74]])
    """

    observes: ClassVar[Information] = Information.OWN_PAYOFF
    initial_propensity: float = 1.0
    experimentation: float = 0.0
    forgetting: float = 0.0
    lowest: float = 0.0

    def __post_init__(self) -> None:
        initial = positive_number("RothErev.initial_propensity", self.initial_propensity)
        object.__setattr__(self, "initial_propensity", initial)
        object.__setattr__(self, "lowest", finite_number("RothErev.lowest", self.lowest))
        for name in ("experimentation", "forgetting"):
            value = fraction(f"RothErev.{name}", getattr(self, name))
            if value == 1.0:
                raise InvalidInputError(f"RothErev.{name} must be below 1, got 1.0.")
            object.__setattr__(self, name, value)

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> Propensities:
        """Give equal propensities."""
        actions, replications, _ = first_counts(actions, replications, profiles)
        return Propensities(np.full((replications, actions), self.initial_propensity))

    def mixed_strategy(self, state: Propensities) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        return np.asarray(state.values / state.values.sum(axis=1, keepdims=True))

    def choose(self, state: Propensities, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: Propensities, observation: Observation) -> Propensities:
        """Give the propensities after the round that was seen.

        Raises
        ------
        InvalidInputError
            A payoff below `lowest`.
        """
        reinforcements = observation.payoffs - self.lowest
        if reinforcements.min() < 0.0:
            raise InvalidInputError(
                f"RothErev.lowest is {self.lowest:g}, but a payoff of {observation.payoffs.min():g} was seen: "
                "reinforcements cannot be negative. Set `lowest` to the smallest payoff of the game."
            )
        values = (1.0 - self.forgetting) * state.values
        replications, actions = values.shape
        if self.experimentation > 0.0 and actions > 1:
            spread = reinforcements * self.experimentation / (actions - 1)
            values += spread[:, None]
            own = reinforcements * (1.0 - self.experimentation) - spread
        else:
            own = reinforcements
        values[np.arange(replications), observation.actions] += own
        # Long forgetting of an action that is never played would end in 0, from which nothing returns.
        return Propensities(np.maximum(values, np.finfo(np.float64).tiny))
