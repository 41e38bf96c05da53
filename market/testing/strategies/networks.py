"""Strategies for markets on networks: graphs without edges, complete ones, and those between; tied and idle traders.

`spatial_cases()` draws a graph with costs and capacities, and curves at its nodes; `buyer_seller_cases()` a graph with
buyers and sellers of single units. Numbers are small dyadic fractions, so that ties are frequent and exact, or, with
`scales=True`, of sizes from 1e-6 to 1e6.
"""

from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from hypothesis import strategies as st

from walras.market.networks import (
    BuyerSellerNetwork,
    Curve,
    LinearCurve,
    LocalMarkets,
    NetworkTrades,
    SpatialEquilibrium,
    SpatialMarket,
    StepCurve,
)

__all__ = ["BuyerSellerCase", "SpatialCase", "buyer_seller_cases", "curves", "graphs", "spatial_cases"]

MOST_NODES = 5


@dataclass(frozen=True, eq=False)
class SpatialCase:
    """A graph and the curves at its nodes."""

    graph: Any
    demand: dict[int, Curve]
    supply: dict[int, Curve]

    @property
    def market(self) -> SpatialMarket:
        """The rules, with carriage."""
        return SpatialMarket(self.graph)

    @property
    def local(self) -> LocalMarkets:
        """The rules, with one price for each component."""
        return LocalMarkets(self.graph)

    def solve(self) -> SpatialEquilibrium:
        """Find the equilibrium."""
        return self.market.equilibrium(self.demand, self.supply)


@dataclass(frozen=True, eq=False)
class BuyerSellerCase:
    """A graph, and the buyers and sellers at its nodes."""

    graph: Any
    bids: dict[int, float]
    asks: dict[int, float]

    def clear(self, k: float = 0.5) -> NetworkTrades:
        """Clear the market."""
        return BuyerSellerNetwork(self.graph, k).clear(self.bids, self.asks)


_eighths = st.integers(0, 80).map(lambda eighths: eighths / 8)
_wide = st.floats(-6.0, 6.0).map(lambda exponent: 10.0**exponent)


def _amounts(*, scales: bool) -> st.SearchStrategy[float]:
    return st.one_of(_eighths, _wide) if scales else _eighths


def curves(*, scales: bool = False) -> st.SearchStrategy[Curve]:
    """Straight curves, and steps of one to three prices."""
    price = _amounts(scales=scales)
    size = st.one_of(st.sampled_from([0.5, 1.0, 2.0]), *([_wide] if scales else []))
    straight = st.builds(LinearCurve, price, size)
    steps = st.lists(st.tuples(price, size), min_size=1, max_size=3)
    return st.one_of(straight, steps.map(lambda drawn: StepCurve(*zip(*drawn, strict=True))))


@st.composite
def graphs(draw: st.DrawFn, *, directed: bool = False, free: bool = False, scales: bool = False) -> Any:
    """Graphs of one to five nodes, 0, 1, ...: without edges, complete, or anything between.

    Parameters
    ----------
    draw
        Given by hypothesis.
    directed
        By keyword. Give a directed graph.
    free
        By keyword. Make carriage cost nothing, without limit.
    scales
        By keyword. Draw costs and capacities from 1e-6 to 1e6 too.
    """
    import networkx as nx

    nodes = draw(st.integers(1, MOST_NODES))
    graph: nx.Graph[int] = nx.DiGraph() if directed else nx.Graph()
    graph.add_nodes_from(range(nodes))
    possible = list(permutations(range(nodes), 2) if directed else combinations(range(nodes), 2))
    some = st.lists(st.sampled_from(possible), unique=True) if possible else st.just([])
    for edge in draw(st.one_of(some, some, st.just(possible), st.just([]))):
        if free:
            graph.add_edge(*edge, cost=0.0)
            continue
        graph.add_edge(*edge, cost=draw(st.one_of(st.just(0.0), _amounts(scales=scales))))
        if draw(st.booleans()):
            graph.edges[edge]["capacity"] = draw(_amounts(scales=scales))
    return graph


@st.composite
def spatial_cases(draw: st.DrawFn, *, directed: bool = False, free: bool = False, scales: bool = False) -> SpatialCase:
    """Graphs with curves: each node has demand, supply, both or neither, but somebody is on each side.

    Parameters
    ----------
    draw
        Given by hypothesis.
    directed, free, scales
        As in `graphs`.
    """
    graph = draw(graphs(directed=directed, free=free, scales=scales))
    sides = []
    for _ in range(2):
        nodes = draw(st.lists(st.sampled_from(list(graph)), min_size=1, unique=True))
        sides.append({node: draw(curves(scales=scales)) for node in nodes})
    return SpatialCase(graph, *sides)


@st.composite
def buyer_seller_cases(draw: st.DrawFn, *, scales: bool = False) -> BuyerSellerCase:
    """Graphs with at least one buyer and one seller; other nodes may stay out.

    Parameters
    ----------
    draw
        Given by hypothesis.
    scales
        By keyword. Draw values and costs from 1e-6 to 1e6 too.
    """
    graph = draw(graphs(free=True, directed=draw(st.booleans())).filter(lambda drawn: len(drawn) > 1))
    roles = draw(
        st.lists(st.sampled_from("bs."), min_size=len(graph), max_size=len(graph)).filter(
            lambda drawn: "b" in drawn and "s" in drawn
        )
    )
    # Whole numbers from 0 to 6, so that many are equal.
    amount = st.one_of(st.integers(0, 6).map(float), *([_wide] if scales else []))
    bids, asks = ({node: draw(amount) for node, role in enumerate(roles) if role == side} for side in "bs")
    return BuyerSellerCase(graph, bids, asks)
