"""The words of the order book: sides, kinds of events, reasons; each has the number that stands for it in a log."""

from enum import Enum, IntEnum

__all__ = ["LAST_TIME", "MOST", "EventKind", "Reason", "RemovalReason", "SelfTrade", "Side"]

# The largest quantity, and the largest size of a price in ticks: sums of two of them stay within int64.
MOST = 2**62
# The expiry of an order that is good till it is cancelled.
LAST_TIME = 2**63 - 1


class Side(IntEnum):
    """Which side of the market an order is on; the number is the sign of what its trader receives in goods."""

    BUY = 1
    SELL = -1


class EventKind(IntEnum):
    """What an event asks for."""

    LIMIT = 1
    MARKET = 2
    IMMEDIATE_OR_CANCEL = 3
    FILL_OR_KILL = 4
    POST_ONLY = 5
    CANCEL = 6
    REPLACE = 7
    ADVANCE = 8


class RemovalReason(IntEnum):
    """Why a quantity left without being traded."""

    CANCELLED = 1
    EXPIRED = 2
    REDUCED = 3
    REPLACED = 4
    UNFILLED = 5
    KILLED = 6
    WOULD_TRADE = 7
    SELF_TRADE = 8

    @property
    def description(self) -> str:
        """The reason in a sentence."""
        return _REMOVALS[self]


class Reason(IntEnum):
    """Why an event was rejected."""

    UNKNOWN_KIND = 1
    TIME_REVERSED = 2
    UNKNOWN_INSTRUMENT = 3
    BAD_SIDE = 4
    BAD_QUANTITY = 5
    BAD_PRICE = 6
    PAST_EXPIRY = 7
    DUPLICATE_ORDER = 8
    UNKNOWN_ORDER = 9
    NOT_THE_OWNER = 10

    @property
    def description(self) -> str:
        """The reason in a sentence."""
        return _REJECTIONS[self]


class SelfTrade(Enum):
    """What happens when an order meets a resting one of the same trader."""

    ALLOW = "the two trade like any others"
    CANCEL_RESTING = "the resting order is cancelled, and the incoming one goes on"
    CANCEL_INCOMING = "what is left of the incoming order is cancelled, and the resting one stays"


_REMOVALS = {
    RemovalReason.CANCELLED: "its owner cancelled it",
    RemovalReason.EXPIRED: "its time had come",
    RemovalReason.REDUCED: "its owner lowered the quantity; the rest kept its place",
    RemovalReason.REPLACED: "its owner replaced it; the new order went to the end of its queue",
    RemovalReason.UNFILLED: "nothing was left to trade with, and an order of its kind does not rest",
    RemovalReason.KILLED: "it could not be filled in full at once",
    RemovalReason.WOULD_TRADE: "it would have traded at once, and was to rest only",
    RemovalReason.SELF_TRADE: "it met an order of its own trader",
}

_REJECTIONS = {
    Reason.UNKNOWN_KIND: "the kind must be one of EventKind",
    Reason.TIME_REVERSED: "its time is earlier than the book's: events come in the order of time",
    Reason.UNKNOWN_INSTRUMENT: "the instrument must be one of the auction's, numbered from 0",
    Reason.BAD_SIDE: "the side must be Side.BUY (1) or Side.SELL (-1)",
    Reason.BAD_QUANTITY: "the quantity must be a whole number of units, 1 or more and at most 2**62",
    Reason.BAD_PRICE: "the price must be a whole number of ticks, at most 2**62 in size",
    Reason.PAST_EXPIRY: "the expiry must be later than the event's time",
    Reason.DUPLICATE_ORDER: "an order of this number rests in the book",
    Reason.UNKNOWN_ORDER: "no order of this number rests in the book",
    Reason.NOT_THE_OWNER: "the order belongs to another trader",
}
