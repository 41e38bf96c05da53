"""The certificate of sealed-bid auctions: from bids and answer alone, by other formulas than the solver's.

The solver sorts and cuts. The proof takes allocation and payments as given and asks: are the winning bids worth as much
as the highest ones? And does each bidder pay what the rule says, where the Vickrey payment of a bidder's j-th unit is
read off the order of the *others'* bids: of K units, it is the (K - j + 1)-th highest of them.
"""

import numpy as np

from walras.market.auctions.outcome import AuctionCertificate
from walras.market.auctions.payment_rule import PaymentRule
from walras.market.auctions.ranking import accepted_bids
from walras.market.validation import FloatArray, IntArray

__all__ = ["certify_auctions"]

_TINY = float(np.finfo(np.float64).tiny)


def certify_auctions(
    rule: PaymentRule,
    bids: FloatArray,
    reserves: FloatArray,
    units: int,
    allocation: FloatArray | IntArray,
    payments: FloatArray,
    revenue: FloatArray,
) -> AuctionCertificate:
    """Compute the residuals of m answers, from the answers alone; the largest of each.

    Parameters
    ----------
    rule, units
        The rules.
    bids, reserves
        Bids, shape (m, n, k), and one reserve per bidder, shape (n,).
    allocation, payments, revenue
        The answers, shapes (m, n), (m, n) and (m,).
    """
    accepted = accepted_bids(bids, reserves)
    wanted = np.sum(accepted > 0.0, axis=-1)
    beyond = np.maximum(allocation - wanted, -1.0 * allocation).clip(min=0.0)
    fractional = np.abs(allocation - np.round(allocation))
    oversold = (np.sum(allocation, axis=-1) - float(units)).clip(min=0.0)
    feasibility = max(_largest(beyond), _largest(fractional), _largest(oversold)) / units

    taken = np.clip(np.nan_to_num(np.round(allocation)), 0, wanted).astype(np.int64)
    worth = _bids_for(accepted, taken)
    highest = -np.sort(-accepted.reshape(len(bids), -1), axis=1)[:, :units]
    best = np.sum(highest, axis=1)
    shortfall = (best - np.sum(worth, axis=-1)).clip(min=0.0) / np.maximum(best, _TINY)

    owed = _owed(rule, accepted, reserves, units, taken)
    ceiling = np.sum(accepted, axis=-1) if rule is PaymentRule.ALL_PAY else worth
    outside = np.maximum(payments - ceiling, -payments).clip(min=0.0) / np.maximum(np.abs(payments), _TINY)
    misbilled = np.abs(payments - owed) / np.maximum(np.maximum(np.abs(payments), owed), _TINY)
    turnover = np.maximum(np.sum(np.abs(payments), axis=-1), np.abs(revenue))
    imbalance = np.abs(np.sum(payments, axis=-1) - revenue) / np.maximum(turnover, _TINY)
    return AuctionCertificate(
        feasibility, _largest(shortfall), _largest(misbilled), _largest(outside), _largest(imbalance)
    )


def _largest(residuals: FloatArray) -> float:
    return float(np.max(residuals))


def _bids_for(accepted: FloatArray, taken: IntArray) -> FloatArray:
    """Give the sum of each bidder's first `taken` bids, shape (m, n)."""
    demand = accepted.shape[-1]
    sums: FloatArray = np.sum(accepted, axis=-1, where=np.arange(demand) < taken[:, :, None])
    return sums


def _owed(rule: PaymentRule, accepted: FloatArray, reserves: FloatArray, units: int, taken: IntArray) -> FloatArray:
    """Payments that the rule asks for, given who gets what."""
    demand = accepted.shape[-1]
    owed: FloatArray
    match rule:
        case PaymentRule.DISCRIMINATORY:
            owed = _bids_for(accepted, taken)
        case PaymentRule.ALL_PAY:
            owed = np.sum(accepted, axis=-1)
        case PaymentRule.UNIFORM_HIGHEST_LOSING:
            lost = np.arange(demand) >= taken[:, :, None]
            price = np.max(accepted, axis=(1, 2), where=lost, initial=0.0)
            owed = np.maximum(price[:, None], reserves) * taken
        case PaymentRule.UNIFORM_LOWEST_WINNING:
            won = np.arange(demand) < taken[:, :, None]
            price = np.min(accepted, axis=(1, 2), where=won, initial=np.inf)
            owed = np.where(taken > 0, np.maximum(price[:, None], reserves), 0.0) * taken
        case PaymentRule.VICKREY:
            owed = _vickrey_owed(accepted, reserves, units, taken)
    return owed


def _vickrey_owed(accepted: FloatArray, reserves: FloatArray, units: int, taken: IntArray) -> FloatArray:
    """Sum over j <= x_i of the larger of the reserve and the (K - j + 1)-th highest bid of others."""
    auctions, bidders, demand = accepted.shape
    total = bidders * demand
    rows = accepted.reshape(auctions, total)
    last = min(units, total + demand)  # more units than bids: nobody is displaced
    order = np.argsort(-rows, axis=1, kind="stable")
    falling = np.zeros((auctions, total + 1))  # and a bid of 0 at the end, for places that nobody's bid takes
    falling[:, :-1] = np.take_along_axis(rows, order, axis=1)
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.arange(total)[None, :], axis=1)
    # How many bids of others stand before a bidder's l-th own bid: rising in l, as its bids fall.
    before = place.reshape(auctions, bidders, demand) - np.arange(demand)
    # The others' bid number t (from 0) stands at place t + (own bids before it); counted for all bidders in one search,
    # each bidder's numbers shifted into a range of their own.
    shift = (np.arange(auctions * bidders) * (total + last + 1)).reshape(auctions, bidders, 1)
    wanted = last - 1 - np.arange(demand)  # t = K - j, for j = 1 ... k
    own = np.searchsorted((before + shift).ravel(), (np.maximum(wanted, 0) + shift).ravel(), side="right")
    own = own.reshape(auctions, bidders, demand) - (np.arange(auctions * bidders) * demand).reshape(
        auctions, bidders, 1
    )
    places = np.minimum(np.maximum(wanted, 0) + own, total)
    rivals = np.take_along_axis(falling, places.reshape(auctions, -1), axis=1).reshape(accepted.shape)
    prices = np.maximum(rivals, reserves[:, None])
    owed: FloatArray = np.sum(prices, axis=-1, where=np.arange(demand) < taken[:, :, None])
    return owed
