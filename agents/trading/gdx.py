"""Traders who quote the price of the largest expected gain, now (GD) or over several chances to quote (GDX).

A trader believes that a quote of p is accepted with probability f(p) (`walras.agents.trading.beliefs`) and then gains
s(p): p - cost for a seller, value - p for a buyer. With k chances to quote left it expects

    V_k = max_p  f(p) s(p) + (1 - f(p)) discount V_{k-1},        V_0 = 0,

and it quotes the p that attains `V_horizon`. With `horizon = 1`, or `discount = 0`, that is the rule of Gjerstad and
Dickhaut; with more it is the dynamic program of Tesauro and Bredin for one unit, beliefs taken as lasting. The more
chances it expects, the more patient it is.

No quote is made that could not stand: with a standing bid B and ask A, a seller's p lies in [B, A), where p = B takes
the bid and is accepted for sure, and a buyer's in (B, A]. Who cannot gain within that quotes its limit, and is ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from walras.agents.money import IntArray
from walras.agents.trading.beliefs import QuoteMemory, acceptance, interpolated
from walras.agents.trading.quoting import Shout, Situation, Standing
from walras.market.order_book import Side
from walras.market.validation import fraction, whole_number

__all__ = ["GjerstadDickhaut"]

_PRICES = 512  # prices that are tried, at most, beside those that are remembered


@final
@dataclass(frozen=True, kw_only=True)
class GjerstadDickhaut:
    """Quotes by beliefs about which prices are accepted: GD, and GDX with a longer horizon; see the module's header.

    Parameters
    ----------
    memory
        L, the number of trades back to which quotes are remembered, 1 or more.
    horizon
        Chances to quote that the trader reckons with, 1 or more: 1 for GD.
    discount
        Weight of a gain one chance later, in [0, 1].

    Notes
    -----
    *Ties*: of prices with the same expectation the best one for the trader itself. Prices more than 512 cents apart at
    the ends are tried at 512 places, and where quotes were made. *Cost*: O(quotes remembered + prices x horizon) for a
    quote. It knows its next unit only.
    *Source*: Gjerstad and Dickhaut 1998; Tesauro and Bredin 2002 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.agents.trading import DoubleAuctionLaboratory, GjerstadDickhaut, InducedMarket
    >>> market = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> days = DoubleAuctionLaboratory(market, GjerstadDickhaut(), rng=0).run(days=10)
    >>> bool(days["efficiency"].mean() > 0.98), bool(days["smith_alpha"].iloc[-1] < 0.1)
    (True, True)
    """

    draws_per_shout: ClassVar[int] = 0

    memory: int = 8
    horizon: int = 1
    discount: float = 0.9

    def __post_init__(self) -> None:
        for name in ("memory", "horizon"):
            number = whole_number(f"GjerstadDickhaut.{name}", getattr(self, name), minimum=1)
            object.__setattr__(self, name, number)
        object.__setattr__(self, "discount", fraction("GjerstadDickhaut.discount", self.discount))

    def start(self, side: Side, rng: np.random.Generator) -> QuoteMemory:
        """Remember nothing."""
        return QuoteMemory()

    def quote(self, state: QuoteMemory, situation: Situation, standing: Standing, draw: float) -> int:
        """Give the price of the largest expected gain (cents); the draw is not used."""
        side, limit = situation.side, situation.limit
        prices = self._candidates(state, side, limit, standing)
        if len(prices) == 0:
            return limit
        chances = interpolated(prices, *acceptance(state, side, standing.ceiling))
        taking = prices == (standing.ask if side is Side.BUY else standing.bid)
        chances = np.where(taking, 1.0, chances)
        gains = (limit - prices) if side is Side.BUY else (prices - limit)
        later = 0.0
        for _ in range(self.horizon):
            expected = chances * gains + (1.0 - chances) * self.discount * later
            later = float(expected.max())
        return int(prices[expected.argmax()])

    def hear(
        self, state: QuoteMemory, situation: Situation, standing: Standing, shout: Shout, draws: Sequence[float]
    ) -> QuoteMemory:
        """Give the memory with the shout in it."""
        return state.after(standing, shout, self.memory)

    @staticmethod
    def _candidates(state: QuoteMemory, side: Side, limit: int, standing: Standing) -> IntArray:
        """Prices that could stand or trade and bring no loss, those of the largest gain first."""
        if side is Side.BUY:
            low, high = standing.bid + 1, min(limit, standing.ask, standing.ceiling)
        else:
            low, high = max(limit, standing.bid, 0), min(standing.ask - 1, standing.ceiling)
        if low > high:
            return np.empty(0, dtype=np.int64)
        if high - low < _PRICES:
            prices = np.arange(low, high + 1)
        else:
            spread = np.linspace(low, high, _PRICES).round().astype(np.int64)
            known = np.array([price for _, price, _ in state.quotes if low <= price <= high], dtype=np.int64)
            prices = np.unique(np.concatenate([spread, known]))
        return prices if side is Side.BUY else prices[::-1]
