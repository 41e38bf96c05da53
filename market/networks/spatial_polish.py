"""From a solution up to the method's tolerance to one up to rounding.

An interior point tells which variables are at a bound and which are between theirs. Fix the former. Prices along arcs
that carry something, but not all they could, differ by the cost of carriage; so within a component of such arcs one
number is unknown, the level of its prices. It is the price of a step that is bought or sold in part, or else balances
the straight curves. Quantities follow from prices, and what a forest of these arcs carries from what is left over at
each node.
"""

from typing import NamedTuple

import numpy as np

from walras.market.networks.forest import Forest, spanning_forest
from walras.market.networks.spatial_program import Program, ProgramSolution
from walras.market.validation import FloatArray, IntArray

__all__ = ["SpatialAnswer", "as_found", "polished"]


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
    x[:orders] = _quantities(program, prices, x[:orders], free[:orders])
    _settle_steps(program, x, free[:orders], forest, carrying)
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
    program: Program, found: FloatArray, x: FloatArray, free: np.ndarray, forest: Forest, lengths: FloatArray
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

    straight = free & (slopes > 0.0)
    x[: free.size] = _quantities(program, level[trees] + offsets, x[: free.size], free)
    excess = np.bincount(trees, _excess(program, x, internal=trees), number)
    response = np.bincount(trees[nodes[straight]], 1.0 / slopes[straight], number)
    balance = np.divide(excess, response, out=np.zeros(number), where=(response > 0.0) & ~stepped)
    prices: FloatArray = (level - balance)[trees] + offsets
    return prices


def _orders(program: Program) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Node, price of the first unit, slope and sign (1 for supply) of each order, in own units."""
    demands, supplies = program.demand.prices.size, program.supply.prices.size
    signs = np.concatenate((-np.ones(demands), np.ones(supplies)))
    count = demands + supplies
    nodes = np.concatenate((program.demand.nodes, program.supply.nodes))
    return nodes, signs * program.costs[:count], program.slopes[:count], signs


def _quantities(program: Program, prices: FloatArray, x: FloatArray, free: np.ndarray) -> FloatArray:
    """Quantities of straight orders between their bounds at these prices; the others as they are."""
    nodes, value, slopes, signs = _orders(program)
    straight = free & (slopes > 0.0)
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
    arriving = np.bincount(heads[brings], x[brings], program.nodes)
    excess: FloatArray = arriving - np.bincount(tails[takes], x[takes], program.nodes)
    return excess


def _settle_steps(program: Program, x: FloatArray, free: np.ndarray, forest: Forest, carrying: IntArray) -> None:
    """In each tree with steps taken in part, let the one with most room balance the tree."""
    nodes, _, slopes, signs = _orders(program)
    steps = np.flatnonzero(free & (slopes == 0.0))
    room = np.minimum(x[steps], program.bounds[steps] - x[steps])
    by_room = steps[np.argsort(-room, kind="stable")]
    trees, first = np.unique(forest.trees[nodes[by_room]], return_index=True)
    chosen = by_room[first]
    excess = np.bincount(forest.trees, _excess(program, x, internal=forest.trees), int(forest.trees.max()) + 1)
    x[chosen] = np.clip(x[chosen] - signs[chosen] * excess[trees], 0.0, program.bounds[chosen])


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
    tails, heads = program.arcs.tails, program.arcs.heads
    place = {pair: arc for arc, pair in enumerate(zip(tails.tolist(), heads.tolist(), strict=True))}
    back = np.array([place.get(pair, -1) for pair in zip(heads.tolist(), tails.tolist(), strict=True)], dtype=np.int64)
    carried = x[orders : orders + tails.size]
    reverse = np.where(back >= 0, carried[back] if carried.size else 0.0, 0.0)
    netted = x.copy()
    netted[orders : orders + tails.size] = np.maximum(carried - reverse, 0.0)
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
    return SpatialAnswer(program.lowest_price + program.price_unit * prices, demanded, supplied, carried)
