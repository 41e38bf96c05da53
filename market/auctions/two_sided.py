"""The Vickrey-Clarke-Groves mechanism for a two-sided market of single units; with one of each side, bilateral trade.

Buyers name values b_1 >= b_2 >= ..., sellers costs a_1 <= a_2 <= .... The Q best pairs trade, Q being the number of
pairs with b_q > a_q, which maximises the gains. Each trader pays what its presence costs the others (Clarke), so

    each buyer who trades pays      max(a_Q, b_(Q+1)),
    each seller who trades receives min(b_Q, a_(Q+1)).

The second is the larger: the mechanism loses money on every unit. No mechanism that is efficient, individually rational
and truthful can avoid it (Myerson and Satterthwaite 1983). With one buyer and one seller it pays `b - a` for every
trade.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.inputs import check_amounts
from walras.market.certificate import Certified, Residuals
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, nonnegative_vector

__all__ = ["TwoSidedVCG", "TwoSidedVCGCertificate", "TwoSidedVCGOutcome", "TwoSidedVCGStatus"]

_TINY = float(np.finfo(np.float64).tiny)


class TwoSidedVCGStatus(Enum):
    """Whether there was trade; each value tells the reader what it means for them."""

    TRADED = "every pair with something to gain trades; the mechanism pays out more than it takes in, or the same"
    TIED = "as TRADED; a trader as good as the last of its side stays out, as the order given says"
    NO_TRADE = "no value is above a cost: nobody trades, and no money moves"


@final
@dataclass(frozen=True)
class TwoSidedVCGCertificate(Residuals):
    """Residuals of a two-sided clearing, 0 for an exact answer; money as a fraction of the largest amount named.

    Attributes
    ----------
    conservation
        Units bought against units sold, as a fraction of the larger.
    efficiency
        How far the worth of the units to their owners after trade is from the largest possible, per unit.
    payment_rule
        How far a payment is from Clarke's: the loss of the others' gains by the trader's presence.
    individual_rationality
        The largest loss of a trader against staying out.
    """

    conservation: float
    efficiency: float
    payment_rule: float
    individual_rationality: float


@final
@dataclass(frozen=True, eq=False)
class TwoSidedVCGOutcome(Certified):
    """Who trades, and the money that moves; n buyers and m sellers.

    Attributes
    ----------
    buyer_allocation, seller_allocation
        Units bought and sold, 0 or 1, shapes (n,) and (m,).
    buyer_payments, seller_receipts
        Money paid by buyers and received by sellers, shapes (n,) and (m,).
    buyer_price, seller_price
        Money per unit that a buyer pays and a seller receives; 0 without trade.
    quantity
        Units traded.
    gains
        Sum of the values of those who buy less the costs of those who sell.
    deficit
        What the mechanism pays out beyond what it takes in, 0 or more.
    status, certificate
        Whether there was trade, and the residuals that prove the answer.
    """

    buyer_allocation: IntArray
    seller_allocation: IntArray
    buyer_payments: FloatArray
    seller_receipts: FloatArray
    buyer_price: float
    seller_price: float
    quantity: int
    gains: float
    deficit: float
    status: TwoSidedVCGStatus
    certificate: TwoSidedVCGCertificate


@final
@dataclass(frozen=True)
class TwoSidedVCG:
    """The rules of the two-sided VCG mechanism; `clear` is a pure function of bids and asks.

    It is not weakly budget balanced: somebody must pay its deficit.

    Examples
    --------
    A house is worth 7 to its owner and 10 to the buyer, who pays 7; the owner receives 10.

    >>> from walras.market.auctions import TwoSidedVCG
    >>> outcome = TwoSidedVCG().clear(bids=[10.0], asks=[7.0])
    >>> outcome.buyer_price, outcome.seller_price, outcome.deficit
    (7.0, 10.0, 3.0)
    """

    declared_properties: ClassVar[frozenset[Property]] = frozenset(
        {
            Property.FEASIBLE,
            Property.CONSERVES,
            Property.INDIVIDUALLY_RATIONAL,
            Property.MONOTONE,
            Property.ANONYMOUS,
            Property.SCALE_FREE,
            Property.STRATEGY_PROOF,
            Property.EFFICIENT,
            Property.ENVY_FREE,
        }
    )

    def clear(self, bids: ArrayLike, asks: ArrayLike) -> TwoSidedVCGOutcome:
        """Trade every unit that is worth more to a buyer than to its seller.

        Parameters
        ----------
        bids, asks
            Value of a unit to each buyer, and cost to each seller (money, 0 or more), shapes (n,) and (m,).

        Returns
        -------
        TwoSidedVCGOutcome
            Allocations, payments, receipts, deficit, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN, infinite or negative amounts, an empty side, shapes that do not fit.

        Notes
        -----
        *Ties*: of equal traders those given first; a pair with nothing to gain does not trade. *Cost*: O(n log n + m
        log m). *Source*: Vickrey 1961; Clarke 1971; Myerson and Satterthwaite 1983.
        """
        bids = nonnegative_vector("bids", bids, of="buyer")
        asks = nonnegative_vector("asks", asks, of="seller")
        check_amounts("bids", bids)
        check_amounts("asks", asks)
        buyers, sellers = np.argsort(-bids, kind="stable"), np.argsort(asks, kind="stable")
        falling, rising = bids[buyers], asks[sellers]
        pairs = min(bids.size, asks.size)
        quantity = int(np.count_nonzero(falling[:pairs] > rising[:pairs]))
        buyer_price, seller_price = _prices(falling, rising, quantity)

        buyer_allocation, seller_allocation = np.zeros(bids.size, np.int64), np.zeros(asks.size, np.int64)
        buyer_allocation[buyers[:quantity]] = 1
        seller_allocation[sellers[:quantity]] = 1
        payments = np.where(buyer_allocation > 0, buyer_price, 0.0)
        receipts = np.where(seller_allocation > 0, seller_price, 0.0)
        return TwoSidedVCGOutcome(
            buyer_allocation=buyer_allocation,
            seller_allocation=seller_allocation,
            buyer_payments=payments,
            seller_receipts=receipts,
            buyer_price=buyer_price,
            seller_price=seller_price,
            quantity=quantity,
            gains=float(np.sum(falling[:quantity] - rising[:quantity])),
            deficit=quantity * (seller_price - buyer_price),
            status=_status(falling, rising, quantity),
            certificate=certify_two_sided(bids, asks, buyer_allocation, seller_allocation, payments, receipts),
        )


def _prices(falling: FloatArray, rising: FloatArray, quantity: int) -> tuple[float, float]:
    """Money per unit that a buyer pays and a seller receives."""
    if quantity == 0:
        return 0.0, 0.0
    next_bid = falling[quantity] if quantity < falling.size else -np.inf
    next_ask = rising[quantity] if quantity < rising.size else np.inf
    return float(max(rising[quantity - 1], next_bid)), float(min(falling[quantity - 1], next_ask))


def certify_two_sided(
    bids: FloatArray,
    asks: FloatArray,
    buyer_allocation: IntArray,
    seller_allocation: IntArray,
    payments: FloatArray,
    receipts: FloatArray,
) -> TwoSidedVCGCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Bids and asks stand in one line: efficient trade leaves the m units with the m highest amounts. A buyer who trades
    displaces the amount number m + 1, and the unit of a seller who trades goes to the amount number m: these are
    Clarke's payment and receipt, found here without asking who trades with whom.
    """
    scale = max(float(np.max(bids)), float(np.max(asks)), _TINY)
    bought, sold = float(np.sum(buyer_allocation)), float(np.sum(seller_allocation))
    kept = np.sum(bids * buyer_allocation) + np.sum(asks * (1 - seller_allocation))
    line = np.sort(np.concatenate([bids, asks]))[::-1]
    owed, earned = line[asks.size] * buyer_allocation, line[asks.size - 1] * seller_allocation
    losses = np.concatenate([payments - bids * buyer_allocation, asks * seller_allocation - receipts])
    misbilled = np.concatenate([payments - owed, receipts - earned])
    return TwoSidedVCGCertificate(
        conservation=abs(bought - sold) / max(bought, sold, 1.0),
        efficiency=abs(float(np.sum(line[: asks.size]) - kept)) / (scale * asks.size),
        payment_rule=float(np.max(np.abs(misbilled))) / scale,
        individual_rationality=max(float(np.max(losses)), 0.0) / scale,
    )


def _status(falling: FloatArray, rising: FloatArray, quantity: int) -> TwoSidedVCGStatus:
    if quantity == 0:
        return TwoSidedVCGStatus.NO_TRADE
    tied_bid = quantity < falling.size and falling[quantity] == falling[quantity - 1]
    tied_ask = quantity < rising.size and rising[quantity] == rising[quantity - 1]
    return TwoSidedVCGStatus.TIED if tied_bid or tied_ask else TwoSidedVCGStatus.TRADED
