"""Buyers and sellers on a network: efficient, competitive, with the prices that theory gives to the corners."""

from dataclasses import replace
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.market.networks.oracles import best_welfare

from walras.market import NotConvergedError, Property
from walras.market.networks import BuyerSellerNetwork, TradeStatus
from walras.market.networks.trades import certify_trades
from walras.market.testing.strategies.networks import BuyerSellerCase, buyer_seller_cases

LINKS = nx.Graph([("Ann", "s1"), ("Bob", "s1"), ("Bob", "s2"), ("Cid", "s2")])
BIDS, ASKS = {"Ann": 9.0, "Bob": 6.0, "Cid": 4.0}, {"s1": 0.0, "s2": 1.0}


def test_by_hand():
    outcome = BuyerSellerNetwork(LINKS).clear(BIDS, ASKS)
    assert outcome.buyers == ("Ann", "Bob", "Cid")
    assert outcome.sellers == ("s1", "s2")
    assert outcome.pairs == (("Ann", "s1"), ("Bob", "s2"))
    # Cid, left out, would give 4 for s2; Bob buys there and could go to s1, so s1 is no cheaper.
    assert outcome.lowest_prices.tolist() == [4.0, 4.0]
    # Bob would give 6; Ann has nobody else to go to.
    assert outcome.highest_prices.tolist() == [9.0, 6.0]
    assert outcome.prices.tolist() == [6.5, 5.0]
    assert outcome.buyer_allocation.tolist() == [1.0, 1.0, 0.0]
    assert outcome.seller_allocation.tolist() == [1.0, 1.0]
    assert outcome.buyer_payments.tolist() == [6.5, 5.0, 0.0]
    assert outcome.seller_receipts.tolist() == [6.5, 5.0]
    assert outcome.buyer_surplus.tolist() == [2.5, 1.0, 0.0]
    assert outcome.seller_surplus.tolist() == [6.5, 4.0]
    assert outcome.surplus == 14.0
    assert outcome.status is TradeStatus.PRICE_INTERVALS
    assert outcome.require(0.0) is outcome


@pytest.mark.parametrize(("k", "prices"), [(0.0, [4.0, 4.0]), (0.25, [5.25, 4.5]), (1.0, [9.0, 6.0])])
def test_k_divides_the_interval(k, prices):
    assert BuyerSellerNetwork(LINKS, k).clear(BIDS, ASKS).prices.tolist() == prices
    assert BuyerSellerNetwork(LINKS).k == 0.5


def test_an_unsold_unit_bounds_prices_along_a_chain():
    # Bob could have s3 for 2, so s2 gets at most 2; Ann could go to s2, so s1 too.
    links = nx.Graph([("Ann", "s1"), ("Ann", "s2"), ("Bob", "s2"), ("Bob", "s3")])
    outcome = BuyerSellerNetwork(links).clear({"Ann": 9.0, "Bob": 8.0}, {"s1": 0.0, "s2": 0.0, "s3": 2.0})
    assert outcome.pairs == (("Ann", "s1"), ("Bob", "s2"))
    assert (outcome.lowest_prices.tolist(), outcome.highest_prices.tolist()) == ([0.0, 0.0], [2.0, 2.0])


def test_statuses():
    pair = nx.Graph([("b", "s")])
    nobody = BuyerSellerNetwork(pair).clear({"b": 1.0}, {"s": 1.0})
    assert (nobody.status, nobody.pairs, nobody.prices.size) == (TradeStatus.NO_TRADE, (), 0)
    assert nobody.surplus == 0.0
    two = nx.Graph([("b", "s"), ("c", "s")])
    unique = BuyerSellerNetwork(two).clear({"b": 3.0, "c": 3.0}, {"s": 1.0})
    assert unique.status is TradeStatus.UNIQUE_PRICES
    assert unique.prices.tolist() == [3.0]


def test_goods_follow_arcs():
    arcs = nx.DiGraph([("s", "b"), ("c", "t")])
    outcome = BuyerSellerNetwork(arcs).clear({"b": 5.0, "c": 5.0}, {"s": 1.0, "t": 1.0})
    assert outcome.pairs == (("b", "s"),)


def test_idle_nodes_and_links_change_nothing():
    links = nx.Graph([*LINKS.edges, ("Ann", "Bob"), ("s1", "s2"), ("Ann", "idle")])
    assert BuyerSellerNetwork(links).clear(BIDS, ASKS).prices.tolist() == [6.5, 5.0]


def test_the_graph_is_copied():
    graph = nx.Graph([("b", "s")])
    market = BuyerSellerNetwork(graph)
    graph.remove_edge("b", "s")
    assert market.clear({"b": 2.0}, {"s": 1.0}).surplus == 1.0
    with pytest.raises(nx.NetworkXError):
        market.graph.add_node("c")


@given(case=buyer_seller_cases(scales=True), k=st.sampled_from([0.0, 0.5, 1.0]))
def test_is_efficient_and_competitive(case, k):
    outcome = case.clear(k).require(1e-12)
    assert outcome.surplus == pytest.approx(best_welfare(case), rel=1e-12)
    total = outcome.buyer_surplus.sum() + outcome.seller_surplus.sum()
    assert total == pytest.approx(outcome.surplus, rel=1e-9)
    assert outcome.buyer_payments.sum() == pytest.approx(outcome.seller_receipts.sum(), rel=1e-12)
    assert np.all(outcome.lowest_prices <= outcome.highest_prices)


@given(case=buyer_seller_cases())
def test_at_the_lowest_prices_a_buyer_gains_what_it_adds(case):
    outcome = case.clear(0.0)
    whole = best_welfare(case)
    for buyer, gain in zip(outcome.buyers, outcome.buyer_surplus, strict=True):
        assert gain == pytest.approx(whole - best_welfare(case, without=buyer), abs=1e-12)


@given(case=buyer_seller_cases())
def test_at_the_highest_prices_a_seller_gains_what_it_adds(case):
    outcome = case.clear(1.0)
    whole = best_welfare(case)
    for seller, gain in zip(outcome.sellers, outcome.seller_surplus, strict=True):
        assert gain == pytest.approx(whole - best_welfare(case, without=seller), abs=1e-12)


@given(case=buyer_seller_cases())
def test_a_link_more_never_lowers_the_surplus(case):
    missing = [(s, b) for b in case.bids for s in case.asks if not case.graph.has_edge(s, b)]
    before = case.clear().surplus
    for link in missing:
        more = case.graph.copy()
        more.add_edge(*link)
        assert BuyerSellerCase(more, case.bids, case.asks).clear().surplus >= before


@given(case=buyer_seller_cases())
def test_on_a_complete_graph_there_is_one_price(case):
    complete = nx.complete_graph(len(case.graph))
    for k in (0.0, 1.0):
        prices = BuyerSellerCase(complete, case.bids, case.asks).clear(k).prices
        assert np.unique(prices).size <= 1


@given(case=buyer_seller_cases())
def test_money_has_no_unit(case):
    first = case.clear()
    second = BuyerSellerNetwork(case.graph).clear(
        {b: 1024.0 * v for b, v in case.bids.items()}, {s: 1024.0 * c for s, c in case.asks.items()}
    )
    assert second.pairs == first.pairs
    np.testing.assert_array_equal(second.prices, 1024.0 * first.prices)


@given(case=buyer_seller_cases(), shift=st.sampled_from([Fraction(1, 2), 3]))
def test_the_certificate_finds_a_wrong_answer(case, shift):
    values, costs = np.array(list(case.bids.values())), np.array(list(case.asks.values()))
    outcome = case.clear()
    place = {seller: index for index, seller in enumerate(outcome.sellers)}
    partner = np.full(values.size, -1)
    for buyer, seller in outcome.pairs:
        partner[outcome.buyers.index(buyer)] = place[seller]
    pairs = [
        (i, j) for i, b in enumerate(outcome.buyers) for j, s in enumerate(outcome.sellers) if case.graph.has_edge(s, b)
    ]
    ends = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    right = certify_trades(values, costs, *ends, partner, outcome.prices)
    assert right == outcome.certificate
    if outcome.pairs:
        above = certify_trades(values, costs, *ends, partner, outcome.highest_prices + float(shift))
        below = certify_trades(values, costs, *ends, partner, outcome.lowest_prices - float(shift))
        none = certify_trades(values, costs, *ends, np.full(values.size, -1), np.zeros(0))
        unlinked = certify_trades(values, costs, *ends[:, :0], partner, outcome.prices)
        for wrong in (above, below):
            assert max(wrong.individual_rationality, wrong.stability) > 0.0
        assert none.stability > 0.0
        assert unlinked.feasibility == len(outcome.pairs)
        with pytest.raises(NotConvergedError):
            replace(outcome, certificate=above).require()


def test_the_certificate_counts_a_unit_sold_twice():
    links = np.array([0, 1]), np.array([0, 0])
    twice = certify_trades(np.array([3.0, 3.0]), np.array([1.0]), *links, np.array([0, 0]), np.array([2.0, 2.0]))
    assert twice.feasibility == 1.0
    fair = certify_trades(np.array([4.0, 3.0]), np.array([1.0]), *links, np.array([0, -1]), np.array([2.0]))
    assert (fair.feasibility, fair.individual_rationality, fair.stability) == (0.0, 0.0, 0.25)
    loss = certify_trades(np.array([4.0, 3.0]), np.array([1.0]), *links, np.array([0, -1]), np.array([5.0]))
    assert (loss.individual_rationality, loss.stability) == (0.25, 0.0)


def test_declares_no_more_than_it_has():
    declared = BuyerSellerNetwork(LINKS).declared_properties
    assert {Property.EFFICIENT, Property.IN_THE_CORE, Property.STRONGLY_BUDGET_BALANCED} <= declared
    assert not {Property.STRATEGY_PROOF, Property.ENVY_FREE, Property.ANONYMOUS} & declared


@given(case=buyer_seller_cases(), more=st.sampled_from([0.5, 2.0]))
def test_who_bids_more_is_still_served(case, more):
    before = case.clear()
    for place, buyer in enumerate(before.buyers):
        if before.buyer_allocation[place] == 1.0:
            raised = BuyerSellerCase(case.graph, case.bids | {buyer: case.bids[buyer] + more}, case.asks).clear()
            assert raised.buyer_allocation[place] == 1.0
