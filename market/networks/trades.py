"""The result of a market of single units on a network, and its certificate."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["NetworkTrades", "TradeCertificate", "TradeStatus", "certify_trades"]

_TINY = float(np.finfo(np.float64).tiny)


class TradeStatus(Enum):
    """How the market cleared; each value tells the reader what it means for them."""

    UNIQUE_PRICES = "each trade has one competitive price"
    PRICE_INTERVALS = "some trades have an interval of competitive prices, of which k picks one"
    NO_TRADE = "no linked buyer values a unit above its seller's cost: nobody trades"


@final
@dataclass(frozen=True)
class TradeCertificate(Residuals):
    """Residuals of an answer: each is 0 for an exact one; money as a fraction of the largest amount named.

    Attributes
    ----------
    feasibility
        Units traded without a link, or beyond one for each buyer and seller.
    individual_rationality
        The largest loss of a trader against staying out.
    stability
        The most that a linked pair could gain by trading with each other instead. With the above it proves that the
        allocation is efficient, the prices are competitive, and the outcome is in the core.
    """

    feasibility: float
    individual_rationality: float
    stability: float


@final
@dataclass(frozen=True, eq=False)
class NetworkTrades(Certified):
    """Who trades with whom, at which price: n buyers, m sellers, t trades.

    Attributes
    ----------
    buyers, sellers
        Nodes, in the order of the bids and of the asks.
    pairs
        The trades, each (buyer, seller), in the order of the bids.
    prices
        Money that the buyer of each pair pays its seller, shape (t,).
    lowest_prices, highest_prices
        Ends of the competitive prices of each trade, shape (t,). All trades at their lowest prices are competitive
        together, and so at their highest.
    buyer_allocation, seller_allocation
        Units bought and sold, 0 or 1, shapes (n,) and (m,).
    buyer_payments, seller_receipts
        Money, shapes (n,) and (m,).
    buyer_surplus, seller_surplus
        Gains from trade (money), shapes (n,) and (m,).
    surplus
        All gains together (money).
    status, certificate
        How it cleared, and the residuals that prove it.
    """

    buyers: tuple[Hashable, ...]
    sellers: tuple[Hashable, ...]
    pairs: tuple[tuple[Hashable, Hashable], ...]
    prices: FloatArray
    lowest_prices: FloatArray
    highest_prices: FloatArray
    buyer_allocation: FloatArray
    seller_allocation: FloatArray
    buyer_payments: FloatArray
    seller_receipts: FloatArray
    buyer_surplus: FloatArray
    seller_surplus: FloatArray
    surplus: float
    status: TradeStatus
    certificate: TradeCertificate


def certify_trades(
    values: FloatArray,
    costs: FloatArray,
    link_buyers: IntArray,
    link_sellers: IntArray,
    partner: IntArray,
    prices: FloatArray,
) -> TradeCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    values, costs
        Of n buyers and m sellers.
    link_buyers, link_sellers
        Indices of the ends of the l links, shape (l,).
    partner
        Index of each buyer's seller, -1 for none, shape (n,).
    prices
        Of the trades, in the order of the buyers, shape (t,).
    """
    trading = np.flatnonzero(partner >= 0)
    sold = partner[trading]
    linked = set(zip(link_buyers.tolist(), link_sellers.tolist(), strict=True))
    unlinked = sum(pair not in linked for pair in zip(trading.tolist(), sold.tolist(), strict=True))
    oversold = int(np.max(np.bincount(sold, minlength=costs.size))) - 1

    buyer_gains, seller_gains = np.zeros(values.size), np.zeros(costs.size)
    buyer_gains[trading] = values[trading] - prices
    seller_gains[sold] = prices - costs[sold]
    scale = max(float(np.max(np.abs(values))), float(np.max(np.abs(costs))), _TINY)
    blocking = values[link_buyers] - costs[link_sellers] - buyer_gains[link_buyers] - seller_gains[link_sellers]
    worst = min(float(np.min(buyer_gains)), float(np.min(seller_gains)))
    return TradeCertificate(
        feasibility=float(max(unlinked, oversold, 0)),
        individual_rationality=max(-worst, 0.0) / scale,
        stability=float(np.max(blocking, initial=0.0)) / scale,
    )
