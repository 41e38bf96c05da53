"""Graphs of markets: checked, copied, and laid out in arrays.

A graph says who may trade with whom. In an undirected graph goods may pass an edge either way; in a directed one only
along the arc, from its first node to its second. Nodes may be anything that networkx takes as one.
"""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, IntArray, nonnegative_number

__all__ = ["Arcs", "checked_graph", "checked_mapping", "laid_out"]


@final
@dataclass(frozen=True, eq=False)
class Arcs:
    """Ways that goods can go: one arc for each edge of a directed graph, two for each of an undirected one.

    Attributes
    ----------
    edges
        The graph's m edges, in its order.
    tails, heads
        Index of the node where each arc begins and ends, shape (a,). The first m arcs follow the edges; in an
        undirected graph m more follow them backwards.
    costs, capacities
        Money per unit carried, and most units (may be infinite), shape (a,).
    opposites
        Index of the arc that goes the other way between the same nodes, -1 where there is none, shape (a,).
    """

    edges: tuple[tuple[Hashable, Hashable], ...]
    tails: IntArray
    heads: IntArray
    costs: FloatArray
    capacities: FloatArray
    opposites: IntArray


def checked_graph(name: str, graph: object) -> Any:
    """Give a frozen copy of `graph`, or raise `InvalidInputError` if no market can stand on it."""
    import networkx as nx

    if not isinstance(graph, nx.Graph) or graph.is_multigraph():
        raise InvalidInputError(
            f"{name} must be a networkx.Graph or networkx.DiGraph, without parallel edges; got {graph!r}."
        )
    if graph.number_of_nodes() == 0:
        raise InvalidInputError(f"{name} is empty: a market needs at least one node.")
    loop = next(iter(nx.selfloop_edges(graph)), None)
    if loop is not None:
        raise InvalidInputError(
            f"{name} has a self-loop at node {loop[0]!r}: nobody trades with themselves over an edge."
        )
    return nx.freeze(graph.copy())


def checked_mapping(name: str, values: object, graph: Any, what: str) -> Mapping[Any, Any]:
    """Give a mapping whose keys are nodes of the graph, or raise `InvalidInputError`."""
    if not isinstance(values, Mapping):
        raise InvalidInputError(f"{name} must be a mapping from node to {what}, got {values!r}.")
    stranger = next((node for node in values if node not in graph), None)
    if stranger is not None:
        raise InvalidInputError(f"{name} names node {stranger!r}, which is not in the graph.")
    return values


def laid_out(name: str, graph: Any) -> Arcs:
    """Read costs and capacities off the edges.

    Each edge must have an attribute `cost` (0 or more); `capacity` (0 or more) is infinite where there is none.
    """
    place = {node: index for index, node in enumerate(graph)}
    edges = tuple(graph.edges())
    tails = np.array([place[tail] for tail, _ in edges], dtype=np.int64)
    heads = np.array([place[head] for _, head in edges], dtype=np.int64)
    attributes = [(edge, graph.edges[edge]) for edge in edges]
    costs = np.array([_cost(name, edge, given) for edge, given in attributes], dtype=np.float64)
    capacities = np.array([_capacity(name, edge, given) for edge, given in attributes], dtype=np.float64)
    if graph.is_directed():
        ways = {way: arc for arc, way in enumerate(zip(tails.tolist(), heads.tolist(), strict=True))}
        back = [ways.get(way, -1) for way in zip(heads.tolist(), tails.tolist(), strict=True)]
        return Arcs(edges, tails, heads, costs, capacities, np.array(back, dtype=np.int64))
    arc = np.arange(len(edges))
    return Arcs(
        edges,
        np.concatenate((tails, heads)),
        np.concatenate((heads, tails)),
        np.tile(costs, 2),
        np.tile(capacities, 2),
        np.concatenate((arc + arc.size, arc)),
    )


def _cost(name: str, edge: tuple[Hashable, Hashable], attributes: Mapping[str, Any]) -> float:
    if "cost" not in attributes:
        raise InvalidInputError(f"{name}: edge {edge!r} has no attribute 'cost' (money per unit carried, 0 for free).")
    return nonnegative_number(f"{name}: cost of edge {edge!r}", attributes["cost"])


def _capacity(name: str, edge: tuple[Hashable, Hashable], attributes: Mapping[str, Any]) -> float:
    capacity = attributes.get("capacity", math.inf)
    if isinstance(capacity, float) and capacity == math.inf:
        return capacity
    return nonnegative_number(f"{name}: capacity of edge {edge!r}", capacity)
