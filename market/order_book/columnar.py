"""The fast engine: a book in int64 arrays, and a kernel that numba compiles where it is installed."""

from collections.abc import Callable
from typing import Any, final

import numpy as np

from walras.market.order_book import kernel
from walras.market.order_book.book import Book
from walras.market.order_book.codes import SelfTrade
from walras.market.order_book.compiled import compiled, is_compiler_installed
from walras.market.order_book.kernel import HELPERS, Memory, apply_events, reason_to_reject
from walras.market.order_book.log import EVENT_COLUMNS, as_rows
from walras.market.order_book.report import (
    ORDER_COLUMNS,
    REJECTION_COLUMNS,
    REMOVAL_COLUMNS,
    TRADE_COLUMNS,
    BookState,
    Report,
)
from walras.market.validation import IntArray, boolean

__all__ = ["ColumnarBook"]

# The columns of a resting order in the kernel's matrix, in the order of ORDER_COLUMNS.
_ORDER_PLACES = [
    kernel.INSTRUMENT,
    kernel.SIDE,
    kernel.PRICE,
    kernel.ARRIVAL,
    kernel.ORDER,
    kernel.TRADER,
    kernel.QUANTITY,
    kernel.EXPIRY,
]
_RULES = {
    SelfTrade.ALLOW: kernel.ALLOW,
    SelfTrade.CANCEL_RESTING: kernel.CANCEL_RESTING,
    SelfTrade.CANCEL_INCOMING: kernel.CANCEL_INCOMING,
}
_FIRST_ROWS = 256
_REPORT_ROWS = 4096


@final
class ColumnarBook(Book):
    """An order book in NumPy arrays; millions of events a second with numba (`pip install walras[fast]`).

    Parameters
    ----------
    instruments
        How many instruments are traded; they are numbered from 0.
    self_trade
        What happens when an order meets one of its own trader.
    compile
        Whether to compile the kernel. By default it is compiled if numba is installed, and runs as plain Python if not:
        the same results, and slower than `ObjectBook`.

    Notes
    -----
    *Cost*: O(log n) for an event, O(1) more for each of its trades. *Memory*: arrays of at most four times as many rows
    as orders ever rested at once (not fewer than 256); rows of orders that are gone are used again at once.
    """

    def __init__(
        self,
        instruments: int = 1,
        self_trade: SelfTrade = SelfTrade.ALLOW,
        *,
        compile: bool | None = None,  # noqa: A002
    ) -> None:
        super().__init__(instruments, self_trade)
        wanted = is_compiler_installed() if compile is None else boolean("compile", compile)
        self._kernel: Callable[..., Any] = compiled(apply_events, HELPERS) if wanted else apply_events
        self._scratch = np.zeros((1, len(EVENT_COLUMNS)), dtype=np.int64)
        self._memory = _empty_memory(self._instruments, _RULES[self._self_trade])

    def state(self) -> BookState:
        """Give the resting orders, the time and the count of events: a copy. *Cost*: O(n log n)."""
        registers, table = self._memory.registers, self._memory.table
        rows = table[table >= 0]
        orders = as_rows(self._memory.orders[rows][:, _ORDER_PLACES], ORDER_COLUMNS)
        return BookState.of(orders, time=int(registers[kernel.NOW]), events=int(registers[kernel.EVENTS]))

    def _reason_to_reject(self, table: IntArray) -> int:
        return int(reason_to_reject(self._memory, table, 0))

    def _apply(self, table: IntArray) -> Report:
        reports: list[tuple[IntArray, IntArray, IntArray]] = []
        done = 0
        while True:
            done = int(self._kernel(self._memory, table, done, self._scratch))
            reports.append(self._take_reports())
            if done == len(table):
                break
            self._memory = _with_room(self._memory)
        trades, removals, rejections = (np.concatenate(parts) for parts in zip(*reports, strict=True))
        return Report(
            as_rows(trades, TRADE_COLUMNS),
            as_rows(removals, REMOVAL_COLUMNS),
            as_rows(rejections, REJECTION_COLUMNS),
        )

    def _take_reports(self) -> tuple[IntArray, IntArray, IntArray]:
        """Copy what was reported since the last time, and free its room."""
        memory = self._memory
        counts = memory.registers[[kernel.TRADES, kernel.REMOVALS, kernel.REJECTIONS]].tolist()
        memory.registers[[kernel.TRADES, kernel.REMOVALS, kernel.REJECTIONS]] = 0
        trades, removals, rejections = memory.trades, memory.removals, memory.rejections
        return trades[: counts[0]].copy(), removals[: counts[1]].copy(), rejections[: counts[2]].copy()


def _empty_memory(instruments: int, rule: int) -> Memory:
    registers = np.zeros(kernel.REGISTERS, dtype=np.int64)
    registers[kernel.NOW] = np.iinfo(np.int64).min
    registers[kernel.INSTRUMENTS], registers[kernel.SELF_TRADE] = instruments, rule
    registers[[kernel.FREE_ORDER, kernel.FREE_LEVEL]] = -1
    nothing = np.empty((0, kernel.ORDER_COLUMNS), dtype=np.int64)
    heads = np.full((2 * instruments, kernel.LEVEL_COLUMNS), -1, dtype=np.int64)
    memory = Memory(
        orders=nothing,
        levels=heads,
        table=np.full(2, -1, dtype=np.int64),
        heap=np.empty(0, dtype=np.int64),
        registers=registers,
        path=np.zeros(kernel.MOST_HEIGHT, dtype=np.int64),
        trades=np.empty((0, kernel.TRADE_WIDTH), dtype=np.int64),
        removals=np.empty((0, kernel.REMOVAL_WIDTH), dtype=np.int64),
        rejections=np.empty((0, kernel.REJECTION_WIDTH), dtype=np.int64),
    )
    return _with_room(memory)


def _with_room(memory: Memory) -> Memory:
    """Give the same book with more rows where none was free, and reports that the next event cannot overflow."""
    registers = memory.registers
    orders, levels, table, heap = memory.orders, memory.levels, memory.table, memory.heap
    if registers[kernel.FREE_ORDER] < 0:
        rows = max(_FIRST_ROWS, 2 * len(orders))
        orders = _longer(orders, rows, link=kernel.NEXT)
        registers[[kernel.FREE_ORDER, kernel.MISSING]] = len(memory.orders)
        heap = np.concatenate([heap, np.empty(rows - len(heap), dtype=np.int64)])
        table = np.full(2 * rows, -1, dtype=np.int64)
    if registers[kernel.FREE_LEVEL] < 0:
        registers[kernel.FREE_LEVEL] = len(levels)
        levels = _longer(levels, len(levels) + max(_FIRST_ROWS, len(levels)), link=kernel.LINKS)
    room = 2 * int(registers[kernel.RESTING]) + _REPORT_ROWS
    return memory._replace(
        orders=orders,
        levels=levels,
        heap=heap,
        table=table,
        trades=_at_least(memory.trades, room),
        removals=_at_least(memory.removals, room),
        rejections=_at_least(memory.rejections, _REPORT_ROWS),
    )


def _longer(matrix: IntArray, rows: int, *, link: int) -> IntArray:
    """Give a copy with `rows` rows, whose new ones are linked through the column `link`, the last one to none."""
    longer = np.zeros((rows, matrix.shape[1]), dtype=np.int64)
    longer[: len(matrix)] = matrix
    longer[len(matrix) :, link] = np.arange(len(matrix) + 1, rows + 1)
    longer[-1, link] = -1
    return longer


def _at_least(matrix: IntArray, rows: int) -> IntArray:
    return matrix if len(matrix) >= rows else np.empty((rows, matrix.shape[1]), dtype=np.int64)
