"""Strategies for order books: events, event logs, and books after some events.

Numbers are drawn from few values on purpose: orders then meet, tie, trade with their own trader, are cancelled and
replaced, and use numbers again. A part of the events cannot be applied, unless only well-formed ones are asked for.
"""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.order_book import Event, EventKind, EventLog, ObjectBook, SelfTrade, Side
from walras.market.order_book.codes import LAST_TIME, MOST

__all__ = ["books", "event_logs", "events"]


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
    kinds = st.sampled_from(EventKind)
    order, trader = st.integers(1, 12), st.integers(1, 4)
    prices = st.one_of(st.integers(97, 103), st.sampled_from([-3, 0, MOST, -MOST]))
    quantities = st.one_of(st.integers(1, 6), st.sampled_from([100, MOST]))
    sides: SearchStrategy[int] = st.sampled_from(Side)
    of_instrument: SearchStrategy[int] = st.integers(0, instruments - 1)
    expiries = st.one_of(st.just(LAST_TIME), st.integers(time + 1, time + 5))
    if not well_formed:
        prices = st.one_of(prices, st.sampled_from([MOST + 1, -MOST - 1]))
        quantities = st.one_of(quantities, st.sampled_from([0, -1, MOST + 1]))
        sides = st.one_of(sides, st.sampled_from([0, 2]))
        of_instrument = st.one_of(of_instrument, st.sampled_from([-1, instruments]))
        expiries = st.one_of(expiries, st.just(time))
    numbers = st.tuples(order, trader, of_instrument, sides, prices, quantities, expiries)
    drawn = st.tuples(kinds, numbers).map(lambda pair: _event(pair[0], time, *pair[1]))
    strange = st.sampled_from([0, 9, -1]).map(lambda kind: Event(time, kind))
    return drawn if well_formed else st.one_of(drawn, drawn, drawn, strange)


@st.composite
def event_logs(draw: st.DrawFn, *, instruments: int = 2, most_events: int = 40, well_formed: bool = False) -> EventLog:
    """Draw a log of up to `most_events` events, or none; times stand still, rise, and fall unless well formed."""
    steps = st.sampled_from([0, 0, 0, 1, 1, 4] if well_formed else [0, 0, 0, 1, 1, 4, -1])
    drawn: list[Event] = []
    time = draw(st.sampled_from([0, -5, 2**40]))
    for step in draw(st.lists(steps, max_size=most_events)):
        time += step
        drawn.append(draw(events(instruments=instruments, time=time, well_formed=well_formed)))
    return EventLog.of(drawn)


@st.composite
def books(draw: st.DrawFn, *, instruments: int = 2, most_events: int = 40) -> ObjectBook:
    """Draw a book after up to `most_events` events, under any rule for self-trades."""
    book = ObjectBook(instruments, draw(st.sampled_from(SelfTrade)))
    book.process(draw(event_logs(instruments=instruments, most_events=most_events)))
    return book


def _event(kind: EventKind, time: int, *numbers: int) -> Event:
    """Make an event of a kind from numbers of which it may need a part only."""
    order, trader, instrument, side, price, quantity, expiry = numbers
    if kind is EventKind.ADVANCE:
        return Event.advance(time)
    if kind is EventKind.CANCEL:
        return Event.cancel(order, trader=trader, time=time)
    if kind is EventKind.REPLACE:
        return Event.replace(order, quantity, price, trader=trader, time=time)
    limit = 0 if kind is EventKind.MARKET else price
    till = expiry if kind in (EventKind.LIMIT, EventKind.POST_ONLY) else 0
    return Event(time, kind, order, trader, instrument, side, limit, quantity, till)
