"""Zero-intelligence-plus traders, who learn a profit margin from every shout (ZIP).

A trader with limit L (a buyer's value, a seller's cost) and margin m quotes `p = L (1 + m)`; m is in [-1, 0] for buyers
and 0 or more for sellers. After a shout at price q:

- sellers whose p <= q raise p if the shout was accepted; those still in the market whose p >= q lower it if a bid was
  accepted, or if an ask was not;
- buyers whose p >= q lower p if the shout was accepted; those still in the market whose p <= q raise it if an ask was
  accepted, or if a bid was not.

Who raises aims at `q (1 + r) + a`, who lowers at `q (1 - r) - a`, with r uniform on [0, R] and a on [0, A]. With the
learning rate b and the inertia g (Widrow-Hoff with momentum),

    momentum <- g momentum + (1 - g) b (target - p),        m <- (p + momentum) / L - 1.

Prices are compared, and shouted, in whole cents. In the published market a shout lasts for a moment. Here quotes stand,
and improve, and what is shouted in vain because it does not improve is heard too: without that, traders behind the
standing quotes would learn nothing and never move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.trading.kernel import STAY, adapt_margin, margin_quote, wanted_move
from walras.agents.trading.quoting import Shout, Situation, Standing
from walras.market import InvalidInputError
from walras.market.order_book import Side
from walras.market.validation import finite_number, fraction, nonnegative_number

__all__ = ["MarginState", "ZeroIntelligencePlus"]


@final
@dataclass(frozen=True, slots=True)
class MarginState:
    """What a ZIP trader has learned, and how it learns.

    Attributes
    ----------
    margin
        Profit margin (fraction of the limit): in [-1, 0] for buyers, 0 or more for sellers.
    momentum
        The last change of its price (cents).
    learning_rate
        Share of the distance to the target that a step covers.
    inertia
        Weight of the last change in the next one.
    """

    margin: float
    momentum: float
    learning_rate: float
    inertia: float


@final
@dataclass(frozen=True, kw_only=True)
class ZeroIntelligencePlus:
    """Quotes by a profit margin that is learned from every shout (ZIP); the module's header states the rule.

    Parameters
    ----------
    first_margin, learning_rate, inertia
        Ranges (lowest, highest) that each trader draws its first margin, learning rate and inertia from, uniformly;
        within [0, 1]. A buyer's margin is taken with a minus sign.
    relative_shift
        R, the most that a target lies beyond the price heard, as a fraction of it.
    absolute_shift
        A, the most that a target lies beyond in addition (cents).

    Notes
    -----
    *Ties*: a trader whose price equals an accepted one moves away from it, never both ways. A limit of 0 has no margin:
    the price stays 0. Quotes are rounded to whole cents and never pass the limit.
    *Source*: Cliff and Bruten 1997, with its parameters as defaults: money in cents, prices of some hundreds of cents.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.agents.trading import DoubleAuctionLaboratory, InducedMarket, ZeroIntelligencePlus
    >>> market = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> laboratory = DoubleAuctionLaboratory(market, ZeroIntelligencePlus(), rng=0)
    >>> days = laboratory.run(days=10)
    >>> bool(days["efficiency"].mean() > 0.95), bool(days["smith_alpha"].iloc[-1] < 0.05)
    (True, True)
    """

    draws_per_shout: ClassVar[int] = 2

    first_margin: tuple[float, float] = (0.05, 0.35)
    learning_rate: tuple[float, float] = (0.1, 0.5)
    inertia: tuple[float, float] = (0.0, 0.1)
    relative_shift: float = 0.05
    absolute_shift: float = 5.0

    def __post_init__(self) -> None:
        for name in ("first_margin", "learning_rate", "inertia"):
            object.__setattr__(self, name, _range(f"ZeroIntelligencePlus.{name}", getattr(self, name)))
        shift = fraction("ZeroIntelligencePlus.relative_shift", self.relative_shift)
        object.__setattr__(self, "relative_shift", shift)
        cents = nonnegative_number("ZeroIntelligencePlus.absolute_shift", self.absolute_shift)
        object.__setattr__(self, "absolute_shift", cents)

    def start(self, side: Side, rng: np.random.Generator) -> MarginState:
        """Draw the first margin, the learning rate and the inertia of a trader."""
        margin, learning_rate, inertia = (
            low + (high - low) * float(rng.random())
            for low, high in (self.first_margin, self.learning_rate, self.inertia)
        )
        return MarginState(-margin if side is Side.BUY else margin, 0.0, learning_rate, inertia)

    def quote(self, state: MarginState, situation: Situation, standing: Standing, draw: float) -> int:
        """Give the price of the margin (cents); the draw is not used."""
        return margin_quote(situation.side, situation.limit, state.margin, standing.ceiling)

    def hear(
        self, state: MarginState, situation: Situation, standing: Standing, shout: Shout, draws: Sequence[float]
    ) -> MarginState:
        """Give the state after a shout, with two draws for the target."""
        side, limit = int(situation.side), situation.limit
        price = margin_quote(side, limit, state.margin, standing.ceiling)
        move = wanted_move(side, price, situation.active, int(shout.side), shout.price, shout.accepted)
        if move == STAY:
            return state
        margin, momentum = adapt_margin(
            side,
            limit,
            state.margin,
            state.momentum,
            state.learning_rate,
            state.inertia,
            move,
            shout.price,
            self.relative_shift * draws[0],
            self.absolute_shift * draws[1],
        )
        return MarginState(margin, momentum, state.learning_rate, state.inertia)


def _range(name: str, value: object) -> tuple[float, float]:
    try:
        low, high = (finite_number(name, end) for end in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be a range of two numbers, got {value!r}.") from error
    if not 0.0 <= low <= high <= 1.0:
        raise InvalidInputError(f"{name} must be a range within [0, 1], lowest first; got {value!r}.")
    return low, high
