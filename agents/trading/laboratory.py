"""The double-auction laboratory: traders with induced values and costs, day after day; no cent is made or lost.

**A day.** All limits are renewed: each buyer may buy, and each seller sell, so many units. Again and again one of the
traders with units left is picked at random, all alike, and quotes a price by its policy. A bid *improves* if it is
above the standing bid, an ask if it is below the standing ask; a quote that does not improve is ignored. If it meets
the standing quote of the other side, the two trade a unit at the price of the quote that stood first, and both standing
quotes are cancelled. All traders who learn hear each quote and whether it traded. The day ends when no two of the
traders left could both gain, or after so many quotes.

**Money.** At a trade the buyer pays the price to the seller, and a tax, a fraction of the price, to the treasury; the
experimenter pays the buyer the value of the unit, and the seller pays the experimenter its cost. At the end of the day
the treasury gives what it holds back in equal parts. So at every moment

    wealth of traders + balance of the treasury + balance of the experimenter = constant, in whole cents,

and traders have no credit: a bid is at most what the buyer can pay, and an ask at least what lets the seller pay its
cost. The experimenter is in debt by what traders have gained.

**Goods.** In the morning the experimenter hands every seller its units; in the evening it collects what buyers bought
and what sellers kept. Goods of traders and those of the experimenter add up to a constant. Dealers, if there are any,
keep theirs from day to day; one that is picked quotes on either side with equal chance, if it has goods to sell.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import pandas as pd

from walras.agents.adapter import Model
from walras.agents.ledger import Ledger
from walras.agents.trading.kernel import highest_affordable, tax_on
from walras.agents.trading.market import InducedMarket
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, Shout, Standing, checked_policy
from walras.agents.trading.records import Records
from walras.agents.trading.setting import Policies, draw_stream, opening_wealth, policies_of, trader_frame
from walras.agents.trading.tables import QUOTE_COLUMNS, TRADE_COLUMNS, DaySummary, frame_of
from walras.agents.trading.traders import Buyer, Dealer, Seller, Trader
from walras.agents.treasury import Treasury
from walras.market import InvalidInputError
from walras.market.order_book import Side
from walras.market.validation import boolean, fraction, instance_of, whole_number

__all__ = ["DoubleAuctionLaboratory"]


@final
class DoubleAuctionLaboratory(Model):
    """A continuous double auction of traders with induced values and costs, for many days.

    Parameters
    ----------
    market
        Values, costs and the ceiling of prices.
    policy
        How traders quote: one policy for all, or one for each, buyers first.
    rng
        Generator, or integer seed, that traders are picked and policies draw from; it is read ahead in blocks.
    tax_rate
        Tax on each trade (fraction of its price, in [0, 1]), paid by the buyer and rebated in the evening.
    dealers
        A policy for each dealer, who buys and sells for its own account.
    dealer_goods
        Units that each dealer starts with.
    wealth_cents
        What each trader starts with (cents); by default enough for a thousand days of the worst losses.
    most_quotes
        A day ends after so many quotes.
    record_quotes
        Whether quotes are kept, too.
    most_days, most_trades
        How many of the latest days, and trades (and quotes), are kept, so that memory is bounded in long runs.

    Attributes
    ----------
    traders
        Buyers, sellers, dealers, by number.
    treasury
        Holds the tax until the evening.
    ledger
        All accounts; its institutions are the treasury and the experimenter.
    market
        As given.

    Raises
    ------
    InvalidInputError
        A malformed market, policy, seed, rate or number.

    Notes
    -----
    *Ties*: a quote equal to the standing one does not improve; a bid equal to the standing ask trades.
    *Cost*: O(1) for a quote, plus what policies take to hear it; O(n) for a day. `ColumnarLaboratory` makes the same
    trades, faster, for the simplest policies.
    *Source*: Smith 1962 for induced values and days; Gode and Sunder 1993 for the rules of quotes.

    Examples
    --------
    >>> from walras.agents.trading import DoubleAuctionLaboratory, InducedMarket, ZeroIntelligenceQuotes
    >>> smith = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> laboratory = DoubleAuctionLaboratory(smith, ZeroIntelligenceQuotes(), rng=0, tax_rate=0.05)
    >>> days = laboratory.run(days=20)
    >>> bool(0.85 < days["efficiency"].mean() < 1.0), len(laboratory.trades) == int(days["trades"].sum())
    (True, True)
    >>> laboratory.ledger.total == 22 * laboratory.opening_wealth
    True
    """

    def __init__(
        self,
        market: InducedMarket,
        policy: Policies,
        *,
        rng: np.random.Generator | int,
        tax_rate: float = 0.0,
        dealers: Sequence[QuotingPolicy | LearningPolicy] = (),
        dealer_goods: int = 0,
        wealth_cents: int | None = None,
        most_quotes: int = 1_000_000,
        record_quotes: bool = False,
        most_days: int = 100_000,
        most_trades: int = 100_000,
    ) -> None:
        if isinstance(rng, bool) or not isinstance(rng, np.random.Generator | int | np.integer):
            raise InvalidInputError(f"rng must be a numpy Generator or an integer seed, got {rng!r}.")
        generator = np.random.default_rng(rng)
        state = generator.bit_generator.state
        super().__init__(generator)
        generator.bit_generator.state = state  # Mesa draws a number to seed `self.random`, which is not used here
        self.market = instance_of("market", market, InducedMarket)
        self._tax_rate = fraction("tax_rate", tax_rate)
        self._most_quotes = whole_number("most_quotes", most_quotes, minimum=1)
        dealing = [checked_policy("dealers", one) for one in dealers]
        count = market.buyers + market.sellers + len(dealing)
        self.opening_wealth = opening_wealth(wealth_cents, market, count)
        self.ledger = Ledger(np.full(count, self.opening_wealth, dtype=np.int64), treasury=0, experimenter=0)
        self.treasury = Treasury(self, self.ledger)
        self.traders = self._create_traders([*policies_of(policy, market), *dealing])
        self._dealers = self.traders[market.buyers + market.sellers :]
        goods = whole_number("dealer_goods", dealer_goods)
        for dealer in self._dealers:
            dealer.goods = goods
        self._stock = market.worths(Side.SELL).size
        self._all_units = [
            self._units(self.traders[: market.buyers]),
            self._units(self.traders[market.buyers : market.buyers + market.sellers]),
        ]
        self._learners = [trader for trader in self.traders if trader.learning is not None]
        self._draws = draw_stream(self.rng)

        summary = DaySummary(market, self._tax_rate)
        self._records = Records(summary, most_days=most_days, most_trades=most_trades)
        self._quote_rows: deque[tuple[int, ...]] | None = (
            deque(maxlen=most_trades) if boolean("record_quotes", record_quotes) else None
        )
        self._day = 0
        self._quotes = 0
        self._trade_rows: list[tuple[int, ...]] = []
        self._nothing = Standing(-1, market.ceiling + 1, market.ceiling)
        self._standing = self._nothing
        self._makers: dict[Side, Trader] = {}

    @property
    def tax_rate(self) -> float:
        """Tax on each trade (fraction of its price)."""
        return self._tax_rate

    @property
    def days(self) -> pd.DataFrame:
        """A row per day, of the latest days; columns in `walras.agents.trading.tables`."""
        return self._records.days()

    @property
    def trades(self) -> pd.DataFrame:
        """A row per trade, of the latest trades; columns in `walras.agents.trading.tables`."""
        return self._records.trades()

    @property
    def quotes(self) -> pd.DataFrame:
        """A row per quote, of the latest quotes, if they are recorded: day, quote, trader, side (1 or -1), price."""
        rows = np.array(self._quote_rows or (), dtype=np.int64).reshape(-1, len(QUOTE_COLUMNS))
        return frame_of(rows, QUOTE_COLUMNS)

    @property
    def trader_rows(self) -> pd.DataFrame:
        """A row per trader, as it stands; columns in `walras.agents.trading.tables`."""
        units = np.array([trader.units_traded for trader in self.traders], dtype=np.int64)
        goods = np.array([trader.goods for trader in self.traders], dtype=np.int64)
        return trader_frame(self.market, units, self.ledger.wealth, goods, self.opening_wealth)

    @property
    def total_goods(self) -> int:
        """All units there are, those of the experimenter included: the same at every moment."""
        return self._stock + sum(trader.goods for trader in self.traders)

    def run(self, days: int, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
        """Play some days and give their rows (the latest of them, if they are more than are kept).

        Parameters
        ----------
        days
            How many more days to play, 1 or more.
        progress
            Called after each with the number of days done and `days`.

        Raises
        ------
        InvalidInputError
            A policy that quotes a price that is no whole number of cents from 0 to the ceiling.
        """
        days = whole_number("days", days, minimum=1)
        before = self._day
        for done in range(1, days + 1):
            self.step()
            if progress is not None:
                progress(done, days)
        return self._records.days(after=before)

    def step(self) -> None:
        """Play one day."""
        self._open()
        while self._quotes < self._most_quotes and self._can_gain():
            self._quote_once()
        self._close()

    # ----------------------------------------------------------------------------------------------------- a day

    def _open(self) -> None:
        self._day += 1
        self._quotes = 0
        self._trade_rows = []
        buyers, sellers = self.market.buyers, self.market.buyers + self.market.sellers
        self._buyers, self._sellers = list(self.traders[:buyers]), list(self.traders[buyers:sellers])
        for place, buyer in enumerate(self._buyers):
            buyer.renew(0, place)
        for place, seller in enumerate(self._sellers):
            seller.renew(len(seller.limits), place)
            self._stock -= seller.goods
        self._open_units = [units.copy() for units in self._all_units]
        self._clear_quotes()

    def _can_gain(self) -> bool:
        """Whether some unit that is still wanted is worth more than one that is still for sale costs."""
        for units in self._open_units:
            while units and units[-1][1].units_used > units[-1][2]:
                units.pop()
        wanted, offered = self._open_units
        return bool(wanted and offered and offered[-1][0] < wanted[-1][0])

    def _quote_once(self) -> None:
        """Let one trader quote, trade if the quotes cross, and let the others hear of it."""
        trader = self._picked(next(self._draws))
        draw = next(self._draws)
        self._quotes += 1
        if isinstance(trader, Dealer):
            side_draw, draw = draw, 2.0 * draw % 1.0  # one draw serves for two: its first binary digit, and the others
            if not self._turn(trader, side_draw):
                return
        side = trader.situation.side
        price = self._price_of(trader, draw)
        if isinstance(trader, Dealer):
            self._withdraw_own(trader, side, price)
        before = self._standing
        improved = price > before.bid if side is Side.BUY else price < before.ask
        accepted = improved and (price >= before.ask if side is Side.BUY else price <= before.bid)
        if improved:
            self._makers[side] = trader
            self._standing = (
                Standing(price, before.ask, before.ceiling)
                if side is Side.BUY
                else Standing(before.bid, price, before.ceiling)
            )
        heard = price
        if accepted:
            heard = before.ask if side is Side.BUY else before.bid
            self._trade(heard)
        if self._quote_rows is not None:
            self._quote_rows.append((self._day, self._quotes, trader.number, int(side), price, improved, accepted))
        if self._learners:
            self._tell(before, Shout(side, heard, accepted, improved))

    def _picked(self, draw: float) -> Trader:
        buyers, sellers = self._buyers, self._sellers
        at = int(draw * (len(buyers) + len(sellers) + len(self._dealers)))
        if at < len(buyers):
            return buyers[at]
        at -= len(buyers)
        return sellers[at] if at < len(sellers) else self._dealers[at - len(sellers)]

    def _turn(self, dealer: Dealer, draw: float) -> bool:
        """Let a dealer look to a side; give whether it can quote there."""
        side = Side.BUY if draw < 0.5 else Side.SELL
        dealer.turn(side, self.market.ceiling if side is Side.BUY else 0)
        return side is Side.BUY or dealer.goods > 0

    def _withdraw_own(self, dealer: Dealer, side: Side, price: int) -> None:
        """Cancel a dealer's quote on the other side where it would trade with itself."""
        standing = self._standing
        if self._makers.get(Side(-side)) is not dealer:
            return
        if side is Side.BUY and price >= standing.ask:
            self._standing = Standing(standing.bid, self._nothing.ask, standing.ceiling)
        elif side is Side.SELL and price <= standing.bid:
            self._standing = Standing(self._nothing.bid, standing.ask, standing.ceiling)

    def _price_of(self, trader: Trader, draw: float) -> int:
        """Give what a trader quotes (cents), within its means."""
        price = trader.quote(self._standing, draw)
        ceiling = self.market.ceiling
        if not isinstance(price, int) or isinstance(price, bool) or not 0 <= price <= ceiling:
            raise InvalidInputError(
                f"Trader {trader.number} quotes {price!r}: a quote is a whole number of cents from 0 to {ceiling}; "
                f"its policy: {trader.policy!r}."
            )
        wealth = trader.wealth_cents
        if trader.situation.side is Side.SELL:
            return max(price, trader.situation.limit - wealth)
        if price + tax_on(price, self._tax_rate) > wealth:
            return highest_affordable(wealth, self._tax_rate)
        return price

    def _trade(self, price: int) -> None:
        """Let the standing bidder buy a unit of the standing asker, settle, and clear the quotes."""
        buyer, seller = self._makers[Side.BUY], self._makers[Side.SELL]
        value, cost, tax = buyer.worth, seller.worth, tax_on(price, self._tax_rate)
        ledger = self.ledger
        ledger.transfer(buyer.number, seller.number, price)
        ledger.transfer(buyer.number, "treasury", tax)
        ledger.transfer("experimenter", buyer.number, value)
        ledger.transfer(seller.number, "experimenter", cost)
        number = len(self._trade_rows) + 1
        self._trade_rows.append((self._day, number, self._quotes, buyer.number, seller.number, value, cost, price, tax))
        for trader, side in ((buyer, Side.BUY), (seller, Side.SELL)):
            trader.trade_unit(side)
            if not trader.situation.active:
                self._leave(self._buyers if side is Side.BUY else self._sellers, trader)
        self._clear_quotes()

    @staticmethod
    def _leave(traders: list[Trader], trader: Trader) -> None:
        """Take out one who has no units left; the last of its side takes its place."""
        last = traders.pop()
        if last is not trader:
            traders[trader.place] = last
            last.place = trader.place

    def _tell(self, standing: Standing, shout: Shout) -> None:
        for trader in self._learners:
            policy = trader.learning
            if policy is not None:
                draws = [next(self._draws) for _ in range(policy.draws_per_shout)]
                trader.state = policy.hear(trader.state, trader.situation, standing, shout, draws)

    def _clear_quotes(self) -> None:
        self._standing = self._nothing
        self._makers = {}

    def _close(self) -> None:
        """Collect the goods, rebate the tax, and keep what the day was."""
        exhausted = not self._can_gain()
        for trader in self.traders[: self.market.buyers + self.market.sellers]:
            self._stock += trader.goods
            trader.goods = 0
        trades = np.array(self._trade_rows, dtype=np.int64).reshape(-1, len(TRADE_COLUMNS))
        tax = int(trades[:, 8].sum())
        rebate = self.treasury.rebate() if self._tax_rate > 0.0 else 0
        self._records.add(np.array([[self._day, self._quotes, tax, rebate, exhausted]], dtype=np.int64), trades)

    @staticmethod
    def _units(traders: Sequence[Trader]) -> list[tuple[int, Trader, int]]:
        """Limit, trader and number of each unit of a side, those that can gain most last."""
        units = [(limit, trader, unit) for trader in traders for unit, limit in enumerate(trader.limits)]
        return sorted(units, key=lambda entry: (int(entry[1].side) * entry[0], -entry[2]))

    def _create_traders(self, policies: Sequence[QuotingPolicy | LearningPolicy]) -> tuple[Trader, ...]:
        traders: list[Trader] = []
        for kind, side in ((Buyer, Side.BUY), (Seller, Side.SELL)):
            worths = self.market.worths(side).tolist()
            limits = self.market.worths(side, tax_rate=self._tax_rate).tolist()
            for units, net in zip(worths, limits, strict=True):
                number = len(traders)
                traders.append(
                    kind(self, self.ledger, number=number, policy=policies[number], worths=units, limits=net)
                )
        for policy in policies[len(traders) :]:
            traders.append(Dealer(self, self.ledger, number=len(traders), policy=policy, worths=(), limits=()))
        return tuple(traders)
