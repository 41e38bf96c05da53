"""The continuous double auction: the rules, and a whole session of it from an event log.

**Rules.** Buyers and sellers of an instrument come one by one. An order trades at once with the resting orders of the
other side, while their prices are within its limit: the best price first, at one price the one that arrived first
(*price-time priority*), each at the resting order's price. What is left of a limit order rests.

- *Limit*: rests. *Market*: has no limit and never rests. *Immediate or cancel*: has a limit and never rests.
  *Fill or kill*: trades in full at once or not at all. *Post only*: rests, or is removed if it would trade on arrival.
- *Cancel* removes what rests of an order. *Replace* gives it a new price and a new open quantity: it keeps its place if
  the price stays and the quantity does not rise; otherwise it enters anew, behind its equals, and may trade at once.
- *Expiry*: an order is gone before the first event at its expiry or later; several go by expiry, then by arrival.
- *Rejections*: an event that cannot be applied changes nothing, not even the time.

No clock is read and nothing is drawn: the log determines the session, and a replay gives the same rows and the same
digests.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

from walras.market.certificate import Certified
from walras.market.errors import InvalidInputError
from walras.market.order_book.audit import SessionCertificate, audit
from walras.market.order_book.book import Book, rejection_message
from walras.market.order_book.codes import Reason, SelfTrade
from walras.market.order_book.columnar import ColumnarBook
from walras.market.order_book.events import Event
from walras.market.order_book.log import EventLog, Rows
from walras.market.order_book.objects import ObjectBook
from walras.market.order_book.report import BookState, Report
from walras.market.properties import Property
from walras.market.validation import boolean, instance_of, whole_number

__all__ = ["ContinuousDoubleAuction", "Engine", "Session", "SessionStatus"]

_MANY_EVENTS = 10_000


class Engine(Enum):
    """What executes the auction. The results are the same."""

    COLUMNAR = "arrays, and a kernel that numba compiles where it is installed"
    OBJECTS = "Python objects: easy to read, slower"


class SessionStatus(Enum):
    """How a session ended; each value tells the reader what it means for them."""

    COMPLETE = "every event was applied"
    SOME_REJECTED = "some events could not be applied and changed nothing; `rejections` lists them"


@final
@dataclass(frozen=True, eq=False)
class Session(Certified):
    """A session of the auction, from an empty book to the end of the log.

    Attributes
    ----------
    trades, removals, rejections
        Structured arrays, one row each; `Report` describes their fields.
    book
        The orders that rest at the end; its best prices are what the market says a unit is worth.
    status, certificate
        How it ended, and the residuals that prove that the rules were kept.
    """

    trades: Rows
    removals: Rows
    rejections: Rows
    book: BookState
    status: SessionStatus
    certificate: SessionCertificate

    def digest(self) -> str:
        """Give a SHA-256 of trades, removals and rejections: equal digests mean equal sessions."""
        return Report(self.trades, self.removals, self.rejections).digest()


@final
@dataclass(frozen=True)
class ContinuousDoubleAuction:
    """A market in which orders trade as they come, by price and then by time.

    Parameters
    ----------
    instruments
        How many instruments are traded; they are numbered from 0. Each has a book of its own.
    self_trade
        What happens when an order meets a resting one of the same trader.

    Examples
    --------
    >>> from walras.market.order_book import ContinuousDoubleAuction, Event, EventLog, Side
    >>> log = EventLog.of([
    ...     Event.limit(1, Side.SELL, 5, 101, trader=1),
    ...     Event.limit(2, Side.SELL, 5, 100, trader=2),
    ...     Event.limit(3, Side.BUY, 7, 101, trader=3),
    ... ])
    >>> session = ContinuousDoubleAuction().run(log).require()
    >>> session.trades[["maker_order", "price", "quantity"]].tolist()
    [(2, 100, 5), (1, 101, 2)]

    Notes
    -----
    *Individually rational*: an order never trades beyond its limit; a market order has none. It is neither
    strategy-proof nor efficient: what is traded depends on who comes first, and traders gain by waiting and shading.
    *Ties*: equal prices by arrival. *Cost*: O(log n) for an event.
    *Source*: Gode and Sunder 1993 for the auction as a mechanism (docs/reference/bibliography.md).
    """

    instruments: int = 1
    self_trade: SelfTrade = SelfTrade.ALLOW

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRONGLY_BUDGET_BALANCED,
        }
    )

    def __post_init__(self) -> None:
        instruments = whole_number("ContinuousDoubleAuction.instruments", self.instruments, minimum=1)
        object.__setattr__(self, "instruments", instruments)
        instance_of("ContinuousDoubleAuction.self_trade", self.self_trade, SelfTrade)

    def open(self, engine: Engine = Engine.OBJECTS) -> Book:
        """Give an empty live book under these rules, for events that come one by one or log by log."""
        chosen = ColumnarBook if instance_of("engine", engine, Engine) is Engine.COLUMNAR else ObjectBook
        return chosen(self.instruments, self.self_trade)

    def run(self, log: EventLog, *, keep_rejected: bool = False, engine: Engine | None = None) -> Session:
        """Give the session that a log makes of an empty book.

        Parameters
        ----------
        log
            The events, in the order in which they reach the book.
        keep_rejected
            Whether a session may hold events that cannot be applied; they are then rows of `rejections`.
        engine
            What executes it; the result is the same. By default arrays for a log of 10,000 events or more, and
            objects for a shorter one, which is done before a kernel is loaded.

        Raises
        ------
        InvalidInputError
            If an event cannot be applied and `keep_rejected` is false; it names the first one and the reason.

        Notes
        -----
        *Cost*: O(log n) for an event, and O(n log n) for the certificate.
        """
        instance_of("log", log, EventLog)
        boolean("keep_rejected", keep_rejected)
        if engine is None:
            engine = Engine.COLUMNAR if len(log) >= _MANY_EVENTS else Engine.OBJECTS
        book = self.open(engine)
        report = book.process(log)
        if len(report.rejections) and not keep_rejected:
            first = report.rejections[0]
            number, event = int(first["event"]), Event.of_row(log.events[first["event"]].item())
            raise InvalidInputError(
                f"{rejection_message(event, Reason(int(first['reason'])), number)} {len(report.rejections)} of "
                f"{len(log)} events are rejected; keep_rejected=True lists them and applies the others."
            )
        state = book.state()
        return Session(
            trades=report.trades,
            removals=report.removals,
            rejections=report.rejections,
            book=state,
            status=SessionStatus.SOME_REJECTED if len(report.rejections) else SessionStatus.COMPLETE,
            certificate=audit(log.events, report, state),
        )
