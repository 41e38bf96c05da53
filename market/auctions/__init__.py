"""Sealed-bid auctions: formats, reserves, positions, packages, and equilibrium bids."""

from walras.market.auctions.combinatorial import CombinatorialAuction
from walras.market.auctions.envy_free import locally_envy_free_bids
from walras.market.auctions.laws import UniformValues, ValueLaw
from walras.market.auctions.outcome import AuctionBatch, AuctionCertificate, AuctionOutcome, AuctionStatus
from walras.market.auctions.package_bids import PackageBid
from walras.market.auctions.package_outcome import PackageCertificate, PackageOutcome, PackageStatus
from walras.market.auctions.payment_rule import PaymentRule
from walras.market.auctions.position import PositionAuction
from walras.market.auctions.position_outcome import (
    PositionCertificate,
    PositionOutcome,
    PositionPaymentRule,
    PositionStatus,
)
from walras.market.auctions.private_values import IndependentPrivateValues
from walras.market.auctions.sealed_bid import SealedBidAuction
from walras.market.auctions.two_sided import (
    TwoSidedVCG,
    TwoSidedVCGCertificate,
    TwoSidedVCGOutcome,
    TwoSidedVCGStatus,
)
from walras.market.auctions.unit_demand import (
    UnitDemandAuction,
    UnitDemandCertificate,
    UnitDemandOutcome,
    UnitDemandStatus,
)

__all__ = [
    "AuctionBatch",
    "AuctionCertificate",
    "AuctionOutcome",
    "AuctionStatus",
    "CombinatorialAuction",
    "IndependentPrivateValues",
    "PackageBid",
    "PackageCertificate",
    "PackageOutcome",
    "PackageStatus",
    "PaymentRule",
    "PositionAuction",
    "PositionCertificate",
    "PositionOutcome",
    "PositionPaymentRule",
    "PositionStatus",
    "SealedBidAuction",
    "TwoSidedVCG",
    "TwoSidedVCGCertificate",
    "TwoSidedVCGOutcome",
    "TwoSidedVCGStatus",
    "UniformValues",
    "UnitDemandAuction",
    "UnitDemandCertificate",
    "UnitDemandOutcome",
    "UnitDemandStatus",
    "ValueLaw",
    "locally_envy_free_bids",
]
