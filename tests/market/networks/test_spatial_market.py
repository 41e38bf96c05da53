"""Spatial price equilibrium: closed forms, optimality against a linear program and the dual, limits, certificates."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.market.networks.oracles import dual_value, surplus_by_linear_program

from walras.market import NotConvergedError
from walras.market.networks import (
    LinearCurve,
    LocalMarkets,
    SpatialMarket,
    SpatialStatus,
    StepCurve,
    price_dispersion,
)
from walras.market.networks.curves import orders_of
from walras.market.networks.graph import laid_out
from walras.market.networks.spatial_result import certify_spatial
from walras.market.testing.strategies.networks import SpatialCase, spatial_cases

every_kind = pytest.mark.parametrize(
    "kind", [{}, {"directed": True}, {"free": True}], ids=["both ways", "arcs", "free"]
)


def railway(cost, capacity=None):
    graph = nx.Graph()
    graph.add_edge("east", "west", cost=cost)
    if capacity is not None:
        graph.edges["east", "west"]["capacity"] = capacity
    return SpatialMarket(graph)


WEST, EAST = {"west": LinearCurve(10.0, 1.0)}, {"east": LinearCurve(0.0, 1.0)}


# ---------------------------------------------------------------- closed forms


@pytest.mark.parametrize("cost", [0.0, 0.5, 2.0, 9.5])
def test_two_places_differ_by_the_cost_of_carriage(cost):
    found = railway(cost).equilibrium(WEST, EAST).require(1e-12)
    carried = (10.0 - cost) / 2.0
    assert found.flows.tolist() == pytest.approx([carried])
    assert found.prices.tolist() == pytest.approx([carried, 10.0 - carried])
    assert found.nodes == ("east", "west")
    assert found.edges == (("east", "west"),)
    assert found.demand.tolist() == pytest.approx([0.0, carried])
    assert found.supply.tolist() == pytest.approx([carried, 0.0])
    assert found.consumer_surplus.tolist() == pytest.approx([0.0, carried**2 / 2.0])
    assert found.producer_surplus.tolist() == pytest.approx([carried**2 / 2.0, 0.0])
    assert found.carriage == pytest.approx(cost * carried)
    assert found.congestion_rent == pytest.approx(0.0, abs=1e-12)
    assert found.surplus == pytest.approx(carried**2)
    assert found.status is SpatialStatus.TRADED


def test_a_full_edge_earns_a_rent():
    found = railway(2.0, capacity=1.0).equilibrium(WEST, EAST).require(1e-12)
    assert found.flows.tolist() == pytest.approx([1.0])
    assert found.prices.tolist() == pytest.approx([1.0, 9.0])
    assert found.congestion_rent == pytest.approx(6.0)
    assert found.surplus == pytest.approx(0.5 + 0.5 + 6.0)


def test_too_dear_a_way_is_not_taken():
    found = railway(11.0).equilibrium(WEST, EAST).require(0.0)
    assert found.status is SpatialStatus.NO_TRADE
    assert found.flows.tolist() == [0.0]
    # The west would pay at most 10, the east ask at least 0, and the prices may differ by at most 11.
    assert found.lowest_prices.tolist() == [-1.0, 10.0]
    assert found.highest_prices.tolist() == [0.0, 11.0]


def test_flows_have_a_direction():
    found = railway(2.0).equilibrium({"east": LinearCurve(10.0, 1.0)}, {"west": LinearCurve(0.0, 1.0)})
    assert found.flows.tolist() == pytest.approx([-4.0])
    arc = nx.DiGraph()
    arc.add_edge("east", "west", cost=2.0)
    one_way = SpatialMarket(arc).equilibrium({"east": LinearCurve(10.0, 1.0)}, {"west": LinearCurve(0.0, 1.0)})
    assert one_way.status is SpatialStatus.NO_TRADE
    assert SpatialMarket(arc).equilibrium(WEST, EAST).flows.tolist() == pytest.approx([4.0])


def test_a_triangle_ships_round_a_dear_edge():
    graph = nx.Graph()
    graph.add_edge("a", "b", cost=5.0)
    graph.add_edge("a", "c", cost=1.0)
    graph.add_edge("c", "b", cost=1.5)
    found = SpatialMarket(graph).equilibrium({"b": LinearCurve(10.0, 1.0)}, {"a": LinearCurve(0.0, 1.0)}).require(1e-12)
    assert dict(zip(found.edges, found.flows.round(9), strict=True)) == {
        ("a", "b"): 0.0,
        ("a", "c"): 3.75,
        ("b", "c"): -3.75,
    }
    assert found.prices.tolist() == pytest.approx([3.75, 6.25, 4.75])


def test_the_carters_of_two_steps():
    # Two units at 8, three at 5 in town; the farm has four at 1, the far farm nine at 2, carriage 1 and 3.5.
    graph = nx.Graph()
    graph.add_edge("farm", "town", cost=1.0)
    graph.add_edge("far", "town", cost=3.5)
    found = (
        SpatialMarket(graph)
        .equilibrium(
            {"town": StepCurve([5.0, 8.0], [3.0, 2.0])},
            {"farm": StepCurve([1.0], [4.0]), "far": StepCurve([2.0], [9.0])},
        )
        .require(1e-12)
    )
    assert found.flows.tolist() == pytest.approx([4.0, -0.0])
    assert found.prices[1] == pytest.approx(5.0)
    assert found.lowest_prices.tolist() == pytest.approx([4.0, 5.0, 1.5])
    assert found.surplus == pytest.approx(2.0 * 8.0 + 2.0 * 5.0 - 4.0 * 2.0)


# ---------------------------------------------------------------- optimality and certificates


@every_kind
@given(data=st.data())
def test_surplus_is_the_dual_value(kind, data):
    case = data.draw(spatial_cases(**kind))
    found = case.solve().require(1e-10)
    assert found.surplus == pytest.approx(dual_value(case, found.prices), rel=1e-8, abs=1e-8)
    parts = found.consumer_surplus.sum() + found.producer_surplus.sum() + found.congestion_rent
    assert parts == pytest.approx(found.surplus, rel=1e-8, abs=1e-8)
    assert found.congestion_rent >= -1e-9
    assert found.status is not SpatialStatus.NOT_CONVERGED


@given(case=spatial_cases())
def test_steps_reach_the_linear_programs_surplus(case):
    stepped = SpatialCase(
        case.graph,
        *(
            {n: c if isinstance(c, StepCurve) else StepCurve([c.intercept], [c.slope]) for n, c in side.items()}
            for side in (case.demand, case.supply)
        ),
    )
    found = stepped.solve().require(1e-10)
    assert found.surplus == pytest.approx(surplus_by_linear_program(stepped), rel=1e-8, abs=1e-8)


@given(case=spatial_cases(scales=True))
def test_the_status_says_whether_the_certificate_holds(case):
    found = case.solve()
    assert (found.status is SpatialStatus.NOT_CONVERGED) == bool(found.certificate.violations(1e-9))
    assert np.isfinite(found.prices).all()


@every_kind
@given(data=st.data())
def test_lowest_and_highest_prices_are_equilibria(kind, data):
    case = data.draw(spatial_cases(**kind))
    found = case.solve()
    named = [p for side in (case.demand, case.supply) for c in side.values() for p in getattr(c, "prices", [0.0])]
    far = 1e3 + max(named)
    for prices in (found.lowest_prices, found.highest_prices):
        assume(np.isfinite(prices).all())
        # A dual value equal to the surplus proves that the prices support the same allocation.
        assert dual_value(case, np.clip(prices, -far, far)) == pytest.approx(found.surplus, rel=1e-8, abs=1e-8)
    assert np.all(found.lowest_prices <= found.prices + 1e-9)
    assert np.all(found.prices <= found.highest_prices + 1e-9)


@given(case=spatial_cases(), shift=st.sampled_from([-0.5, 0.25]))
def test_no_price_beyond_the_interval_is_an_equilibrium(case, shift):
    found = case.solve()
    ends = found.lowest_prices if shift < 0.0 else found.highest_prices
    for place in np.flatnonzero(np.isfinite(ends)):
        prices = found.prices.copy()
        prices[place] = ends[place] + shift
        assert dual_value(case, prices) > found.surplus + 1e-9


def certified(case, **changes):
    found = replace(case.solve(), **changes)
    return certify_spatial(
        orders_of("demand", case.demand, case.graph),
        orders_of("supply", case.supply, case.graph),
        laid_out("graph", case.graph),
        found.prices,
        found.demand,
        found.supply,
        found.flows,
    )


def test_the_certificate_finds_wrong_answers():
    case = SpatialCase(railway(2.0, capacity=3.0).graph, WEST, EAST)
    found = case.solve()
    assert certified(case) == found.certificate
    assert found.flows.tolist() == pytest.approx([3.0])
    assert certified(case, demand=found.demand * 1.5).balance == pytest.approx(1.5 / 4.5)
    assert certified(
        case, flows=found.flows * 1.5, supply=found.supply * 1.5, demand=found.demand * 1.5
    ).feasibility == (pytest.approx(1.5 / 4.5))
    assert certified(case, flows=-found.flows, supply=-found.supply).feasibility > 0.5
    assert certified(case, prices=found.prices + np.array([0.0, 0.5])).best_response == pytest.approx(0.5 / 3.0)
    assert certified(case, prices=found.prices - np.array([0.5, 0.0])).best_response == pytest.approx(0.5 / 3.0)
    assert certified(case, prices=np.array([3.0, 4.0])).no_arbitrage == pytest.approx(0.1)
    with_room = SpatialCase(railway(2.0).graph, WEST, EAST)
    assert certified(with_room, prices=np.array([4.0, 6.5])).no_arbitrage == pytest.approx(0.05)
    assert certified(with_room, prices=np.array([4.0, 5.5])).no_arbitrage == pytest.approx(0.05)
    with pytest.raises(NotConvergedError, match="best_response"):
        replace(found, certificate=certified(case, prices=found.prices + 0.5)).require()


def test_nothing_flows_against_an_arc():
    graph = nx.DiGraph()
    graph.add_edge("a", "b", cost=1.0)
    case = SpatialCase(graph, {"b": LinearCurve(4.0, 1.0)}, {"a": LinearCurve(0.0, 1.0)})
    assert certified(case, flows=np.array([-1.0])).feasibility > 0.0


# ---------------------------------------------------------------- limits


@given(case=spatial_cases(free=True))
def test_free_carriage_makes_each_component_one_market(case):
    found, local = case.solve(), case.local.clear(case.demand, case.supply)
    assert found.surplus == pytest.approx(local.surplus, rel=1e-9, abs=1e-9)
    traded = np.isin(local.components, local.components[local.demand > 0.0])
    np.testing.assert_allclose(found.prices[traded], local.prices[traded], rtol=1e-9, atol=1e-9)


@given(case=spatial_cases(), cost=st.sampled_from([0.0, 1e-12]))
def test_a_complete_graph_without_costs_has_one_price(case, cost):
    graph = nx.complete_graph(len(case.graph))
    nx.set_edge_attributes(graph, cost, "cost")
    prices = SpatialMarket(graph).equilibrium(case.demand, case.supply).prices
    assert price_dispersion(prices).range <= 1e-9


@given(case=spatial_cases())
def test_without_edges_each_node_is_alone(case):
    alone = nx.empty_graph(len(case.graph))
    found = SpatialMarket(alone).equilibrium(case.demand, case.supply).require(1e-10)
    local = LocalMarkets(alone).clear(case.demand, case.supply)
    np.testing.assert_allclose(found.demand, local.demand, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.demand, found.supply, rtol=1e-9, atol=1e-9)


@given(data=st.data(), case=spatial_cases())
def test_an_edge_more_never_lowers_the_surplus(data, case):
    missing = list(nx.non_edges(case.graph))
    assume(missing)
    more = case.graph.copy()
    more.add_edge(*data.draw(st.sampled_from(missing)), cost=data.draw(st.sampled_from([0.0, 0.5, 3.0])))
    wider = SpatialMarket(more).equilibrium(case.demand, case.supply)
    assert wider.surplus >= case.solve().surplus - 1e-8


@given(case=spatial_cases(), factor=st.sampled_from([2.0**-10, 2.0**20]))
def test_money_has_no_unit(case, factor):
    def scaled(curve):
        if isinstance(curve, LinearCurve):
            return LinearCurve(factor * curve.intercept, factor * curve.slope)
        return StepCurve([factor * price for price in curve.prices], curve.quantities)

    graph = case.graph.copy()
    for edge in graph.edges:
        graph.edges[edge]["cost"] *= factor
    first = case.solve()
    second = SpatialMarket(graph).equilibrium(
        *({n: scaled(c) for n, c in s.items()} for s in (case.demand, case.supply))
    )
    np.testing.assert_array_equal(second.prices, factor * first.prices)
    np.testing.assert_array_equal(second.flows, first.flows)


def test_a_large_network_is_solved_exactly():
    rng = np.random.default_rng(0)
    graph = nx.gnm_random_graph(150, 600, seed=1)
    for edge in graph.edges:
        graph.edges[edge].update(cost=rng.uniform(0.0, 2.0), capacity=rng.uniform(0.0, 5.0))
    demand = {node: LinearCurve(rng.uniform(5.0, 15.0), rng.uniform(0.5, 2.0)) for node in graph}
    supply = {node: StepCurve(rng.uniform(0.0, 10.0, 3), rng.uniform(0.5, 2.0, 3)) for node in graph}
    found = SpatialMarket(graph).equilibrium(demand, supply).require(1e-11)
    assert found.surplus == pytest.approx(dual_value(SpatialCase(graph, demand, supply), found.prices), rel=1e-9)


def test_the_sparse_solver_agrees(monkeypatch):
    from walras.market.networks import spatial_program

    graph = nx.grid_2d_graph(5, 6)
    nx.set_edge_attributes(graph, 0.3, "cost")
    rng = np.random.default_rng(3)
    demand = {node: LinearCurve(rng.uniform(5.0, 15.0), 1.0) for node in graph}
    supply = {node: LinearCurve(rng.uniform(0.0, 10.0), 1.0) for node in graph}
    dense = SpatialMarket(graph).equilibrium(demand, supply).require(1e-11)
    monkeypatch.setattr(spatial_program, "_DENSE_NODES", 1)
    sparse = SpatialMarket(graph).equilibrium(demand, supply).require(1e-11)
    np.testing.assert_allclose(sparse.prices, dense.prices, rtol=1e-10)
