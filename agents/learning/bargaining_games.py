"""Two games about the division of a pie, in which theory says the same and people do not.

In the *ultimatum game* a proposer offers a part of a pie, and a responder names the least that it accepts: who offers
less gets nothing, and neither does the responder. In the *market game* many proposers offer parts to one responder, who
takes the best offer. In subgame-perfect equilibrium one side gets nearly all: the proposer of an ultimatum, and the
responder of the market. People come to it in the market within some rounds, and never in the ultimatum; reinforcement
learning does the same, since who refuses a small offer loses little and so learns slowly to accept it.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.learning.game import NormalFormGame
from walras.agents.money import IntArray
from walras.market.validation import FloatArray, whole_number

__all__ = ["ProposerMarket", "ultimatum_game"]


def ultimatum_game(pie: int = 10) -> NormalFormGame:
    """The ultimatum game: the proposer's action k offers k + 1 of the pie, the responder's accepts k + 1 or more.

    Parameters
    ----------
    pie
        What is divided, in units that are not; 2 or more. Offers and demands go from 1 to `pie - 1`.

    Notes
    -----
    *Source*: Roth and Erev 1995 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.learning import ultimatum_game
    >>> game = ultimatum_game(4)
    >>> game.payoffs[0].tolist()
    [[3.0, 0.0, 0.0], [2.0, 2.0, 0.0], [1.0, 1.0, 1.0]]
    >>> game.pure_equilibria()
    [(0, 0), (1, 1), (2, 2)]
    """
    pie = whole_number("pie", pie, minimum=2)
    offers = np.arange(1.0, pie)
    accepted = offers[:, np.newaxis] >= offers  # (offer, demand)
    return NormalFormGame((accepted * (pie - offers[:, np.newaxis]), accepted * offers[:, np.newaxis]))


@final
@dataclass(frozen=True)
class ProposerMarket:
    """The market game: n proposers offer 0 to `pie - 1`; the best offer is taken, and its proposer keeps the rest.

    The responder, who takes the best offer, is no player.

    Parameters
    ----------
    proposers
        n, 2 or more.
    pie
        What is divided, 2 or more; action k offers k.

    Notes
    -----
    *Ties*: those with the best offer share what is kept in equal parts, as they would in expectation over lots.
    *Source*: Roth and Erev 1995 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.learning import ProposerMarket
    >>> ProposerMarket(proposers=3, pie=4).all_payoffs(0, np.array([[0, 2, 1]])).tolist()
    [[0.0, 0.0, 1.0, 1.0]]
    """

    proposers: int = 9
    pie: int = 10

    def __post_init__(self) -> None:
        for name in ("proposers", "pie"):
            number = whole_number(f"ProposerMarket.{name}", getattr(self, name), minimum=2)
            object.__setattr__(self, name, number)

    @property
    def action_counts(self) -> tuple[int, ...]:
        """Number of actions of each proposer."""
        return (self.pie,) * self.proposers

    def all_payoffs(self, player: int, actions: IntArray) -> FloatArray:
        """Give what each offer of a proposer would earn, shape (R, K), where all made `actions`, shape (R, n)."""
        others = np.delete(actions, player, axis=1)
        best = others.max(axis=1, keepdims=True)
        sharing = 1 + (others == best).sum(axis=1, keepdims=True)
        offers = np.arange(self.pie)
        kept = (self.pie - offers).astype(np.float64)
        return np.asarray(np.where(offers > best, kept, np.where(offers == best, kept / sharing, 0.0)))
