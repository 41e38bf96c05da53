"""The arithmetic of the laboratory, and its columnar engine's loop: plain Python, compiled by numba where installed.

The functions of one quote, one tax and one step of learning serve both engines, so that these cannot differ in the last
bit. `play` is the loop of the columnar engine on the arrays of `Memory`; one trader is one row of each of them.

Cost of a quote: O(1), and O(k) more where k traders learn from it. Cost of a day: O(n).
The whole kernel stands in one file because numba's cache looks at the file of the compiled function only.
"""

from typing import NamedTuple

from walras.market.validation import FloatArray, IntArray

__all__ = [
    "HELPERS",
    "Memory",
    "adapt_margin",
    "highest_affordable",
    "margin_price",
    "margin_quote",
    "play",
    "tax_on",
    "uniform_price",
    "wanted_move",
]

TRUTHFUL, CONSTRAINED, UNCONSTRAINED, MARGINS = 0, 1, 2, 3
BUY, SELL = 1, -1
LOWER, STAY, RAISE = -1, 0, 1

# Columns of what a margin trader is: its two learned numbers, and four that stay.
MARGIN, MOMENTUM, LEARNING_RATE, INERTIA, RELATIVE_SHIFT, ABSOLUTE_SHIFT, MARGIN_COLUMNS = 0, 1, 2, 3, 4, 5, 6
DRAWS_TO_QUOTE, DRAWS_TO_LEARN = 2, 2
TRADE_WIDTH, DAY_WIDTH = 9, 5

# Registers. What is fixed:
BUYERS, SELLERS, CEILING, MOST_QUOTES = 0, 1, 2, 3
# what a day is at:
DAY, OPEN, QUOTES, BID, BIDDER, ASK, ASKER, TRADES_TODAY, TAX_TODAY = 4, 5, 6, 7, 8, 9, 10, 11, 12
ACTIVE_BUYERS, ACTIVE_SELLERS, NEXT_VALUE, NEXT_COST = 13, 14, 15, 16
# institutions, and how much of draws and reports is used:
TREASURY, EXPERIMENTER, DRAWN, TRADES, DAYS, REGISTERS = 17, 18, 19, 20, 21, 22


class Memory(NamedTuple):
    """The arrays of n traders, the buyers first."""

    registers: IntArray  # (REGISTERS,)
    worths: IntArray  # (n, units): value or cost of each unit (cents)
    limits: IntArray  # (n, units): the same, net of tax for buyers
    units: IntArray  # (n,): how many of them count
    used: IntArray  # (n,): units traded today
    wealth: IntArray  # (n,): cents
    active: IntArray  # (n,): buyers with units left, from 0 on, and sellers, from the number of buyers on
    place: IntArray  # (n,): where each trader stands in `active`
    by_value: IntArray  # (all units of buyers, 2): trader and unit, the highest limit first
    by_cost: IntArray  # (all units of sellers, 2): trader and unit, the lowest cost first
    policy: IntArray  # (n,): TRUTHFUL, CONSTRAINED, UNCONSTRAINED or MARGINS
    learners: IntArray  # (k,): the margin traders
    margins: FloatArray  # (n, MARGIN_COLUMNS)
    tax_rate: FloatArray  # (1,)
    trades: IntArray  # (room, TRADE_WIDTH)
    days: IntArray  # (room, DAY_WIDTH): day, quotes, tax, rebate to each, whether all gains were exhausted


# ----------------------------------------------------------------------------------------------- money and quotes


def tax_on(price: int, rate: float) -> int:
    """Give the tax on a trade (cents): rate times price, half a cent up."""
    return int(rate * price + 0.5)


def highest_affordable(cents: int, rate: float) -> int:
    """Give the highest price (cents) that can be paid with its tax out of so many cents."""
    price = int(cents / (1.0 + rate))  # to within a cent or two; a price and its tax rise together
    while price + tax_on(price, rate) > cents:
        price -= 1
    while price + 1 + tax_on(price + 1, rate) <= cents:
        price += 1
    return price


def uniform_price(lowest: int, highest: int, draw: float) -> int:
    """Give a price from lowest to highest, all alike, from a draw in [0, 1)."""
    return lowest + int(draw * (highest - lowest + 1))


# ------------------------------------------------------------------------------------------------ learned margins


def margin_price(limit: int, margin: float) -> float:
    """Give the price that a margin on a limit makes (cents, with fractions)."""
    return limit * (1.0 + margin)


def margin_quote(side: int, limit: int, margin: float, ceiling: int) -> int:
    """Give the quote of a margin trader: its price as whole cents, on the right side of its limit."""
    price = int(min(margin_price(limit, margin), float(ceiling)) + 0.5)
    return min(price, limit) if side == BUY else max(price, limit)


def wanted_move(side: int, price: int, active: bool, shout_side: int, shout_price: int, accepted: bool) -> int:  # noqa: FBT001
    """Give whether a margin trader wants to raise or lower its price after a shout.

    `price` is what it would quote, in whole cents: with the fractions kept, a buyer at 187.2 that shouts 187 in vain
    would believe that it offers more than what was refused, and never move.
    """
    if side == SELL:
        if accepted and price <= shout_price:
            return RAISE
        if active and price >= shout_price and accepted == (shout_side == BUY):
            return LOWER
    else:
        if accepted and price >= shout_price:
            return LOWER
        if active and price <= shout_price and accepted == (shout_side == SELL):
            return RAISE
    return STAY


def adapt_margin(
    side: int,
    limit: int,
    margin: float,
    momentum: float,
    learning_rate: float,
    inertia: float,
    move: int,
    shout_price: int,
    relative: float,
    absolute: float,
) -> tuple[float, float]:
    """Give margin and momentum after a step towards the target, a little beyond the price that was heard."""
    if limit == 0:
        return margin, momentum
    target = shout_price * (1.0 + move * relative) + move * absolute
    price = margin_price(limit, margin)
    momentum = inertia * momentum + (1.0 - inertia) * (learning_rate * (target - price))
    margin = (price + momentum) / limit - 1.0
    margin = min(max(margin, -1.0), 0.0) if side == BUY else max(margin, 0.0)
    return margin, momentum


def learn(memory: Memory, draws: FloatArray, shout_side: int, shout_price: int, accepted: bool) -> None:  # noqa: FBT001
    """Let every margin trader hear a shout; each uses up two draws, whether it moves or not."""
    registers, margins = memory.registers, memory.margins
    at = registers[DRAWN]
    for number in range(len(memory.learners)):
        trader = memory.learners[number]
        side = BUY if trader < registers[BUYERS] else SELL
        used, units = memory.used[trader], memory.units[trader]
        limit = memory.limits[trader, min(used, units - 1)]
        margin = margins[trader, MARGIN]
        price = margin_quote(side, limit, margin, registers[CEILING])
        move = wanted_move(side, price, used < units, shout_side, shout_price, accepted)
        if move != STAY:
            margins[trader, MARGIN], margins[trader, MOMENTUM] = adapt_margin(
                side,
                limit,
                margin,
                margins[trader, MOMENTUM],
                margins[trader, LEARNING_RATE],
                margins[trader, INERTIA],
                move,
                shout_price,
                margins[trader, RELATIVE_SHIFT] * draws[at + 2 * number],
                margins[trader, ABSOLUTE_SHIFT] * draws[at + 2 * number + 1],
            )
    registers[DRAWN] = at + DRAWS_TO_LEARN * len(memory.learners)


# ---------------------------------------------------------------------------------------------------------- a day


def open_day(memory: Memory) -> None:
    """Renew all limits and clear the quotes."""
    registers = memory.registers
    registers[DAY] += 1
    registers[OPEN] = 1
    for trader in range(len(memory.used)):
        memory.used[trader] = 0
        memory.active[trader] = trader
        memory.place[trader] = trader
    registers[ACTIVE_BUYERS], registers[ACTIVE_SELLERS] = registers[BUYERS], registers[SELLERS]
    registers[NEXT_VALUE], registers[NEXT_COST] = 0, 0
    registers[QUOTES], registers[TRADES_TODAY], registers[TAX_TODAY] = 0, 0, 0
    clear_quotes(memory)


def clear_quotes(memory: Memory) -> None:
    """Let nothing stand: any quote improves on these."""
    registers = memory.registers
    registers[BIDDER], registers[BID] = -1, -1
    registers[ASKER], registers[ASK] = -1, registers[CEILING] + 1


def can_gain(memory: Memory) -> bool:
    """Whether some unit that is still wanted is worth more than one that is still for sale costs."""
    registers, used = memory.registers, memory.used
    # Units of one trader are used in their order, which is also that of the lists, so nothing is passed over.
    value, cost = registers[NEXT_VALUE], registers[NEXT_COST]
    while value < len(memory.by_value) and used[memory.by_value[value, 0]] > memory.by_value[value, 1]:
        value += 1
    while cost < len(memory.by_cost) and used[memory.by_cost[cost, 0]] > memory.by_cost[cost, 1]:
        cost += 1
    registers[NEXT_VALUE], registers[NEXT_COST] = value, cost
    if value == len(memory.by_value) or cost == len(memory.by_cost):
        return False
    highest = memory.limits[memory.by_value[value, 0], memory.by_value[value, 1]]
    return bool(memory.limits[memory.by_cost[cost, 0], memory.by_cost[cost, 1]] < highest)


def picked(memory: Memory, draw: float) -> int:
    """Give a trader with units left, all alike."""
    registers = memory.registers
    at = int(draw * (registers[ACTIVE_BUYERS] + registers[ACTIVE_SELLERS]))
    if at >= registers[ACTIVE_BUYERS]:
        at += registers[BUYERS] - registers[ACTIVE_BUYERS]
    return int(memory.active[at])


def quoted(memory: Memory, trader: int, side: int, draw: float) -> int:
    """Give what a trader quotes (cents), by its policy and within its means."""
    ceiling, limit = memory.registers[CEILING], memory.limits[trader, memory.used[trader]]
    policy = memory.policy[trader]
    if policy == UNCONSTRAINED:
        price = uniform_price(0, ceiling, draw)
    elif policy == CONSTRAINED:
        price = uniform_price(0, limit, draw) if side == BUY else uniform_price(limit, ceiling, draw)
    elif policy == MARGINS:
        price = margin_quote(side, limit, memory.margins[trader, MARGIN], ceiling)
    else:
        price = limit
    wealth = memory.wealth[trader]
    if side == SELL:
        return int(max(price, limit - wealth))
    if price + tax_on(price, memory.tax_rate[0]) > wealth:
        price = highest_affordable(wealth, memory.tax_rate[0])
    return int(price)


def use_unit(memory: Memory, trader: int, first: int, active: int) -> None:
    """Count a unit as traded; who has none left leaves, and the last of its side takes its place."""
    memory.used[trader] += 1
    if memory.used[trader] < memory.units[trader]:
        return
    registers = memory.registers
    registers[active] -= 1
    last = memory.active[first + registers[active]]
    memory.active[memory.place[trader]] = last
    memory.place[last] = memory.place[trader]


def trade(memory: Memory, price: int) -> None:
    """Let the standing bidder buy a unit of the standing asker, settle, and clear the quotes."""
    registers, wealth, used = memory.registers, memory.wealth, memory.used
    buyer, seller = registers[BIDDER], registers[ASKER]
    value, cost = memory.worths[buyer, used[buyer]], memory.worths[seller, used[seller]]
    tax = tax_on(price, memory.tax_rate[0])
    wealth[buyer] += value - price - tax
    wealth[seller] += price - cost
    registers[EXPERIMENTER] += cost - value
    registers[TREASURY] += tax
    registers[TAX_TODAY] += tax
    registers[TRADES_TODAY] += 1
    row = memory.trades[registers[TRADES]]
    row[0], row[1], row[2] = registers[DAY], registers[TRADES_TODAY], registers[QUOTES]
    row[3], row[4], row[5], row[6], row[7], row[8] = buyer, seller, value, cost, price, tax
    registers[TRADES] += 1
    use_unit(memory, buyer, 0, ACTIVE_BUYERS)
    use_unit(memory, seller, registers[BUYERS], ACTIVE_SELLERS)
    clear_quotes(memory)


def quote_once(memory: Memory, draws: FloatArray) -> None:
    """Let one trader quote, trade if the quotes cross, and let the others hear of it."""
    registers = memory.registers
    at = registers[DRAWN]
    registers[DRAWN] = at + DRAWS_TO_QUOTE
    trader = picked(memory, draws[at])
    side = BUY if trader < registers[BUYERS] else SELL
    price = quoted(memory, trader, side, draws[at + 1])
    registers[QUOTES] += 1
    heard, accepted = price, False
    if side == BUY and price > registers[BID]:
        registers[BIDDER], registers[BID] = trader, price
        heard, accepted = registers[ASK], price >= registers[ASK]
    elif side == SELL and price < registers[ASK]:
        registers[ASKER], registers[ASK] = trader, price
        heard, accepted = registers[BID], price <= registers[BID]
    if accepted:
        trade(memory, heard)
    else:
        heard = price
    if len(memory.learners) > 0:
        learn(memory, draws, side, heard, accepted)


def close_day(memory: Memory) -> None:
    """Rebate the tax in equal parts, and report the day."""
    registers = memory.registers
    each = max(registers[TREASURY], 0) // len(memory.wealth)
    if each > 0:
        for trader in range(len(memory.wealth)):
            memory.wealth[trader] += each
        registers[TREASURY] -= each * len(memory.wealth)
    row = memory.days[registers[DAYS]]
    row[0], row[1], row[2], row[3] = registers[DAY], registers[QUOTES], registers[TAX_TODAY], each
    row[4] = 0 if can_gain(memory) else 1
    registers[DAYS] += 1
    registers[OPEN] = 0


def play(memory: Memory, draws: FloatArray, last_day: int) -> None:
    """Play until the end of a day, or until draws or room for reports run out; call it again with more of them."""
    registers = memory.registers
    needed = DRAWS_TO_QUOTE + DRAWS_TO_LEARN * len(memory.learners)
    while True:
        if registers[OPEN] == 0:
            if registers[DAY] == last_day or registers[DAYS] == len(memory.days):
                return
            open_day(memory)
        while registers[QUOTES] < registers[MOST_QUOTES] and can_gain(memory):
            if registers[DRAWN] + needed > len(draws) or registers[TRADES] == len(memory.trades):
                return
            quote_once(memory, draws)
        if registers[DAYS] == len(memory.days):
            return
        close_day(memory)


HELPERS = (
    tax_on,
    highest_affordable,
    uniform_price,
    margin_price,
    margin_quote,
    wanted_move,
    adapt_margin,
    learn,
    clear_quotes,
    open_day,
    can_gain,
    picked,
    quoted,
    use_unit,
    trade,
    quote_once,
    close_day,
)
