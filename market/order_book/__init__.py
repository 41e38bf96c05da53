"""The continuous double auction: a price-time-priority order book, replayed from its log."""

from walras.market.order_book.accounts import Accounts
from walras.market.order_book.auction import ContinuousDoubleAuction, Engine, Session, SessionStatus
from walras.market.order_book.audit import SessionCertificate
from walras.market.order_book.book import Book
from walras.market.order_book.codes import EventKind, Reason, RemovalReason, SelfTrade, Side
from walras.market.order_book.columnar import ColumnarBook
from walras.market.order_book.events import Event
from walras.market.order_book.log import EventLog
from walras.market.order_book.objects import ObjectBook
from walras.market.order_book.report import BookState, Report

__all__ = [
    "Accounts",
    "Book",
    "BookState",
    "ColumnarBook",
    "ContinuousDoubleAuction",
    "Engine",
    "Event",
    "EventKind",
    "EventLog",
    "ObjectBook",
    "Reason",
    "RemovalReason",
    "Report",
    "SelfTrade",
    "Session",
    "SessionCertificate",
    "SessionStatus",
    "Side",
]
