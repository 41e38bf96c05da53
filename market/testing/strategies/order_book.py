"""Strategies for order books: events, event logs, and books after some events.

Numbers are drawn from few values on purpose: orders then meet, tie, trade with their own trader, are cancelled and
replaced, and use numbers again. Some events cannot be applied, unless only well-formed ones are asked for.
"""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.order_book import Event, EventKind, EventLog, ObjectBook, SelfTrade, Side
from walras.market.order_book.codes import LAST_TIME, MOST

__all__ = ["books", "event_logs", "events"]

_FLAWS: tuple[dict[str, int], ...] = (
    {"kind": 0},
    {"kind": 9},
    {"instrument": -1},
    {"side": 0},
    {"side": 2},
    {"price": MOST + 1},
    {"price": -MOST - 1},
    {"quantity": 0},
    {"quantity": -1},
    {"quantity": MOST + 1},
    {"expiry": 0},
)


def events(*, instruments: int = 2, time: int = 0, well_formed: bool = False) -> SearchStrategy[Event]:
    """Draw one event of any kind, at `time`.

    Parameters
    ----------
    instruments
        Instruments are drawn from 0 to `instruments` - 1, and beyond if events need not be well formed.
    time
        Of the event; expiries are a few units later, or never.
    well_formed
        Whether quantities, prices, sides, instruments and expiries are all possible. Numbers of orders may still be
        unknown or taken.
    """
    numbers = st.tuples(
        st.sampled_from([*EventKind, EventKind.LIMIT, EventKind.LIMIT, EventKind.CANCEL, EventKind.REPLACE]),
        st.integers(1, 6),
        st.sampled_from([0, 0, 0, 1]),
        st.integers(0, instruments - 1),
        st.sampled_from(Side),
        st.sampled_from([100, 100, 99, 101, 98, 102, -3, MOST, -MOST]),
        st.sampled_from([1, 2, 3, 4, 5, 6, 100, MOST]),
        st.sampled_from([LAST_TIME, LAST_TIME, time + 1, time + 2, time + 5]),
        st.integers(0, 0 if well_formed else 5),
        st.sampled_from([*_FLAWS, {"instrument": instruments}]),
    )
    return numbers.map(lambda drawn: _event(time, *drawn))


@st.composite
def event_logs(draw: st.DrawFn, *, instruments: int = 2, most_events: int = 40, well_formed: bool = False) -> EventLog:
    """Draw a log of up to `most_events` events, or none; times stand still, rise, and fall unless well formed."""
    steps = st.sampled_from([0, 0, 0, 1, 1, 4] if well_formed else [0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 4, -1])
    one = st.tuples(steps, events(instruments=instruments, well_formed=well_formed))
    time = draw(st.sampled_from([0, -5, 2**40]))
    drawn: list[Event] = []
    fewest = draw(st.sampled_from([0, most_events // 2]))  # left to itself, a list is mostly short
    for step, event in draw(st.lists(one, min_size=fewest, max_size=most_events)):
        time += step
        expiry = event.expiry + time if 0 < event.expiry < LAST_TIME else event.expiry
        drawn.append(replace(event, time=time, expiry=expiry))
    return EventLog.of(drawn)


@st.composite
def books(draw: st.DrawFn, *, instruments: int = 2, most_events: int = 40) -> ObjectBook:
    """Draw a book after up to `most_events` events, under any rule for self-trades."""
    book = ObjectBook(instruments, draw(st.sampled_from(SelfTrade)))
    book.process(draw(event_logs(instruments=instruments, most_events=most_events)))
    return book


def _event(
    time: int,
    kind: EventKind,
    order: int,
    stranger: int,
    instrument: int,
    side: int,
    price: int,
    quantity: int,
    expiry: int,
    dice: int,
    flaw: dict[str, int],
) -> Event:
    """Make an event of a kind from numbers of which it may need a part only; one in six gets the flaw."""
    trader = 1 + (order + stranger) % 3  # mostly the owner of earlier orders of that number
    event = _whole_event(time, kind, order, trader, instrument, side, price, quantity, expiry)
    return replace(event, **flaw) if dice == 5 else event


def _whole_event(time: int, kind: EventKind, order: int, trader: int, *numbers: int) -> Event:
    instrument, side, price, quantity, expiry = numbers
    if kind is EventKind.ADVANCE:
        return Event.advance(time)
    if kind is EventKind.CANCEL:
        return Event.cancel(order, trader=trader, time=time)
    if kind is EventKind.REPLACE:
        return Event.replace(order, quantity, price, trader=trader, time=time)
    limit = 0 if kind is EventKind.MARKET else price
    till = expiry if kind in (EventKind.LIMIT, EventKind.POST_ONLY) else 0
    return Event(time, kind, order, trader, instrument, side, limit, quantity, till)
