"""What bidders pay under each rule, on m auctions at once (see `walras.market.auctions.ranking`)."""

import numpy as np

from walras.market.auctions.payment_rule import PaymentRule
from walras.market.auctions.ranking import Ranking
from walras.market.validation import FloatArray

__all__ = ["charge"]


def charge(rule: PaymentRule, ranking: Ranking, reserves: FloatArray) -> FloatArray:
    """Give the payments, shape (m, n). *Cost*: O(m n k)."""
    payments: FloatArray
    match rule:
        case PaymentRule.DISCRIMINATORY:
            payments = np.sum(ranking.bids, axis=-1, where=ranking.won)
        case PaymentRule.ALL_PAY:
            payments = np.sum(ranking.bids, axis=-1)
        case PaymentRule.UNIFORM_HIGHEST_LOSING:
            payments = _uniform(ranking, ranking.highest_losing, reserves)
        case PaymentRule.UNIFORM_LOWEST_WINNING:
            sold = np.isfinite(ranking.lowest_winning)
            payments = _uniform(ranking, np.where(sold, ranking.lowest_winning, 0.0), reserves)
        case PaymentRule.VICKREY:
            payments = _vickrey(ranking, reserves)
    return payments


def _uniform(ranking: Ranking, price: FloatArray, reserves: FloatArray) -> FloatArray:
    """One price for all, or the bidder's own reserve where that is higher."""
    return np.maximum(price[:, None], reserves) * ranking.allocation


def _vickrey(ranking: Ranking, reserves: FloatArray) -> FloatArray:
    """Without bidder i its x_i units would go to the x_i highest losing bids of others, or stay with the seller."""
    _, bidders, demand = ranking.bids.shape
    # Bidder i has at most k - x_i losing bids of its own, so the first k losing bids hold x_i of others, if there are.
    losing = ranking.falling[:, None, ranking.units : ranking.units + demand]  # (m, 1, k)
    owners = ranking.owners[:, None, ranking.units : ranking.units + demand]
    others = owners != np.arange(bidders)[:, None]  # (m, n, k)
    units = ranking.allocation
    displaced = others & (np.cumsum(others, axis=-1) <= units[:, :, None])
    prices = np.maximum(losing, reserves[:, None])  # (m, n, k)
    unclaimed = units - np.sum(displaced, axis=-1)
    payments: FloatArray = np.sum(prices, axis=-1, where=displaced) + unclaimed * reserves
    return payments
