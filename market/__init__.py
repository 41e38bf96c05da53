"""The market engine: mechanisms, clearing, taxation, welfare. NumPy and SciPy only; compiled twins in `operators`."""

from walras.market.capacity import CapacityMarket
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
from walras.market.supply import FixedSupply, PostedPrice, Supply
from walras.market.taxation import PerUnitTax
from walras.market.welfare import gini

__all__ = [
    "CapacityMarket",
    "Certificate",
    "Certified",
    "Clearing",
    "Demand",
    "FixedSupply",
    "InfeasibleError",
    "InvalidInputError",
    "LinearDemand",
    "LogitDemand",
    "MarketError",
    "NotConvergedError",
    "NotDifferentiableError",
    "PerUnitTax",
    "PostedPrice",
    "Property",
    "Residuals",
    "Status",
    "StepDemand",
    "Supply",
    "gini",
]
