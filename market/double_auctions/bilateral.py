"""Bilateral trade: one buyer and one seller of one unit, under the k-double auction.

The buyer bids b, the seller asks s. They trade if `b >= s`, at the price `k * b + (1 - k) * s`. At k = 1 the bid is an
offer to take or leave, at k = 0 the ask is.
"""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.double_auctions.equilibrium import LinearEquilibrium
from walras.market.double_auctions.inputs import checked_prices
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, fraction

__all__ = ["BilateralCertificate", "BilateralOutcome", "BilateralStatus", "BilateralTrade"]

_TINY = float(np.finfo(np.float64).tiny)


class BilateralStatus(Enum):
    """How many pairs trade; each value tells the reader what it means for them."""

    ALL_TRADE = "every bid reaches its ask"
    SOME_TRADE = "some bids are below their asks: those pairs do not trade"
    NO_TRADE = "every bid is below its ask: nobody trades, and no money moves"


@final
@dataclass(frozen=True)
class BilateralCertificate(Residuals):
    """Residuals of the trades, 0 for exact ones; money as a fraction of the largest amount that the pair names.

    Attributes
    ----------
    trade_rule
        1 if a pair trades that does not agree, or agrees and does not trade; else 0.
    budget_balance
        The largest difference between what a buyer pays and its seller receives.
    price_rule
        The largest difference `|(1 - k) (p - s) - k (b - p)|` from splitting the gains as k says.
    individual_rationality
        The largest loss of a trader against staying out, at what was bid and asked.
    """

    trade_rule: float
    budget_balance: float
    price_rule: float
    individual_rationality: float


@final
@dataclass(frozen=True, eq=False)
class BilateralOutcome(Certified):
    """What n pairs trade, each pair a market of its own.

    Attributes
    ----------
    buyer_allocation, seller_allocation
        Units bought and sold, 0 or 1, shape (n,).
    buyer_payments, seller_receipts
        Money paid and received, shape (n,).
    prices
        Price of each pair, shape (n,); NaN where it does not trade.
    status, certificate
        How many pairs trade, and the residuals that prove the answer.
    """

    buyer_allocation: IntArray
    seller_allocation: IntArray
    buyer_payments: FloatArray
    seller_receipts: FloatArray
    prices: FloatArray
    status: BilateralStatus
    certificate: BilateralCertificate


@final
@dataclass(frozen=True)
class BilateralTrade:
    """The rules of bilateral trade; `clear` is a pure function of bids and asks.

    Parameters
    ----------
    k
        Where the price lies between ask and bid: 0 at the ask, 1 at the bid.

    Examples
    --------
    >>> from walras.market.double_auctions import BilateralTrade
    >>> trade = BilateralTrade()
    >>> trade.clear(bids=[10, 5], asks=[6, 7]).buyer_payments.tolist()
    [8.0, 0.0]
    >>> trade.linear_equilibrium().bid([1.0]).round(4).tolist()
    [0.75]
    """

    k: float = 0.5

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", fraction("BilateralTrade.k", self.k))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules for one pair, whatever the two say."""
        return frozenset(
            {
                Property.FEASIBLE,
                Property.CONSERVES,
                Property.INDIVIDUALLY_RATIONAL,
                Property.WEAKLY_BUDGET_BALANCED,
                Property.STRONGLY_BUDGET_BALANCED,
                Property.MONOTONE,
                Property.ANONYMOUS,
                Property.SCALE_FREE,
                Property.EFFICIENT,
                Property.ENVY_FREE,
            }
        )

    def clear(self, bids: ArrayLike, asks: ArrayLike) -> BilateralOutcome:
        """Let buyer i meet seller i, for each i on their own.

        Parameters
        ----------
        bids, asks
            What each buyer bids and its seller asks (money, of either sign), shape (n,) each.

        Returns
        -------
        BilateralOutcome
            Allocations, payments, receipts, prices, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN or infinite amounts, no pairs, shapes that do not fit.

        Notes
        -----
        *Ties*: a bid that equals its ask trades. *Cost*: O(n). *Source*: Chatterjee and Samuelson 1983.
        """
        bids = checked_prices("bids", bids, of="pair")
        asks = checked_prices("asks", asks, of="pair", length=bids.size)
        traded = bids >= asks
        prices = np.full(bids.size, np.nan)
        prices[traded] = np.clip((asks + self.k * (bids - asks))[traded], asks[traded], bids[traded])
        payments, units = np.where(traded, prices, 0.0), traded.astype(np.int64)
        return BilateralOutcome(
            buyer_allocation=units,
            seller_allocation=units.copy(),
            buyer_payments=payments,
            seller_receipts=payments.copy(),
            prices=prices,
            status=_status(int(np.sum(units)), units.size),
            certificate=certify_bilateral(self.k, bids, asks, units, units, payments, payments),
        )

    def linear_equilibrium(self, low: float = 0.0, high: float = 1.0) -> LinearEquilibrium:
        """Give the linear equilibrium where value and cost are independent and uniform on [low, high] (money).

        Raises
        ------
        InvalidInputError
            If `low` or `high` is not finite, or `low` is not below `high`.
        """
        return LinearEquilibrium(self.k, low, high)


def _status(trades: int, pairs: int) -> BilateralStatus:
    if trades == 0:
        return BilateralStatus.NO_TRADE
    return BilateralStatus.ALL_TRADE if trades == pairs else BilateralStatus.SOME_TRADE


def certify_bilateral(
    k: float,
    bids: FloatArray,
    asks: FloatArray,
    bought: IntArray,
    sold: IntArray,
    payments: FloatArray,
    receipts: FloatArray,
) -> BilateralCertificate:
    """Compute the residuals of an answer, from the answer alone: by how the gains are split, not by the price."""
    scale = np.maximum(np.maximum(np.abs(bids), np.abs(asks)), _TINY)
    agreed = np.sign(bids - asks) >= 0
    wrong = np.any(bought != agreed) or np.any(sold != agreed)
    buyers_gain, sellers_gain = bids * bought - payments, receipts - asks * sold
    split = (1.0 - k) * sellers_gain - k * buyers_gain
    loss = np.maximum(-buyers_gain, -sellers_gain)
    return BilateralCertificate(
        trade_rule=float(wrong),
        budget_balance=float(np.max(np.abs(payments - receipts) / scale)),
        price_rule=float(np.max(np.abs(split) / scale)),
        individual_rationality=max(float(np.max(loss / scale)), 0.0),
    )
