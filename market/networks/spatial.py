"""Spatial price equilibrium: one good, many places, carriage at a cost.

At node i buyers value the next unit at `D_i(d_i)`, a falling curve, and sellers ask `S_i(s_i)` for it, a rising one.
Goods can be carried along arc (i, j) at `c_ij` a unit, up to its capacity. In equilibrium, with prices p, quantities
and flows f,

    s_i + sum_j f_ji = d_i + sum_j f_ij                  every node balances;
    D_i(d_i) = p_i = S_i(s_i)                            where something is bought or sold;
    p_j <= p_i + c_ij, with equality if f_ij > 0         nothing is gained by carrying more, or less, on arcs with room.

These are the optimality conditions of a convex program: equilibria are the flows of largest total surplus,

    max  sum_i integral D_i - sum_i integral S_i - sum_ij c_ij f_ij    subject to balance and capacities,

and prices are the multipliers of balance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from walras.market.networks.curves import Curve, Orders, both_sides
from walras.market.networks.graph import Arcs, checked_graph, laid_out
from walras.market.networks.merging import merged_by_free_carriage
from walras.market.networks.parts import solve_in_parts
from walras.market.networks.price_bounds import equilibrium_price_bounds
from walras.market.networks.spatial_polish import SpatialAnswer
from walras.market.networks.spatial_result import (
    SpatialCertificate,
    SpatialEquilibrium,
    SpatialStatus,
    certify_spatial,
)
from walras.market.properties import Property
from walras.market.validation import FloatArray

__all__ = ["SpatialMarket"]

# Answers with a larger residual are not called equilibria.
_EXACT = 1e-9


@final
@dataclass(frozen=True, eq=False)
class SpatialMarket:
    """Markets at the nodes of a graph, with carriage of the good along its edges.

    Parameters
    ----------
    graph
        A networkx graph. Each edge has an attribute `cost` (money per unit carried, 0 or more), and may have `capacity`
        (units, 0 or more; infinite where it is absent). Over the edges of an undirected graph goods go either way, in a
        directed one along the arc. The graph is copied.

    Notes
    -----
    *Ties*: prices are the same in all equilibria, up to the intervals that the result gives; where quantities or routes
    are not unique, the result has one of those with the largest surplus.
    *Source*: Enke 1951; Samuelson 1952; Takayama and Judge 1971 (docs/reference/bibliography.md).

    Examples
    --------
    Wheat grows in the east and is wanted in the west; carrying a unit costs 2.

    >>> import networkx as nx
    >>> from walras.market.networks import LinearCurve, SpatialMarket
    >>> railway = nx.Graph()
    >>> railway.add_edge("east", "west", cost=2.0)
    >>> market = SpatialMarket(railway)
    >>> found = market.equilibrium(demand={"west": LinearCurve(10.0, 1.0)}, supply={"east": LinearCurve(0.0, 1.0)})
    >>> [round(price, 9) for price in found.prices.tolist()], round(float(found.flows[0]), 9)
    ([4.0, 6.0], 4.0)
    """

    graph: Any

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.SCALE_FREE,
            Property.EFFICIENT,
            Property.PARETO_EFFICIENT,
            Property.COMPLEMENTARY_SLACKNESS,
        }
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph", checked_graph("SpatialMarket.graph", self.graph))
        laid_out("SpatialMarket.graph", self.graph)

    def equilibrium(self, demand: Mapping[Any, Curve], supply: Mapping[Any, Curve]) -> SpatialEquilibrium:
        """Find prices, quantities and flows.

        Parameters
        ----------
        demand, supply
            Curves by node, `LinearCurve` or `StepCurve`; a node may have both, one or none.

        Returns
        -------
        SpatialEquilibrium
            Exact up to rounding where numbers are within some six orders of magnitude of each other. Beyond that it may
            be less so: the status and the certificate say it.

        Raises
        ------
        InvalidInputError
            Nodes that are not in the graph, nobody on a side, something else than curves.

        Notes
        -----
        *Cost*: some twenty systems with the network's Laplacian, solved densely in O(n^3) for up to 1,500 nodes,
        sparsely beyond.
        """
        wanted, offered = both_sides(demand, supply, self.graph)
        arcs = laid_out("SpatialMarket.graph", self.graph)
        merged = merged_by_free_carriage(wanted, offered, arcs, self.graph.number_of_nodes())
        answer = solve_in_parts(merged.demand, merged.supply, merged.arcs, merged.nodes)
        return _equilibrium(self.graph, wanted, offered, arcs, merged.unfolded(answer))


def _equilibrium(graph: Any, wanted: Orders, offered: Orders, arcs: Arcs, answer: SpatialAnswer) -> SpatialEquilibrium:
    nodes = graph.number_of_nodes()
    found, demanded, supplied, carried = answer
    lowest, highest = equilibrium_price_bounds(wanted, offered, demanded, supplied, arcs, carried, found)
    prices = _prices_within(lowest, highest, np.concatenate((wanted.prices, offered.prices)))
    flows = carried[: len(arcs.edges)].copy()
    if carried.size > flows.size:
        flows -= carried[flows.size :]
    demand, supply = _by_node(wanted, demanded, nodes), _by_node(offered, supplied, nodes)
    value = _by_node(wanted, (wanted.prices - 0.5 * wanted.slopes * demanded) * demanded, nodes)
    cost = _by_node(offered, (offered.prices + 0.5 * offered.slopes * supplied) * supplied, nodes)
    carriage = float(np.dot(arcs.costs, carried))
    certificate = certify_spatial(wanted, offered, arcs, prices, demand, supply, flows)
    return SpatialEquilibrium(
        nodes=tuple(graph),
        prices=prices,
        lowest_prices=lowest,
        highest_prices=highest,
        demand=demand,
        supply=supply,
        edges=arcs.edges,
        flows=flows,
        consumer_surplus=value - prices * demand,
        producer_surplus=prices * supply - cost,
        congestion_rent=float(np.dot(prices[arcs.heads] - prices[arcs.tails] - arcs.costs, carried)),
        carriage=carriage,
        surplus=float(np.sum(value) - np.sum(cost)) - carriage,
        status=_status(demand, certificate),
        certificate=certificate,
    )


def _by_node(orders: Orders, amounts: FloatArray, nodes: int) -> FloatArray:
    return np.bincount(orders.nodes, amounts, nodes).astype(np.float64)


def _prices_within(lowest: FloatArray, highest: FloatArray, named: FloatArray) -> FloatArray:
    """Midpoints of the intervals, cut to the range of the prices that curves name.

    Cut to one range for all, equilibrium prices stay so: where goods move, or curves bind, prices lie in it anyhow, and
    elsewhere only differences above the costs of carriage are ruled out, which a cut never makes larger.
    """
    least, most = float(np.min(named)), float(np.max(named))
    low, high = np.clip(lowest, least, most), np.clip(highest, least, most)
    middle: FloatArray = low + 0.5 * (high - low)
    return middle


def _status(demand: FloatArray, certificate: SpatialCertificate) -> SpatialStatus:
    if certificate.violations(_EXACT):
        return SpatialStatus.NOT_CONVERGED
    return SpatialStatus.TRADED if demand.any() else SpatialStatus.NO_TRADE
