"""Events: what traders ask of the book, at an explicit time. Prices are whole ticks, quantities whole units.

An order is a number that its sender chooses (`order`), a trader, an instrument, a side, a quantity and, unless it is a
market order, a price limit. The number must not be that of an order that rests in the book; it may be used again once
that order is gone. Times are whole numbers of any unit, and never decrease.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.order_book.codes import LAST_TIME, EventKind

__all__ = ["Event"]


@final
@dataclass(frozen=True)
class Event:
    """One event. Use the constructors named after the kinds; fields that a kind does not use are 0.

    Attributes
    ----------
    time
        When it happens; orders whose expiry is this time or earlier are gone before it.
    kind
        What it asks for, an `EventKind`; a log may hold other numbers, which the book rejects.
    order
        The order's number, chosen by its sender.
    trader
        Whose order it is; only its owner may cancel or replace it.
    instrument
        What is traded, numbered from 0.
    side
        `Side.BUY` or `Side.SELL`.
    price
        The limit in ticks: the most that a buyer pays, the least that a seller takes. It may be negative.
    quantity
        Units.
    expiry
        The first time at which the order no longer rests.

    Examples
    --------
    >>> from walras.market.order_book import Event, Side
    >>> Event.limit(7, Side.BUY, 10, 101, trader=3).quantity
    10
    """

    time: int
    kind: int
    order: int = 0
    trader: int = 0
    instrument: int = 0
    side: int = 0
    price: int = 0
    quantity: int = 0
    expiry: int = 0

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            object.__setattr__(self, name, _integer(f"Event.{name}", value))
        object.__setattr__(self, "kind", _KINDS.get(self.kind, self.kind))

    @classmethod
    def limit(
        cls,
        order: int,
        side: int,
        quantity: int,
        price: int,
        *,
        trader: int = 0,
        instrument: int = 0,
        time: int = 0,
        expiry: int = LAST_TIME,
    ) -> "Event":
        """Trade at the limit or better; what is left rests till it is traded, cancelled or expired."""
        return cls(time, EventKind.LIMIT, order, trader, instrument, side, price, quantity, expiry)

    @classmethod
    def post_only(
        cls,
        order: int,
        side: int,
        quantity: int,
        price: int,
        *,
        trader: int = 0,
        instrument: int = 0,
        time: int = 0,
        expiry: int = LAST_TIME,
    ) -> "Event":
        """Rest at the limit; removed at once, whole, if it would trade on arrival."""
        return cls(time, EventKind.POST_ONLY, order, trader, instrument, side, price, quantity, expiry)

    @classmethod
    def immediate_or_cancel(
        cls, order: int, side: int, quantity: int, price: int, *, trader: int = 0, instrument: int = 0, time: int = 0
    ) -> "Event":
        """Trade at the limit or better; what is left is removed."""
        return cls(time, EventKind.IMMEDIATE_OR_CANCEL, order, trader, instrument, side, price, quantity)

    @classmethod
    def fill_or_kill(
        cls, order: int, side: int, quantity: int, price: int, *, trader: int = 0, instrument: int = 0, time: int = 0
    ) -> "Event":
        """Trade all of it at the limit or better, or nothing."""
        return cls(time, EventKind.FILL_OR_KILL, order, trader, instrument, side, price, quantity)

    @classmethod
    def market(
        cls, order: int, side: int, quantity: int, *, trader: int = 0, instrument: int = 0, time: int = 0
    ) -> "Event":
        """Trade at any price; what is left is removed."""
        return cls(time, EventKind.MARKET, order, trader, instrument, side, 0, quantity)

    @classmethod
    def cancel(cls, order: int, *, trader: int = 0, time: int = 0) -> "Event":
        """Remove what rests of an order."""
        return cls(time, EventKind.CANCEL, order, trader)

    @classmethod
    def replace(cls, order: int, quantity: int, price: int, *, trader: int = 0, time: int = 0) -> "Event":
        """Give a resting order a new price and a new open quantity; its expiry stays.

        It keeps its place in the queue if the price stays and the quantity does not rise. Otherwise it is taken out and
        enters as a new limit order of the same number: it may trade at once, and rests behind its equals.
        """
        return cls(time, EventKind.REPLACE, order, trader, price=price, quantity=quantity)

    @classmethod
    def advance(cls, time: int) -> "Event":
        """Let time pass: orders that are due expire."""
        return cls(time, EventKind.ADVANCE)

    @classmethod
    def of_row(cls, row: Sequence[int]) -> "Event":
        """Give the event of a log's row: nine whole numbers, which are not checked again."""
        event = object.__new__(cls)
        event.__dict__.update(zip(_FIELDS, row, strict=True))
        event.__dict__["kind"] = _KINDS.get(row[1], row[1])
        return event

    def row(self) -> tuple[int, ...]:
        """Give the fields as whole numbers, in the order of the log's columns."""
        return tuple(int(value) for value in self.__dict__.values())


_FIELDS = tuple(field.name for field in fields(Event))
_KINDS: dict[int, EventKind] = {int(kind): kind for kind in EventKind}


def _integer(name: str, value: object) -> int:
    """Give `value` as an int that fits int64: exact books take no floats, not even whole ones."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InvalidInputError(f"{name} must be a whole number, got {value!r}.")
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise InvalidInputError(f"{name} must fit 64 bits, got {number}.")
    return number
