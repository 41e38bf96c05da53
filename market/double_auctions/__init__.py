"""Buyers and sellers at once: call auction, trade reduction, bilateral trade."""

from walras.market.double_auctions.bilateral import (
    BilateralCertificate,
    BilateralOutcome,
    BilateralStatus,
    BilateralTrade,
)
from walras.market.double_auctions.call_auction import CallAuction
from walras.market.double_auctions.clearing import CallAuctionCertificate, CallAuctionClearing, CallAuctionStatus
from walras.market.double_auctions.equilibrium import LinearEquilibrium
from walras.market.double_auctions.rationing import Rationing
from walras.market.double_auctions.trade_reduction import McAfeeAuction, McAfeeCertificate, McAfeeOutcome, McAfeeStatus

__all__ = [
    "BilateralCertificate",
    "BilateralOutcome",
    "BilateralStatus",
    "BilateralTrade",
    "CallAuction",
    "CallAuctionCertificate",
    "CallAuctionClearing",
    "CallAuctionStatus",
    "LinearEquilibrium",
    "McAfeeAuction",
    "McAfeeCertificate",
    "McAfeeOutcome",
    "McAfeeStatus",
    "Rationing",
]
