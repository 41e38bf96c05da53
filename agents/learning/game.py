"""Games in normal form: n players, each with finitely many actions, and a payoff for every joint action.

With payoffs `u_i(a_1, ..., a_n)` and mixed strategies `x_i`, player i gains at most

    max_k u_i(k, x_{-i}) - u_i(x_i, x_{-i})

by another strategy; the largest of these gains is the *exploitability* of x, and x is a Nash equilibrium where it is 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike

from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_matrix, finite_number

__all__ = [
    "NormalFormGame",
    "StageGame",
    "coordination_game",
    "prisoners_dilemma",
    "rock_paper_scissors",
    "shapley_game",
    "zero_sum_game",
]


class StageGame(Protocol):
    """What `play` repeats: it asks for payoffs at joint actions, for many replications at once."""

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each player."""

    def all_payoffs(self, player: int, actions: IntArray) -> FloatArray:
        """Give what each action of a player would earn, shape (R, K_i), where all did `actions`, shape (R, n)."""


@final
@dataclass(frozen=True, eq=False)
class NormalFormGame:
    """A game given by a table of payoffs for each player.

    Parameters
    ----------
    payoffs
        For each of the n players an array of shape (K_1, ..., K_n), one axis for each player's actions.

    Raises
    ------
    InvalidInputError
        No player, arrays of other or different shapes, no action, or a payoff that is not finite.

    Examples
    --------
    >>> from walras.agents.learning import prisoners_dilemma
    >>> game = prisoners_dilemma()
    >>> game.pure_equilibria()
    [(1, 1)]
    >>> game.exploitability([[1.0, 0.0], [1.0, 0.0]])
    2.0
    """

    payoffs: tuple[FloatArray, ...]
    _own_last: tuple[FloatArray, ...] = field(init=False, repr=False)  # each player's own action on the last axis

    def __post_init__(self) -> None:
        try:
            tables = tuple(np.array(table, dtype=np.float64) for table in self.payoffs)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(
                f"NormalFormGame.payoffs must be one array of numbers for each player, got {self.payoffs!r}."
            ) from error
        if not tables:
            raise InvalidInputError("NormalFormGame.payoffs is empty: a game needs at least one player.")
        for player, table in enumerate(tables):
            if table.shape != tables[0].shape or table.ndim != len(tables) or table.size == 0:
                raise InvalidInputError(
                    f"NormalFormGame.payoffs must have one axis for each of the {len(tables)} players and the same "
                    f"shape for all; player {player}'s has shape {table.shape}, player 0's {tables[0].shape}."
                )
            if not np.isfinite(table).all():
                raise InvalidInputError(f"NormalFormGame.payoffs of player {player} must be finite.")
            table.setflags(write=False)
        object.__setattr__(self, "payoffs", tables)
        own_last = tuple(np.moveaxis(table, player, -1) for player, table in enumerate(tables))
        object.__setattr__(self, "_own_last", own_last)

    @property
    def players(self) -> int:
        """Number of players."""
        return len(self.payoffs)

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each player."""
        return self.payoffs[0].shape

    @property
    def lowest(self) -> float:
        """Smallest payoff of any player."""
        return float(min(table.min() for table in self.payoffs))

    @property
    def highest(self) -> float:
        """Largest payoff of any player."""
        return float(max(table.max() for table in self.payoffs))

    def all_payoffs(self, player: int, actions: IntArray) -> FloatArray:
        """Give what each action of a player would earn, shape (R, K_i), where all did `actions`, shape (R, n)."""
        if self.players == 1:
            return np.tile(self.payoffs[0], (len(actions), 1))
        others = tuple(actions[:, other] for other in range(self.players) if other != player)
        return np.asarray(self._own_last[player][others])

    def expected_payoffs(self, player: int, strategies: Sequence[ArrayLike]) -> FloatArray:
        """Give what each action of a player earns, shape (K_i,), against mixed strategies (its own is not used)."""
        mixed = self._checked(strategies)
        expected = np.moveaxis(self.payoffs[player], player, 0)
        for other in reversed([each for number, each in enumerate(mixed) if number != player]):
            expected = expected @ other
        return expected

    def exploitability(self, strategies: Sequence[ArrayLike]) -> float:
        """Give the most that any player gains by another strategy (payoff): 0 at a Nash equilibrium."""
        mixed = self._checked(strategies)
        gains = []
        for player, own in enumerate(mixed):
            earned = self.expected_payoffs(player, mixed)
            gains.append(float(earned.max() - earned @ own))
        return max(gains)

    def pure_equilibria(self) -> list[tuple[int, ...]]:
        """Give the joint actions from which no player gains by leaving alone, in lexicographic order.

        Notes
        -----
        *Ties*: an action that is as good as the best one is a best reply. *Cost*: O(n) times the joint actions.
        """
        best = [table == table.max(axis=player, keepdims=True) for player, table in enumerate(self.payoffs)]
        stable = np.logical_and.reduce(best)
        return [joint for joint in product(*map(range, self.action_counts)) if stable[joint]]

    def _checked(self, strategies: Sequence[ArrayLike]) -> list[FloatArray]:
        if len(strategies) != self.players:
            raise InvalidInputError(
                f"strategies must be one for each of {self.players} players, got {len(strategies)}."
            )
        mixed = [np.asarray(strategy, dtype=np.float64) for strategy in strategies]
        for player, (strategy, actions) in enumerate(zip(mixed, self.action_counts, strict=True)):
            if strategy.shape != (actions,) or strategy.min() < 0.0 or not math.isclose(strategy.sum(), 1.0):
                raise InvalidInputError(
                    f"strategies[{player}] must be {actions} probabilities that sum to 1, got {strategy}."
                )
        return mixed


def zero_sum_game(matrix: ArrayLike) -> NormalFormGame:
    """Two players; the second loses what the first wins.

    Parameters
    ----------
    matrix
        What the first player wins, shape (K_1, K_2).
    """
    wins = finite_matrix("matrix", matrix, of=("action of the first", "action of the second"))
    return NormalFormGame((wins, -wins))


def rock_paper_scissors() -> NormalFormGame:
    """Rock, paper, scissors: each beats the one before it, and 1 is won."""
    return zero_sum_game([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


def prisoners_dilemma(
    temptation: float = 5.0, reward: float = 3.0, punishment: float = 1.0, sucker: float = 0.0
) -> NormalFormGame:
    """Two players cooperate (action 0) or defect (action 1); to defect is dominant, and both would rather cooperate.

    Raises
    ------
    InvalidInputError
        Payoffs that are not temptation > reward > punishment > sucker.
    """
    amounts = [
        finite_number(name, value)
        for name, value in (
            ("temptation", temptation),
            ("reward", reward),
            ("punishment", punishment),
            ("sucker", sucker),
        )
    ]
    if sorted(set(amounts), reverse=True) != amounts:
        raise InvalidInputError(f"A prisoner's dilemma needs temptation > reward > punishment > sucker, got {amounts}.")
    own = np.array([[reward, sucker], [temptation, punishment]])
    return NormalFormGame((own, own.T))


def coordination_game(payoffs: ArrayLike) -> NormalFormGame:
    """Two players who earn the payoff of an action if both take it, and 0 if they differ.

    Parameters
    ----------
    payoffs
        Of each action, above 0, shape (K,): each is an equilibrium.
    """
    table = np.diag(finite_matrix("payoffs", [np.atleast_1d(payoffs)], of=("game", "action"))[0])
    if table.diagonal().min() <= 0.0:
        raise InvalidInputError(f"payoffs must be above 0, got {table.diagonal()}.")
    return NormalFormGame((table, table))


def shapley_game() -> NormalFormGame:
    """Shapley's game: the first player wants to match, the second to be one ahead; fictitious play never settles.

    From (0, 0), play moves through the six cells in which someone earns 1, in runs that become longer by a factor that
    tends to the root 1.4656 of `x^3 = x^2 + 1`: each player switches when its opponent has done one action as often as
    the next, and counting the runs in which the opponent did either gives `x^5 + 1 = x^4 + x^3`, which is
    `(x - 1)(x + 1)(x^3 - x^2 - 1) = 0`. So frequencies circle for ever around the equilibrium (1/3, 1/3, 1/3).

    Notes
    -----
    *Source*: Shapley 1964 (docs/reference/bibliography.md); the factor is derived above.
    """
    return NormalFormGame((np.eye(3), np.roll(np.eye(3), 1, axis=1)))
