"""The results of sealed-bid auctions: one of a single auction, one of many that are cleared together."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["AuctionBatch", "AuctionCertificate", "AuctionOutcome", "AuctionStatus"]


class AuctionStatus(Enum):
    """What became of the units; each value tells the reader what it means for them."""

    SOLD_OUT = "every unit is sold, and every winning bid is above every losing one"
    TIED = "every unit is sold; bids equal to the lowest winning one lost, by the order given or by lot"
    UNSOLD = "bids that reach the reserve are fewer than the units; all of them win, and the seller keeps the rest"
    NOTHING_SOLD = "no bid reaches the reserve; lower it to sell"


@final
@dataclass(frozen=True)
class AuctionCertificate(Residuals):
    """Residuals of a cleared auction, 0 for an exact answer; of many auctions, the largest of each.

    Attributes
    ----------
    feasibility
        Units given beyond those for sale, or beyond a bidder's accepted bids, or that are no whole number, as a
        fraction of the units for sale.
    efficiency
        How far the winning bids fall short of the highest accepted bids, as a fraction of these.
    payment_rule
        How far a payment is from what the rule says, computed anew from bids and allocation, as a fraction of it.
    within_bids
        How far a payment is below 0 or above what the bidder bid for what it gets (for all it bid for, if all pay), as
        a fraction of these amounts.
    budget_balance
        Payments against revenue, as a fraction of the payments.
    """

    feasibility: float
    efficiency: float
    payment_rule: float
    within_bids: float
    budget_balance: float


@final
@dataclass(frozen=True, eq=False)
class AuctionOutcome(Certified):
    """A cleared sealed-bid auction of n bidders.

    Attributes
    ----------
    allocation
        Units that each bidder gets, whole numbers, shape (n,).
    payments
        Money that each bidder pays, shape (n,).
    price_interval
        Prices (money per unit) that separate winning from losing bids: from the highest losing bid, or the lowest
        reserve if that is higher, to the lowest winning bid (infinite if nothing is sold).
    revenue
        Sum of the payments.
    status, certificate
        What became of the units, and the residuals that prove the answer.
    """

    allocation: IntArray
    payments: FloatArray
    price_interval: tuple[float, float]
    revenue: float
    status: AuctionStatus
    certificate: AuctionCertificate

    @property
    def winners(self) -> IntArray:
        """Bidders who get a unit or more, ascending."""
        return np.flatnonzero(self.allocation)

    @property
    def prices(self) -> FloatArray:
        """Money that each bidder pays per unit it gets, shape (n,); 0 for those who get none."""
        return np.divide(self.payments, self.allocation, out=np.zeros_like(self.payments), where=self.allocation > 0)

    @property
    def units_sold(self) -> int:
        """Units sold in all."""
        return int(np.sum(self.allocation))


@final
@dataclass(frozen=True, eq=False)
class AuctionBatch(Certified):
    """Many auctions of the same rules, cleared together; `...` stands for the leading axes of the bids.

    Attributes
    ----------
    allocation, payments
        Units and money of each bidder, shape (..., n).
    lowest_prices, highest_prices
        Ends of the interval of prices that separate winning from losing bids, shape (...).
    revenue
        Sum of the payments of each auction, shape (...).
    status
        That of all auctions taken together: `SOLD_OUT` only if each one is.
    certificate
        The largest residuals of all auctions.
    """

    allocation: IntArray
    payments: FloatArray
    lowest_prices: FloatArray
    highest_prices: FloatArray
    revenue: FloatArray
    status: AuctionStatus
    certificate: AuctionCertificate

    @property
    def units_sold(self) -> IntArray:
        """Units sold in each auction, shape (...)."""
        sold: IntArray = np.sum(self.allocation, axis=-1)
        return sold
