"""Bad input: one class of error, and a message that names the argument and what was got."""

import math

import networkx as nx
import pytest

from walras.market import InvalidInputError
from walras.market.networks import (
    BuyerSellerNetwork,
    LinearCurve,
    LocalMarkets,
    SpatialMarket,
    StepCurve,
    price_dispersion,
)

NAN, INF = math.nan, math.inf


def pair(**attributes):
    graph = nx.Graph()
    graph.add_edge("a", "b", **attributes)
    return graph


LOOP = nx.Graph([("a", "a")])
LINE = LinearCurve(1.0, 1.0)
SPATIAL, LOCAL, LINKS = SpatialMarket(pair(cost=1.0)), LocalMarkets(pair()), BuyerSellerNetwork(pair())
CURVED = {"spatial": SPATIAL.equilibrium, "local": LOCAL.clear}
MECHANISMS = {"SpatialMarket": SpatialMarket, "LocalMarkets": LocalMarkets, "BuyerSellerNetwork": BuyerSellerNetwork}


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize(
    ("graph", "part"),
    [
        ([("a", "b")], "must be a networkx.Graph or networkx.DiGraph"),
        (None, "got None"),
        (nx.MultiGraph([("a", "b")]), "without parallel edges"),
        (nx.Graph(), "is empty: a market needs at least one node"),
        (LOOP, "has a self-loop at node 'a'"),
    ],
)
def test_no_graph_of_a_market(name, graph, part):
    with pytest.raises(InvalidInputError) as raised:
        MECHANISMS[name](graph)
    assert f"{name}.graph" in str(raised.value)
    assert part in str(raised.value)


@pytest.mark.parametrize("solve", CURVED.values(), ids=CURVED)
@pytest.mark.parametrize(
    ("demand", "supply", "parts"),
    [
        ({"z": LINE}, {"a": LINE}, ("demand names node 'z'", "not in the graph")),
        ({"a": LINE}, {"z": LINE}, ("supply names node 'z'",)),
        ({}, {"a": LINE}, ("demand is empty",)),
        ({"a": LINE}, {}, ("supply is empty",)),
        ([LINE], {"a": LINE}, ("demand must be a mapping from node to a LinearCurve or StepCurve",)),
        ({"a": LINE}, {"b": 3.0}, ("supply of node 'b' must be a LinearCurve or StepCurve", "3.0")),
        ({"a": StepCurve([1.0], [1e151])}, {"b": LINE}, ("demand", "below 1e+150", "1e+151")),
        ({"a": LINE}, {"b": LinearCurve(1e151, 1.0)}, ("supply", "below 1e+150")),
        ({"a": LINE}, {"b": LinearCurve(1.0, 1e-151)}, ("supply", "one over slopes")),
    ],
)
def test_curves(solve, demand, supply, parts):
    with pytest.raises(InvalidInputError) as raised:
        solve(demand, supply)
    assert [part for part in parts if part not in str(raised.value)] == []


CASES = [
    (lambda: SpatialMarket(pair()), ("edge ('a', 'b') has no attribute 'cost'",)),
    (lambda: SpatialMarket(pair(cost=-1.0)), ("cost of edge ('a', 'b') must be 0 or more", "-1.0")),
    (lambda: SpatialMarket(pair(cost=NAN)), ("cost of edge ('a', 'b') must be finite",)),
    (lambda: SpatialMarket(pair(cost="1")), ("cost of edge ('a', 'b') must be a real number", "'1'")),
    (lambda: SpatialMarket(pair(cost=INF)), ("cost of edge", "inf")),
    (lambda: SpatialMarket(pair(cost=1.0, capacity=-1.0)), ("capacity of edge ('a', 'b') must be 0 or more", "-1.0")),
    (lambda: SpatialMarket(pair(cost=1.0, capacity=NAN)), ("capacity of edge ('a', 'b') must be finite",)),
    (lambda: SpatialMarket(pair(cost=1.0, capacity=None)), ("capacity of edge", "None")),
    (lambda: LocalMarkets(nx.DiGraph([("a", "b")])), ("LocalMarkets.graph must be undirected", "SpatialMarket")),
    (lambda: BuyerSellerNetwork(pair(), k=1.5), ("BuyerSellerNetwork.k must lie in [0, 1]", "1.5")),
    (lambda: BuyerSellerNetwork(pair(), k="low"), ("BuyerSellerNetwork.k", "'low'")),
    (lambda: LINKS.clear({}, {"a": 1.0}), ("bids is empty", "each side")),
    (lambda: LINKS.clear({"a": 1.0}, {}), ("asks is empty",)),
    (lambda: LINKS.clear({"z": 1.0}, {"a": 1.0}), ("bids names node 'z'",)),
    (lambda: LINKS.clear({"a": 1.0}, {"z": 1.0}), ("asks names node 'z'",)),
    (lambda: LINKS.clear({"a": 1.0}, {"a": 1.0}), ("bids and asks both name node 'a'",)),
    (lambda: LINKS.clear({"a": NAN}, {"b": 1.0}), ("bids must be finite", "nan")),
    (lambda: LINKS.clear({"a": 1.0}, {"b": "x"}), ("asks", "'x'")),
    (lambda: LINKS.clear({"a": 1e301}, {"b": 1.0}), ("bids must be amounts of at most 1e+300", "1e+301")),
    (lambda: LINKS.clear([1.0], {"b": 1.0}), ("bids must be a mapping from node to an amount of money",)),
    (lambda: LinearCurve(NAN, 1.0), ("LinearCurve.intercept must be finite",)),
    (lambda: LinearCurve(1.0, 0.0), ("LinearCurve.slope must be above 0", "0.0")),
    (lambda: LinearCurve(1.0, "1"), ("LinearCurve.slope must be a real number",)),
    (lambda: StepCurve([], []), ("StepCurve.prices is empty",)),
    (lambda: StepCurve([1.0, INF], 1.0), ("StepCurve.prices must be finite", "entry 1")),
    (lambda: StepCurve([1.0], [0.0]), ("StepCurve.quantities must be above 0", "entry 0 is 0.0")),
    (lambda: StepCurve([1.0], [1.0, 2.0]), ("StepCurve.quantities", "expected 1, got 2")),
    (lambda: price_dispersion([]), ("prices is empty",)),
    (lambda: price_dispersion([1.0, NAN]), ("prices must be finite", "entry 1")),
    (lambda: price_dispersion([1.0], [-1.0]), ("weights must be 0 or more",)),
    (lambda: price_dispersion([1.0], [0.0]), ("weights are all 0",)),
    (lambda: price_dispersion([1.0], [1.0, 1.0]), ("weights", "expected 1, got 2")),
    (lambda: price_dispersion([-1e308, 1e308]), ("prices must have differences that float64 holds",)),
]


@pytest.mark.parametrize(("call", "parts"), CASES, ids=["/".join(parts) for _, parts in CASES])
def test_bad_input(call, parts):
    with pytest.raises(InvalidInputError) as raised:
        call()
    assert [part for part in parts if part not in str(raised.value)] == []


def test_the_limits_themselves_are_taken():
    assert LINKS.clear({"a": 1e300}, {"b": -1e300}).surplus == 2e300
    assert BuyerSellerNetwork(pair(), k=1.0).k == 1.0
    assert SpatialMarket(pair(cost=0.0, capacity=0.0)).equilibrium({"a": LINE}, {"b": LINE}).flows.tolist() == [0.0]
    assert SpatialMarket(pair(cost=0.0, capacity=INF)).graph.edges["a", "b"]["capacity"] == INF
    assert StepCurve([1.0, 2.0], 3.0).quantities == (3.0, 3.0)
