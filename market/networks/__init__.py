"""Local markets: who may trade with whom, and the prices that follow."""

from walras.market.networks.buyer_seller import BuyerSellerNetwork
from walras.market.networks.curves import Curve, LinearCurve, StepCurve
from walras.market.networks.dispersion import PriceDispersion, price_dispersion
from walras.market.networks.local import LocalMarkets
from walras.market.networks.local_result import LocalCertificate, LocalClearing, LocalStatus
from walras.market.networks.spatial import SpatialMarket
from walras.market.networks.spatial_result import SpatialCertificate, SpatialEquilibrium, SpatialStatus
from walras.market.networks.trades import NetworkTrades, TradeCertificate, TradeStatus

__all__ = [
    "BuyerSellerNetwork",
    "Curve",
    "LinearCurve",
    "LocalCertificate",
    "LocalClearing",
    "LocalMarkets",
    "LocalStatus",
    "NetworkTrades",
    "PriceDispersion",
    "SpatialCertificate",
    "SpatialEquilibrium",
    "SpatialMarket",
    "SpatialStatus",
    "StepCurve",
    "TradeCertificate",
    "TradeStatus",
    "price_dispersion",
]
