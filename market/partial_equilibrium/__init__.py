"""One good, a demand and a supply curve: prices, incidence, revenue, deadweight loss; several goods; cobwebs."""

from walras.market.partial_equilibrium.cobweb import (
    Cobweb,
    CobwebCertificate,
    CobwebPath,
    CobwebStability,
    CobwebStatus,
    StabilityStatus,
)
from walras.market.partial_equilibrium.curves import ConstantElasticityCurve, LinearCurve
from walras.market.partial_equilibrium.expectations import (
    AdaptiveExpectations,
    CustomExpectations,
    Expectations,
    NaiveExpectations,
)
from walras.market.partial_equilibrium.functions import DirectCurve, InverseCurve
from walras.market.partial_equilibrium.market import CompetitiveMarket
from walras.market.partial_equilibrium.nonlinear import (
    GoodsCertificate,
    GoodsEquilibrium,
    NewtonStatus,
    NonlinearMarket,
)
from walras.market.partial_equilibrium.outcome import MarketOutcome, MarketStatus, OutcomeCertificate, Rationing
from walras.market.partial_equilibrium.revenue import RevenueCertificate, RevenuePeak, RevenuePeakStatus
from walras.market.partial_equilibrium.side import Side
from walras.market.partial_equilibrium.steps import StepDemandCurve, StepSupplyCurve
from walras.market.partial_equilibrium.support import Curve, GoodsTax

__all__ = [
    "AdaptiveExpectations",
    "Cobweb",
    "CobwebCertificate",
    "CobwebPath",
    "CobwebStability",
    "CobwebStatus",
    "CompetitiveMarket",
    "ConstantElasticityCurve",
    "Curve",
    "CustomExpectations",
    "DirectCurve",
    "Expectations",
    "GoodsCertificate",
    "GoodsEquilibrium",
    "GoodsTax",
    "InverseCurve",
    "LinearCurve",
    "MarketOutcome",
    "MarketStatus",
    "NaiveExpectations",
    "NewtonStatus",
    "NonlinearMarket",
    "OutcomeCertificate",
    "Rationing",
    "RevenueCertificate",
    "RevenuePeak",
    "RevenuePeakStatus",
    "Side",
    "StabilityStatus",
    "StepDemandCurve",
    "StepSupplyCurve",
]
