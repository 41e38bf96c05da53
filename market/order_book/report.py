"""What a book tells: trades, removals and rejections as rows, and the orders that rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import final

import numpy as np

from walras.market.order_book.codes import Side
from walras.market.order_book.log import Rows, as_rows, as_table
from walras.market.validation import IntArray

__all__ = [
    "ORDER_COLUMNS",
    "REJECTION_COLUMNS",
    "REMOVAL_COLUMNS",
    "TRADE_COLUMNS",
    "BookState",
    "Report",
    "Row",
    "rows_of",
]

TRADE_COLUMNS = (
    "event", "time", "instrument", "price", "quantity", "taker_side", "maker_order", "taker_order", "maker", "taker",
)  # fmt: skip
REMOVAL_COLUMNS = ("event", "order", "trader", "instrument", "side", "quantity", "reason")
REJECTION_COLUMNS = ("event", "order", "reason")
ORDER_COLUMNS = ("instrument", "side", "price", "arrival", "order", "trader", "quantity", "expiry")

Row = tuple[int, ...]


def rows_of(records: Sequence[Row], columns: tuple[str, ...]) -> Rows:
    """Give tuples of whole numbers as read-only rows with named fields."""
    return as_rows(np.array(records, dtype=np.int64).reshape(len(records), len(columns)), columns)


@final
@dataclass(frozen=True, eq=False)
class Report:
    """What some events did. Each field is a read-only structured array with int64 fields, in the order of happening.

    Attributes
    ----------
    trades
        `event` (number of the event that caused it, counted from 0 over the book's life), `time`, `instrument`,
        `price` (ticks), `quantity` (units), `taker_side` (of the incoming order), `maker_order`, `taker_order` (numbers
        of the resting and the incoming order), `maker`, `taker` (their traders).
    removals
        Quantities that left without being traded: `event`, `order`, `trader`, `instrument`, `side`, `quantity`,
        `reason` (a `RemovalReason`).
    rejections
        Events that could not be applied and changed nothing: `event`, `order`, `reason` (a `Reason`).
    """

    trades: Rows
    removals: Rows
    rejections: Rows

    def digest(self) -> str:
        """Give a SHA-256 of all rows: equal digests mean the same trades, removals and rejections."""
        return _digest(as_table(self.trades), as_table(self.removals), as_table(self.rejections))


@final
@dataclass(frozen=True, eq=False)
class BookState:
    """A book at a moment.

    Attributes
    ----------
    orders
        The resting orders: `instrument`, `side`, `price` (ticks), `arrival` (number of the event that brought it, or
        that last cost it its place), `order`, `trader`, `quantity` (units still open), `expiry`. By instrument, bids
        first, the best price first, then by arrival.
    time
        The time of the last event; -2**63 before any.
    events
        How many events the book has seen, rejected ones included.
    """

    orders: Rows
    time: int
    events: int

    @classmethod
    def of(cls, orders: Rows, *, time: int, events: int) -> "BookState":
        """Give the state of a book whose orders are in any order."""
        better_first = -orders["side"] * orders["price"]
        order = np.lexsort((orders["arrival"], better_first, -orders["side"], orders["instrument"]))
        return cls(as_rows(as_table(orders[order]), ORDER_COLUMNS), time, events)

    def digest(self) -> str:
        """Give a SHA-256 of the state: equal digests mean the same book."""
        return _digest(as_table(self.orders), np.array([[self.time, self.events]], dtype=np.int64))

    def side(self, instrument: int, side: Side) -> Rows:
        """Give the resting orders of one side of one instrument, the next to trade first."""
        orders = self.orders
        chosen: Rows = orders[(orders["instrument"] == instrument) & (orders["side"] == side)]
        return chosen

    def depth(self, instrument: int, side: Side) -> tuple[IntArray, list[int]]:
        """Give the prices of one side, best first, and the units at each (Python's ints, which do not overflow)."""
        orders = self.side(instrument, side)
        starts = np.flatnonzero(np.diff(orders["price"], prepend=orders["price"][:1] - 1))
        queues = np.split(orders["quantity"], starts[1:]) if len(orders) else []
        return orders["price"][starts], [sum(queue.tolist()) for queue in queues]

    def best_price(self, instrument: int, side: Side) -> int | None:
        """Give the highest bid or the lowest ask (ticks), or None if that side is empty."""
        orders = self.side(instrument, side)
        return int(orders["price"][0]) if len(orders) else None


def _digest(*tables: IntArray) -> str:
    total = sha256()
    for table in tables:
        total.update(np.array(table.shape, dtype="<i8").tobytes())
        total.update(table.astype("<i8", copy=False).tobytes())
    return total.hexdigest()
