"""The result of a call auction: one immutable type, with its certificate."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.validation import FloatArray

__all__ = ["CallAuctionCertificate", "CallAuctionClearing", "CallAuctionStatus", "certify_call_auction"]

_TINY = float(np.finfo(np.float64).tiny)


class CallAuctionStatus(Enum):
    """How the call auction cleared; each value tells the reader what it means for them."""

    CLEARED = "every order trades in full or not at all"
    RATIONED = "orders at the marginal price share what is left, as the rationing rule says"
    NO_TRADE = "the highest bid is below the lowest ask; the price lies between the two, and nobody trades at it"


@final
@dataclass(frozen=True)
class CallAuctionCertificate(Residuals):
    """Residuals of a call auction, 0 for an exact answer: units as a fraction of the volume, money of the prices.

    Attributes
    ----------
    conservation
        Units bought against units sold.
    feasibility
        The largest amount by which an order gets less than nothing or more than it asked for.
    best_response
        Units that trade at a loss, and units that would gain and do not trade.
    volume
        Units that could still trade at the price: the smaller of what is left of bids at it or above and of asks at it
        or below.
    price
        How far the price is from the interval that last and next bids and asks allow, and this interval from the one
        reported.
    payment_rule
        The largest difference of a payment or receipt and the price times the units, as a fraction of the money.
    duality_gap
        Gains from trade against `sum_i q_i max(b_i - p, 0) + sum_j q_j max(p - a_j, 0)`, which bounds the gains of
        every feasible trade from above; as a fraction of the prices times the volume.
    """

    conservation: float
    feasibility: float
    best_response: float
    volume: float
    price: float
    payment_rule: float
    duality_gap: float


@final
@dataclass(frozen=True, eq=False)
class CallAuctionClearing(Certified):
    """What trades in a call auction of n bids and m asks, and at which price.

    Attributes
    ----------
    price
        Money per unit that every buyer pays and every seller receives.
    price_interval
        Lowest and highest price at which the volume clears.
    volume
        Units traded.
    buyer_allocation, seller_allocation
        Units that each bid buys, shape (n,), and each ask sells, shape (m,).
    buyer_payments, seller_receipts
        Money that each buyer pays, shape (n,), and each seller receives, shape (m,).
    buyer_surplus, seller_surplus
        Worth of the units bought at the bid, less the payment, shape (n,); receipts less the units sold at the ask,
        shape (m,).
    gains
        Sum of both surpluses: the gains from trade that the orders name.
    status, certificate
        How it cleared, and the residuals that prove the answer.
    """

    price: float
    price_interval: tuple[float, float]
    volume: float
    buyer_allocation: FloatArray
    seller_allocation: FloatArray
    buyer_payments: FloatArray
    seller_receipts: FloatArray
    buyer_surplus: FloatArray
    seller_surplus: FloatArray
    gains: float
    status: CallAuctionStatus
    certificate: CallAuctionCertificate


def certify_call_auction(
    bids: FloatArray,
    asks: FloatArray,
    bid_quantities: FloatArray,
    ask_quantities: FloatArray,
    price: float,
    price_interval: tuple[float, float],
    buyer_allocation: FloatArray,
    seller_allocation: FloatArray,
    buyer_payments: FloatArray,
    seller_receipts: FloatArray,
) -> CallAuctionCertificate:
    """Compute the residuals of an answer, from orders and answer alone.

    Orders of both sides are read as one list with gains `b - p` or `p - a` per unit, without sorting them.
    """
    traded = np.concatenate([buyer_allocation, seller_allocation])
    wanted = np.concatenate([bid_quantities, ask_quantities])
    gains = np.concatenate([bids - price, price - asks])
    bought, sold = float(np.sum(buyer_allocation)), float(np.sum(seller_allocation))
    left = np.maximum(wanted - traded, 0.0)
    volume = max(bought, sold)
    units = volume if volume > 0.0 else min(float(np.sum(bid_quantities)), float(np.sum(ask_quantities)))
    money = max(float(np.max(np.abs(bids))), float(np.max(np.abs(asks))), abs(price), _TINY)

    still = min(float(np.sum(left[: bids.size][bids >= price])), float(np.sum(left[bids.size :][asks <= price])))
    low, high = _supporting_interval(bids, asks, bid_quantities, ask_quantities, buyer_allocation, seller_allocation)
    off_price = max(abs(low - price_interval[0]), abs(high - price_interval[1]), low - price, price - high, 0.0)
    bill = np.concatenate([buyer_payments - price * buyer_allocation, seller_receipts - price * seller_allocation])
    bound = float(np.sum(wanted * np.maximum(gains, 0.0)))
    return CallAuctionCertificate(
        conservation=abs(bought - sold) / units,
        feasibility=max(0.0, float(np.max(-traded)), float(np.max(traded - wanted))) / units,
        best_response=float(np.sum(traded[gains < 0.0]) + np.sum(left[gains > 0.0])) / units,
        volume=still / units,
        price=off_price / money,
        payment_rule=float(np.max(np.abs(bill))) / (money * units),
        duality_gap=abs(bound - float(np.sum(traded * gains))) / (money * units),
    )


def _supporting_interval(
    bids: FloatArray,
    asks: FloatArray,
    bid_quantities: FloatArray,
    ask_quantities: FloatArray,
    buyer_allocation: FloatArray,
    seller_allocation: FloatArray,
) -> tuple[float, float]:
    """Prices between those who must not regret trading and those who must not regret staying out."""
    low = max(
        float(np.max(asks[seller_allocation > 0.0], initial=-np.inf)),
        float(np.max(bids[buyer_allocation < bid_quantities], initial=-np.inf)),
    )
    high = min(
        float(np.min(bids[buyer_allocation > 0.0], initial=np.inf)),
        float(np.min(asks[seller_allocation < ask_quantities], initial=np.inf)),
    )
    return low, high
