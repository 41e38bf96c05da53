"""The testing kit: properties as objects, strategies, and `check_mechanism`. Needs hypothesis (`walras[testing]`)."""

from walras.market.testing.check import check_mechanism
from walras.market.testing.domain import Domain
from walras.market.testing.domains import (
    DOMAINS,
    Buyer,
    CapacityBids,
    Matching,
    SealedBids,
    Seller,
    TwoSided,
    User,
    domain_of,
)
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain, Trial
from walras.market.testing.report import Counterexample, Finding, MechanismReport, PropertyViolatedError, Verdict
from walras.market.testing.search import PropertyTest

__all__ = [
    "DOMAINS",
    "Buyer",
    "CapacityBids",
    "Counterexample",
    "Domain",
    "Finding",
    "Matching",
    "MechanismReport",
    "Outcome",
    "PropertyTest",
    "PropertyViolatedError",
    "QuasiLinearDomain",
    "SealedBids",
    "Seller",
    "Trial",
    "TwoSided",
    "User",
    "Verdict",
    "check_mechanism",
    "domain_of",
]
