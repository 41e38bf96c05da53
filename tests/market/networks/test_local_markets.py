"""Local markets and price dispersion: closed forms, ties, components, limits."""

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.market.networks.oracles import gain_at

from walras.market import NotConvergedError
from walras.market.networks import (
    LinearCurve,
    LocalMarkets,
    LocalStatus,
    StepCurve,
    price_dispersion,
)
from walras.market.networks.curves import orders_of
from walras.market.networks.local_result import certify_local
from walras.market.testing.strategies.networks import SpatialCase, spatial_cases

PAIR = nx.Graph([(0, 1)])


def one_market(demand, supply):
    return LocalMarkets(PAIR).clear({0: demand}, {1: supply})


@pytest.mark.parametrize(
    ("demand", "supply", "prices", "traded"),
    [
        (LinearCurve(10.0, 1.0), LinearCurve(0.0, 1.0), (5.0, 5.0), 5.0),
        (LinearCurve(10.0, 1.0), LinearCurve(4.0, 2.0), (8.0, 8.0), 2.0),
        (LinearCurve(3.0, 1.0), LinearCurve(4.0, 2.0), (3.0, 4.0), 0.0),
        (LinearCurve(4.0, 1.0), LinearCurve(4.0, 2.0), (4.0, 4.0), 0.0),
        (StepCurve([9.0, 5.0], [2.0, 2.0]), StepCurve([1.0], [3.0]), (5.0, 5.0), 3.0),
        (StepCurve([9.0, 5.0], [2.0, 2.0]), StepCurve([1.0], [2.0]), (5.0, 9.0), 2.0),
        (StepCurve([9.0, 5.0], [2.0, 2.0]), StepCurve([1.0, 7.0], [2.0, 1.0]), (5.0, 7.0), 2.0),
        (StepCurve([9.0], [2.0]), StepCurve([1.0], [3.0]), (1.0, 1.0), 2.0),
        (StepCurve([9.0], [2.0]), LinearCurve(0.0, 1.0), (2.0, 2.0), 2.0),
        (StepCurve([9.0], [2.0]), LinearCurve(8.0, 1.0), (9.0, 9.0), 1.0),
        (LinearCurve(10.0, 1.0), StepCurve([3.0], [7.0]), (3.0, 3.0), 7.0),
        (LinearCurve(10.0, 1.0), StepCurve([3.0], [4.0]), (6.0, 6.0), 4.0),
    ],
)
def test_by_hand(demand, supply, prices, traded):
    cleared = one_market(demand, supply).require(1e-14)
    assert (cleared.lowest_prices[0], cleared.highest_prices[0]) == pytest.approx(prices, rel=1e-15)
    assert cleared.prices.tolist() == pytest.approx([sum(prices) / 2.0] * 2, rel=1e-15)
    assert cleared.demand.tolist() == pytest.approx([traded, 0.0])
    assert cleared.supply.tolist() == pytest.approx([0.0, traded])
    assert cleared.status is (LocalStatus.TRADED if traded else LocalStatus.NO_TRADE)


def test_steps_at_the_margin_share_alike():
    graph = nx.complete_graph(4)
    demand = {0: StepCurve([5.0], [4.0]), 1: StepCurve([5.0, 6.0], [2.0, 1.0])}
    cleared = LocalMarkets(graph).clear(demand, {2: StepCurve([1.0], [4.0])})
    assert cleared.demand.tolist() == [2.0, 2.0, 0.0, 0.0]
    assert cleared.consumer_surplus.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert cleared.producer_surplus.tolist() == [0.0, 0.0, 16.0, 0.0]
    assert cleared.surplus == 17.0


def test_each_component_has_its_price():
    graph = nx.Graph([("a", "b"), ("c", "d")])
    graph.add_nodes_from(["e", "f", "g"])
    cleared = LocalMarkets(graph).clear(
        {"a": LinearCurve(10.0, 1.0), "c": LinearCurve(8.0, 1.0), "e": LinearCurve(7.0, 1.0)},
        {"b": LinearCurve(0.0, 1.0), "d": LinearCurve(0.0, 1.0), "f": LinearCurve(3.0, 1.0)},
    )
    assert cleared.nodes == tuple("abcdefg")
    assert cleared.components.tolist() == [0, 0, 1, 1, 2, 3, 4]
    np.testing.assert_array_equal(cleared.prices, [5.0, 5.0, 4.0, 4.0, 7.0, 3.0, math.nan])
    np.testing.assert_array_equal(cleared.lowest_prices, [5.0, 5.0, 4.0, 4.0, 7.0, -math.inf, -math.inf])
    np.testing.assert_array_equal(cleared.highest_prices, [5.0, 5.0, 4.0, 4.0, math.inf, 3.0, math.inf])
    assert cleared.require(0.0) is cleared


@given(case=spatial_cases(scales=True))
def test_no_price_gives_less_to_all(case):
    # The total gain at a price is convex in it, and least at the clearing price, where it is the surplus.
    cleared = LocalMarkets(case.graph).clear(case.demand, case.supply).require(1e-9)
    for number in set(cleared.components.tolist()):
        members = [node for node in cleared.nodes if cleared.components[node] == number]
        sides = [
            (side[n], sign) for side, sign in ((case.demand, -1.0), (case.supply, 1.0)) for n in members if n in side
        ]
        if not sides:
            continue

        def gains(price, sides=sides):
            return sum(gain_at(curve, price, sign) for curve, sign in sides)

        price = cleared.prices[members[0]]
        surplus = (cleared.consumer_surplus + cleared.producer_surplus)[members].sum()
        assert surplus == pytest.approx(gains(price), rel=1e-6, abs=1e-9)
        for end, away in ((cleared.lowest_prices[members[0]], -1.0), (cleared.highest_prices[members[0]], 1.0)):
            if math.isfinite(end):
                assert gains(end) == pytest.approx(gains(price), rel=1e-6, abs=1e-9)
                further = end + away * max(1.0, abs(end))
                assert gains(further) > gains(end)


@given(case=spatial_cases())
def test_books_balance_in_each_component(case):
    cleared = LocalMarkets(case.graph).clear(case.demand, case.supply)
    excess = np.bincount(cleared.components, cleared.demand - cleared.supply)
    np.testing.assert_allclose(excess, 0.0, atol=1e-9)
    assert cleared.surplus == pytest.approx((cleared.consumer_surplus + cleared.producer_surplus).sum(), abs=1e-9)
    assert np.all(cleared.consumer_surplus >= -1e-9)
    assert np.all(cleared.producer_surplus >= -1e-9)


@given(data=st.data(), case=spatial_cases())
def test_an_edge_more_never_lowers_the_surplus(data, case):
    missing = list(nx.non_edges(case.graph))
    assume(missing)
    more = case.graph.copy()
    more.add_edge(*data.draw(st.sampled_from(missing)))
    wider = LocalMarkets(more).clear(case.demand, case.supply)
    assert wider.surplus >= LocalMarkets(case.graph).clear(case.demand, case.supply).surplus - 1e-9


@given(case=spatial_cases())
def test_a_complete_graph_is_one_market(case):
    cleared = LocalMarkets(nx.complete_graph(len(case.graph))).clear(case.demand, case.supply)
    assert price_dispersion(cleared.prices).range == 0.0


def test_the_certificate_finds_wrong_answers():
    case = SpatialCase(PAIR, {0: LinearCurve(10.0, 1.0)}, {1: LinearCurve(0.0, 1.0)})
    found = case.local.clear(case.demand, case.supply)

    def certified(**changes):
        tampered = replace(found, **changes)
        return certify_local(
            orders_of("demand", case.demand, PAIR),
            orders_of("supply", case.supply, PAIR),
            tampered.components,
            tampered.prices,
            tampered.demand,
            tampered.supply,
        )

    assert certified() == found.certificate
    assert certified(demand=found.demand + 1.0).balance == pytest.approx(2.0 / 7.0)
    assert certified(prices=found.prices + 1.0).best_response == pytest.approx(1.0 / 5.0)
    assert certified(prices=found.prices - 1.0).best_response == pytest.approx(1.0 / 5.0)
    assert certified(prices=found.prices + np.array([0.0, 1.0])).one_price == pytest.approx(0.1)
    with pytest.raises(NotConvergedError, match="one_price"):
        replace(found, certificate=certified(prices=found.prices + np.array([0.0, 1.0]))).require()


# ---------------------------------------------------------------- dispersion


def test_dispersion_by_hand():
    spread = price_dispersion([1.0, 3.0, 8.0])
    assert (spread.mean, spread.lowest, spread.highest, spread.range) == (4.0, 1.0, 8.0, 7.0)
    assert spread.standard_deviation == pytest.approx(math.sqrt(26.0 / 3.0))
    assert spread.coefficient_of_variation == pytest.approx(math.sqrt(26.0 / 3.0) / 4.0)
    weighted = price_dispersion([1.0, 3.0, 8.0], [3.0, 1.0, 0.0])
    assert (weighted.mean, weighted.highest) == (1.5, 3.0)
    assert weighted.standard_deviation == pytest.approx(math.sqrt(0.75))
    negative = price_dispersion([-1.0, -3.0])
    assert (negative.mean, negative.standard_deviation, negative.coefficient_of_variation) == (-2.0, 1.0, 0.5)
    none = price_dispersion([0.0, 0.0])
    assert (none.standard_deviation, none.coefficient_of_variation) == (0.0, 0.0)
    assert price_dispersion([-1.0, 1.0]).coefficient_of_variation == math.inf


@given(
    prices=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6),
    factor=st.sampled_from([1.0, 1e-300]),
)
def test_dispersion_stays_within_the_range(prices, factor):
    spread = price_dispersion([factor * price for price in prices])
    assert spread.lowest <= spread.mean <= spread.highest
    assert 0.0 <= spread.standard_deviation <= spread.range * 0.5 * (1.0 + 1e-12)


@given(prices=st.lists(st.floats(0.1, 1e3), min_size=1, max_size=6), data=st.data())
def test_whole_weights_are_repetition(prices, data):
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(prices), max_size=len(prices)).filter(any))
    repeated = price_dispersion(np.repeat(prices, counts))
    weighted = price_dispersion(prices, counts)
    for name in ("mean", "standard_deviation", "coefficient_of_variation", "range"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-9, abs=1e-6)
