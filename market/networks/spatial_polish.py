"""From a solution up to the method's tolerance to one up to rounding.

An interior point tells which variables are at a bound and which are between theirs. Fix the former. Prices along arcs
that carry something, but not all they could, differ by the cost of carriage; so within a component of such arcs one
number is unknown, the level of its prices. It is the price of a step that is bought or sold in part, or else balances
the straight curves. Quantities follow from prices, and what a forest of these arcs carries from what is left over at
each node.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from walras.market.networks.forest import Forest, spanning_forest
from walras.market.networks.spatial_program import Program, ProgramSolution
from walras.market.validation import FloatArray, IntArray

BoolArray: TypeAlias = NDArray[np.bool_]

__all__ = ["SpatialAnswer", "as_found", "polished"]

_MOST_PIECES = 30
_SMALLEST_CHANGE = 1e-17


class SpatialAnswer(NamedTuple):
    """Prices by node, and what each order trades and each arc carries, in the units of the market."""

    prices: FloatArray
    demanded: FloatArray
    supplied: FloatArray
    carried: FloatArray


def as_found(program: Program, solution: ProgramSolution) -> SpatialAnswer:
    """Give the solution as the interior-point method left it."""
    return _in_market_units(program, _without_round_trips(program, solution.x), solution.prices)


def polished(program: Program, solution: ProgramSolution) -> SpatialAnswer:
    """Solve for the variables between their bounds, with the others fixed where the solution puts them."""
    bounds = program.bounds
    x = _without_round_trips(program, solution.x)
    filled = np.divide(x, bounds, out=np.zeros_like(x), where=bounds > 0.0)
    lower = (bounds == 0.0) | (filled < solution.lower_slacks)
    upper = ~lower & (1.0 - filled < solution.upper_slacks)
    free = ~lower & ~upper
    orders = program.demand.prices.size + program.supply.prices.size
    arcs = slice(orders, orders + program.arcs.costs.size)
    x = np.where(lower, 0.0, np.where(upper, bounds, x))
    x[arcs.stop :] = 0.0

    carrying = np.flatnonzero(free[arcs])
    forest = _forest_of(program, carrying)
    prices = _prices(
        program, solution.prices, x, free[:orders], forest, program.arcs.costs[carrying] / program.price_unit
    )
    x[:orders] = _quantities(program, prices, x[:orders])
    _settle_straight(program, x, free[:orders], forest)
    _settle_steps(program, x, free[:orders], forest)
    _settle_arcs(program, x, forest, carrying)
    x = _without_round_trips(program, np.clip(x, np.where(np.arange(x.size) < orders, 0.0, -np.inf), bounds))
    return _in_market_units(program, np.maximum(x, 0.0), prices)


def _forest_of(program: Program, carrying: IntArray) -> Forest:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    tails, heads = program.arcs.tails[carrying], program.arcs.heads[carrying]
    links = csr_array((np.ones(carrying.size), (tails, heads)), shape=(program.nodes, program.nodes))
    _, trees = connected_components(links, directed=False)
    return spanning_forest(tails, heads, trees.astype(np.int64))


def _prices(
    program: Program, found: FloatArray, x: FloatArray, free: BoolArray, forest: Forest, lengths: FloatArray
) -> FloatArray:
    """Prices: those found, made exact within trees, and each tree's level made to balance it."""
    trees, number = forest.trees, int(forest.trees.max()) + 1
    offsets = forest.potentials(lengths)
    level = _means(trees, found - offsets, number)
    nodes, value, slopes, _ = _orders(program)
    steps = free & (slopes == 0.0)
    stepped = np.bincount(trees[nodes[steps]], minlength=number) > 0
    from_steps = _means(trees[nodes[steps]], (value - offsets[nodes])[steps], number)
    level = np.where(stepped, from_steps, level)

    # Excess supply rises with the level, along straight pieces: Newton's method ends at the root after a few of them.
    for _ in range(_MOST_PIECES):
        x[: free.size] = _quantities(program, level[trees] + offsets, x[: free.size])
        between = (slopes > 0.0) & (x[: free.size] > 0.0) & (x[: free.size] < program.bounds[: free.size])
        excess = np.bincount(trees, _excess(program, x, internal=trees), number).astype(np.float64)
        response = np.bincount(trees[nodes[between]], 1.0 / slopes[between], number)
        change = np.divide(excess, response, out=np.zeros(number), where=(response > 0.0) & ~stepped)
        level = level - change
        if float(np.max(np.abs(change))) <= _SMALLEST_CHANGE:
            break
    prices: FloatArray = level[trees] + offsets
    return prices


def _orders(program: Program) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Node, price of the first unit, slope and sign (1 for supply) of each order, in own units."""
    demands, supplies = program.demand.prices.size, program.supply.prices.size
    signs = np.concatenate((-np.ones(demands), np.ones(supplies)))
    count = demands + supplies
    nodes = np.concatenate((program.demand.nodes, program.supply.nodes))
    return nodes, signs * program.costs[:count], program.slopes[:count], signs


def _quantities(program: Program, prices: FloatArray, x: FloatArray) -> FloatArray:
    """Quantities of straight orders at these prices; of the others as they are."""
    nodes, value, slopes, signs = _orders(program)
    straight = slopes > 0.0
    wanted = signs * (prices[nodes] - value) / np.where(straight, slopes, 1.0)
    quantities: FloatArray = np.where(straight, np.clip(wanted, 0.0, program.bounds[: x.size]), x)
    return quantities


def _excess(program: Program, x: FloatArray, internal: IntArray | None = None) -> FloatArray:
    """What comes to each node less what leaves it; arcs within a class of `internal` are left out."""
    tails, heads = program.tails, program.heads
    counted = np.ones(x.size, dtype=bool)
    if internal is not None:
        both = (tails >= 0) & (heads >= 0)
        counted[both] = internal[tails[both]] != internal[heads[both]]
    brings, takes = counted & (heads >= 0), counted & (tails >= 0)
    arriving = np.bincount(heads[brings], x[brings], program.nodes).astype(np.float64)
    excess: FloatArray = arriving - np.bincount(tails[takes], x[takes], program.nodes)
    return excess


def _settle_straight(program: Program, x: FloatArray, free: BoolArray, forest: Forest) -> None:
    """Take out what the rounding of prices leaves unbalanced, where no step does: much, if a curve is nearly flat."""
    nodes, _, slopes, signs = _orders(program)
    trees, number = forest.trees, int(forest.trees.max()) + 1
    traded, bounds = x[: free.size], program.bounds[: free.size]
    moving = np.flatnonzero((slopes > 0.0) & (traded > 0.0) & (traded < bounds))
    stepped = np.bincount(trees[nodes[free & (slopes == 0.0)]], minlength=number) > 0
    response = np.bincount(trees[nodes[moving]], 1.0 / slopes[moving], number)
    excess = np.bincount(trees, _excess(program, x, internal=trees), number)
    change = np.divide(excess, response, out=np.zeros(number), where=(response > 0.0) & ~stepped)
    settled = traded[moving] - signs[moving] * change[trees[nodes[moving]]] / slopes[moving]
    x[moving] = np.clip(settled, 0.0, bounds[moving])


def _settle_steps(program: Program, x: FloatArray, free: BoolArray, forest: Forest) -> None:
    """Let the steps taken in part balance their trees, each in proportion to the room that it has."""
    nodes, _, slopes, signs = _orders(program)
    steps = np.flatnonzero(free & (slopes == 0.0))
    trees, number = forest.trees[nodes[steps]], int(forest.trees.max()) + 1
    excess = np.bincount(forest.trees, _excess(program, x, internal=forest.trees), number)
    shrinks = signs[steps] * excess[trees] > 0.0  # supply shrinks where there is too much, and demand where too little
    room = np.where(shrinks, x[steps], program.bounds[steps] - x[steps])
    total = np.bincount(trees, room, number)
    part = np.divide(np.abs(excess), total, out=np.zeros(number), where=total > 0.0)
    change = np.minimum(part, 1.0)[trees] * room
    x[steps] += np.where(shrinks, -change, change)


def _settle_arcs(program: Program, x: FloatArray, forest: Forest, carrying: IntArray) -> None:
    """Let the arcs of the forest carry what is left over; what they carried before counts no more."""
    orders = program.demand.prices.size + program.supply.prices.size
    reached = forest.arcs >= 0
    places = orders + carrying[forest.arcs[reached]]
    x[places] = 0.0
    beyond = forest.subtree_sums(_excess(program, x))[reached]
    x[places] = np.where(forest.forward[reached], -beyond, beyond)


def _without_round_trips(program: Program, x: FloatArray) -> FloatArray:
    """Carry only the difference where goods go both ways; a negative amount goes the other way."""
    orders = program.demand.prices.size + program.supply.prices.size
    carried = x[orders : orders + program.arcs.costs.size]
    back = program.arcs.opposites
    returned = np.where(back >= 0, carried[back], 0.0) if carried.size else carried
    netted = x.copy()
    netted[orders : orders + carried.size] = np.maximum(carried - returned, 0.0)
    return netted


def _means(groups: IntArray, values: FloatArray, number: int) -> FloatArray:
    counts = np.bincount(groups, minlength=number)
    means: FloatArray = np.bincount(groups, values, number) / np.maximum(counts, 1)
    return means


def _in_market_units(program: Program, x: FloatArray, prices: FloatArray) -> SpatialAnswer:
    demands, supplies = program.demand.prices.size, program.supply.prices.size
    arcs = program.arcs.costs.size
    demanded, supplied, carried, _ = np.split(
        program.volume * x, [demands, demands + supplies, demands + supplies + arcs]
    )
    # Orders that could not trade at any price from 0 to 1 were left out; within that range they would not want to.
    within = program.lowest_price + program.price_unit * np.clip(prices, 0.0, 1.0)
    return SpatialAnswer(within, demanded, supplied, carried)
