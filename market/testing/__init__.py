"""The testing kit: properties as objects, strategies, and `check_mechanism`. Needs hypothesis (`walras[testing]`)."""

from walras.market.testing.bundles import BundleDomain, BundleOutcome
from walras.market.testing.check import check_mechanism
from walras.market.testing.domain import Domain
from walras.market.testing.domains import (
    DOMAINS,
    Buyer,
    CapacityBids,
    Consumer,
    Economies,
    FisherBids,
    Incomes,
    Matching,
    OrderFlow,
    Packages,
    Positions,
    PostOrder,
    Posts,
    PriceTaking,
    SealedBids,
    Seller,
    StartedEconomy,
    TwoSided,
    User,
    domain_of,
)
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain, Trial
from walras.market.testing.report import Counterexample, Finding, MechanismReport, PropertyViolatedError, Verdict
from walras.market.testing.search import PropertyTest

__all__ = [
    "DOMAINS",
    "BundleDomain",
    "BundleOutcome",
    "Buyer",
    "CapacityBids",
    "Consumer",
    "Counterexample",
    "Domain",
    "Economies",
    "Finding",
    "FisherBids",
    "Incomes",
    "Matching",
    "MechanismReport",
    "OrderFlow",
    "Outcome",
    "Packages",
    "Positions",
    "PostOrder",
    "Posts",
    "PriceTaking",
    "PropertyTest",
    "PropertyViolatedError",
    "QuasiLinearDomain",
    "SealedBids",
    "Seller",
    "StartedEconomy",
    "Trial",
    "TwoSided",
    "User",
    "Verdict",
    "check_mechanism",
    "domain_of",
]
