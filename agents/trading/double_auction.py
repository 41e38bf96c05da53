"""Zero-intelligence traders in a continuous double auction, and how much of the surplus they find.

**The market.** Each buyer wants one unit, worth v to it; each seller has one, of cost c. Again and again one of the
traders who have not traded yet is picked at random, all alike, and quotes a price. A bid *improves* if it is above the
standing bid, an ask if it is below the standing ask; a quote that does not improve is ignored. If it meets the standing
quote of the other side (bid >= ask), the two trade at the price of the quote that stood first, both leave, and both
standing quotes are cancelled. The period ends when no two of the traders left could both gain.

*Efficiency* is the surplus that was realised, the sum of v - c over the trades, as a fraction of the largest possible
one, the sum of the gaps between the highest values and the lowest costs while these are positive.

**Choices that matter.** The rule is told in few words and leaves three choices open. With one unit for each trader,
improving quotes only, and no end but the last gain, the mean efficiency is 0.970 for values 105, 100, ... 60, costs 30,
36, ... 84 and asks up to 125, and 0.965 for Smith's first market. If any new quote replaces the standing one, it is
0.961 and 0.944. If the period also ends after 100 quotes, it is 0.86 and 0.78; after 500, 0.968 and 0.963.

Prices are whole ticks, as in the order book, and `PeriodResult.log` is the same period as an event log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import final

import numpy as np

from walras.agents.money import IntArray
from walras.agents.trading.kernel import uniform_price
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, checked_policy
from walras.market import InvalidInputError
from walras.market.order_book import Event, EventLog, Side
from walras.market.validation import boolean, instance_of, whole_number

__all__ = ["DoubleAuctionPeriod", "PeriodResult", "PeriodStatus", "ZeroIntelligenceQuotes"]

_BLOCK = 1024  # uniform draws are fetched so many at a time


@final
@dataclass(frozen=True, kw_only=True)
class ZeroIntelligenceQuotes:
    """Quotes at random, all prices in a range alike.

    Parameters
    ----------
    constrained
        Whether losses are ruled out (ZI-C): a bid lies in 0 ... v, an ask in c ... ceiling. If not (ZI-U), both lie in
        0 ... ceiling. `ZeroIntelligenceConstrained` and `ZeroIntelligenceUnconstrained` are the same two for sealed
        bids.

    Notes
    -----
    *Source*: Gode and Sunder 1993 (docs/reference/bibliography.md).
    """

    constrained: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "constrained", boolean("ZeroIntelligenceQuotes.constrained", self.constrained))

    def quote(self, side: Side, worth: int, ceiling: int, draw: float) -> int:
        """Give a price (ticks) from a uniform draw in [0, 1)."""
        lowest, highest = 0, ceiling
        if self.constrained:
            lowest, highest = (0, worth) if side is Side.BUY else (worth, ceiling)
        return uniform_price(lowest, highest, draw)


class PeriodStatus(Enum):
    """How a period ended; each value tells the reader what it means for them."""

    EXHAUSTED = "no two of the traders left could both gain"
    OUT_OF_QUOTES = "the number of quotes was used up while gains were left; raise most_quotes to let trade go on"


@final
@dataclass(frozen=True, eq=False)
class PeriodResult:
    """A period of trade.

    Attributes
    ----------
    buyers, sellers, prices
        Of each trade, in order: the buyer's and the seller's number, and the price (ticks); shape (k,).
    surplus, largest_surplus
        Gains realised, and those possible (ticks).
    quotes
        How many quotes were made, ignored ones included.
    standing
        The quotes that improved: number of the quote, side, number of the trader, price; shape (q, 4).
    status
        How the period ended.
    """

    buyers: IntArray
    sellers: IntArray
    prices: IntArray
    surplus: int
    largest_surplus: int
    quotes: int
    standing: IntArray
    status: PeriodStatus
    _buyer_count: int = field(repr=False)

    @property
    def efficiency(self) -> float:
        """Surplus realised as a fraction of the largest possible; 1 where none is possible and none was lost."""
        if self.largest_surplus == 0:
            return 1.0 if self.surplus == 0 else -np.inf
        return self.surplus / self.largest_surplus

    @property
    def log(self) -> EventLog:
        """The period as events of an order book: improving quotes as limit orders of one unit, and cancellations.

        The order's number and the time are those of the quote; sellers are numbered after buyers. The book's trades are
        those of the period.
        """
        return EventLog.of(self._events())

    def _events(self) -> Iterator[Event]:
        stands: dict[Side, tuple[int, int, int]] = {}  # order, trader, price
        for number, side_number, trader, price in self.standing.tolist():
            side = Side(side_number)
            account = trader if side is Side.BUY else self._buyer_count + trader
            if side in stands:
                order, owner, _ = stands.pop(side)
                yield Event.cancel(order, trader=owner, time=number)
            yield Event.limit(number, side, 1, price, trader=account, time=number)
            other = stands.get(Side(-side))
            if other is not None and side * (price - other[2]) >= 0:
                stands.clear()  # the two traded
            else:
                stands[side] = (number, account, price)


@final
@dataclass(frozen=True)
class DoubleAuctionPeriod:
    """A market of buyers and sellers of one unit each, for one period of trade.

    Parameters
    ----------
    values, costs
        What a unit is worth to each buyer, and what it costs each seller (whole ticks, 0 ... ceiling).
    ceiling
        The highest price that may be quoted (ticks). Choose ticks small beside the prices, and quotes are nearly
        continuous.
    policy
        How traders quote.
    most_quotes
        The period ends after so many quotes.

    Examples
    --------
    >>> import numpy as np
    >>> market = DoubleAuctionPeriod(values=(900, 700), costs=(300, 500), ceiling=1000)
    >>> period = market.run(np.random.default_rng(0))
    >>> period.status.name, period.efficiency
    ('EXHAUSTED', 1.0)

    Notes
    -----
    *Ties*: a quote equal to the standing one does not improve; a bid equal to the standing ask trades.
    *Cost*: O(1) for a quote, O(n) for a trade.
    *Source*: Gode and Sunder 1993 (docs/reference/bibliography.md).
    """

    values: Sequence[int]
    costs: Sequence[int]
    ceiling: int
    policy: QuotingPolicy = ZeroIntelligenceQuotes()
    most_quotes: int = 1_000_000

    def __post_init__(self) -> None:
        ceiling = whole_number("DoubleAuctionPeriod.ceiling", self.ceiling, minimum=1)
        if ceiling >= 2**52:
            raise InvalidInputError(
                f"DoubleAuctionPeriod.ceiling must be below 2**52 ticks, so that a draw can reach each; got {ceiling}."
            )
        for name in ("values", "costs"):
            object.__setattr__(self, name, _worths(f"DoubleAuctionPeriod.{name}", getattr(self, name), ceiling))
        policy = checked_policy("DoubleAuctionPeriod.policy", self.policy)
        if isinstance(policy, LearningPolicy):
            raise InvalidInputError(
                f"DoubleAuctionPeriod.policy must be one that remembers nothing, got {policy!r}: "
                "DoubleAuctionLaboratory runs traders who learn."
            )
        object.__setattr__(self, "ceiling", ceiling)
        most = whole_number("DoubleAuctionPeriod.most_quotes", self.most_quotes, minimum=1)
        object.__setattr__(self, "most_quotes", most)

    @property
    def largest_surplus(self) -> int:
        """The largest possible sum of gains (ticks)."""
        pairs = zip(sorted(self.values, reverse=True), sorted(self.costs), strict=False)
        return sum(max(value - cost, 0) for value, cost in pairs)

    def run(self, rng: np.random.Generator) -> PeriodResult:
        """Let the traders quote until the period ends.

        Raises
        ------
        InvalidInputError
            If a policy quotes a price that is no whole number of ticks from 0 to the ceiling.
        """
        draws = _uniforms(instance_of("rng", rng, np.random.Generator))
        buyers, sellers = list(range(len(self.values))), list(range(len(self.costs)))
        trades: list[tuple[int, int, int]] = []
        standing: list[tuple[int, int, int, int]] = []
        quotes = 0
        while quotes < self.most_quotes and self._can_gain(buyers, sellers):
            buyer, seller, price, quotes = self._until_trade(buyers, sellers, standing, quotes, draws)
            if buyer is None:
                break
            _leave(buyers, buyer)
            _leave(sellers, seller)
            trades.append((buyer, seller, price))
        table = np.array(trades, dtype=np.int64).reshape(-1, 3)
        return PeriodResult(
            buyers=table[:, 0],
            sellers=table[:, 1],
            prices=table[:, 2],
            surplus=sum(self.values[buyer] - self.costs[seller] for buyer, seller, _ in trades),
            largest_surplus=self.largest_surplus,
            quotes=quotes,
            standing=np.array(standing, dtype=np.int64).reshape(-1, 4),
            status=PeriodStatus.OUT_OF_QUOTES if self._can_gain(buyers, sellers) else PeriodStatus.EXHAUSTED,
            _buyer_count=len(self.values),
        )

    def _can_gain(self, buyers: list[int], sellers: list[int]) -> bool:
        """Whether some buyer left values a unit above what it costs some seller left."""
        highest = max((self.values[buyer] for buyer in buyers), default=0)
        return any(self.costs[seller] < highest for seller in sellers)

    def _until_trade(
        self,
        buyers: list[int],
        sellers: list[int],
        standing: list[tuple[int, int, int, int]],
        quotes: int,
        draws: Iterator[float],
    ) -> tuple[int | None, int, int, int]:
        """Give buyer, seller and price of the next trade, and the quotes made so far; no buyer if they are used up."""
        bidder, bid, asker, ask = -1, -1, -1, self.ceiling + 1  # nobody: any quote improves on these
        while quotes < self.most_quotes:
            picked = int(next(draws) * (len(buyers) + len(sellers)))
            if picked < len(buyers):
                trader = buyers[picked]
                price = self._quote(Side.BUY, self.values[trader], next(draws))
                if price > bid:
                    bidder, bid = trader, price
                    standing.append((quotes, 1, trader, price))
                    if bid >= ask:
                        return bidder, asker, ask, quotes + 1
            else:
                trader = sellers[picked - len(buyers)]
                price = self._quote(Side.SELL, self.costs[trader], next(draws))
                if price < ask:
                    asker, ask = trader, price
                    standing.append((quotes, -1, trader, price))
                    if bid >= ask:
                        return bidder, asker, bid, quotes + 1
            quotes += 1
        return None, -1, -1, quotes

    def _quote(self, side: Side, worth: int, draw: float) -> int:
        price = self.policy.quote(side, worth, self.ceiling, draw)
        if not isinstance(price, int) or not 0 <= price <= self.ceiling:
            raise InvalidInputError(
                f"{self.policy!r} quotes {price!r}: a quote is a whole number of ticks from 0 to {self.ceiling}."
            )
        return price


def _leave(traders: list[int], trader: int) -> None:
    """Take out one who has traded; the last takes its place, so that the laboratory picks the same ones."""
    traders[traders.index(trader)] = traders[-1]
    traders.pop()


def _worths(name: str, values: Sequence[int], ceiling: int) -> tuple[int, ...]:
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.size == 0:
        raise InvalidInputError(f"{name} must be whole numbers of ticks, one or more; got {values!r}.")
    outside = array[(array < 0) | (array > ceiling)]
    if outside.size:
        raise InvalidInputError(f"{name} must lie in 0 ... {ceiling}, the ceiling; got {outside[0]}.")
    return tuple(array.tolist())


def _uniforms(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(_BLOCK).tolist()
