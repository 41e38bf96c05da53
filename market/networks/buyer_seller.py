"""Buyers and sellers of single units of one good, who trade only over links.

Buyer i wants one unit, worth `v_i` to it; seller j has one, which costs it `c_j` to give up. They can trade with each
other only if the network links them. An allocation is a matching of linked pairs; efficient ones solve

    max  sum_(i,j) (v_i - c_j) x_ij    over matchings x of linked buyers and sellers.

Prices `p_j` are competitive if every buyer gets what it likes best among its links at these prices, and every seller
that does not sell would do so only below its cost. The good is homogeneous, so all conditions are comparisons of prices
with prices, values and costs:

    p_j >= c_j,  p_j <= v_i        for a pair (i, j) that trades;
    p_j <= p_l                     if the buyer from j is linked to l, who sells too (it would change over);
    p_j <= c_l                     if the buyer from j is linked to l, who does not sell;
    p_j >= v_k                     if k, linked to j, does not buy.

Competitive prices therefore form a lattice: there is a lowest and a highest vector, each entry of which is somebody's
value or cost, passed on along chains of links ("opportunity paths"). No arithmetic is done on them.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.networks.graph import checked_graph, checked_mapping
from walras.market.networks.trades import NetworkTrades, TradeStatus, certify_trades
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, finite_vector, fraction

__all__ = ["BuyerSellerNetwork"]

# Largest sum of money that is taken, so that no difference or sum of such amounts leaves float64.
_LARGEST_AMOUNT = 1e300


@final
@dataclass(frozen=True, eq=False)
class BuyerSellerNetwork:
    """A market of single units on a network: efficient trades, at competitive prices.

    Parameters
    ----------
    graph
        A networkx graph of everybody who may take part; an edge lets its two ends trade. In a directed graph goods go
        along the arc only: from the seller, its first node, to the buyer. Edges between two buyers or two sellers are
        idle. The graph is copied.
    k
        Where prices lie between the lowest (0) and the highest (1) competitive ones, in [0, 1].

    Notes
    -----
    At k = 0 each buyer pays what its presence costs the others, and has nothing to gain from a false bid; the same
    holds of sellers at k = 1. No k makes the truth best for both sides.

    *Ties*: of several efficient matchings, one; pairs that would gain nothing do not trade. *Source*: Kranton and
    Minehart 2001; Shapley and Shubik 1971 (docs/reference/bibliography.md).

    Examples
    --------
    Two buyers reach one seller each, and a third reaches both.

    >>> import networkx as nx
    >>> from walras.market.networks import BuyerSellerNetwork
    >>> links = nx.Graph([("Ann", "s1"), ("Bob", "s1"), ("Bob", "s2"), ("Cid", "s2")])
    >>> market = BuyerSellerNetwork(links, k=0.0)
    >>> outcome = market.clear(bids={"Ann": 9.0, "Bob": 6.0, "Cid": 4.0}, asks={"s1": 0.0, "s2": 0.0})
    >>> outcome.pairs, outcome.prices.tolist()
    ((('Ann', 's1'), ('Bob', 's2')), [4.0, 4.0])
    """

    graph: Any
    k: float = 0.5

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRONGLY_BUDGET_BALANCED,
            Property.MONOTONE,
            Property.SCALE_FREE,
            Property.EFFICIENT,
            Property.PARETO_EFFICIENT,
            Property.IN_THE_CORE,
            Property.COMPLEMENTARY_SLACKNESS,
        }
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph", checked_graph("BuyerSellerNetwork.graph", self.graph))
        object.__setattr__(self, "k", fraction("BuyerSellerNetwork.k", self.k))

    def clear(self, bids: Mapping[Any, float], asks: Mapping[Any, float]) -> NetworkTrades:
        """Match buyers with sellers over their links, and price the trades.

        Parameters
        ----------
        bids
            What one unit is worth to each buyer (money), by node.
        asks
            What giving up its unit costs each seller (money), by node. Nodes in neither stay out.

        Returns
        -------
        NetworkTrades
            Pairs, prices with their lowest and highest competitive values, gains, status and certificate.

        Raises
        ------
        InvalidInputError
            Nodes that are not in the graph, or on both sides; nobody on a side; amounts that are no finite numbers, or
            above 1e300.

        Notes
        -----
        *Cost*: O(n^3) at worst for n traders in the matching, and memory for a table of buyers by sellers; prices in
        O(links) for each step of the longest chain.
        """
        buyers, values = _side("bids", bids, self.graph)
        sellers, costs = _side("asks", asks, self.graph)
        both = next((node for node in buyers if node in asks), None)
        if both is not None:
            raise InvalidInputError(f"bids and asks both name node {both!r}: a node buys or sells, not both.")
        links = _links(self.graph, buyers, sellers)
        partner = _efficient_matching(values, costs, links)
        lowest, highest = _competitive_prices(values, costs, links, partner)
        trading = np.flatnonzero(partner >= 0)
        prices = (1.0 - self.k) * lowest + self.k * highest
        return _result(_Market(buyers, sellers, values, costs, links), trading, partner, prices, (lowest, highest))


class _Links(NamedTuple):
    """Links between buyers and sellers: indices of their ends, shape (l,)."""

    buyers: IntArray
    sellers: IntArray


class _Market(NamedTuple):
    buyers: tuple[Hashable, ...]
    sellers: tuple[Hashable, ...]
    values: FloatArray
    costs: FloatArray
    links: _Links


def _side(name: str, amounts: Mapping[Any, float], graph: Any) -> tuple[tuple[Hashable, ...], FloatArray]:
    given = checked_mapping(name, amounts, graph, "an amount of money")
    if not given:
        raise InvalidInputError(f"{name} is empty: a market needs at least one trader on each side.")
    vector = finite_vector(name, list(given.values()), of="trader")
    largest = float(np.max(np.abs(vector)))
    if largest > _LARGEST_AMOUNT:
        raise InvalidInputError(f"{name} must be amounts of at most {_LARGEST_AMOUNT:g}, got {largest:g}.")
    return tuple(given), vector


def _links(graph: Any, buyers: tuple[Hashable, ...], sellers: tuple[Hashable, ...]) -> _Links:
    """Links that let a seller's unit reach a buyer; sellers' arcs, if the graph is directed."""
    place = {node: index for index, node in enumerate(sellers)}
    suppliers = graph.pred if graph.is_directed() else graph.adj
    pairs = [(index, place[node]) for index, buyer in enumerate(buyers) for node in suppliers[buyer] if node in place]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)  # (l, 2), also without links
    return _Links(table[:, 0], table[:, 1])


def _efficient_matching(values: FloatArray, costs: FloatArray, links: _Links) -> IntArray:
    """Index of the seller that each buyer buys from, -1 for none; shape (n,)."""
    from scipy.optimize import linear_sum_assignment

    gains = np.zeros((values.size, costs.size))
    gains[links.buyers, links.sellers] = np.maximum(values[links.buyers] - costs[links.sellers], 0.0)
    rows, columns = linear_sum_assignment(gains, maximize=True)
    partner = np.full(values.size, -1, dtype=np.int64)
    # The solver fills up with pairs that gain nothing, linked or not: they do not trade.
    trades = gains[rows, columns] > 0.0
    partner[rows[trades]] = columns[trades]
    return partner


def _competitive_prices(
    values: FloatArray, costs: FloatArray, links: _Links, partner: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest competitive price of each seller who sells; of the others, their cost; shape (m,)."""
    lowest, highest = costs.copy(), costs.copy()
    buying = partner >= 0
    highest[partner[buying]] = values[buying]
    sells = np.zeros(costs.size, dtype=bool)
    sells[partner[buying]] = True
    linked_buys, linked_sells = buying[links.buyers], sells[links.sellers]

    left_out = ~linked_buys & linked_sells
    np.maximum.at(lowest, links.sellers[left_out], values[links.buyers[left_out]])
    unsold = linked_buys & ~linked_sells
    np.minimum.at(highest, partner[links.buyers[unsold]], costs[links.sellers[unsold]])

    passing = linked_buys & linked_sells
    below, above = partner[links.buyers[passing]], links.sellers[passing]  # p[below] <= p[above]
    _pass_on(np.maximum, lowest, above, below)
    _pass_on(np.minimum, highest, below, above)
    # An efficient matching has lowest <= highest; one that is efficient up to rounding may miss that by as much.
    return lowest, np.maximum(lowest, highest)


def _pass_on(extreme: np.ufunc, prices: FloatArray, to: IntArray, origin: IntArray) -> None:
    """Pass prices on along links until nothing changes: each then is the extreme over the chains that lead to it."""
    while True:
        before = prices.copy()
        extreme.at(prices, to, before[origin])
        if np.array_equal(prices, before):
            return


def _result(
    market: _Market,
    trading: IntArray,
    partner: IntArray,
    prices: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
) -> NetworkTrades:
    sold = partner[trading]
    paid, received = np.zeros(len(market.buyers)), np.zeros(len(market.sellers))
    paid[trading], received[sold] = prices[sold], prices[sold]
    bought, given = np.zeros(len(market.buyers)), np.zeros(len(market.sellers))
    bought[trading], given[sold] = 1.0, 1.0
    return NetworkTrades(
        buyers=market.buyers,
        sellers=market.sellers,
        pairs=tuple((market.buyers[i], market.sellers[j]) for i, j in zip(trading, sold, strict=True)),
        prices=prices[sold],
        lowest_prices=bounds[0][sold],
        highest_prices=bounds[1][sold],
        buyer_allocation=bought,
        seller_allocation=given,
        buyer_payments=paid,
        seller_receipts=received,
        buyer_surplus=np.where(bought > 0.0, market.values - paid, 0.0),
        seller_surplus=np.where(given > 0.0, received - market.costs, 0.0),
        surplus=float(np.sum(market.values[trading] - market.costs[sold])),
        status=_status(bounds[0][sold], bounds[1][sold]),
        certificate=certify_trades(
            market.values, market.costs, market.links.buyers, market.links.sellers, partner, prices[sold]
        ),
    )


def _status(lowest: FloatArray, highest: FloatArray) -> TradeStatus:
    if lowest.size == 0:
        return TradeStatus.NO_TRADE
    return TradeStatus.UNIQUE_PRICES if np.array_equal(lowest, highest) else TradeStatus.PRICE_INTERVALS
