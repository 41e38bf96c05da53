"""Rules that quote a price by themselves: trading post, constant product, logarithmic scoring rule."""

from walras.market.market_makers.constant_product import ConstantProduct
from walras.market.market_makers.integer_pool import IntegerConstantProduct
from walras.market.market_makers.scoring_rule import (
    LogarithmicScoringRule,
    ScoringCertificate,
    ScoringStatus,
    ScoringTrade,
)
from walras.market.market_makers.swap import (
    LiquidityCertificate,
    LiquidityChange,
    LiquidityStatus,
    Swap,
    SwapCertificate,
    SwapStatus,
)
from walras.market.market_makers.trading_post import (
    TradingPost,
    TradingPostCertificate,
    TradingPostClearing,
    TradingPostStatus,
)

__all__ = [
    "ConstantProduct",
    "IntegerConstantProduct",
    "LiquidityCertificate",
    "LiquidityChange",
    "LiquidityStatus",
    "LogarithmicScoringRule",
    "ScoringCertificate",
    "ScoringStatus",
    "ScoringTrade",
    "Swap",
    "SwapCertificate",
    "SwapStatus",
    "TradingPost",
    "TradingPostCertificate",
    "TradingPostClearing",
    "TradingPostStatus",
]
