"""Myopic best response: do now what would have been best in the last round, or, by inertia, what one did."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.learning.observation import Information, Observation, best_actions, draw_actions, first_counts
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, fraction

__all__ = ["BestResponse", "BestResponseState"]


@final
@dataclass(frozen=True, eq=False)
class BestResponseState:
    """The last round: what was done (shape (R,), -1 before the first), and what each action would have earned."""

    actions: IntArray
    payoffs: FloatArray


@final
@dataclass(frozen=True, kw_only=True)
class BestResponse:
    """Plays a best reply to what the others did in the last round.

    With probability `inertia` the last action is repeated; else the action is one of `argmax_k u_k`, where `u_k` is
    what action k would have earned in the last round. The first action is drawn uniformly.

    Parameters
    ----------
    inertia
        Probability of repeating the last action, in [0, 1).

    Notes
    -----
    *Observes*: what each action would have earned. *Ties*: equally likely. *Cost*: O(K) a round.
    *Source*: Cournot 1838; with inertia, Young 1993 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.learning import BestResponse, Observation
    >>> policy = BestResponse()
    >>> seen = Observation(np.array([0]), np.array([1.0]), all_payoffs=np.array([[1.0, 3.0, 2.0]]))
    >>> policy.mixed_strategy(policy.learn(policy.start(actions=3), seen)).tolist()
    [[0.0, 1.0, 0.0]]
    """

    observes: ClassVar[Information] = Information.ALL_PAYOFFS
    inertia: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "inertia", fraction("BestResponse.inertia", self.inertia))
        if self.inertia == 1.0:
            raise InvalidInputError("BestResponse.inertia must be below 1, got 1.0: no action would ever change.")

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> BestResponseState:
        """Give the state before the first round: all actions are equally good."""
        actions, replications, _ = first_counts(actions, replications, profiles)
        return BestResponseState(np.full(replications, -1), np.zeros((replications, actions)))

    def mixed_strategy(self, state: BestResponseState) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        best = best_actions(state.payoffs)
        if self.inertia == 0.0 or state.actions[0] < 0:
            return best
        probabilities = (1.0 - self.inertia) * best
        probabilities[np.arange(len(best)), state.actions] += self.inertia
        return probabilities

    def choose(self, state: BestResponseState, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: BestResponseState, observation: Observation) -> BestResponseState:
        """Give the round that was seen."""
        return BestResponseState(observation.actions, observation.require_all_payoffs())
