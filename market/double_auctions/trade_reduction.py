"""McAfee's double auction: truth is the best report, at the price of losing the least valuable trade at times.

Buyers of one unit name values b_1 >= b_2 >= ..., sellers of one unit costs a_1 <= a_2 <= .... Let q be the number of
pairs with b_q >= a_q, and

    p = (b_(q+1) + a_(q+1)) / 2.

If p lies in [a_q, b_q], all q pairs trade at p: a price that none of them has named. Otherwise the pair q stays out and
sets the prices for the q - 1 others: buyers pay b_q, sellers receive a_q, and the auctioneer keeps the difference. If a
side has no trader q + 1, there is no p, and the pair q stays out.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.double_auctions.inputs import checked_prices
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray

__all__ = ["McAfeeAuction", "McAfeeCertificate", "McAfeeOutcome", "McAfeeStatus"]

_TINY = float(np.finfo(np.float64).tiny)


class McAfeeStatus(Enum):
    """What became of the trades; each value tells the reader what it means for them."""

    EFFICIENT = "every pair with something to gain trades, all at one price"
    REDUCED = "the least valuable trade is given up; buyers pay more than sellers receive, or the same"
    NO_TRADE = "the highest bid is below the lowest ask: nobody trades, and no money moves"


@final
@dataclass(frozen=True)
class McAfeeCertificate(Residuals):
    """Residuals of a trade reduction, 0 for an exact answer; money as a fraction of the largest amount named.

    Attributes
    ----------
    conservation
        Units bought against units sold, as a fraction of the larger.
    efficiency
        Gains missing beyond those of the least valuable efficient trade, as a fraction of the largest amount.
    budget_balance
        What the auctioneer pays out beyond what it takes in.
    individual_rationality
        The largest loss of a trader against staying out.
    critical_payment
        How far a payment or receipt is from the report at which its trader would just trade.
    """

    conservation: float
    efficiency: float
    budget_balance: float
    individual_rationality: float
    critical_payment: float


@final
@dataclass(frozen=True, eq=False)
class McAfeeOutcome(Certified):
    """Who trades, and the money that moves; n buyers and m sellers.

    Attributes
    ----------
    buyer_allocation, seller_allocation
        Units bought and sold, 0 or 1, shapes (n,) and (m,).
    buyer_payments, seller_receipts
        Money paid by buyers and received by sellers, shapes (n,) and (m,).
    buyer_price, seller_price
        Money per unit that a buyer pays and a seller receives; NaN without trade.
    quantity, efficient_quantity
        Units traded, and units that agree: at most one more.
    gains, lost_gains
        Sum of bids less asks of those who trade, and of the pair given up.
    revenue
        What the auctioneer keeps, 0 or more.
    status, certificate
        What became of the trades, and the residuals that prove the answer.
    """

    buyer_allocation: IntArray
    seller_allocation: IntArray
    buyer_payments: FloatArray
    seller_receipts: FloatArray
    buyer_price: float
    seller_price: float
    quantity: int
    efficient_quantity: int
    gains: float
    lost_gains: float
    revenue: float
    status: McAfeeStatus
    certificate: McAfeeCertificate


@final
@dataclass(frozen=True)
class McAfeeAuction:
    """The rules of McAfee's double auction; `clear` is a pure function of bids and asks.

    Examples
    --------
    The third pair sets no good price, so the second pair sets two, and stays out.

    >>> from walras.market.double_auctions import McAfeeAuction
    >>> outcome = McAfeeAuction().clear(bids=[9, 8, 1], asks=[2, 6, 7])
    >>> outcome.quantity, outcome.buyer_price, outcome.seller_price, outcome.revenue
    (1, 8.0, 6.0, 2.0)
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.MONOTONE,
            Property.ANONYMOUS,
            Property.SCALE_FREE,
            Property.STRATEGY_PROOF,
            Property.ENVY_FREE,
        }
    )

    def clear(self, bids: ArrayLike, asks: ArrayLike) -> McAfeeOutcome:
        """Trade all pairs that agree, or all but the last.

        Parameters
        ----------
        bids, asks
            Value of a unit to each buyer, and cost to each seller (money, of either sign), shapes (n,) and (m,).

        Returns
        -------
        McAfeeOutcome
            Allocations, payments, receipts, what the auctioneer keeps, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN or infinite amounts, an empty side, shapes that do not fit.

        Notes
        -----
        *Ties*: of equal traders those given first; a bid and an ask at the same price agree. *Cost*: O(n log n + m log
        m). *Source*: McAfee 1992.
        """
        bids, asks = checked_prices("bids", bids, of="buyer"), checked_prices("asks", asks, of="seller")
        buyers, sellers = np.argsort(-bids, kind="stable"), np.argsort(asks, kind="stable")
        falling, rising = bids[buyers], asks[sellers]
        pairs = min(bids.size, asks.size)
        agreeing = int(np.count_nonzero(falling[:pairs] >= rising[:pairs]))
        status, quantity, buyer_price, seller_price = _prices(falling, rising, agreeing)
        buyer_allocation, seller_allocation = np.zeros(bids.size, np.int64), np.zeros(asks.size, np.int64)
        buyer_allocation[buyers[:quantity]] = 1
        seller_allocation[sellers[:quantity]] = 1
        payments = np.where(buyer_allocation > 0, buyer_price, 0.0)
        receipts = np.where(seller_allocation > 0, seller_price, 0.0)
        gains = falling[:agreeing] - rising[:agreeing]
        return McAfeeOutcome(
            buyer_allocation=buyer_allocation,
            seller_allocation=seller_allocation,
            buyer_payments=payments,
            seller_receipts=receipts,
            buyer_price=buyer_price,
            seller_price=seller_price,
            quantity=quantity,
            efficient_quantity=agreeing,
            gains=float(np.sum(gains[:quantity])),
            lost_gains=float(np.sum(gains[quantity:])),
            revenue=float(np.sum(payments) - np.sum(receipts)),
            status=status,
            certificate=certify_trade_reduction(bids, asks, buyer_allocation, seller_allocation, payments, receipts),
        )


def _prices(falling: FloatArray, rising: FloatArray, agreeing: int) -> tuple[McAfeeStatus, int, float, float]:
    """Status, number of trades, and the prices of buyers and sellers."""
    if agreeing == 0:
        return McAfeeStatus.NO_TRADE, 0, np.nan, np.nan
    bid, ask = float(falling[agreeing - 1]), float(rising[agreeing - 1])
    if agreeing < min(falling.size, rising.size):
        price = 0.5 * float(falling[agreeing]) + 0.5 * float(rising[agreeing])
        if ask <= price <= bid:
            return McAfeeStatus.EFFICIENT, agreeing, price, price
    if agreeing == 1:
        return McAfeeStatus.REDUCED, 0, np.nan, np.nan
    return McAfeeStatus.REDUCED, agreeing - 1, bid, ask


def certify_trade_reduction(
    bids: FloatArray,
    asks: FloatArray,
    buyer_allocation: IntArray,
    seller_allocation: IntArray,
    payments: FloatArray,
    receipts: FloatArray,
) -> McAfeeCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Efficient trade leaves the m units with the m highest amounts on the line of all bids and asks, so the largest gains
    need no pairs. A payment is critical if those who stay out with a better report than it would trade in its place:
    every bid left out is at most the buyers' price, every ask left out at least the sellers', and a price that is not
    the same on both sides is named by traders who stay out.
    """
    scale = max(float(np.max(np.abs(bids))), float(np.max(np.abs(asks))), _TINY)
    bought, sold = float(np.sum(buyer_allocation)), float(np.sum(seller_allocation))
    line = np.sort(np.concatenate([bids, asks]))[::-1]
    best = float(np.sum(line[: asks.size]) - np.sum(asks))
    reached = float(bids @ buyer_allocation - asks @ seller_allocation)
    out_bids, out_asks = bids[buyer_allocation == 0], asks[seller_allocation == 0]
    least = float(np.max(out_bids, initial=-np.inf) - np.min(out_asks, initial=np.inf))  # the best pair left out
    losses = np.concatenate([payments - bids * buyer_allocation, asks * seller_allocation - receipts])
    return McAfeeCertificate(
        conservation=abs(bought - sold) / max(bought, sold, 1.0),
        efficiency=abs(best - reached - max(least, 0.0)) / (scale * asks.size),
        budget_balance=max(float(np.sum(receipts) - np.sum(payments)), 0.0) / scale,
        individual_rationality=max(float(np.max(losses)), 0.0) / scale,
        critical_payment=_off_critical(
            out_bids, out_asks, payments[buyer_allocation > 0], receipts[seller_allocation > 0]
        )
        / scale,
    )


def _off_critical(out_bids: FloatArray, out_asks: FloatArray, paid: FloatArray, received: FloatArray) -> float:
    """How far payments are from the reports at which their traders would just trade."""
    if not paid.size or not received.size:
        return 0.0
    next_bid, next_ask = float(np.max(out_bids, initial=-np.inf)), float(np.min(out_asks, initial=np.inf))
    middle = 0.5 * next_bid + 0.5 * next_ask
    # One price, or those of the best pair left out if this pair agrees.
    buyers_price, sellers_price = (next_bid, next_ask) if next_bid >= next_ask else (middle, middle)
    return max(float(np.max(np.abs(paid - buyers_price))), float(np.max(np.abs(received - sellers_price))))
