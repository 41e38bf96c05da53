"""Parts of a spatial market that nothing connects are solved one by one, each in units of its own size.

A part of one node (or of nodes merged into one) has no carriage to decide, and is cleared exactly as a local market.
For the others an interior-point method finds the answer up to its tolerance, which is then made exact; of the two the
latter is kept unless its residuals are larger.
"""

import numpy as np

from walras.market.networks.curves import Orders
from walras.market.networks.graph import Arcs
from walras.market.networks.one_market import OneMarket, middle_price
from walras.market.networks.spatial_polish import SpatialAnswer, as_found, polished
from walras.market.networks.spatial_program import program_of, solve_program
from walras.market.networks.spatial_result import certify_spatial
from walras.market.validation import FloatArray, IntArray

__all__ = ["part_of", "solve_in_parts", "split_by"]

_ROUNDING = 1e-12


def solve_in_parts(demand: Orders, supply: Orders, arcs: Arcs, nodes: int) -> SpatialAnswer:
    """Give prices, and what each order trades and each arc carries."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    links = csr_array((np.ones(arcs.tails.size), (arcs.tails, arcs.heads)), shape=(nodes, nodes))
    number, found = connected_components(links, directed=False)
    labels = found.astype(np.int64)
    parts = zip(
        *(split_by(labels[places], number) for places in (np.arange(nodes), demand.nodes, supply.nodes, arcs.tails)),
        strict=True,
    )
    answer = SpatialAnswer(
        *(np.zeros(size) for size in (nodes, demand.prices.size, supply.prices.size, arcs.costs.size))
    )
    rank = np.zeros(nodes, dtype=np.int64)  # of each node within its part
    for members, buying, selling, carrying in parts:
        rank[members] = np.arange(members.size)
        solved = _solve_part(
            _renamed(part_of(demand, buying), rank),
            _renamed(part_of(supply, selling), rank),
            _arcs_of(arcs, carrying, rank),
            members.size,
        )
        for whole, places, values in zip(answer, (members, buying, selling, carrying), solved, strict=True):
            whole[places] = values
    return answer


def split_by(numbers: IntArray, count: int) -> list[IntArray]:
    """Indices of the entries with each number from 0 to count - 1."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.cumsum(np.bincount(numbers, minlength=count))[:-1])


def part_of(orders: Orders, places: IntArray) -> Orders:
    """Give some of the orders."""
    return Orders(orders.nodes[places], orders.prices[places], orders.slopes[places], orders.most[places])


def _renamed(orders: Orders, rank: IntArray) -> Orders:
    return orders._replace(nodes=rank[orders.nodes])


def _arcs_of(arcs: Arcs, places: IntArray, rank: IntArray) -> Arcs:
    new_place = np.full(arcs.tails.size + 1, -1)
    new_place[places] = np.arange(places.size)  # the last entry, that of no arc, stays -1
    return Arcs(
        edges=(),
        tails=rank[arcs.tails[places]],
        heads=rank[arcs.heads[places]],
        costs=arcs.costs[places],
        capacities=arcs.capacities[places],
        opposites=new_place[arcs.opposites[places]],
    )


def _solve_part(demand: Orders, supply: Orders, arcs: Arcs, nodes: int) -> SpatialAnswer:
    if nodes == 1:
        market = OneMarket(demand, supply)
        price = middle_price(*market.price_interval())
        if np.isnan(price):  # nobody has a curve
            return SpatialAnswer(np.zeros(1), np.zeros(0), np.zeros(0), np.zeros(0))
        return SpatialAnswer(np.array([price]), *market.quantities(price), np.zeros(0))
    program = program_of(demand, supply, arcs, nodes)
    if program is None:
        return _no_trade(demand, supply, arcs, nodes)
    solution = solve_program(program)
    exact, found = polished(program, solution), as_found(program, solution)
    residual = _residual(demand, supply, arcs, exact)
    return exact if residual <= max(_ROUNDING, _residual(demand, supply, arcs, found)) else found


def _no_trade(demand: Orders, supply: Orders, arcs: Arcs, nodes: int) -> SpatialAnswer:
    """Nobody trades at one price for all: halfway from dearest demand to cheapest supply, or at the one there is."""
    ends = [
        *([np.max(demand.prices)] if demand.prices.size else []),
        *([np.min(supply.prices)] if supply.prices.size else []),
    ]
    price = float(sum(0.5 * end for end in ends)) * (1.0 if len(ends) == 2 else 2.0)
    return SpatialAnswer(
        np.full(nodes, price), np.zeros(demand.prices.size), np.zeros(supply.prices.size), np.zeros(arcs.costs.size)
    )


def _residual(demand: Orders, supply: Orders, arcs: Arcs, answer: SpatialAnswer) -> float:
    nodes = answer.prices.size
    bought, sold = _by_node(demand, answer.demanded, nodes), _by_node(supply, answer.supplied, nodes)
    return certify_spatial(demand, supply, arcs, answer.prices, bought, sold, answer.carried).largest


def _by_node(orders: Orders, amounts: FloatArray, nodes: int) -> FloatArray:
    return np.bincount(orders.nodes, amounts, nodes).astype(np.float64)
