"""Local markets: who may trade with whom, and the prices that follow."""

from walras.market.networks.buyer_seller import BuyerSellerNetwork
from walras.market.networks.curves import Curve, LinearCurve, StepCurve
from walras.market.networks.dispersion import PriceDispersion, price_dispersion
from walras.market.networks.trades import NetworkTrades, TradeCertificate, TradeStatus

__all__ = [
    "BuyerSellerNetwork",
    "Curve",
    "LinearCurve",
    "NetworkTrades",
    "PriceDispersion",
    "StepCurve",
    "TradeCertificate",
    "TradeStatus",
    "price_dispersion",
]
