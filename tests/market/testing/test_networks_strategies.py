"""The strategies reach the corners that markets on networks must survive."""

import networkx as nx
import pytest
from hypothesis import Phase, find, given, settings

from walras.market.networks import LinearCurve, SpatialStatus, StepCurve
from walras.market.testing.strategies.networks import buyer_seller_cases, curves, graphs, spatial_cases

# Without shrinking: that an example exists is all that is asked.
MANY = settings(max_examples=2000, database=None, deadline=None, phases=[Phase.generate])


@pytest.mark.parametrize(
    "corner",
    [
        lambda g: len(g) == 1,
        lambda g: len(g) > 2 and g.number_of_edges() == 0,
        lambda g: len(g) > 3 and nx.density(g) == 1.0,
        lambda g: len(g) > 3 and nx.number_connected_components(g) == 2,
        lambda g: any(data["cost"] == 0.0 and "capacity" not in data for *_, data in g.edges(data=True)),
        lambda g: any(data.get("capacity") == 0.0 for *_, data in g.edges(data=True)),
    ],
    ids=["one node", "no edges", "complete", "two components", "free", "closed"],
)
def test_graphs_reach(corner):
    find(graphs(), corner, settings=MANY)


def test_directed_graphs_reach_ways_there_and_back():
    find(graphs(directed=True), lambda g: any(g.has_edge(*edge[::-1]) for edge in g.edges), settings=MANY)
    find(graphs(directed=True), lambda g: any(not g.has_edge(*edge[::-1]) for edge in g.edges), settings=MANY)


@given(graph=graphs(free=True))
def test_free_graphs_are_free(graph):
    assert all(data == {"cost": 0.0} for *_, data in graph.edges(data=True))


@pytest.mark.parametrize(
    "corner",
    [
        lambda c: isinstance(c, LinearCurve),
        lambda c: isinstance(c, StepCurve) and len(set(c.prices)) < len(c.prices),
        lambda c: isinstance(c, LinearCurve) and c.slope < 1e-5,
        lambda c: isinstance(c, StepCurve) and max(c.quantities) > 1e5,
    ],
    ids=["straight", "tied steps", "flat", "huge"],
)
def test_curves_reach(corner):
    find(curves(scales=True), corner, settings=MANY)


@pytest.mark.parametrize(
    "corner",
    [
        lambda case: case.solve().status is SpatialStatus.NO_TRADE,
        lambda case: case.solve().congestion_rent > 0.0,
        lambda case: case.solve().carriage > 0.0,
        lambda case: len(case.demand) == len(case.supply) == len(case.graph) > 2,
    ],
    ids=["no trade", "rent", "carriage", "everybody"],
)
def test_spatial_cases_reach(corner):
    find(spatial_cases(), corner, settings=MANY)


@pytest.mark.parametrize(
    "corner",
    [
        lambda case: len(set(case.bids.values())) < len(case.bids),
        lambda case: set(case.bids.values()) & set(case.asks.values()),
        lambda case: 0.0 in case.bids.values(),
        lambda case: len(case.bids) + len(case.asks) < len(case.graph),
        lambda case: case.graph.is_directed(),
        lambda case: len(case.clear().pairs) == 2,
        lambda case: max(case.bids.values()) > 0.0 and not case.clear().pairs,
    ],
    ids=["ties", "bid equals ask", "zero", "idle nodes", "directed", "two trades", "no trade"],
)
def test_buyer_seller_cases_reach(corner):
    find(buyer_seller_cases(), corner, settings=MANY)


def test_buyer_seller_cases_reach_huge_scales():
    find(buyer_seller_cases(scales=True), lambda case: max(case.bids.values()) > 1e5, settings=MANY)
