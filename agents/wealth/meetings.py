"""Who meets whom in a period: a matching of all agents, or Mesa's order, one agent after the other.

**Matching.** A random permutation of the n agents is cut in two: entry i of the first half meets entry i of the second.
All matchings are equally likely, and so is who comes first; of an odd number, one stays alone. Meetings are disjoint,
so they can take place at once, in arrays.

**Sequence.** Every agent, in random order, meets one of the others drawn with equal probability: n meetings a period,
each from the wealth that the last one left. This is what `shuffle_do` of a plain Mesa model does.

The two give different paths, and a matching holds half as many meetings. Where the two agents of a meeting play the
same part (`SavingExchange`, `YardSale`), the law of wealth in the long run is the same among many agents: each meeting
is between independent draws from it, and leaves it as it is, in whatever order. (A tax is levied once a period, that
is once for two meetings an agent in the sequence, and for one in the matching.)

Under `MoneyExchange` only the first agent pays, and the law is *not* the same: in the sequence everybody gives exactly
once a period, which is steadier than by the toss of a coin. With a mean wealth of 1 the Gini coefficient is 0.63, not
the 2/3 of the money-exchange model; with more money the two come together, towards 1/2.
"""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.random import Generator

from walras.agents.money import IntArray
from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray

__all__ = ["Activation", "Meetings", "checked_rng", "draw_meetings"]


class Activation(Enum):
    """In which order agents meet; the value says how."""

    MATCHING = "all meet in disjoint pairs, drawn afresh each period"
    SEQUENCE = "each, in random order, meets one of the others"


@final
@dataclass(frozen=True, eq=False)
class Meetings:
    """The k meetings of a period, in order.

    Attributes
    ----------
    order
        Numbers of the first agents and then of the second ones, shape (2 k,).
    draws
        Uniform on [0, 1), shape (k,); empty if the rule needs none.
    """

    order: IntArray
    draws: FloatArray

    @property
    def first(self) -> IntArray:
        """Number of the first agent of each meeting, shape (k,)."""
        return self.order[: self.order.size // 2]

    @property
    def second(self) -> IntArray:
        """Number of the second agent of each meeting, shape (k,)."""
        return self.order[self.order.size // 2 :]


def checked_rng(rng: Generator | int) -> Generator | int:
    """Give a generator or an integer seed, or raise `InvalidInputError`."""
    if isinstance(rng, bool) or not isinstance(rng, Generator | int | np.integer):
        raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
    return rng


def draw_meetings(agents: int, rng: Generator, activation: Activation, *, with_draws: bool) -> Meetings:
    """Draw the meetings of a period among `agents` agents, two or more."""
    order = rng.permutation(agents)
    if activation is Activation.MATCHING:
        order = order[: agents - agents % 2]
    else:
        # One of the n - 1 others: those from the agent's own number on are counted one further.
        other = rng.integers(0, agents - 1, agents)
        order = np.concatenate([order, other + (other >= order)])
    return Meetings(order, rng.random(order.size // 2 if with_draws else 0))
