"""What a trader knows and hears, the protocols of policies, and truth telling.

Two kinds of policies come to quotes. One that remembers nothing (`QuotingPolicy`) gives a price from its limit and a
draw. One that learns (`LearningPolicy`) has a *state*, a value of its own that the laboratory keeps for it: it is made
at the start, read when the trader quotes, and replaced by another whenever the trader hears a quote.

All prices are whole cents, as the buyer's payment to the seller, without tax.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final, runtime_checkable

import numpy as np

from walras.market import InvalidInputError
from walras.market.order_book import Side

__all__ = ["LearningPolicy", "QuotingPolicy", "Shout", "Situation", "Standing", "Truthful", "checked_policy"]


class QuotingPolicy(Protocol):
    """How a trader picked at random comes to its quote, if it remembers nothing."""

    def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
        """Give a price (ticks) from a uniform draw in [0, 1).

        Parameters
        ----------
        side
            Of the trader.
        worth
            The buyer's value of a unit, or the seller's cost (ticks).
        ceiling
            The highest price that may be quoted (ticks).
        draw
            What makes the quote random.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Situation:
    """What a trader knows of itself.

    Attributes
    ----------
    side
        On which it quotes, or would.
    limit
        The highest price at which it gains as a buyer, tax considered, or the lowest as a seller (cents), for its next
        unit; for its last one if it has traded all. A dealer's is the ceiling as a buyer and 0 as a seller.
    active
        Whether it has units left to trade today.
    goods
        Units that it holds.
    is_dealer
        Whether it trades for its own account.
    """

    side: Side
    limit: int
    active: bool
    goods: int
    is_dealer: bool = False


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """The standing quotes, which all know.

    Attributes
    ----------
    bid, ask
        The highest bid and the lowest ask (cents); -1 and ceiling + 1 where there is none.
    ceiling
        The highest price that may be quoted (cents).
    """

    bid: int
    ask: int
    ceiling: int


@final
@dataclass(frozen=True, slots=True)
class Shout:
    """A quote that all hear.

    Attributes
    ----------
    side
        Of the trader who made it.
    price
        What it quoted (cents); where it traded, the price of the trade, that of the quote which stood.
    accepted
        Whether it traded.
    improved
        Whether it was better than the standing quote of its side; it stands or trades then, and is ignored otherwise.
    """

    side: Side
    price: int
    accepted: bool
    improved: bool


@runtime_checkable
class LearningPolicy(Protocol):
    """How a trader comes to its quotes, if it learns; its methods are pure functions.

    Attributes
    ----------
    draws_per_shout
        How many uniform draws `hear` uses.
    """

    draws_per_shout: ClassVar[int]

    def start(self, side: Side, rng: np.random.Generator) -> Any:
        """Give the state that a trader of this side starts with."""
        ...

    def quote(self, state: Any, situation: Situation, standing: Standing, draw: float) -> int:
        """Give a price (cents) from a uniform draw in [0, 1)."""
        ...

    def hear(self, state: Any, situation: Situation, standing: Standing, shout: Shout, draws: Sequence[float]) -> Any:
        """Give the state after a shout.

        Parameters
        ----------
        state
            Before it.
        situation
            Of the trader, after the shout: if it traded, it knows its next unit.
        standing
            The quotes that stood before the shout.
        shout
            What was heard; the trader's own shouts too.
        draws
            As many uniform draws in [0, 1) as `draws_per_shout` says.
        """
        ...


@final
@dataclass(frozen=True)
class Truthful:
    """Quotes the worth of the unit, whatever others do: buyers their value, sellers their cost.

    Examples
    --------
    >>> from walras.agents.trading import Truthful
    >>> from walras.market.order_book import Side
    >>> Truthful().quote(Side.BUY, worth=320, ceiling=400, draw=0.5)
    320
    """

    def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
        """Give the worth (ticks)."""
        return worth


def checked_policy(name: str, policy: object) -> QuotingPolicy | LearningPolicy:
    """Give `policy` if it can quote, or raise `InvalidInputError`."""
    if isinstance(policy, type) or not callable(getattr(policy, "quote", None)):
        raise InvalidInputError(f"{name} needs a method quote, as ZeroIntelligenceQuotes() has: {policy!r}.")
    return policy  # type: ignore[return-value]
