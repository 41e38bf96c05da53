"""The result of a spatial market, and its certificate."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.networks.curves import Orders
from walras.market.networks.graph import Arcs
from walras.market.validation import FloatArray

__all__ = ["SpatialCertificate", "SpatialEquilibrium", "SpatialStatus", "certify_spatial", "response_residuals"]

_TINY = float(np.finfo(np.float64).tiny)

# A price can be no more exact than the amounts that it is computed from: quantities are compared with those at prices
# that differ by this fraction of the largest amount.
_PRICE_ROUNDING = 1e-12


class SpatialStatus(Enum):
    """How the market cleared; each value tells the reader what it means for them."""

    TRADED = "goods are bought and sold; demand meets supply at every node"
    NO_TRADE = "no unit is worth more to a buyer than it costs where it comes from, carriage included"
    NOT_CONVERGED = "a residual is above 1e-9: read the certificate; prices and sizes far from all others are the cause"


@final
@dataclass(frozen=True)
class SpatialCertificate(Residuals):
    """Residuals of an answer: each is 0 for an exact one.

    Attributes
    ----------
    balance
        The largest difference of what comes to a node and what leaves it, as a fraction of all units traded.
    feasibility
        Units below 0 or above a capacity, as a fraction of all units traded.
    best_response
        How far quantities are from those that the nodes' curves give at their prices, as a fraction of all units
        traded. Prices are compared up to 1e-12 of the largest amount of money.
    no_arbitrage
        The most that could be gained by carrying more along an arc, or by carrying less: the gain on a unit as a
        fraction of the largest amount of money (per unit), or the room there is as one of all units traded, whichever
        is less.
    """

    balance: float
    feasibility: float
    best_response: float
    no_arbitrage: float


@final
@dataclass(frozen=True, eq=False)
class SpatialEquilibrium(Certified):
    """Prices, quantities and flows of a market of n nodes and m edges.

    Attributes
    ----------
    nodes
        The graph's nodes, in its order; vectors of shape (n,) follow it.
    prices
        Money per unit, shape (n,). Where an interval of prices would do, its midpoint; prices that nothing else bounds
        are kept between the lowest and the highest price that a curve names.
    lowest_prices, highest_prices
        Ends of the equilibrium prices of each node (money per unit), shape (n,); infinite where there are none. All
        lowest prices are an equilibrium together, and so are all highest ones.
    demand, supply
        Units bought and sold at each node, shape (n,).
    edges
        The graph's edges, in its order, shape (m,).
    flows
        Units carried from the first node of each edge to its second, shape (m,); negative if they go the other way,
        which they can in undirected graphs only.
    consumer_surplus, producer_surplus
        Gains of each node's buyers and sellers (money), shape (n,).
    congestion_rent
        What the carriers earn on edges at capacity, where prices differ by more than the cost (money).
    carriage
        Cost of carriage (money).
    surplus
        All gains together: of buyers, sellers and carriers (money).
    status, certificate
        How it cleared, and the residuals that prove it.
    """

    nodes: tuple[Hashable, ...]
    prices: FloatArray
    lowest_prices: FloatArray
    highest_prices: FloatArray
    demand: FloatArray
    supply: FloatArray
    edges: tuple[tuple[Hashable, Hashable], ...]
    flows: FloatArray
    consumer_surplus: FloatArray
    producer_surplus: FloatArray
    congestion_rent: float
    carriage: float
    surplus: float
    status: SpatialStatus
    certificate: SpatialCertificate


def certify_spatial(
    demand_orders: Orders,
    supply_orders: Orders,
    arcs: Arcs,
    prices: FloatArray,
    demand: FloatArray,
    supply: FloatArray,
    flows: FloatArray,
) -> SpatialCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    demand_orders, supply_orders
        The nodes' curves.
    arcs
        Ways that goods can go.
    prices, demand, supply
        By node, shape (n,).
    flows
        By edge, shape (m,), negative against the edge's direction.
    """
    nodes, edges = prices.size, flows.size
    undirected = arcs.tails.size > edges
    along, against = np.maximum(flows, 0.0), np.maximum(-flows, 0.0)
    carried = np.concatenate((along, against)) if undirected else along
    arriving = np.bincount(arcs.heads, carried, nodes) - np.bincount(arcs.tails, carried, nodes)
    volume = max(float(np.sum(demand)), float(np.sum(supply)), _TINY)
    money = max(*(_largest(part) for part in (demand_orders.prices, supply_orders.prices)), _TINY)
    rounding = _PRICE_ROUNDING * max(money, _largest(prices))

    reversed_flow = 0.0 if undirected else _largest(against)
    negative = max(0.0, float(np.max(-demand)), float(np.max(-supply)), reversed_flow)
    over = float(np.max(carried - arcs.capacities, initial=0.0))
    response = max(
        float(np.max(response_residuals(demand_orders, -1.0, prices, demand, rounding))),
        float(np.max(response_residuals(supply_orders, 1.0, prices, supply, rounding))),
    )
    gain = prices[arcs.heads] - prices[arcs.tails] - arcs.costs
    # In units or in money, whichever is less: what is hardly carried, or hardly pays, is hardly a gain.
    with np.errstate(over="ignore"):  # where nothing is traded, all room is large
        gain = gain / max(money, _largest(prices))
        spare, used = (arcs.capacities - carried) / volume, carried / volume
    arbitrage = np.maximum(np.minimum(gain, spare), np.minimum(-gain, used))
    return SpatialCertificate(
        balance=_largest(supply - demand + arriving) / volume,
        feasibility=max(negative, over) / volume,
        best_response=response / max(volume, response),
        no_arbitrage=float(np.max(arbitrage, initial=0.0)),
    )


def _largest(values: FloatArray) -> float:
    return float(np.max(np.abs(values), initial=0.0))


def response_residuals(
    orders: Orders, sign: float, prices: FloatArray, quantities: FloatArray, rounding: float
) -> FloatArray:
    """Units by which each node's quantity misses what its curve gives within `rounding` of its price, shape (n,).

    `sign` is 1 for supply and -1 for demand.
    """
    gains = sign * (prices[orders.nodes] - orders.prices)
    least, most = (_wanted(orders, gains + shift, prices.size) for shift in (-rounding, rounding))
    return np.maximum(np.maximum(least - quantities, quantities - most), 0.0)


def _wanted(orders: Orders, gains: FloatArray, nodes: int) -> FloatArray:
    """Units wanted by node when each order gains so much on its first unit."""
    straight = orders.slopes > 0.0
    units = np.where(straight, gains / np.where(straight, orders.slopes, 1.0), np.where(gains > 0.0, orders.most, 0.0))
    wanted: FloatArray = np.bincount(orders.nodes, np.maximum(units, 0.0), nodes).astype(np.float64)
    return wanted
