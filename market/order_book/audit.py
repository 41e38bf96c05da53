"""The audit of a session: what the rules imply for trades, removals and the final book, from the log and these alone.

It knows no book. Each accepted order, and each replacement that lost its place, is an *entry*: a price, a quantity, the
event of its arrival a, and the event of its leaving l, which is that of its last trade or removal (none while it
rests). The entry stands in the book after every event e with a <= e < l. From the entries follow the best bid and the
best ask after each event, and with them every rule.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from walras.market.certificate import Residuals
from walras.market.order_book.codes import LAST_TIME, EventKind, RemovalReason
from walras.market.order_book.log import Rows
from walras.market.order_book.report import BookState, Report
from walras.market.validation import IntArray

__all__ = ["SessionCertificate", "audit"]

_AT_ARRIVAL = (RemovalReason.UNFILLED, RemovalReason.KILLED, RemovalReason.WOULD_TRADE)
_NOBODY = np.iinfo(np.int64).max


@final
@dataclass(frozen=True)
class SessionCertificate(Residuals):
    """Residuals of a session: each is 0 for one that kept the rules.

    Attributes
    ----------
    conservation
        The largest difference between what an order brought and what of it was traded, removed and rests, as a fraction
        of what it brought; infinite where a row belongs to no order.
    crossing
        Fraction of the moments at which the best bid was not below the best ask.
    priority
        Fraction of the trades, and of the orders that left unfilled, that passed over an order which came first.
    maker_price
        The largest difference between a trade's price and that of the resting order, as a fraction of the latter.
    individual_rationality
        Fraction of the trades at a price beyond one of the two limits.
    expiry
        Fraction of the orders that expired too early or too late.
    """

    conservation: float
    crossing: float
    priority: float
    maker_price: float
    individual_rationality: float
    expiry: float


@dataclass(frozen=True, eq=False)
class _Entries:
    """Entries of orders, by order and arrival; every field has shape (m,)."""

    arrival: IntArray
    leaving: IntArray
    order: IntArray
    instrument: IntArray
    side: IntArray
    price: IntArray
    expiry: IntArray
    balance: IntArray  # what came minus what was traded, removed or rests


def audit(events: Rows, report: Report, state: BookState) -> SessionCertificate:
    """Compute the residuals of a session that began with an empty book.

    Parameters
    ----------
    events
        The rows of the log, rejected ones included.
    report, state
        What the book reported, and what it was in the end.

    Notes
    -----
    *Cost*: O(n log n), in NumPy.
    """
    entries = _entries(events, report)
    finder = _Finder(entries, len(events))
    trades, removals, resting = report.trades, report.removals, state.orders
    makers = finder.before(trades["maker_order"], trades["event"])
    takers = finder.at(trades["taker_order"], trades["event"])
    own = np.isin(removals["reason"], _AT_ARRIVAL) | (
        (removals["reason"] == RemovalReason.SELF_TRADE) & (events["order"][removals["event"]] == removals["order"])
    )
    removed = np.where(
        own,
        finder.at(removals["order"], removals["event"]),
        finder.before(removals["order"], removals["event"]),
    )
    rests = finder.at(resting["order"], resting["arrival"])
    strangers = sum(int((place < 0).sum()) for place in (makers, takers, removed, rests))
    if strangers:
        return SessionCertificate(*[float("inf")] * 6)

    brought = entries.balance.copy()
    for place, quantity in (
        (makers, trades["quantity"]),
        (takers, trades["quantity"]),
        (removed, removals["quantity"]),
        (rests, resting["quantity"]),
    ):
        np.subtract.at(entries.balance, place, quantity)
    for place, event in ((makers, trades["event"]), (takers, trades["event"]), (removed, removals["event"])):
        np.maximum.at(entries.leaving, place, event)
    entries.leaving[rests] = len(events)

    off = np.abs(trades["price"] - entries.price[makers]) / np.maximum(1.0, np.abs(entries.price[makers]))
    beyond = _is_beyond(trades["price"], trades["taker_side"], entries.price[takers]) | _is_beyond(
        trades["price"], -trades["taker_side"], entries.price[makers]
    )
    crossing, priority = _order_of_trading(entries, report, makers, removed)
    return SessionCertificate(
        conservation=float(np.max(np.abs(entries.balance) / brought, initial=0.0)),
        crossing=crossing,
        priority=priority,
        maker_price=float(np.max(off, initial=0.0)),
        individual_rationality=_fraction(beyond),
        expiry=_expiry(events, report, entries, removed),
    )


def _entries(events: Rows, report: Report) -> _Entries:
    """Give the entries; their leaving is so far their arrival, their balance what they brought."""
    is_accepted = np.ones(len(events), dtype=np.bool_)
    is_accepted[report.rejections["event"]] = False
    is_new = is_accepted & (events["kind"] <= EventKind.POST_ONLY)
    again = report.removals["event"][report.removals["reason"] == RemovalReason.REPLACED]
    is_entry = is_new.copy()
    is_entry[again] = True
    arrival = np.flatnonzero(is_entry)
    arrival = arrival[np.lexsort((arrival, events["order"][arrival]))]
    # A replacement inherits from the new order that it goes back to: the last one before it in this sorting.
    origin = np.maximum.accumulate(np.where(is_new[arrival], np.arange(arrival.size), 0))
    first, now = events[arrival[origin]], events[arrival]
    any_price = first["side"] * np.int64(LAST_TIME)
    can_rest = (first["kind"] == EventKind.LIMIT) | (first["kind"] == EventKind.POST_ONLY)
    return _Entries(
        arrival=arrival,
        leaving=arrival.copy(),
        order=now["order"],
        instrument=first["instrument"],
        side=first["side"],
        price=np.where(now["kind"] == EventKind.MARKET, any_price, now["price"]),
        expiry=np.where(can_rest, first["expiry"], LAST_TIME),
        balance=now["quantity"].copy(),
    )


class _Finder:
    """Finds the entry that a row of a report speaks of; -1 for none."""

    def __init__(self, entries: _Entries, events: int) -> None:
        self._numbers = np.unique(entries.order)
        self._stride = events + 1
        self._order = entries.order
        self._keys = np.searchsorted(self._numbers, entries.order) * self._stride + entries.arrival

    def before(self, orders: IntArray, events: IntArray) -> IntArray:
        """Give the last entry of each order that arrived before the event."""
        return self._checked(np.searchsorted(self._keys, self._sought(orders, events), side="left") - 1, orders)

    def at(self, orders: IntArray, events: IntArray) -> IntArray:
        """Give the entry of each order that arrived with the event."""
        sought = self._sought(orders, events)
        place = self._checked(np.searchsorted(self._keys, sought, side="right") - 1, orders)
        arrived_then = self._keys[place] == sought if self._keys.size else np.zeros(place.shape, dtype=np.bool_)
        return np.where(arrived_then, place, -1)

    def _sought(self, orders: IntArray, events: IntArray) -> IntArray:
        return np.searchsorted(self._numbers, orders).astype(np.int64) * self._stride + events

    def _checked(self, place: IntArray, orders: IntArray) -> IntArray:
        if not self._order.size:
            return np.full(place.shape, -1)
        return np.where((place >= 0) & (self._order[place] == orders), place, -1)


def _is_beyond(prices: IntArray, sides: IntArray, limits: IntArray) -> NDArray[np.bool_]:
    """Whether a buyer pays more than its limit, or a seller gets less."""
    return np.where(sides > 0, prices > limits, prices < limits)


def _order_of_trading(entries: _Entries, report: Report, makers: IntArray, removed: IntArray) -> tuple[float, float]:
    """Give the fractions of crossed moments, and of those that passed over a better order.

    The moments are those after events that brought an order to an instrument: no others can cross a book, or trade.
    """
    # One line of moments: those of instrument 0, then those of instrument 1, and so on.
    stride = int(max(entries.arrival.max(initial=0), entries.leaving.max(initial=0))) + 1
    line = np.unique(entries.instrument * stride + entries.arrival)
    start = np.searchsorted(line, entries.instrument * stride + entries.arrival)
    stop = np.searchsorted(line, entries.instrument * stride + entries.leaving)
    rank = np.empty(entries.arrival.size, dtype=np.int64)
    by_rank = np.lexsort((entries.arrival, -entries.side * entries.price))
    rank[by_rank] = np.arange(rank.size)
    best = {}
    for side in (1, -1):
        stands = (entries.side == side) & (stop > start)
        best[side] = _smallest_over(start[stands], stop[stands], rank[stands], line.size)

    both = (best[1] != _NOBODY) & (best[-1] != _NOBODY)
    crossed = entries.price[by_rank[best[1][both]]] >= entries.price[by_rank[best[-1][both]]]

    trades = report.trades
    moment = np.searchsorted(line, trades["instrument"] * stride + trades["event"])
    first = np.where(trades["taker_side"] > 0, best[-1][moment], best[1][moment])  # who stands there after the trade
    passed_over = first < rank[makers]

    unfilled = removed[report.removals["reason"] == RemovalReason.UNFILLED]
    side, moment = entries.side[unfilled], start[unfilled]
    first = np.where(side > 0, best[-1][moment], best[1][moment])
    stands = first != _NOBODY
    refused = ~_is_beyond(entries.price[by_rank[first[stands]]], side[stands], entries.price[unfilled[stands]])
    broken = int(passed_over.sum()) + int(refused.sum())
    return _fraction(crossed), broken / max(1, len(trades) + unfilled.size)


def _smallest_over(start: IntArray, stop: IntArray, values: IntArray, length: int) -> IntArray:
    """Give, for each of `length` points, the smallest value whose interval [start, stop) holds it.

    Each interval is the union of two blocks of one power of two; blocks hand what they hold to their halves.
    """
    exponents = np.frexp((stop - start).astype(np.float64))[1] - 1
    held = np.full(length, _NOBODY)
    for exponent in range(int(exponents.max(initial=0)), -1, -1):
        size = 1 << exponent
        mine = exponents == exponent
        np.minimum.at(held, start[mine], values[mine])
        np.minimum.at(held, stop[mine] - size, values[mine])
        if exponent:
            half = size // 2
            right = np.full(length, _NOBODY)
            right[half:] = held[: length - half]
            held = np.minimum(held, right)
    return held


def _expiry(events: Rows, report: Report, entries: _Entries, removed: IntArray) -> float:
    """Give the fraction of the entries that expired before their time, or stood in the book at it or later."""
    is_accepted = np.ones(len(events), dtype=np.bool_)
    is_accepted[report.rejections["event"]] = False
    accepted = np.flatnonzero(is_accepted)
    due = np.append(accepted, len(events))[np.searchsorted(events["time"][accepted], entries.expiry)]
    is_wrong = entries.leaving > due
    expired = report.removals["reason"] == RemovalReason.EXPIRED
    early = events["time"][report.removals["event"][expired]] < entries.expiry[removed[expired]]
    is_wrong[removed[expired][early]] = True
    return _fraction(is_wrong)


def _fraction(is_wrong: NDArray[np.bool_]) -> float:
    return float(is_wrong.mean()) if is_wrong.size else 0.0
