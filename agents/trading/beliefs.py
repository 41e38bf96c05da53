"""What traders remember of quotes, and how likely they believe a price to be accepted (Gjerstad and Dickhaut).

Remembered are the quotes that stood, with their fate, from the last L trades on. A trade at P is an ask of P that was
taken and a bid of P that was taken; a quote that was improved upon, or cancelled by a trade of others, is one that was
left. With counts over what is remembered, an ask of a is believed to be accepted with the probability

    f(a) = (asks taken at a or more + bids of a or more) / (the same + asks left at a or less),

and a bid of b with the probability

    g(b) = (bids taken at b or less + asks of b or less) / (the same + bids left at b or more).

This holds at the prices that occur; f(0) = 1 and f(ceiling) = 0, g(0) = 0 and g(ceiling) = 1 are added where they do
not, and between two of these prices a cubic with slope 0 at both ends joins them. So f falls and g rises.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.agents.money import IntArray
from walras.agents.trading.quoting import Shout, Standing
from walras.market.order_book import Side
from walras.market.validation import FloatArray

__all__ = ["QuoteMemory", "acceptance", "interpolated"]

Quote: TypeAlias = tuple[int, int, bool]  # side (1 or -1), price (cents), whether it was taken

_MOST_LEFT = 256  # quotes remembered since a trade: enough, and bounded where nobody ever trades


@final
@dataclass(frozen=True, slots=True)
class QuoteMemory:
    """The quotes that are remembered.

    Attributes
    ----------
    spans
        The quotes of each span from one trade to the next, that trade included, the latest span last: it is open.
    """

    spans: tuple[tuple[Quote, ...], ...] = ((),)

    @property
    def quotes(self) -> list[Quote]:
        """All of them, oldest first."""
        return [quote for span in self.spans for quote in span]

    def after(self, standing: Standing, shout: Shout, most_trades: int) -> "QuoteMemory":
        """Give the memory after a shout, which found these quotes standing, of the last so many trades."""
        if not shout.improved:
            return self
        side = int(shout.side)
        beaten = standing.bid if shout.side is Side.BUY else standing.ask
        span = self.spans[-1]
        if 0 <= beaten <= standing.ceiling:  # something stood on its side: now it never will be taken
            span = (*span, (side, beaten, False))[-_MOST_LEFT:]
        if not shout.accepted:
            return QuoteMemory((*self.spans[:-1], span))
        span = (*span, (side, shout.price, True), (-side, shout.price, True))
        return QuoteMemory((*self.spans[:-1], span, ())[-most_trades - 1 :])


def acceptance(memory: QuoteMemory, side: Side, ceiling: int) -> tuple[IntArray, FloatArray]:
    """Give prices that occur, ascending, and the probability that a quote of this side is accepted at each.

    Returns
    -------
    tuple
        Prices (cents) and probabilities, shape (k,) both, from price 0 to the ceiling.
    """
    quotes = np.array(memory.quotes, dtype=np.int64).reshape(-1, 3)
    sides, prices, taken = quotes[:, 0], quotes[:, 1], quotes[:, 2].astype(bool)
    knots = np.unique(prices)
    own = sides == int(side)
    # Mirrored, so that for either side a larger number is a better offer to the others.
    sign = int(side)
    offers, levels = sign * prices, sign * knots
    good = _at_most(offers[own & taken], levels) + _at_most(offers[~own], levels)
    bad = np.count_nonzero(own & ~taken) - _at_most(offers[own & ~taken], levels - 1)
    chances = good / np.maximum(good + bad, 1)
    ends = [(0, 0.0), (ceiling, 1.0)] if side is Side.BUY else [(0, 1.0), (ceiling, 0.0)]
    for price, chance in ends:
        if price not in knots:
            at = int(np.searchsorted(knots, price))
            knots, chances = np.insert(knots, at, price), np.insert(chances, at, chance)
    return knots, chances


def interpolated(prices: IntArray, knots: IntArray, chances: FloatArray) -> FloatArray:
    """Give probabilities at prices from 0 to the ceiling, by cubics with slope 0 at the knots."""
    above = np.clip(np.searchsorted(knots, prices, side="right"), 1, len(knots) - 1)
    low, high = knots[above - 1], knots[above]
    share = (prices - low) / (high - low)
    weight = share * share * (3.0 - 2.0 * share)
    return np.asarray(chances[above - 1] + weight * (chances[above] - chances[above - 1]))


def _at_most(offers: IntArray, levels: IntArray) -> IntArray:
    """How many offers are at most each level, shape of the levels."""
    return np.searchsorted(np.sort(offers), levels, side="right")
