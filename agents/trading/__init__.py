"""The double-auction laboratory: traders with induced values and costs, and how they come to their quotes."""

from walras.agents.trading.columnar import ColumnarLaboratory
from walras.agents.trading.double_auction import (
    DoubleAuctionPeriod,
    PeriodResult,
    PeriodStatus,
    ZeroIntelligenceQuotes,
)
from walras.agents.trading.gdx import GjerstadDickhaut
from walras.agents.trading.laboratory import DoubleAuctionLaboratory
from walras.agents.trading.margins import MarginState, ZeroIntelligencePlus
from walras.agents.trading.market import CompetitiveEquilibrium, InducedMarket
from walras.agents.trading.market_maker import MarketMaker, dealer_spread, reservation_price
from walras.agents.trading.quoting import LearningPolicy, QuotingPolicy, Shout, Situation, Standing, Truthful

__all__ = [
    "ColumnarLaboratory",
    "CompetitiveEquilibrium",
    "DoubleAuctionLaboratory",
    "DoubleAuctionPeriod",
    "GjerstadDickhaut",
    "InducedMarket",
    "LearningPolicy",
    "MarginState",
    "MarketMaker",
    "PeriodResult",
    "PeriodStatus",
    "QuotingPolicy",
    "Shout",
    "Situation",
    "Standing",
    "Truthful",
    "ZeroIntelligencePlus",
    "ZeroIntelligenceQuotes",
    "dealer_spread",
    "reservation_price",
]
