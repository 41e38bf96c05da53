"""The result of local markets, and its certificate."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.networks.curves import Orders
from walras.market.networks.spatial_result import response_residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["LocalCertificate", "LocalClearing", "LocalStatus", "certify_local"]

_TINY = float(np.finfo(np.float64).tiny)

# Quantities are compared with those at prices that differ by this fraction of the largest amount of money.
_PRICE_ROUNDING = 1e-12


class LocalStatus(Enum):
    """How the markets cleared; each value tells the reader what it means for them."""

    TRADED = "every component has cleared at its price"
    NO_TRADE = "in no component is a unit worth more to a buyer than to a seller: nobody trades"


@final
@dataclass(frozen=True)
class LocalCertificate(Residuals):
    """Residuals of an answer: each is 0 for an exact one.

    Attributes
    ----------
    balance
        The largest difference of units bought and sold in a component, as a fraction of all units traded.
    best_response
        How far quantities are from those that the nodes' curves give at their prices, as a fraction of all units
        traded. Prices are compared up to 1e-12 of the largest amount of money.
    one_price
        How far prices differ within a component, as a fraction of the largest amount of money.
    """

    balance: float
    best_response: float
    one_price: float


@final
@dataclass(frozen=True, eq=False)
class LocalClearing(Certified):
    """Prices and quantities of n nodes in c components.

    Attributes
    ----------
    nodes
        The graph's nodes, in its order; vectors of shape (n,) follow it.
    components
        Number of each node's component, shape (n,), from 0 in the order of their first nodes.
    prices
        Money per unit, shape (n,), alike within a component: the midpoint of the clearing prices, or their finite end;
        NaN in a component where nobody has a curve.
    lowest_prices, highest_prices
        Ends of the clearing prices of each node's component, shape (n,); infinite where there are none.
    demand, supply
        Units bought and sold at each node, shape (n,).
    consumer_surplus, producer_surplus
        Gains of each node's buyers and sellers (money), shape (n,).
    surplus
        All gains together (money).
    status, certificate
        How it cleared, and the residuals that prove it.
    """

    nodes: tuple[Hashable, ...]
    components: IntArray
    prices: FloatArray
    lowest_prices: FloatArray
    highest_prices: FloatArray
    demand: FloatArray
    supply: FloatArray
    consumer_surplus: FloatArray
    producer_surplus: FloatArray
    surplus: float
    status: LocalStatus
    certificate: LocalCertificate


def certify_local(
    demand_orders: Orders,
    supply_orders: Orders,
    components: IntArray,
    prices: FloatArray,
    demand: FloatArray,
    supply: FloatArray,
) -> LocalCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    demand_orders, supply_orders
        The nodes' curves.
    components
        Number of each node's component, shape (n,).
    prices, demand, supply
        By node, shape (n,); a price is NaN where nobody has a curve.
    """
    volume = max(float(np.sum(demand)), float(np.sum(supply)), _TINY)
    excess = np.bincount(components, demand - supply)
    spread = np.zeros(int(components.max()) + 1)
    quoted = np.isfinite(prices)
    money = max(float(np.max(np.abs(part), initial=0.0)) for part in (demand_orders.prices, supply_orders.prices))
    money = max(money, float(np.max(np.abs(prices[quoted]), initial=0.0)), _TINY)
    first = np.unique(components, return_index=True)[1]
    np.maximum.at(spread, components, np.where(quoted, np.abs(prices - prices[first][components]), 0.0))
    beside = [
        response_residuals(orders, sign, prices, quantities, _PRICE_ROUNDING * money)
        for orders, sign, quantities in ((demand_orders, -1.0, demand), (supply_orders, 1.0, supply))
    ]
    response = float(np.max(beside))
    return LocalCertificate(
        balance=float(np.max(np.abs(excess))) / volume,
        best_response=response / max(volume, response),
        one_price=float(np.max(spread)) / money,
    )
