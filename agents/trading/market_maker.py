"""A dealer who quotes on both sides, and leans against the goods that it has piled up (Avellaneda and Stoikov).

The price of the good follows a random walk of variance sigma^2 a period, and a quote at the distance d from it is hit
at the rate `A exp(-k d)`. A dealer with constant absolute risk aversion gamma, q units and the time T - t left is
indifferent between holding them or not at its *reservation price*, and nearly optimal quotes stand symmetrically around
it, not around the price:

    r = s - q gamma sigma^2 (T - t),        ask - bid = gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k).

As gamma tends to 0, r tends to s and the spread to 2 / k. In the laboratory s is what the dealer has learned from
trades, an exponential mean of their prices, and sigma^2 (T - t) is a constant, the variance that it reckons with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.trading.quoting import Shout, Situation, Standing
from walras.market import InvalidInputError
from walras.market.order_book import Side
from walras.market.validation import fraction, nonnegative_number, positive_number, whole_number

__all__ = ["MarketMaker", "dealer_spread", "reservation_price"]


def reservation_price(price: float, inventory: float, risk_aversion: float, variance: float) -> float:
    """Give the price at which a dealer would as soon hold its goods as not: `s - q gamma sigma^2 (T - t)`.

    Parameters
    ----------
    price
        s, of the good (money).
    inventory
        q, units held beyond what the dealer wants to hold.
    risk_aversion
        gamma (1 / money).
    variance
        sigma^2 (T - t), of the price until the end (money^2).

    Notes
    -----
    *Source*: Avellaneda and Stoikov 2008, equation 3.17 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.trading import reservation_price
    >>> reservation_price(100.0, inventory=2.0, risk_aversion=0.1, variance=4.0)
    99.2
    """
    return price - inventory * risk_aversion * variance


def dealer_spread(risk_aversion: float, variance: float, depth: float) -> float:
    """Give the distance from bid to ask: `gamma sigma^2 (T - t) + (2 / gamma) ln(1 + gamma / k)`.

    Parameters
    ----------
    risk_aversion
        gamma (1 / money), 0 or more; at 0 the limit 2 / k.
    variance
        sigma^2 (T - t), of the price until the end (money^2).
    depth
        k (1 / money), above 0: how fast orders become rare with the distance from the price.

    Notes
    -----
    *Source*: Avellaneda and Stoikov 2008, equation 3.18 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.trading import dealer_spread
    >>> round(dealer_spread(0.1, 4.0, 1.5), 4), round(dealer_spread(0.0, 4.0, 1.5), 4)
    (1.6908, 1.3333)
    """
    if risk_aversion == 0.0:
        return 2.0 / depth
    return risk_aversion * variance + 2.0 / risk_aversion * math.log1p(risk_aversion / depth)


@final
@dataclass(frozen=True, kw_only=True)
class MarketMaker:
    """Quotes around its reservation price; a policy for `DoubleAuctionLaboratory(dealers=...)`.

    Parameters
    ----------
    first_price
        What it takes the price to be before any trade (cents).
    risk_aversion
        gamma (1 / cents), 0 or more: how strongly it leans against its goods.
    variance
        Of the price, as far as it looks ahead (cents^2), 0 or more.
    depth
        k (1 / cents), above 0: how fast orders become rare with the distance from the price.
    target
        Units that it wants to hold.
    weight
        Of the latest trade in its estimate of the price, in [0, 1].

    Notes
    -----
    The bid is rounded down and the ask up, to whole cents from 0 to the ceiling.
    *Source*: Avellaneda and Stoikov 2008 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.trading import DoubleAuctionLaboratory, InducedMarket, MarketMaker, ZeroIntelligenceQuotes
    >>> market = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> maker = MarketMaker(first_price=200.0, target=20)
    >>> laboratory = DoubleAuctionLaboratory(
    ...     market, ZeroIntelligenceQuotes(), rng=0, dealers=[maker], dealer_goods=20, wealth_cents=100_000
    ... )
    >>> days = laboratory.run(days=50)
    >>> dealer = laboratory.trader_rows.iloc[-1]
    >>> str(dealer["side"]), bool(dealer["units_traded"] > 100), bool(abs(dealer["goods"] - 20) < 20)
    ('dealer', True, True)
    """

    draws_per_shout: ClassVar[int] = 0

    first_price: float
    risk_aversion: float = 0.005
    variance: float = 400.0
    depth: float = 0.1
    target: int = 0
    weight: float = 0.1

    def __post_init__(self) -> None:
        for name in ("first_price", "risk_aversion", "variance"):
            object.__setattr__(self, name, nonnegative_number(f"MarketMaker.{name}", getattr(self, name)))
        object.__setattr__(self, "depth", positive_number("MarketMaker.depth", self.depth))
        object.__setattr__(self, "target", whole_number("MarketMaker.target", self.target))
        object.__setattr__(self, "weight", fraction("MarketMaker.weight", self.weight))

    def start(self, side: Side, rng: np.random.Generator) -> float:
        """Give the first estimate of the price (cents)."""
        return self.first_price

    def quote(self, state: float, situation: Situation, standing: Standing, draw: float) -> int:
        """Give the bid or the ask (cents); the draw is not used."""
        if not situation.is_dealer:
            raise InvalidInputError(
                "MarketMaker is a policy of dealers, who trade for their own account: pass it as `dealers`, not as "
                "`policy`."
            )
        inventory = situation.goods - self.target
        centre = reservation_price(state, inventory, self.risk_aversion, self.variance)
        half = 0.5 * dealer_spread(self.risk_aversion, self.variance, self.depth)
        price = math.floor(centre - half) if situation.side is Side.BUY else math.ceil(centre + half)
        return min(max(price, 0), standing.ceiling)

    def hear(
        self, state: float, situation: Situation, standing: Standing, shout: Shout, draws: Sequence[float]
    ) -> float:
        """Give the estimate of the price after a shout: trades move it."""
        return state + self.weight * (shout.price - state) if shout.accepted else state
