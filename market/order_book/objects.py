"""The readable engine: a book of Python objects. It states the rules, and is what the fast engine is compared with."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import final

from walras.market.order_book.book import Book
from walras.market.order_book.codes import LAST_TIME, MOST, EventKind, Reason, RemovalReason, SelfTrade, Side
from walras.market.order_book.events import Event
from walras.market.order_book.report import (
    ORDER_COLUMNS,
    REJECTION_COLUMNS,
    REMOVAL_COLUMNS,
    TRADE_COLUMNS,
    BookState,
    Report,
    Row,
    rows_of,
)
from walras.market.validation import IntArray

__all__ = ["ObjectBook"]

_RESTING_KINDS = (EventKind.LIMIT, EventKind.POST_ONLY)


@dataclass
class _Order:
    """A resting order."""

    order: int
    trader: int
    instrument: int
    side: int
    price: int
    quantity: int
    expiry: int
    arrival: int


class _Side:
    """One side of one instrument: sorted keys, and at each a queue by arrival. The best key is the smallest."""

    def __init__(self, side: Side) -> None:
        self._sign = -int(side)  # asks by price, bids by minus the price
        self._keys: list[int] = []
        self._queues: dict[int, OrderedDict[int, _Order]] = {}

    def key(self, price: int) -> int:
        return self._sign * price

    def best(self) -> _Order | None:
        return next(iter(self._queues[self._keys[0]].values())) if self._keys else None

    def in_order(self) -> Iterator[_Order]:
        return (order for key in self._keys for order in self._queues[key].values())

    def add(self, order: _Order) -> None:
        key = self.key(order.price)
        if key not in self._queues:
            insort(self._keys, key)
            self._queues[key] = OrderedDict()
        self._queues[key][order.order] = order

    def remove(self, order: _Order) -> None:
        key = self.key(order.price)
        queue = self._queues[key]
        del queue[order.order]
        if not queue:
            del self._queues[key]
            del self._keys[bisect_left(self._keys, key)]


@final
class ObjectBook(Book):
    """An order book of Python objects: easy to read, and fast enough for thousands of orders.

    Parameters
    ----------
    instruments
        How many instruments are traded; they are numbered from 0.
    self_trade
        What happens when an order meets one of its own trader.

    Notes
    -----
    *Cost*: O(log n) for an event, O(m) for a new or vanished price among m (a list moves), O(1) more for each trade.
    *Memory*: the resting orders, and at most as many entries again, plus 64, for expiries of orders that are gone.

    Examples
    --------
    >>> from walras.market.order_book import Event, ObjectBook, Side
    >>> book = ObjectBook()
    >>> _ = book.submit(Event.limit(1, Side.SELL, 5, 101, trader=1))
    >>> report = book.submit(Event.limit(2, Side.BUY, 3, 105, trader=2))
    >>> report.trades["price"].tolist(), report.trades["quantity"].tolist()
    ([101], [3])
    """

    def __init__(self, instruments: int = 1, self_trade: SelfTrade = SelfTrade.ALLOW) -> None:
        super().__init__(instruments, self_trade)
        self._sides = [{side: _Side(side) for side in Side} for _ in range(self._instruments)]
        self._orders: dict[int, _Order] = {}
        self._expiries: list[tuple[int, int, int]] = []  # expiry, arrival, order; those that are gone stay for a while
        self._now = -(2**63)
        self._events = 0
        self._trades: list[Row] = []
        self._removals: list[Row] = []
        self._rejections: list[Row] = []
        self._actions: dict[int, Callable[[Event], None]] = {
            EventKind.CANCEL: self._cancel,
            EventKind.REPLACE: self._replace,
            EventKind.ADVANCE: lambda event: None,
        }

    def state(self) -> BookState:
        """Give the resting orders, the time and the count of events: a copy. *Cost*: O(n log n)."""
        rows = [tuple(getattr(order, column) for column in ORDER_COLUMNS) for order in self._orders.values()]
        return BookState.of(rows_of(rows, ORDER_COLUMNS), time=self._now, events=self._events)

    def _reason_to_reject(self, table: IntArray) -> int:
        return self._flaw(Event.of_row(table[0].tolist())) or 0

    def _apply(self, table: IntArray) -> Report:
        self._trades, self._removals, self._rejections = [], [], []
        for row in table.tolist():
            event = Event.of_row(row)
            reason = self._flaw(event)
            if reason is None:
                self._now = event.time
                self._expire()
                self._actions.get(event.kind, self._enter)(event)
            else:
                self._rejections.append((self._events, event.order, reason))
            self._events += 1
        return Report(
            rows_of(self._trades, TRADE_COLUMNS),
            rows_of(self._removals, REMOVAL_COLUMNS),
            rows_of(self._rejections, REJECTION_COLUMNS),
        )

    # ------------------------------------------------------------------------------------------- checks, in this order

    def _flaw(self, event: Event) -> Reason | None:
        if not isinstance(event.kind, EventKind):
            return Reason.UNKNOWN_KIND
        if event.time < self._now:
            return Reason.TIME_REVERSED
        if event.kind is EventKind.ADVANCE:
            return None
        if event.kind is EventKind.CANCEL:
            return self._flaw_in_reference(event)
        if event.kind is EventKind.REPLACE:
            return _flaw_in_terms(event) or self._flaw_in_reference(event)
        return self._flaw_in_new_order(event)

    def _flaw_in_reference(self, event: Event) -> Reason | None:
        if not self._is_resting(event):
            return Reason.UNKNOWN_ORDER
        return None if self._orders[event.order].trader == event.trader else Reason.NOT_THE_OWNER

    def _flaw_in_new_order(self, event: Event) -> Reason | None:
        if not 0 <= event.instrument < self._instruments:
            return Reason.UNKNOWN_INSTRUMENT
        if event.side not in (Side.BUY, Side.SELL):
            return Reason.BAD_SIDE
        flaw = _flaw_in_terms(event)
        if flaw is not None:
            return flaw
        if event.kind in _RESTING_KINDS and event.expiry <= event.time:
            return Reason.PAST_EXPIRY
        return Reason.DUPLICATE_ORDER if self._is_resting(event) else None

    def _is_resting(self, event: Event) -> bool:
        """Whether the order that the event names rests at its time."""
        return event.order in self._orders and self._orders[event.order].expiry > event.time

    # ----------------------------------------------------------------------------------------------------- events

    def _expire(self) -> None:
        while self._expiries and self._expiries[0][0] <= self._now:
            _, arrival, number = heappop(self._expiries)
            order = self._orders.get(number)
            if order is not None and order.arrival == arrival:
                self._remove(order, RemovalReason.EXPIRED)

    def _cancel(self, event: Event) -> None:
        self._remove(self._orders[event.order], RemovalReason.CANCELLED)

    def _replace(self, event: Event) -> None:
        order = self._orders[event.order]
        fall = order.quantity - event.quantity
        if event.price == order.price and fall >= 0:
            if fall > 0:
                self._report_removal(order, fall, RemovalReason.REDUCED)
                order.quantity = event.quantity
            return
        self._remove(order, RemovalReason.REPLACED)
        self._enter(
            Event.limit(
                order.order,
                order.side,
                event.quantity,
                event.price,
                trader=order.trader,
                instrument=order.instrument,
                time=event.time,
                expiry=order.expiry,
            )
        )

    def _enter(self, event: Event) -> None:
        incoming = _Order(
            event.order, event.trader, event.instrument, event.side, event.price, event.quantity, event.expiry,
            self._events,
        )  # fmt: skip
        opposite = self._sides[event.instrument][Side(-event.side)]
        worst_key = LAST_TIME if event.kind is EventKind.MARKET else opposite.key(event.price)
        best = opposite.best()
        if event.kind is EventKind.FILL_OR_KILL and not self._can_fill(incoming, opposite, worst_key):
            self._report_removal(incoming, incoming.quantity, RemovalReason.KILLED)
        elif event.kind is EventKind.POST_ONLY and best is not None and opposite.key(best.price) <= worst_key:
            self._report_removal(incoming, incoming.quantity, RemovalReason.WOULD_TRADE)
        else:
            self._trade(incoming, opposite, worst_key)
            if incoming.quantity > 0 and event.kind in _RESTING_KINDS:
                self._rest(incoming)
            elif incoming.quantity > 0:
                self._report_removal(incoming, incoming.quantity, RemovalReason.UNFILLED)

    def _trade(self, incoming: _Order, opposite: _Side, worst_key: int) -> None:
        """Trade with the best resting orders, at their prices; nothing is left of `incoming` if it must not rest."""
        while incoming.quantity > 0:
            maker = opposite.best()
            if maker is None or opposite.key(maker.price) > worst_key:
                return
            if maker.trader == incoming.trader and self._self_trade is SelfTrade.CANCEL_RESTING:
                self._remove(maker, RemovalReason.SELF_TRADE)
            elif maker.trader == incoming.trader and self._self_trade is SelfTrade.CANCEL_INCOMING:
                self._report_removal(incoming, incoming.quantity, RemovalReason.SELF_TRADE)
                incoming.quantity = 0
            else:
                self._fill(incoming, maker)

    def _fill(self, incoming: _Order, maker: _Order) -> None:
        quantity = min(incoming.quantity, maker.quantity)
        self._trades.append(
            (
                self._events, self._now, maker.instrument, maker.price, quantity, incoming.side,
                maker.order, incoming.order, maker.trader, incoming.trader,
            )
        )  # fmt: skip
        incoming.quantity -= quantity
        maker.quantity -= quantity
        if maker.quantity == 0:
            self._drop(maker)

    def _can_fill(self, incoming: _Order, opposite: _Side, worst_key: int) -> bool:
        needed = incoming.quantity
        for maker in opposite.in_order():
            if opposite.key(maker.price) > worst_key:
                return False
            if maker.trader != incoming.trader or self._self_trade is SelfTrade.ALLOW:
                needed -= maker.quantity
            elif self._self_trade is SelfTrade.CANCEL_INCOMING:
                return False
            if needed <= 0:
                return True
        return False

    # ---------------------------------------------------------------------------------------------------- bookkeeping

    def _rest(self, order: _Order) -> None:
        self._orders[order.order] = order
        self._sides[order.instrument][Side(order.side)].add(order)
        if order.expiry != LAST_TIME:
            heappush(self._expiries, (order.expiry, order.arrival, order.order))
            if len(self._expiries) > 2 * len(self._orders) + 64:
                self._forget_dead_expiries()

    def _forget_dead_expiries(self) -> None:
        alive = [
            entry for entry in self._expiries if entry[2] in self._orders and self._orders[entry[2]].arrival == entry[1]
        ]
        heapify(alive)
        self._expiries = alive

    def _remove(self, order: _Order, reason: RemovalReason) -> None:
        self._report_removal(order, order.quantity, reason)
        self._drop(order)

    def _drop(self, order: _Order) -> None:
        del self._orders[order.order]
        self._sides[order.instrument][Side(order.side)].remove(order)

    def _report_removal(self, order: _Order, quantity: int, reason: RemovalReason) -> None:
        self._removals.append(
            (self._events, order.order, order.trader, order.instrument, order.side, quantity, int(reason))
        )


def _flaw_in_terms(event: Event) -> Reason | None:
    if not 1 <= event.quantity <= MOST:
        return Reason.BAD_QUANTITY
    return Reason.BAD_PRICE if event.kind is not EventKind.MARKET and abs(event.price) > MOST else None
