"""The market engine: mechanisms, clearing, taxation, welfare. NumPy and SciPy only; compiled twins in `operators`."""

from walras.market.capacity import (
    CapacityMarket,
    ResourceCertificate,
    ResourceClearing,
    ResourceMarket,
    ResourceStatus,
)
from walras.market.certificate import Certified, Residuals
from walras.market.clearing import Certificate, Clearing, Status
from walras.market.demand import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.errors import (
    InfeasibleError,
    InvalidInputError,
    MarketError,
    NotConvergedError,
    NotDifferentiableError,
)
from walras.market.properties import Property
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar, Supply
from walras.market.taxation import AdValoremTax, PerUnitTax
from walras.market.welfare import gini

__all__ = [
    "AdValoremTax",
    "CapacityMarket",
    "Certificate",
    "Certified",
    "Clearing",
    "Demand",
    "ElasticSupply",
    "FixedSupply",
    "InfeasibleError",
    "InvalidInputError",
    "LinearDemand",
    "LinearSupply",
    "LogitDemand",
    "MarketError",
    "NotConvergedError",
    "NotDifferentiableError",
    "PerUnitTax",
    "PostedPrice",
    "PriceCollar",
    "Property",
    "Residuals",
    "ResourceCertificate",
    "ResourceClearing",
    "ResourceMarket",
    "ResourceStatus",
    "Status",
    "StepDemand",
    "Supply",
    "gini",
]
