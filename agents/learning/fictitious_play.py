"""Fictitious play: best replies, sharp or smooth, to how often the others did what.

Payoffs are linear in beliefs. So the expected payoff of action k, when the others are believed to play each joint
action as often as they have, is the mean of what action k would have earned in the rounds so far:

    ubar_k(t) = (1 / t) sum_{s <= t} u_k(s).

The mean is all that has to be kept. With one opponent this is the belief of Brown 1951; with several, beliefs are
about what they do *jointly*.
"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.learning.observation import Information, Observation, best_actions, draw_actions, first_counts
from walras.agents.money import IntArray
from walras.market.validation import FloatArray, positive_number

__all__ = ["FictitiousPlay", "PayoffTotals", "SmoothFictitiousPlay", "logit_response"]


@final
@dataclass(frozen=True, eq=False)
class PayoffTotals:
    """What each action would have earned in all rounds so far, shape (R, K), and the number of rounds."""

    totals: FloatArray
    rounds: int

    def after(self, observation: Observation) -> "PayoffTotals":
        """Give the totals with one more round."""
        return PayoffTotals(self.totals + observation.require_all_payoffs(), self.rounds + 1)

    @property
    def means(self) -> FloatArray:
        """Expected payoff of each action, shape (R, K); 0 before the first round."""
        return np.asarray(self.totals / max(self.rounds, 1))


@final
@dataclass(frozen=True, kw_only=True)
class FictitiousPlay:
    """Plays a best reply to the past frequencies of what the others did: one of `argmax_k ubar_k`.

    The first action is drawn uniformly.

    Notes
    -----
    *Observes*: what each action would have earned. *Ties*: equally likely; exact for whole payoffs up to 2^53 in all.
    *Cost*: O(K) a round.
    *Source*: Brown 1951; Robinson 1951 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.learning import FictitiousPlay, play, zero_sum_game
    >>> pennies = zero_sum_game([[1.0, -1.0], [-1.0, 1.0]])
    >>> played = play(pennies, [FictitiousPlay(), FictitiousPlay()], rounds=10_000, rng=0)
    >>> played.frequencies[0].round(1).tolist()
    [[0.5, 0.5]]
    """

    observes: ClassVar[Information] = Information.ALL_PAYOFFS

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> PayoffTotals:
        """Give the state before the first round: all actions are equally good."""
        return _no_rounds(actions, replications, profiles)

    def mixed_strategy(self, state: PayoffTotals) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        return best_actions(state.totals)

    def choose(self, state: PayoffTotals, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: PayoffTotals, observation: Observation) -> PayoffTotals:
        """Give the totals with the round that was seen."""
        return state.after(observation)


@final
@dataclass(frozen=True, kw_only=True)
class SmoothFictitiousPlay:
    """Plays a logit response to the past frequencies of what the others did: `p_k ~ exp(ubar_k / temperature)`.

    Its rest points in the repeated game are the logit quantal-response equilibria.

    Parameters
    ----------
    temperature
        Scale of the taste shocks (units of payoff), above 0; towards 0 the response is the best reply.

    Notes
    -----
    *Observes*: what each action would have earned. *Cost*: O(K) a round.
    *Source*: Fudenberg and Kreps 1993; McKelvey and Palfrey 1995 (docs/reference/bibliography.md).
    """

    observes: ClassVar[Information] = Information.ALL_PAYOFFS
    temperature: float

    def __post_init__(self) -> None:
        temperature = positive_number("SmoothFictitiousPlay.temperature", self.temperature)
        object.__setattr__(self, "temperature", temperature)

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> PayoffTotals:
        """Give the state before the first round: all actions are equally good."""
        return _no_rounds(actions, replications, profiles)

    def mixed_strategy(self, state: PayoffTotals) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        return logit_response(state.means, 1.0 / self.temperature)

    def choose(self, state: PayoffTotals, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: PayoffTotals, observation: Observation) -> PayoffTotals:
        """Give the totals with the round that was seen."""
        return state.after(observation)


def logit_response(scores: FloatArray, precision: float) -> FloatArray:
    """Give `exp(precision * score)` over its sum in each row, shape (R, K); shifted, so that none overflows."""
    powers = np.exp(precision * (scores - scores.max(axis=1, keepdims=True)))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _no_rounds(actions: int, replications: int, profiles: int) -> PayoffTotals:
    actions, replications, _ = first_counts(actions, replications, profiles)
    return PayoffTotals(np.zeros((replications, actions)), 0)
