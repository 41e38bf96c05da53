"""Bad input raises the promised error, and the message names the argument and what was got."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from walras.market import InfeasibleError, InvalidInputError, MarketError
from walras.market.order_book import (
    Accounts,
    ColumnarBook,
    ContinuousDoubleAuction,
    Event,
    EventKind,
    EventLog,
    ObjectBook,
    Reason,
    Side,
)
from walras.market.order_book.log import EVENT_COLUMNS, row_type

BUY, SELL = Side.BUY, Side.SELL
AUCTION = ContinuousDoubleAuction()
TRADES = AUCTION.run(EventLog.of([Event.limit(1, SELL, 3, 10, trader=1), Event.market(2, BUY, 3, trader=2)])).trades
NO_INTEGERS = [(1.0, "1.0"), (float("nan"), "nan"), ("4", "'4'"), (None, "None"), (True, "True"), ([1], "[1]")]

CASES: list[tuple[Callable[[], object], type[MarketError], tuple[str, ...]]] = [
    *[
        (lambda bad=bad: Event.advance(bad), InvalidInputError, ("Event.time", "whole", got))
        for bad, got in NO_INTEGERS
    ],
    *[
        (lambda bad=bad: Event.limit(1, BUY, bad, 1), InvalidInputError, ("Event.quantity", "whole", got))
        for bad, got in NO_INTEGERS
    ],
    *[
        (lambda bad=bad: Event.replace(1, 1, bad), InvalidInputError, ("Event.price", "whole", got))
        for bad, got in NO_INTEGERS
    ],
    (lambda: Event.cancel(2**63), InvalidInputError, ("Event.order", "64 bits", "9223372036854775808")),
    (lambda: Event.cancel(-(2**63) - 1), InvalidInputError, ("Event.order", "64 bits")),
    (lambda: EventLog.of([Event.advance(1), "next"]), InvalidInputError, ("An entry of events", "Event", "'next'")),
    (lambda: EventLog([1, 2]), InvalidInputError, ("EventLog.events", "structured", "[1, 2]")),
    (lambda: EventLog(np.zeros(3)), InvalidInputError, ("EventLog.events", "float64", "shape (3,)")),
    (lambda: EventLog(np.zeros((2, 2), row_type(EVENT_COLUMNS))), InvalidInputError, ("EventLog.events", "(2, 2)")),
    (lambda: EventLog.from_columns(time=[1]), InvalidInputError, ("time and kind", "['time']")),
    (lambda: EventLog.from_columns(time=1, kind=1, size=2), InvalidInputError, ("Columns", "'size'")),
    (lambda: EventLog.from_columns(time=[1, 2], kind=[1, 1, 1]), InvalidInputError, ("one length", "'time': 2")),
    (lambda: EventLog.from_columns(time=[0.5], kind=1), InvalidInputError, ("Column time", "whole", "0.5")),
    (lambda: EventLog.from_columns(time=[[1]], kind=1), InvalidInputError, ("Column time", "vector", "[[1]]")),
    (lambda: EventLog.from_columns(time=["1"], kind=1), InvalidInputError, ("Column time", "'1'")),
    (
        lambda: EventLog.from_columns(time=np.array([2**63], dtype=np.uint64), kind=1),
        InvalidInputError,
        ("Column time", "64 bits", "9223372036854775808"),
    ),
    (lambda: STORED.save("day.csv"), InvalidInputError, (".npz", "'day.csv'")),
    (lambda: EventLog.load("day"), InvalidInputError, (".npz", "'day'")),
    (lambda: ContinuousDoubleAuction(0), InvalidInputError, ("ContinuousDoubleAuction.instruments", "1 or more", "0")),
    (lambda: ContinuousDoubleAuction(1.5), InvalidInputError, ("ContinuousDoubleAuction.instruments", "1.5")),
    (lambda: ContinuousDoubleAuction(1, "no"), InvalidInputError, ("ContinuousDoubleAuction.self_trade", "'no'")),
    (lambda: ObjectBook(0), InvalidInputError, ("instruments", "1 or more", "0")),
    (lambda: ObjectBook(1, None), InvalidInputError, ("self_trade", "SelfTrade", "None")),
    (lambda: ColumnarBook(-1, compile=False), InvalidInputError, ("instruments", "-1")),
    (lambda: ColumnarBook(compile=1), InvalidInputError, ("compile", "True or False", "1")),
    (lambda: ObjectBook().process([]), InvalidInputError, ("log", "EventLog", "[]")),
    (lambda: ObjectBook().submit("buy"), InvalidInputError, ("An entry of events", "'buy'")),
    (lambda: AUCTION.run("log"), InvalidInputError, ("log", "EventLog", "'log'")),
    (lambda: AUCTION.run(STORED, keep_rejected=1), InvalidInputError, ("keep_rejected", "True or False", "1")),
    (lambda: AUCTION.run(STORED, engine="fast"), InvalidInputError, ("engine", "Engine", "'fast'")),
    (lambda: AUCTION.open("fast"), InvalidInputError, ("engine", "'fast'")),
    (lambda: Accounts([], [], np.zeros((0, 1), int)), InvalidInputError, ("Accounts.traders",)),
    (lambda: Accounts([1, 1], [0, 0], [[0], [0]]), InvalidInputError, ("Accounts.traders", "distinct", "[1, 1]")),
    (lambda: Accounts([2, 1], [0, 0], [[0], [0]]), InvalidInputError, ("Accounts.traders", "ascending", "[2, 1]")),
    (lambda: Accounts([1], [0.5], [[0]]), InvalidInputError, ("Accounts.cash", "whole", "[0.5]")),
    (lambda: Accounts([1], [2**63], [[0]]), InvalidInputError, ("Accounts.cash", "int64")),
    (lambda: Accounts([1], [0], [0]), InvalidInputError, ("Accounts.goods", "2 dimension")),
    (lambda: Accounts([1], [0], [[0], [1, 2]]), InvalidInputError, ("Accounts.goods", "[[0], [1, 2]]")),
    (lambda: Accounts([1], [0], np.zeros((1, 0), int)), InvalidInputError, ("Accounts.goods", "empty")),
    (lambda: Accounts([1, 2], [0], [[0], [0]]), InvalidInputError, ("cash of shape (1,)", "2 traders")),
    (lambda: Accounts([1, 2], [0, 0], [[0]]), InvalidInputError, ("goods of shape (1, 1)", "2 traders")),
    (lambda: PAIR.settle([1]), InvalidInputError, ("trades", "[1]")),
    (lambda: PAIR.settle(np.zeros(2)), InvalidInputError, ("trades", "rows as a book reports them")),
    (lambda: PAIR.settle(TRADES, allow_debt=0), InvalidInputError, ("allow_debt", "True or False", "0")),
    (
        lambda: PAIR.settle(TRADES, allow_debt=False),
        InfeasibleError,
        ("Trader 2", "-30", "cash", "debt is not allowed"),
    ),
    (lambda: RICH.settle(TRADES, allow_debt=False), InfeasibleError, ("Trader 1", "-3", "instrument 0", "debt")),
    (lambda: Accounts([1, 3], [0, 0], [[0], [0]]).settle(TRADES), InvalidInputError, ("trader 2", "no account")),
    (lambda: Accounts([0, 1], [0, 0], [[0], [0]]).settle(TRADES), InvalidInputError, ("trader 2", "no account")),
    (lambda: Accounts([9], [0], [[0]]).settle(TWO_TRADES), InvalidInputError, ("trader 2, who has no account",)),
    (
        lambda: Accounts([1, 2], [2**63 - 1, 0], [[0], [0]]).settle(TRADES),
        InfeasibleError,
        ("Trader 1", str(2**63 + 29), "cash", "int64"),
    ),
]
TWO_TRADES = AUCTION.run(
    EventLog.of([Event.limit(1, SELL, 3, 10), Event.market(2, BUY, 1, trader=2), Event.market(2, BUY, 1, trader=4)])
).trades
STORED = EventLog.of([Event.advance(1)])
PAIR = Accounts([1, 2], [0, 0], [[3], [0]])
RICH = Accounts([1, 2], [0, 30], [[0], [0]])


@pytest.mark.parametrize(("call", "error", "parts"), CASES, ids=[" ".join(case[2])[:60] for case in CASES])
def test_bad_input(call: Callable[[], object], error: type[MarketError], parts: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert all(part in message for part in parts), message


def test_trades_of_an_instrument_without_an_account() -> None:
    log = EventLog.of([Event.limit(1, SELL, 1, 1, instrument=1, trader=1), Event.market(2, BUY, 1, instrument=1)])
    trades = ContinuousDoubleAuction(2).run(log).trades
    with pytest.raises(InvalidInputError, match="instrument 1, but accounts have 1"):
        PAIR.settle(trades)


def test_enough_is_just_enough() -> None:
    accounts = Accounts([1, 2], [0, 30], [[3], [0]]).settle(TRADES, allow_debt=False)
    assert np.asarray(accounts.cash).tolist() == [30, 0]
    assert np.asarray(accounts.goods).tolist() == [[0], [3]]


REJECTED = [
    (Event(5, 99, 1), Reason.UNKNOWN_KIND),
    (Event(5, 0, 1), Reason.UNKNOWN_KIND),
    (Event.limit(2, BUY, 1, 1, time=4), Reason.TIME_REVERSED),
    (Event.limit(2, BUY, 1, 1, time=5, instrument=1), Reason.UNKNOWN_INSTRUMENT),
    (Event.limit(2, BUY, 1, 1, time=5, instrument=-1), Reason.UNKNOWN_INSTRUMENT),
    (Event.limit(2, 0, 1, 1, time=5), Reason.BAD_SIDE),
    (Event.limit(2, BUY, 0, 1, time=5), Reason.BAD_QUANTITY),
    (Event.limit(2, BUY, -3, 1, time=5), Reason.BAD_QUANTITY),
    (Event.market(2, BUY, 2**62 + 1, time=5), Reason.BAD_QUANTITY),
    (Event.replace(1, 0, 10, time=5), Reason.BAD_QUANTITY),
    (Event.limit(2, BUY, 1, 2**62 + 1, time=5), Reason.BAD_PRICE),
    (Event.replace(1, 1, -(2**62) - 1, time=5), Reason.BAD_PRICE),
    (Event.limit(2, BUY, 1, 1, time=5, expiry=5), Reason.PAST_EXPIRY),
    (Event.post_only(2, BUY, 1, 1, time=5, expiry=4), Reason.PAST_EXPIRY),
    (Event.market(1, BUY, 1, time=5), Reason.DUPLICATE_ORDER),
    (Event.cancel(7, time=5), Reason.UNKNOWN_ORDER),
    (Event.replace(7, 1, 1, time=5), Reason.UNKNOWN_ORDER),
    (Event.cancel(1, time=9), Reason.UNKNOWN_ORDER),  # it has expired by then
    (Event.cancel(1, trader=3, time=5), Reason.NOT_THE_OWNER),
    (Event.replace(1, 1, 1, trader=3, time=5), Reason.NOT_THE_OWNER),
]


@pytest.mark.parametrize("compiled", [None, False], ids=["objects", "columnar"])
@pytest.mark.parametrize(("event", "reason"), REJECTED, ids=lambda value: getattr(value, "name", ""))
def test_a_rejected_event_raises_with_its_terms_and_changes_nothing(
    event: Event, reason: Reason, compiled: bool | None
) -> None:
    book = ObjectBook() if compiled is None else ColumnarBook(compile=False)
    book.submit(Event.limit(1, SELL, 5, 10, time=5, expiry=9))
    before = book.state().digest()
    with pytest.raises(InvalidInputError) as caught:
        book.submit(event)
    message = str(caught.value)
    assert f"of order {event.order} is rejected, {reason.name}: {reason.description}" in message
    assert f"time {event.time}, trader {event.trader}, instrument {event.instrument}" in message
    assert f"price {event.price}, quantity {event.quantity}, expiry {event.expiry}." in message
    assert book.state().digest() == before


@pytest.mark.parametrize(("event", "reason"), REJECTED, ids=lambda value: getattr(value, "name", ""))
def test_in_a_log_it_raises_with_its_number_or_is_a_row(event: Event, reason: Reason) -> None:
    log = EventLog.of([Event.limit(1, SELL, 5, 10, time=5, expiry=9), event, Event.cancel(55, time=5)])
    with pytest.raises(InvalidInputError, match=rf"Event 1 .*{reason.name}.* 2 of 3 events .*keep_rejected=True"):
        AUCTION.run(log)
    rows = AUCTION.run(log, keep_rejected=True).rejections.tolist()
    assert rows == [(1, event.order, reason), (2, 55, Reason.UNKNOWN_ORDER)]


def test_edges_that_are_no_errors() -> None:
    book = ObjectBook()
    book.submit(Event.limit(1, SELL, 2**62, 2**62, expiry=1))
    book.submit(Event.limit(2, BUY, 1, -(2**62)))
    assert len(book.state().orders) == 2


def test_the_kind_is_named_in_words() -> None:
    with pytest.raises(InvalidInputError, match=r"Event \(fill or kill\) of order 3"):
        ObjectBook().submit(Event.fill_or_kill(3, BUY, 0, 1))
    with pytest.raises(InvalidInputError, match=r"Event \(kind 77\) of order 3"):
        ObjectBook().submit(Event(0, 77, 3))
    assert Event(0, 1).kind is EventKind.LIMIT


def test_files_that_are_no_logs(tmp_path: Path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("time,kind")
    other = tmp_path / "other.npz"
    np.savez(other, a=np.zeros(3))
    newer = tmp_path / "newer.npz"
    np.savez(newer, format=np.int64(2), events=STORED.events)
    for path, part in ((text, "no event log"), (other, "no event log"), (newer, "format 2 of event logs")):
        with pytest.raises(InvalidInputError, match=part):
            EventLog.load(path)
    with pytest.raises(FileNotFoundError):
        EventLog.load(tmp_path / "missing.npz")
