"""Algorithms that set prices: Q-learners with memory in a market of firms, until they no longer change their minds.

A session is one repeated game between firms that know nothing of the market, and learn to answer last period's prices.
It has converged when no firm's greedy action has changed in any state for `patience` periods. Then firms play greedily,
and soon repeat a cycle of joint actions. The profit gain is

    Delta = (profit - Nash profit) / (cartel profit - Nash profit),

with mean profits over firms and over the cycle: 0 at the equilibrium of one period, 1 for a cartel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.random import Generator

from walras.agents.learning.grid_game import GridGame
from walras.agents.learning.kernel import best_action, learn_rounds
from walras.agents.learning.play import as_generator
from walras.agents.learning.q_learning import QLearning
from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.order_book.compiled import compiled
from walras.market.validation import FloatArray, instance_of, whole_number

__all__ = ["PricingSession", "learn_to_price", "values_against_random"]

_BLOCK = 20_000  # rounds for which draws are made at once
_MOST_TABLE = 50_000_000  # entries of Q, of all players


@final
@dataclass(frozen=True, eq=False)
class PricingSession:
    """One session: what firms have learned, and what they do then.

    Attributes
    ----------
    game
        The market and the grids.
    periods
        Played before it stopped.
    converged
        Whether no greedy action had changed for `patience` periods.
    greedy
        Number of the action that each firm takes after each joint action of the last period (numbered in lexicographic
        order; one state without memory), shape (n, S).
    last_state
        The state of the world at the end.
    """

    game: GridGame
    periods: int
    converged: bool
    greedy: IntArray
    last_state: int

    @property
    def cycle(self) -> IntArray:
        """The joint actions that greedy firms repeat from the last state on, shape (length, n)."""
        seen: dict[int, int] = {}
        path: list[IntArray] = []
        state = self.last_state
        while state not in seen:
            seen[state] = len(path)
            path.append(self.greedy[:, state])
            state = self._reached(path[-1])
        return np.array(path[seen[state] :])

    @property
    def prices(self) -> FloatArray:
        """The actions of the cycle in the market's terms (prices or quantities), shape (length, n)."""
        return self.game.values(self.cycle)

    @property
    def profit_gain(self) -> float:
        """Delta: 0 at the equilibrium of one period, 1 for a cartel."""
        market = self.game.market

        def mean_profit(actions: FloatArray) -> float:
            got, sold = market.sell(actions)
            return float((got * sold - market.costs(sold)).mean())

        nash, cartel = mean_profit(market.equilibrium()), mean_profit(market.collusion())
        return (mean_profit(self.prices) - nash) / (cartel - nash)

    def response(self, firm: int, action: int, periods: int) -> FloatArray:
        """Give what firms do when one is made to deviate once, and all are greedy otherwise.

        Parameters
        ----------
        firm, action
            Who deviates in the first period after the cycle's last, and to which action of its grid.
        periods
            Length of the path.

        Returns
        -------
        FloatArray
            Actions in the market's terms, shape (periods, n), the first being those of the deviation.
        """
        periods = whole_number("periods", periods, minimum=1)
        state = self._reached(self.cycle[-1])
        path = []
        for number in range(periods):
            joint = self.greedy[:, state].copy()
            if number == 0:
                joint[firm] = action
            path.append(joint)
            state = self._reached(joint)
        return self.game.values(np.array(path))

    def _reached(self, joint: IntArray) -> int:
        return int(np.ravel_multi_index(tuple(joint), self.game.action_counts)) if self.greedy.shape[1] > 1 else 0


def learn_to_price(
    game: GridGame,
    policies: Sequence[QLearning],
    *,
    rng: Generator | int,
    sessions: int = 1,
    patience: int = 100_000,
    most_periods: int = 10_000_000,
) -> list[PricingSession]:
    """Let firms learn in sessions of their own, each until it has converged.

    Parameters
    ----------
    game
        The market and the grids, all of the same size K.
    policies
        One for each firm, all with or all without memory.
    rng
        Each session draws from a generator spawned from it: the path of a session is that of `play` with the same
        policies and that generator.
    sessions
        Number of sessions, 1 or more.
    patience
        Periods without a change of any greedy action after which a session stops.
    most_periods
        After which a session stops in any case.

    Raises
    ------
    InvalidInputError
        Grids of several sizes, other policies, or tables of more than 5e7 entries.

    Notes
    -----
    *Cost*: with `walras[fast]` some 0.1 seconds for a million periods of two firms; without, the same numbers in plain
    Python, a hundred times slower. *Source*: Calvano et al. 2020 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import GridGame, LogitMarket, QLearning, learn_to_price, price_grid
    >>> game = GridGame(LogitMarket([1.0, 1.0]), [price_grid(1.47, 1.93, points=4)])
    >>> policy = QLearning(learning_rate=0.3, decay=1e-3, memory=True)
    >>> session, = learn_to_price(game, [policy] * 2, rng=0, patience=2_000, most_periods=50_000)
    >>> session.converged
    True
    """
    payoffs = _payoff_table(instance_of("game", game, GridGame), policies)
    sessions = whole_number("sessions", sessions, minimum=1)
    patience = whole_number("patience", patience, minimum=1)
    most_periods = whole_number("most_periods", most_periods, minimum=1)
    generators = as_generator(rng).spawn(sessions)
    return [_session(game, policies, payoffs, generator, patience, most_periods) for generator in generators]


def values_against_random(game: GridGame, discount: float) -> list[tuple[float, ...]]:
    """Give each firm's value of each action if the others drew theirs uniformly for ever: mean profit / (1 - discount).

    Meant for `QLearning.initial_values`. *Source*: Calvano et al. 2020 (docs/reference/bibliography.md).
    """
    table = instance_of("game", game, GridGame).normal_form().payoffs
    discount = QLearning(discount=discount).discount
    firms = range(len(table))
    return [
        tuple((payoffs.mean(axis=tuple(other for other in firms if other != firm)) / (1.0 - discount)).tolist())
        for firm, payoffs in enumerate(table)
    ]


def _payoff_table(game: GridGame, policies: Sequence[QLearning]) -> FloatArray:
    """Profits of each firm at each joint action, shape (K^n, n)."""
    counts = game.action_counts
    if len(set(counts)) != 1:
        raise InvalidInputError(f"game.grids must all have the same size, got {counts}.")
    if len(policies) != len(counts) or not all(isinstance(policy, QLearning) for policy in policies):
        raise InvalidInputError(f"policies must be a QLearning for each of {len(counts)} firms, got {policies!r}.")
    if len({policy.memory for policy in policies}) != 1:
        raise InvalidInputError("policies must be all with or all without memory.")
    entries = len(counts) * counts[0] ** (len(counts) + 1)
    if entries > _MOST_TABLE:
        raise InvalidInputError(
            f"{len(counts)} firms with {counts[0]} actions each need tables of {entries} entries, more than "
            f"{_MOST_TABLE}: take fewer firms or actions."
        )
    return np.stack([table.reshape(-1) for table in game.normal_form().payoffs], axis=1)  # (K, ..., K) -> (K^n,)


def _session(
    game: GridGame,
    policies: Sequence[QLearning],
    payoffs: FloatArray,
    generator: Generator,
    patience: int,
    most_periods: int,
) -> PricingSession:
    count, players = game.action_counts[0], len(policies)
    tables = [policy.start(count, 1, count ** (players - 1)).values[0] for policy in policies]
    values = np.stack(tables)  # (n, S, K)
    greedy = np.ascontiguousarray(values.argmax(axis=2), dtype=np.int64)
    progress, actions = np.zeros(2, dtype=np.int64), np.zeros(players, dtype=np.int64)
    rates = np.array([[policy.learning_rate for policy in policies], [policy.discount for policy in policies]])
    decays = np.array([policy.decay for policy in policies])
    explorations = np.array([policy.exploration for policy in policies])
    learn, played = _compiled_rounds(), 0
    while played < most_periods and progress[1] < patience:
        rounds = min(_BLOCK, most_periods - played)
        draws = generator.random((rounds, players))
        numbers = np.arange(played, played + rounds)[:, None]
        epsilons = explorations * np.exp(-decays * numbers)
        played += learn(values, greedy, progress, actions, payoffs, draws, epsilons, rates, patience)
    return PricingSession(game, played, bool(progress[1] >= patience), greedy, int(progress[0]))


@cache
def _compiled_rounds() -> Any:
    return compiled(learn_rounds, (best_action,))
