"""Agents and economies: who bids what, who pays whom, and what becomes of the money. Mesa behind a thin adapter."""

from walras.agents.accounts import AttentionHead, ComputeAgent, NeuronBlock, Principal
from walras.agents.bidding import (
    Bidders,
    BiddingPolicy,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    affordable_bids,
)
from walras.agents.double_auction import (
    DoubleAuctionPeriod,
    PeriodResult,
    PeriodStatus,
    QuotingPolicy,
    ZeroIntelligenceQuotes,
)
from walras.agents.economy import ComputeEconomy
from walras.agents.errors import SettlementError
from walras.agents.ledger import Ledger
from walras.agents.money import apportion
from walras.agents.population import synthetic_population
from walras.agents.treasury import Treasury
from walras.agents.wealth_exchange import exchange_wealth, stationary_wealth_gini, stationary_wealth_law

__all__ = [
    "AttentionHead",
    "Bidders",
    "BiddingPolicy",
    "ComputeAgent",
    "ComputeEconomy",
    "DoubleAuctionPeriod",
    "Ledger",
    "NeuronBlock",
    "PeriodResult",
    "PeriodStatus",
    "Principal",
    "QuotingPolicy",
    "SettlementError",
    "Treasury",
    "Truthful",
    "ZeroIntelligenceConstrained",
    "ZeroIntelligenceQuotes",
    "ZeroIntelligenceUnconstrained",
    "affordable_bids",
    "apportion",
    "exchange_wealth",
    "stationary_wealth_gini",
    "stationary_wealth_law",
    "synthetic_population",
]
