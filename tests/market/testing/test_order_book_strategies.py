"""Proof that the strategies for order books reach what matters."""

from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings

from walras.market.order_book import (
    Book,
    ContinuousDoubleAuction,
    Engine,
    EventKind,
    EventLog,
    Reason,
    RemovalReason,
    SelfTrade,
    Session,
)
from walras.market.order_book.codes import MOST
from walras.market.testing.strategies.order_book import books, event_logs, events

FOUND = settings(max_examples=2000, phases=[Phase.generate], database=None)


def sessions(log: EventLog) -> list[Session]:
    return [ContinuousDoubleAuction(2, rule).run(log, keep_rejected=True, engine=Engine.OBJECTS) for rule in SelfTrade]


@pytest.mark.parametrize("kind", EventKind, ids=lambda kind: kind.name)
def test_every_kind_of_event_is_drawn(kind: EventKind) -> None:
    assert find(events(), lambda event: event.kind == kind, settings=FOUND).kind is kind


@pytest.mark.parametrize("reason", RemovalReason, ids=lambda reason: reason.name)
def test_every_reason_for_a_removal_is_reached(reason: RemovalReason) -> None:
    find(
        event_logs(), lambda log: any(reason in session.removals["reason"] for session in sessions(log)), settings=FOUND
    )


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_for_a_rejection_is_reached(reason: Reason) -> None:
    find(event_logs(), lambda log: reason in sessions(log)[0].rejections["reason"], settings=FOUND)


def trades_with_two(session: Session) -> bool:
    return len(set(session.trades["event"])) < len(session.trades)


def trades_with_itself(session: Session) -> bool:
    return bool((session.trades["maker"] == session.trades["taker"]).any())


def queues(session: Session) -> bool:
    orders = session.book.orders
    places = list(zip(orders["instrument"], orders["side"], orders["price"], strict=True))
    return len(set(places)) < len(places)


@pytest.mark.parametrize(
    "holds",
    [
        trades_with_two,
        trades_with_itself,
        queues,
        lambda session: len(set(session.trades["instrument"])) == 2,
        lambda session: MOST in session.trades["quantity"],
        lambda session: bool((session.trades["price"] < 0).any()),
        lambda session: len(session.book.orders) == 0 and len(session.trades) > 0,
    ],
    ids=[
        "two makers",
        "self-trade",
        "a queue",
        "two instruments",
        "huge quantity",
        "negative price",
        "empty at the end",
    ],
)
def test_a_session_is_reached_that(holds: Callable[[Session], bool]) -> None:
    find(event_logs(), lambda log: holds(sessions(log)[0]), settings=FOUND)


def test_an_empty_log_is_reached() -> None:
    find(event_logs(), lambda log: len(log) == 0, settings=FOUND)


def test_a_book_with_both_sides_is_reached() -> None:
    find(books(), lambda book: set(book.state().orders["side"].tolist()) == {1, -1}, settings=FOUND)


@given(log=event_logs(well_formed=True))
def test_well_formed_events_are_rejected_for_the_order_that_they_name_only(log: EventLog) -> None:
    session = sessions(log)[0]
    named = {Reason.DUPLICATE_ORDER, Reason.UNKNOWN_ORDER, Reason.NOT_THE_OWNER}
    assert set(session.rejections["reason"].tolist()) <= named


@given(book=books())
def test_books_are_live(book: Book) -> None:
    before = book.state().events
    book.process(EventLog.of([]))
    assert book.state().events == before
