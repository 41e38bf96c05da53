"""The event log: events as columns of whole numbers, saved and loaded exactly, replayed to the same book."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.market.errors import InvalidInputError
from walras.market.order_book.codes import LAST_TIME, EventKind
from walras.market.order_book.events import Event
from walras.market.validation import IntArray, instance_of

__all__ = ["EventLog", "Rows", "as_rows", "as_table", "row_type"]

Rows = NDArray[np.void]  # a structured array whose fields are all int64

EVENT_COLUMNS = ("time", "kind", "order", "trader", "instrument", "side", "price", "quantity", "expiry")
_FORMAT = 1


def row_type(columns: tuple[str, ...]) -> np.dtype[np.void]:
    """Give the type of rows whose fields are all int64, so that a table of them is a matrix seen otherwise."""
    return np.dtype([(column, np.int64) for column in columns])


def as_rows(table: IntArray, columns: tuple[str, ...]) -> Rows:
    """Give an int64 matrix of shape (n, columns) as n read-only rows with named fields, without a copy."""
    rows = np.ascontiguousarray(table).view(row_type(columns)).reshape(len(table))
    rows.setflags(write=False)
    return rows


def as_table(rows: Rows) -> IntArray:
    """Give rows with named int64 fields as an int64 matrix, without a copy."""
    names = rows.dtype.names or ()
    return np.ascontiguousarray(rows).view(np.int64).reshape(len(rows), len(names))


@final
@dataclass(frozen=True, eq=False)
class EventLog:
    """A sequence of events, in the order in which they reach the book.

    Attributes
    ----------
    events
        One row for each, with the fields of `Event` as int64; read-only, shape (n,).

    Examples
    --------
    >>> from walras.market.order_book import Event, EventLog, Side
    >>> log = EventLog.of([Event.limit(1, Side.SELL, 5, 100), Event.market(2, Side.BUY, 3, time=1)])
    >>> len(log), log.events["quantity"].tolist()
    (2, [5, 3])
    """

    events: Rows

    def __post_init__(self) -> None:
        events = self.events
        expected = row_type(EVENT_COLUMNS)
        if not isinstance(events, np.ndarray) or events.dtype != expected or events.ndim != 1:
            got = f"{events.dtype} of shape {events.shape}" if isinstance(events, np.ndarray) else repr(events)
            raise InvalidInputError(
                f"EventLog.events must be a structured array of shape (n,) with int64 fields {EVENT_COLUMNS}, got "
                f"{got}. EventLog.of(events) and EventLog.from_columns(...) make one."
            )
        copy = events.copy()
        copy.setflags(write=False)
        object.__setattr__(self, "events", copy)

    @classmethod
    def of(cls, events: Iterable[Event]) -> "EventLog":
        """Give the log of some events, in the order given."""
        rows = [instance_of("An entry of events", event, Event).row() for event in events]
        return cls(np.array(rows, dtype=row_type(EVENT_COLUMNS)))

    @classmethod
    def from_columns(cls, **columns: Any) -> "EventLog":
        """Give the log of events told by column: vectors of whole numbers of one length, or one number for all.

        `time` and `kind` are needed. The others are 0 where they are left out; `expiry` is that of an order good till
        cancelled.
        """
        unknown = sorted(set(columns) - set(EVENT_COLUMNS))
        if unknown or not {"time", "kind"} <= set(columns):
            raise InvalidInputError(
                f"Columns must be among {EVENT_COLUMNS}, time and kind with them; got {sorted(columns)}."
            )
        arrays = {name: _whole_numbers(name, values) for name, values in columns.items()}
        lengths = {name: array.size for name, array in arrays.items() if array.ndim == 1}
        if len(set(lengths.values())) > 1:
            raise InvalidInputError(f"Columns must have one length, got {lengths}.")
        table = np.zeros(next(iter(lengths.values()), 1), dtype=row_type(EVENT_COLUMNS))
        table["expiry"] = LAST_TIME
        for name, array in arrays.items():
            table[name] = array
        return cls(table)

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[Event]:
        """Give the events one by one."""
        for row in as_table(self.events).tolist():
            yield Event.of_row(row)

    def table(self) -> IntArray:
        """Give the events as a read-only int64 matrix, shape (n, 9)."""
        return as_table(self.events)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the log to `path`, a compressed .npz file."""
        with _npz(path).open("wb") as file:
            np.savez_compressed(file, format=np.int64(_FORMAT), events=self.events)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "EventLog":
        """Read a log that `save` wrote.

        Raises
        ------
        InvalidInputError
            If the file is no event log, or one of another format.
        """
        try:
            with np.load(_npz(path), allow_pickle=False) as file:
                version, events = int(file["format"]), file["events"]
        except (ValueError, KeyError, EOFError, TypeError) as error:
            raise InvalidInputError(f"{path} is no event log: {error}") from error
        if version != _FORMAT:
            raise InvalidInputError(f"{path} has format {version} of event logs; this version reads {_FORMAT}.")
        return cls(events)


def _npz(path: str | PathLike[str]) -> Path:
    if not str(path).endswith(".npz"):
        raise InvalidInputError(f"An event log is an .npz file, got the path {str(path)!r}.")
    return Path(path)


def _whole_numbers(name: str, values: Any) -> IntArray:
    array = np.asarray(values)
    if array.ndim > 1 or (array.dtype.kind not in "iu" and array.size):
        raise InvalidInputError(f"Column {name} must be whole numbers, a vector or one for all; got {values!r}.")
    if array.dtype.kind == "u" and array.size and int(array.max()) > LAST_TIME:
        raise InvalidInputError(f"Column {name} must fit 64 bits with a sign, got {int(array.max())}.")
    return array.astype(np.int64)


def kind_name(kind: int) -> str:
    """Give the kind's name in words, or its number if it has none."""
    return EventKind(kind).name.lower().replace("_", " ") if kind in list(map(int, EventKind)) else f"kind {kind}"
