"""The assignment market: who gets what, and the lattice of competitive prices."""

from walras.market.assignment.bertsekas import BertsekasAuction, BertsekasOutcome, BertsekasStatus, BiddingOrder
from walras.market.assignment.certificate import AssignmentCertificate
from walras.market.assignment.efficient import efficient_assignment
from walras.market.assignment.market import AssignmentClearing, AssignmentMarket, AssignmentStatus

__all__ = [
    "AssignmentCertificate",
    "AssignmentClearing",
    "AssignmentMarket",
    "AssignmentStatus",
    "BertsekasAuction",
    "BertsekasOutcome",
    "BertsekasStatus",
    "BiddingOrder",
    "efficient_assignment",
]
