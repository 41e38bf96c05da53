"""A live book: what both engines can do, and what they check before they do it."""

from abc import ABC, abstractmethod

from walras.market.errors import InvalidInputError
from walras.market.order_book.codes import Reason, SelfTrade
from walras.market.order_book.events import Event
from walras.market.order_book.log import EventLog, kind_name
from walras.market.order_book.report import BookState, Report
from walras.market.validation import IntArray, instance_of, whole_number

__all__ = ["Book", "rejection_message"]


class Book(ABC):
    """Base of the two engines: an order book that changes with each event. They differ in speed only.

    A rejected event changes nothing, not even the time.
    """

    def __init__(self, instruments: int = 1, self_trade: SelfTrade = SelfTrade.ALLOW) -> None:
        self._instruments = whole_number("instruments", instruments, minimum=1)
        self._self_trade = instance_of("self_trade", self_trade, SelfTrade)

    def submit(self, event: Event) -> Report:
        """Apply one event.

        Raises
        ------
        InvalidInputError
            If the event is rejected; it names the event and the reason. The book is as before, and its count of events
            too.
        """
        log = EventLog.of([event])
        table = log.table()
        reason = self._reason_to_reject(table)
        if reason != 0:
            raise InvalidInputError(rejection_message(event, Reason(reason)))
        return self._apply(table)

    def process(self, log: EventLog) -> Report:
        """Apply the events of a log in order. Those that are rejected are rows of `rejections`; the others go on."""
        return self._apply(instance_of("log", log, EventLog).table())

    @abstractmethod
    def state(self) -> BookState:
        """Give the resting orders, the time and the count of events: a copy. *Cost*: O(n log n)."""

    @abstractmethod
    def _apply(self, table: IntArray) -> Report:
        """Apply the rows of an event table."""

    @abstractmethod
    def _reason_to_reject(self, table: IntArray) -> int:
        """Give the reason why the first row cannot be applied, or 0."""


def rejection_message(event: Event, reason: Reason, number: int | None = None) -> str:
    """Say which event was rejected, with what it held, and why."""
    where = "Event" if number is None else f"Event {number}"
    return (
        f"{where} ({kind_name(event.kind)}) of order {event.order} is rejected, {reason.name}: {reason.description}. "
        f"It has time {event.time}, trader {event.trader}, instrument {event.instrument}, side {int(event.side)}, "
        f"price {event.price}, quantity {event.quantity}, expiry {event.expiry}."
    )
