"""The double-auction laboratory: traders with induced values and costs, and how they come to their quotes."""

from walras.agents.trading.double_auction import (
    DoubleAuctionPeriod,
    PeriodResult,
    PeriodStatus,
    QuotingPolicy,
    ZeroIntelligenceQuotes,
)

__all__ = ["DoubleAuctionPeriod", "PeriodResult", "PeriodStatus", "QuotingPolicy", "ZeroIntelligenceQuotes"]
