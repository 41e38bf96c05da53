"""Regret minimisation: multiplicative weights, with full information (Hedge) and as a bandit (EXP3).

The regret of a player after T rounds is what the best single action would have earned beyond what it earned:

    regret = max_k sum_t u_k(t) - sum_t u_{a_t}(t).

Both policies keep it small against *any* sequence of payoffs in [lowest, highest], of an adversary too. With payoffs
scaled to [0, 1], for K actions:

    Hedge:  sum_t p(t) . u(t) falls short of the best action by at most  ln K / eta + eta T / 8,
            which is sqrt(T ln K / 2) at eta = sqrt(8 ln K / T);
    EXP3:   in expectation by at most  (e - 1) gamma G + K ln K / gamma,  G = what the best action earns,
            which is at most 2 sqrt(e - 1) sqrt(T K ln K) at gamma = min(1, sqrt(K ln K / ((e - 1) T))).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.learning.fictitious_play import PayoffTotals, logit_response
from walras.agents.learning.observation import Information, Observation, draw_actions, first_counts
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, fraction, positive_number, whole_number

__all__ = ["Exp3", "Hedge", "LogWeights", "exp3_bound", "hedge_bound"]

# A payoff may lie outside its range by as much, as a fraction of the range: rounding.
_ROUNDING = 1e-9


@final
@dataclass(frozen=True, eq=False)
class LogWeights:
    """Logarithms of the weights of each action, shape (R, K), up to a constant in each row."""

    values: FloatArray


@final
@dataclass(frozen=True, kw_only=True)
class Hedge:
    """Plays each action with a weight that grows exponentially in what it would have earned: `p_k ~ exp(eta G_k)`.

    `G_k` is the total of what action k would have earned, payoffs scaled to [0, 1].

    Parameters
    ----------
    rate
        eta, above 0.
    lowest, highest
        Range of the payoffs.

    Notes
    -----
    *Observes*: what each action would have earned. *Cost*: O(K) a round.
    *Source*: Freund and Schapire 1997; the constant of the bound is in Cesa-Bianchi and Lugosi 2006, theorem 2.2
    (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import Hedge, play, rock_paper_scissors
    >>> policy = Hedge.for_horizon(actions=3, rounds=1_000, lowest=-1.0, highest=1.0)
    >>> played = play(rock_paper_scissors(), [policy, policy], rounds=1_000, rng=0)
    >>> bool((played.expected_regrets <= policy.regret_bound(actions=3, rounds=1_000)).all())
    True
    """

    observes: ClassVar[Information] = Information.ALL_PAYOFFS
    rate: float
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", positive_number("Hedge.rate", self.rate))
        _check_range("Hedge", self.lowest, self.highest)

    @classmethod
    def for_horizon(cls, actions: int, rounds: int, *, lowest: float = 0.0, highest: float = 1.0) -> "Hedge":
        """Give the policy whose bound after so many rounds is the least: `eta = sqrt(8 ln K / T)`."""
        actions = whole_number("actions", actions, minimum=2)
        rounds = whole_number("rounds", rounds, minimum=1)
        return cls(rate=math.sqrt(8.0 * math.log(actions) / rounds), lowest=lowest, highest=highest)

    def regret_bound(self, actions: int, rounds: int) -> float:
        """Give the most that expected regret can be after so many rounds (units of payoff)."""
        return (self.highest - self.lowest) * hedge_bound(actions, rounds, self.rate)

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> PayoffTotals:
        """Give the state before the first round: equal weights."""
        actions, replications, _ = first_counts(actions, replications, profiles)
        return PayoffTotals(np.zeros((replications, actions)), 0)

    def mixed_strategy(self, state: PayoffTotals) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        return logit_response(state.totals, self.rate / (self.highest - self.lowest))

    def choose(self, state: PayoffTotals, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: PayoffTotals, observation: Observation) -> PayoffTotals:
        """Give the totals with the round that was seen.

        Raises
        ------
        InvalidInputError
            A payoff outside the range.
        """
        _check_payoffs("Hedge", observation.require_all_payoffs(), self.lowest, self.highest)
        return state.after(observation)


@final
@dataclass(frozen=True, kw_only=True)
class Exp3:
    """Hedge for those who see their own payoff only: the payoff of the action played counts as much as it is rare.

    `p_k = (1 - gamma) w_k / sum_j w_j + gamma / K`; after action k has earned x, scaled to [0, 1],
    `w_k <- w_k exp(gamma x / (K p_k))`.

    Parameters
    ----------
    exploration
        gamma, above 0 and at most 1.
    lowest, highest
        Range of the payoffs.

    Notes
    -----
    *Observes*: its own payoff. *Cost*: O(K) a round.
    *Source*: Auer, Cesa-Bianchi, Freund and Schapire 2002, figure 1 and theorem 3.1 (docs/reference/bibliography.md).
    """

    observes: ClassVar[Information] = Information.OWN_PAYOFF
    exploration: float
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        exploration = fraction("Exp3.exploration", self.exploration)
        if exploration == 0.0:
            raise InvalidInputError("Exp3.exploration must be above 0, got 0.0: an action could be lost for ever.")
        object.__setattr__(self, "exploration", exploration)
        _check_range("Exp3", self.lowest, self.highest)

    @classmethod
    def for_horizon(cls, actions: int, rounds: int, *, lowest: float = 0.0, highest: float = 1.0) -> "Exp3":
        """Give the policy whose bound after so many rounds is the least."""
        actions = whole_number("actions", actions, minimum=2)
        rounds = whole_number("rounds", rounds, minimum=1)
        exploration = min(1.0, math.sqrt(actions * math.log(actions) / ((math.e - 1.0) * rounds)))
        return cls(exploration=exploration, lowest=lowest, highest=highest)

    def regret_bound(self, actions: int, rounds: int) -> float:
        """Give the most that regret can be in expectation after so many rounds (units of payoff)."""
        return (self.highest - self.lowest) * exp3_bound(actions, rounds, self.exploration)

    def start(self, actions: int, replications: int = 1, profiles: int = 1) -> LogWeights:
        """Give equal weights."""
        actions, replications, _ = first_counts(actions, replications, profiles)
        return LogWeights(np.zeros((replications, actions)))

    def mixed_strategy(self, state: LogWeights) -> FloatArray:
        """Give the probability of each action, shape (R, K)."""
        actions = state.values.shape[1]
        return (1.0 - self.exploration) * logit_response(state.values, 1.0) + self.exploration / actions

    def choose(self, state: LogWeights, draws: FloatArray) -> IntArray:
        """Give the next actions, shape (R,)."""
        return draw_actions(self.mixed_strategy(state), draws)

    def learn(self, state: LogWeights, observation: Observation) -> LogWeights:
        """Give the weights after the round that was seen.

        Raises
        ------
        InvalidInputError
            A payoff outside the range.
        """
        _check_payoffs("Exp3", observation.payoffs, self.lowest, self.highest)
        replications, actions = state.values.shape
        rows = np.arange(replications)
        scaled = (observation.payoffs - self.lowest) / (self.highest - self.lowest)
        values = state.values - state.values.max(axis=1, keepdims=True)
        chances = self.mixed_strategy(state)[rows, observation.actions]
        values[rows, observation.actions] += self.exploration / actions * scaled / chances
        return LogWeights(values)


def hedge_bound(actions: int, rounds: int, rate: float | None = None) -> float:
    """Most that Hedge's expected regret can be, payoffs in [0, 1]: `ln K / eta + eta T / 8`.

    Parameters
    ----------
    actions, rounds
        K, 2 or more, and T, 1 or more.
    rate
        eta, above 0; by default the best one, which gives `sqrt(T ln K / 2)`.

    Notes
    -----
    *Source*: Cesa-Bianchi and Lugosi 2006, theorem 2.2 (docs/reference/bibliography.md).
    """
    logarithm = math.log(whole_number("actions", actions, minimum=2))
    rounds = whole_number("rounds", rounds, minimum=1)
    eta = math.sqrt(8.0 * logarithm / rounds) if rate is None else positive_number("rate", rate)
    return logarithm / eta + eta * rounds / 8.0


def exp3_bound(actions: int, rounds: int, exploration: float | None = None) -> float:
    """Most that EXP3's regret can be in expectation, payoffs in [0, 1]: `(e - 1) gamma T + K ln K / gamma`.

    Parameters
    ----------
    actions, rounds
        K, 2 or more, and T, 1 or more; what the best action earns is at most T.
    exploration
        gamma in (0, 1]; by default the best one, which gives `2 sqrt(e - 1) sqrt(T K ln K)` for T large enough.

    Notes
    -----
    *Source*: Auer, Cesa-Bianchi, Freund and Schapire 2002, theorem 3.1 (docs/reference/bibliography.md).
    """
    actions = whole_number("actions", actions, minimum=2)
    rounds = whole_number("rounds", rounds, minimum=1)
    if exploration is None:
        return exp3_bound(actions, rounds, Exp3.for_horizon(actions, rounds).exploration)
    gamma = positive_number("exploration", fraction("exploration", exploration))
    return (math.e - 1.0) * gamma * rounds + actions * math.log(actions) / gamma


def _check_range(owner: str, lowest: float, highest: float) -> None:
    low, high = finite_number(f"{owner}.lowest", lowest), finite_number(f"{owner}.highest", highest)
    if low >= high:
        raise InvalidInputError(f"{owner}.lowest must be below {owner}.highest, got {low:g} and {high:g}.")


def _check_payoffs(owner: str, payoffs: FloatArray, lowest: float, highest: float) -> None:
    slack = _ROUNDING * (highest - lowest)
    if not (payoffs.min() >= lowest - slack and payoffs.max() <= highest + slack):  # NaN fails too
        raise InvalidInputError(
            f"{owner} takes payoffs from {lowest:g} to {highest:g}, but saw some from {payoffs.min():g} to "
            f"{payoffs.max():g}: set `lowest` and `highest` to the smallest and largest payoff of the game."
        )
