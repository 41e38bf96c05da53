"""The columnar engine's kernel: one function, `apply_events`, on int64 arrays. Compiled by numba where it is installed.

**Memory.** Everything is a row of a matrix, linked by row numbers (-1 for none).

- *Orders* rest in rows of `orders`; free rows are linked through `NEXT`. The orders of one price stand in a doubly
  linked queue, first come first.
- *Levels* are the prices at which orders rest: nodes of one skip list for each instrument and side, whose heads are the
  first rows of `levels`. They are sorted by `KEY`, the price of asks and minus the price of bids, so that the best
  comes first. A level exists while orders rest at it.
- *Table*: open addressing from the order's number to its row; deleting moves later entries back and leaves no marks.
- *Heap*: the orders that expire, by expiry and arrival; every order knows its place in it.

Nothing dead is kept: rows are reused at once, so memory follows the largest number of orders that rested together.

**Cost** of an event: O(log n) for levels and expiries, O(1) for the table and the queue, and O(1) for each trade.

The whole kernel stands in one file because numba's cache looks at the file of the compiled function only.
*Source*: the skip list of Pugh 1990 (docs/reference/bibliography.md).
It is also plain Python, and the tests run it as such; the constants repeat `codes` since numba freezes plain numbers.
"""

from typing import NamedTuple

from walras.market.validation import IntArray

__all__ = ["HELPERS", "Memory", "apply_events", "reason_to_reject"]

# Columns of the event table.
TIME, KIND, ORDER, TRADER, INSTRUMENT, SIDE, PRICE, QUANTITY, EXPIRY = 0, 1, 2, 3, 4, 5, 6, 7, 8
# Columns of the orders: those of their event, but for the arrival in place of the time, and the links.
ARRIVAL, ORDER_COLUMNS = 0, 13
PREVIOUS, NEXT, LEVEL, PLACE = 9, 10, 11, 12
# Columns of the levels; the links of the skip list follow from LINKS on.
KEY, FIRST, LAST, HEIGHT, LINKS = 0, 1, 2, 3, 4
MOST_HEIGHT = 12
LEVEL_COLUMNS = LINKS + MOST_HEIGHT
# Registers: the book's numbers, and how many rows of each report are filled.
NOW, EVENTS, FREE_ORDER, FREE_LEVEL, RESTING, LEVELS_MADE, EXPIRING, TRADES, REMOVALS, REJECTIONS = range(10)
INSTRUMENTS, SELF_TRADE, MISSING, REGISTERS = 10, 11, 12, 13
TRADE_WIDTH, REMOVAL_WIDTH, REJECTION_WIDTH = 10, 7, 3

BUY, SELL = 1, -1
LIMIT, MARKET, IMMEDIATE, FILL_OR_KILL, POST_ONLY, CANCEL, REPLACE, ADVANCE = 1, 2, 3, 4, 5, 6, 7, 8
CANCELLED, EXPIRED, REDUCED, REPLACED, UNFILLED, KILLED, WOULD_TRADE, MET_ITSELF = 1, 2, 3, 4, 5, 6, 7, 8
ALLOW, CANCEL_RESTING, CANCEL_INCOMING = 0, 1, 2
UNKNOWN_KIND, TIME_REVERSED, UNKNOWN_INSTRUMENT, BAD_SIDE, BAD_QUANTITY = 1, 2, 3, 4, 5
BAD_PRICE, PAST_EXPIRY, DUPLICATE_ORDER, UNKNOWN_ORDER, NOT_THE_OWNER = 6, 7, 8, 9, 10
MOST = 2**62
ANY_KEY = 2**63 - 1


class Memory(NamedTuple):
    """The arrays of a book, and of what it reports."""

    orders: IntArray  # (rows, ORDER_COLUMNS)
    levels: IntArray  # (rows, LEVEL_COLUMNS)
    table: IntArray  # (a power of two, at least twice the rows of orders)
    heap: IntArray  # (rows of orders,)
    registers: IntArray  # (REGISTERS,)
    path: IntArray  # (MOST_HEIGHT,): what the last search in a skip list passed
    trades: IntArray  # (room, TRADE_WIDTH)
    removals: IntArray  # (room, REMOVAL_WIDTH)
    rejections: IntArray  # (room, REJECTION_WIDTH)


def scatter(number: int) -> int:
    """Spread a number over 0 ... 2**31 - 1 (Fibonacci hashing); no step of it overflows int64."""
    return (((number ^ (number >> 31)) & 0x7FFFFFFF) * 1640531527 >> 15) & 0x7FFFFFFF


# ------------------------------------------------------------------------------------------ table: number to row


def find_order(memory: Memory, number: int) -> int:
    """Give the row of the resting order with this number, or -1."""
    table, orders = memory.table, memory.orders
    mask = len(table) - 1
    at = scatter(number) & mask
    while table[at] >= 0:
        row = table[at]
        if orders[row, ORDER] == number:
            return int(row)
        at = (at + 1) & mask
    return -1


def enter_in_table(memory: Memory, row: int) -> None:
    """Add a resting order."""
    table = memory.table
    mask = len(table) - 1
    at = scatter(memory.orders[row, ORDER]) & mask
    while table[at] >= 0:
        at = (at + 1) & mask
    table[at] = row


def fill_table(memory: Memory) -> None:
    """Enter all orders in a new table. A book grows when no row is free, so orders rest in the first `MISSING` ones."""
    for row in range(memory.registers[MISSING]):
        enter_in_table(memory, row)
    memory.registers[MISSING] = 0


def leave_table(memory: Memory, row: int) -> None:
    """Take a resting order out, and move back those behind it that a gap would hide."""
    table, orders = memory.table, memory.orders
    mask = len(table) - 1
    gap = scatter(orders[row, ORDER]) & mask
    while table[gap] != row:
        gap = (gap + 1) & mask
    at = gap
    while True:
        at = (at + 1) & mask
        if table[at] < 0:
            break
        home = scatter(orders[table[at], ORDER]) & mask
        # The entry may move to the gap unless its home lies cyclically after the gap.
        if ((at - home) & mask) >= ((at - gap) & mask):
            table[gap] = table[at]
            gap = at
    table[gap] = -1


# ----------------------------------------------------------------------------- levels: a skip list for each side


def side_head(instrument: int, side: int) -> int:
    """Give the head of the skip list of an instrument's bids or asks."""
    return 2 * instrument + (0 if side == BUY else 1)


def find_level(memory: Memory, head: int, key: int) -> int:
    """Give the level with this key, or -1; `path` then holds, for each height, the last node with a smaller key."""
    levels, path = memory.levels, memory.path
    node = head
    for height in range(MOST_HEIGHT - 1, -1, -1):
        following = levels[node, LINKS + height]
        while following >= 0 and levels[following, KEY] < key:
            node = following
            following = levels[node, LINKS + height]
        path[height] = node
    following = levels[node, LINKS]
    return int(following) if following >= 0 and levels[following, KEY] == key else -1


def add_level(memory: Memory, key: int) -> int:
    """Give a new, empty level, linked in behind the nodes of `path`."""
    levels, path, registers = memory.levels, memory.path, memory.registers
    level = registers[FREE_LEVEL]
    registers[FREE_LEVEL] = levels[level, LINKS]
    # One node in four is a storey higher; the draw depends on nothing but how many levels were made before.
    registers[LEVELS_MADE] += 1
    draw = scatter(registers[LEVELS_MADE])
    height = 1
    while height < MOST_HEIGHT and draw & 3 == 0:
        height += 1
        draw >>= 2
    levels[level, KEY], levels[level, FIRST], levels[level, LAST], levels[level, HEIGHT] = key, -1, -1, height
    for storey in range(height):
        before = path[storey]
        levels[level, LINKS + storey] = levels[before, LINKS + storey]
        levels[before, LINKS + storey] = level
    return int(level)


def drop_level(memory: Memory, head: int, level: int) -> None:
    """Unlink a level, and free its row."""
    levels, path, registers = memory.levels, memory.path, memory.registers
    find_level(memory, head, levels[level, KEY])
    for storey in range(levels[level, HEIGHT]):
        levels[path[storey], LINKS + storey] = levels[level, LINKS + storey]
    levels[level, LINKS] = registers[FREE_LEVEL]
    registers[FREE_LEVEL] = level


# -------------------------------------------------------------------------------------- heap: orders that expire


def is_due_before(memory: Memory, one: int, other: int) -> bool:
    """Whether an order expires before another: by expiry, then by arrival."""
    orders = memory.orders
    if orders[one, EXPIRY] != orders[other, EXPIRY]:
        return bool(orders[one, EXPIRY] < orders[other, EXPIRY])
    return bool(orders[one, ARRIVAL] < orders[other, ARRIVAL])


def rise(memory: Memory, place: int) -> None:
    """Move an entry of the heap up to where it belongs."""
    heap, orders = memory.heap, memory.orders
    row = heap[place]
    while place > 0:
        above = (place - 1) >> 1
        if not is_due_before(memory, row, heap[above]):
            break
        heap[place] = heap[above]
        orders[heap[place], PLACE] = place
        place = above
    heap[place] = row
    orders[row, PLACE] = place


def sink(memory: Memory, place: int) -> None:
    """Move an entry of the heap down to where it belongs."""
    heap, orders, size = memory.heap, memory.orders, memory.registers[EXPIRING]
    row = heap[place]
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and is_due_before(memory, heap[below + 1], heap[below]):
            below += 1
        if not is_due_before(memory, heap[below], row):
            break
        heap[place] = heap[below]
        orders[heap[place], PLACE] = place
        place = below
    heap[place] = row
    orders[row, PLACE] = place


def leave_heap(memory: Memory, place: int) -> None:
    """Take an entry out of the heap."""
    heap, registers = memory.heap, memory.registers
    registers[EXPIRING] -= 1
    last = registers[EXPIRING]
    if place < last:
        moved = heap[last]
        heap[place] = moved
        rise(memory, place)
        sink(memory, memory.orders[moved, PLACE])


# -------------------------------------------------------------------------------------------- orders and reports


def rest(memory: Memory, events: IntArray, event: int, price: int, quantity: int) -> None:
    """Add what is left of the event's order at the end of the queue of its price."""
    orders, registers = memory.orders, memory.registers
    row = registers[FREE_ORDER]
    registers[FREE_ORDER] = orders[row, NEXT]
    for column in range(KIND, EXPIRY + 1):
        orders[row, column] = events[event, column]
    orders[row, ARRIVAL], orders[row, PRICE], orders[row, QUANTITY] = registers[EVENTS], price, quantity
    put_in_queue(memory, row)
    enter_in_table(memory, row)
    registers[RESTING] += 1
    if orders[row, EXPIRY] != ANY_KEY:
        heap_place = registers[EXPIRING]
        memory.heap[heap_place] = row
        registers[EXPIRING] += 1
        rise(memory, heap_place)
    else:
        orders[row, PLACE] = -1


def put_in_queue(memory: Memory, row: int) -> None:
    """Link an order in at the end of its level's queue; make the level if there is none."""
    orders, levels = memory.orders, memory.levels
    side = orders[row, SIDE]
    key = side_key(side, orders[row, PRICE])
    level = find_level(memory, side_head(orders[row, INSTRUMENT], side), key)
    if level < 0:
        level = add_level(memory, key)
    last = levels[level, LAST]
    orders[row, LEVEL], orders[row, PREVIOUS], orders[row, NEXT] = level, last, -1
    levels[level, LAST] = row
    if last >= 0:
        orders[last, NEXT] = row
    else:
        levels[level, FIRST] = row


def side_key(side: int, price: int) -> int:
    """Give the key of a resting order: the smaller, the better for who comes to trade with it."""
    return -price if side == BUY else price


def drop(memory: Memory, row: int) -> None:
    """Take a resting order out of its queue, the table and the heap, and free its row."""
    orders, levels, registers = memory.orders, memory.levels, memory.registers
    level, before, after = orders[row, LEVEL], orders[row, PREVIOUS], orders[row, NEXT]
    if before >= 0:
        orders[before, NEXT] = after
    else:
        levels[level, FIRST] = after
    if after >= 0:
        orders[after, PREVIOUS] = before
    else:
        levels[level, LAST] = before
    if levels[level, FIRST] < 0:
        drop_level(memory, side_head(orders[row, INSTRUMENT], orders[row, SIDE]), level)
    leave_table(memory, row)
    if orders[row, PLACE] >= 0:
        leave_heap(memory, orders[row, PLACE])
    orders[row, NEXT] = registers[FREE_ORDER]
    registers[FREE_ORDER] = row
    registers[RESTING] -= 1


def report_removal(
    memory: Memory, order: int, trader: int, instrument: int, side: int, quantity: int, reason: int
) -> None:
    """Write a row: a quantity that left without being traded."""
    removals, registers = memory.removals, memory.registers
    at = registers[REMOVALS]
    registers[REMOVALS] += 1
    removals[at, 0], removals[at, 1], removals[at, 2], removals[at, 3] = registers[EVENTS], order, trader, instrument
    removals[at, 4], removals[at, 5], removals[at, 6] = side, quantity, reason


def remove(memory: Memory, row: int, reason: int) -> None:
    """Report what rests of an order, and drop it."""
    orders = memory.orders
    report_removal(
        memory,
        orders[row, ORDER],
        orders[row, TRADER],
        orders[row, INSTRUMENT],
        orders[row, SIDE],
        orders[row, QUANTITY],
        reason,
    )
    drop(memory, row)


def report_trade(memory: Memory, time: int, maker: int, taker_order: int, taker: int, quantity: int) -> None:
    """Write a row: `quantity` units at the price of the order in row `maker`."""
    orders, trades, registers = memory.orders, memory.trades, memory.registers
    at = registers[TRADES]
    registers[TRADES] += 1
    trades[at, 0], trades[at, 1], trades[at, 2] = registers[EVENTS], time, orders[maker, INSTRUMENT]
    trades[at, 3], trades[at, 4], trades[at, 5] = orders[maker, PRICE], quantity, -orders[maker, SIDE]
    trades[at, 6], trades[at, 7] = orders[maker, ORDER], taker_order
    trades[at, 8], trades[at, 9] = orders[maker, TRADER], taker


# ------------------------------------------------------------------------------------------------------ matching


def trade(memory: Memory, events: IntArray, event: int, worst_key: int, quantity: int) -> int:
    """Trade with the best resting orders whose key is at most `worst_key`; give the units that are left to place."""
    orders, levels = memory.orders, memory.levels
    trader, side = events[event, TRADER], events[event, SIDE]
    head = side_head(events[event, INSTRUMENT], -side)
    rule = memory.registers[SELF_TRADE]
    level = levels[head, LINKS]
    while quantity > 0 and level >= 0 and levels[level, KEY] <= worst_key:
        maker = levels[level, FIRST]
        if rule != ALLOW and orders[maker, TRADER] == trader:
            if rule == CANCEL_INCOMING:
                report_removal(
                    memory, events[event, ORDER], trader, events[event, INSTRUMENT], side, quantity, MET_ITSELF
                )
                return 0
            remove(memory, maker, MET_ITSELF)
        else:
            filled = min(quantity, orders[maker, QUANTITY])
            report_trade(memory, events[event, TIME], maker, events[event, ORDER], trader, filled)
            quantity -= filled
            orders[maker, QUANTITY] -= filled
            if orders[maker, QUANTITY] == 0:
                drop(memory, maker)
        level = levels[head, LINKS]
    return quantity


def can_fill(memory: Memory, events: IntArray, event: int, worst_key: int) -> bool:
    """Whether an order would trade in full at once."""
    orders, levels, rule = memory.orders, memory.levels, memory.registers[SELF_TRADE]
    needed = events[event, QUANTITY]
    level = levels[side_head(events[event, INSTRUMENT], -events[event, SIDE]), LINKS]
    while level >= 0 and levels[level, KEY] <= worst_key:
        maker = levels[level, FIRST]
        while maker >= 0:
            if rule == ALLOW or orders[maker, TRADER] != events[event, TRADER]:
                needed -= orders[maker, QUANTITY]
                if needed <= 0:
                    return True
            elif rule == CANCEL_INCOMING:
                return False
            maker = orders[maker, NEXT]
        level = levels[level, LINKS]
    return False


def expire(memory: Memory, time: int) -> None:
    """Remove the orders that are due at `time`, by expiry and arrival."""
    heap, orders, registers = memory.heap, memory.orders, memory.registers
    while registers[EXPIRING] > 0 and orders[heap[0], EXPIRY] <= time:
        remove(memory, heap[0], EXPIRED)


# -------------------------------------------------------------------------------------------------------- events


def reason_to_reject(memory: Memory, events: IntArray, event: int) -> int:
    """Give the reason why an event cannot be applied, or 0. Nothing is changed."""
    kind, time = events[event, KIND], events[event, TIME]
    if kind < LIMIT or kind > ADVANCE:
        return UNKNOWN_KIND
    if time < memory.registers[NOW]:
        return TIME_REVERSED
    if kind == ADVANCE:
        return 0
    row = find_order(memory, events[event, ORDER])
    is_resting = row >= 0 and memory.orders[row, EXPIRY] > time
    if kind in (CANCEL, REPLACE):
        flaw = flaw_in_terms(events, event) if kind == REPLACE else 0
        if flaw == 0 and not is_resting:
            return UNKNOWN_ORDER
        if flaw == 0 and memory.orders[row, TRADER] != events[event, TRADER]:
            return NOT_THE_OWNER
        return flaw
    flaw = flaw_in_new_order(memory, events, event)
    return DUPLICATE_ORDER if flaw == 0 and is_resting else flaw


def flaw_in_new_order(memory: Memory, events: IntArray, event: int) -> int:
    """Give the reason why a new order cannot be, whatever rests, or 0."""
    kind = events[event, KIND]
    if events[event, INSTRUMENT] < 0 or events[event, INSTRUMENT] >= memory.registers[INSTRUMENTS]:
        return UNKNOWN_INSTRUMENT
    if events[event, SIDE] not in (BUY, SELL):
        return BAD_SIDE
    flaw = flaw_in_terms(events, event)
    if flaw == 0 and kind in (LIMIT, POST_ONLY) and events[event, EXPIRY] <= events[event, TIME]:
        return PAST_EXPIRY
    return flaw


def flaw_in_terms(events: IntArray, event: int) -> int:
    """Give the reason why the quantity or the price cannot be, or 0."""
    if events[event, QUANTITY] < 1 or events[event, QUANTITY] > MOST:
        return BAD_QUANTITY
    price = events[event, PRICE]
    return BAD_PRICE if events[event, KIND] != MARKET and (price < -MOST or price > MOST) else 0


def enter(memory: Memory, events: IntArray, event: int) -> None:
    """Apply a new order: trade what can be traded, then rest or remove what is left."""
    kind, side, quantity = events[event, KIND], events[event, SIDE], events[event, QUANTITY]
    # The keys of the other side rise with what its prices cost the incoming order.
    worst_key = ANY_KEY if kind == MARKET else side_key(-side, events[event, PRICE])
    reason = UNFILLED
    if kind == FILL_OR_KILL and not can_fill(memory, events, event, worst_key):
        reason = KILLED
    elif kind == POST_ONLY:
        level = memory.levels[side_head(events[event, INSTRUMENT], -side), LINKS]
        if level >= 0 and memory.levels[level, KEY] <= worst_key:
            reason = WOULD_TRADE
    else:
        quantity = trade(memory, events, event, worst_key, quantity)
    if quantity == 0:
        return
    if kind in (LIMIT, POST_ONLY) and reason == UNFILLED:
        rest(memory, events, event, events[event, PRICE], quantity)
    else:
        report_removal(
            memory, events[event, ORDER], events[event, TRADER], events[event, INSTRUMENT], side, quantity, reason
        )


def replace(memory: Memory, events: IntArray, event: int, again: IntArray) -> None:
    """Apply a replacement: lower the quantity in place, or take the order out and enter it anew."""
    orders = memory.orders
    row = find_order(memory, events[event, ORDER])
    quantity, price = events[event, QUANTITY], events[event, PRICE]
    fall = orders[row, QUANTITY] - quantity
    if price == orders[row, PRICE] and fall >= 0:
        if fall > 0:
            report_removal(
                memory,
                orders[row, ORDER],
                orders[row, TRADER],
                orders[row, INSTRUMENT],
                orders[row, SIDE],
                fall,
                REDUCED,
            )
            orders[row, QUANTITY] = quantity
        return
    for column in range(TIME, EXPIRY + 1):
        again[0, column] = orders[row, column]
    again[0, TIME], again[0, KIND], again[0, PRICE], again[0, QUANTITY] = events[event, TIME], LIMIT, price, quantity
    remove(memory, row, REPLACED)
    enter(memory, again, 0)


def apply_event(memory: Memory, events: IntArray, event: int, again: IntArray) -> None:
    """Apply one event, or write down why not."""
    registers = memory.registers
    reason = reason_to_reject(memory, events, event)
    if reason != 0:
        at = registers[REJECTIONS]
        registers[REJECTIONS] += 1
        rejections = memory.rejections
        rejections[at, 0], rejections[at, 1], rejections[at, 2] = registers[EVENTS], events[event, ORDER], reason
        return
    registers[NOW] = events[event, TIME]
    expire(memory, events[event, TIME])
    kind = events[event, KIND]
    if kind == CANCEL:
        remove(memory, find_order(memory, events[event, ORDER]), CANCELLED)
    elif kind == REPLACE:
        replace(memory, events, event, again)
    elif kind != ADVANCE:
        enter(memory, events, event)


def has_room(memory: Memory) -> bool:
    """Whether any one event can be applied: it trades with, or removes, each resting order at most, and its own."""
    registers = memory.registers
    resting = registers[RESTING]
    return bool(
        registers[FREE_ORDER] >= 0
        and registers[FREE_LEVEL] >= 0
        and registers[TRADES] + resting <= len(memory.trades)
        and registers[REMOVALS] + resting + 2 <= len(memory.removals)
        and registers[REJECTIONS] < len(memory.rejections)
    )


def apply_events(memory: Memory, events: IntArray, start: int, again: IntArray) -> int:
    """Apply the events from row `start` on, while there is room; give the first that was not applied.

    Parameters
    ----------
    memory
        The book; changed in place.
    events
        Shape (n, 9).
    start
        The first row to apply.
    again
        A row of scratch, shape (1, 9): a replaced order as it enters anew.
    """
    fill_table(memory)
    event = start
    while event < len(events) and has_room(memory):
        apply_event(memory, events, event, again)
        memory.registers[EVENTS] += 1
        event += 1
    return event


HELPERS = (
    scatter,
    find_order,
    enter_in_table,
    fill_table,
    leave_table,
    side_head,
    find_level,
    add_level,
    drop_level,
    is_due_before,
    rise,
    sink,
    leave_heap,
    rest,
    put_in_queue,
    side_key,
    drop,
    report_removal,
    remove,
    report_trade,
    trade,
    can_fill,
    expire,
    reason_to_reject,
    flaw_in_new_order,
    flaw_in_terms,
    enter,
    replace,
    apply_event,
    has_room,
)
