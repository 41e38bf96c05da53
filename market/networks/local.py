"""Local markets: each connected part of a graph is a market of its own, with one price.

Within a component C everybody can trade with everybody, through others if need be, at no cost. Its price solves

    sum_{i in C} d_i(p) = sum_{i in C} s_i(p),

with d falling and s rising in p. Both are piecewise linear, so the solution is found exactly: between two neighbouring
prices at which something begins, or at one of them. A complete graph is one market, a graph without edges is autarky.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.networks.curves import Curve, Orders, both_sides
from walras.market.networks.graph import checked_graph
from walras.market.networks.local_result import LocalClearing, LocalStatus, certify_local
from walras.market.networks.one_market import OneMarket, middle_price
from walras.market.networks.parts import part_of, split_by
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray

__all__ = ["LocalMarkets"]


@final
@dataclass(frozen=True, eq=False)
class LocalMarkets:
    """One market for each connected component of a graph.

    Parameters
    ----------
    graph
        An undirected networkx graph; only who is connected matters, attributes do not. The graph is copied.

    Notes
    -----
    *Ties*: steps exactly at the price are served in equal proportion. *Source*: Walras 1874; the isolated markets from
    which Samuelson 1952 starts (docs/reference/bibliography.md).

    Examples
    --------
    >>> import networkx as nx
    >>> from walras.market.networks import LinearCurve, LocalMarkets
    >>> graph = nx.Graph([("farm", "town")])
    >>> graph.add_node("island")
    >>> demand = {"town": LinearCurve(10.0, 1.0), "island": LinearCurve(10.0, 1.0)}
    >>> supply = {"farm": LinearCurve(0.0, 1.0), "island": LinearCurve(4.0, 1.0)}
    >>> LocalMarkets(graph).clear(demand, supply).prices.tolist()
    [5.0, 5.0, 7.0]
    """

    graph: Any

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRONGLY_BUDGET_BALANCED,
            Property.SCALE_FREE,
            Property.EFFICIENT,
            Property.PARETO_EFFICIENT,
            Property.IN_THE_CORE,
            Property.COMPLEMENTARY_SLACKNESS,
        }
    )

    def __post_init__(self) -> None:
        graph = checked_graph("LocalMarkets.graph", self.graph)
        if graph.is_directed():
            raise InvalidInputError(
                f"LocalMarkets.graph must be undirected, got {graph!r}: use SpatialMarket for one-way trade."
            )
        object.__setattr__(self, "graph", graph)

    def clear(self, demand: Mapping[Any, Curve], supply: Mapping[Any, Curve]) -> LocalClearing:
        """Clear each component by itself.

        Parameters
        ----------
        demand, supply
            Curves by node, `LinearCurve` or `StepCurve`; a node may have both, one or none.

        Raises
        ------
        InvalidInputError
            Nodes that are not in the graph, nobody on a side, something else than curves.

        Notes
        -----
        *Cost*: O(o log o) for o straight curves and steps.
        """
        wanted, offered = both_sides(demand, supply, self.graph)
        components = _components(self.graph)
        lowest, highest = np.full(components.size, -np.inf), np.full(components.size, np.inf)
        demanded, supplied = np.zeros(wanted.prices.size), np.zeros(offered.prices.size)
        for members, buying, selling in _parts(components, wanted, offered):
            market = OneMarket(part_of(wanted, buying), part_of(offered, selling))
            lowest[members], highest[members] = low, high = market.price_interval()
            demanded[buying], supplied[selling] = market.quantities(middle_price(low, high))
        return _clearing(self.graph, wanted, offered, components, (lowest, highest), (demanded, supplied))


def _components(graph: Any) -> IntArray:
    """Number of each node's component."""
    import networkx as nx

    place = {node: index for index, node in enumerate(graph)}
    numbers = np.zeros(len(place), dtype=np.int64)
    for number, members in enumerate(nx.connected_components(graph)):
        numbers[[place[node] for node in members]] = number
    return numbers


def _parts(components: IntArray, wanted: Orders, offered: Orders) -> list[tuple[IntArray, IntArray, IntArray]]:
    """Indices of the nodes, the demand orders and the supply orders of each component."""
    count = int(components.max()) + 1
    numbers = (components, components[wanted.nodes], components[offered.nodes])
    return list(zip(*(split_by(each, count) for each in numbers), strict=True))


def _clearing(
    graph: Any,
    wanted: Orders,
    offered: Orders,
    components: IntArray,
    bounds: tuple[FloatArray, FloatArray],
    traded: tuple[FloatArray, FloatArray],
) -> LocalClearing:
    size = components.size
    prices = np.array([middle_price(*ends) for ends in zip(*bounds, strict=True)])
    demanded, supplied = traded
    demand, supply = _by_node(wanted, demanded, size), _by_node(offered, supplied, size)
    value = _by_node(wanted, (wanted.prices - 0.5 * wanted.slopes * demanded) * demanded, size)
    cost = _by_node(offered, (offered.prices + 0.5 * offered.slopes * supplied) * supplied, size)
    return LocalClearing(
        nodes=tuple(graph),
        components=components,
        prices=prices,
        lowest_prices=bounds[0],
        highest_prices=bounds[1],
        demand=demand,
        supply=supply,
        consumer_surplus=np.where(demand > 0.0, value - prices * demand, 0.0),
        producer_surplus=np.where(supply > 0.0, prices * supply - cost, 0.0),
        surplus=float(np.sum(value) - np.sum(cost)),
        status=LocalStatus.TRADED if demand.any() else LocalStatus.NO_TRADE,
        certificate=certify_local(wanted, offered, components, prices, demand, supply),
    )


def _by_node(orders: Orders, amounts: FloatArray, nodes: int) -> FloatArray:
    return np.bincount(orders.nodes, amounts, nodes).astype(np.float64)
