"""Fisher markets: buyers with budgets, certified equilibrium prices."""

from walras.market.fisher.certificate import FisherCertificate
from walras.market.fisher.equilibrium import FisherEquilibrium, FisherStatus
from walras.market.fisher.market import FisherMarket
from walras.market.fisher.utility import (
    CESUtility,
    CobbDouglasUtility,
    FisherUtility,
    LeontiefUtility,
    LinearUtility,
)

__all__ = [
    "CESUtility",
    "CobbDouglasUtility",
    "FisherCertificate",
    "FisherEquilibrium",
    "FisherMarket",
    "FisherStatus",
    "FisherUtility",
    "LeontiefUtility",
    "LinearUtility",
]
