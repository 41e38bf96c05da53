"""Compiled mechanisms: the engine's rules as differentiable, batched torch operators."""

from walras.market.operators.auctions import AuctionClearing, SealedBidOperator
from walras.market.operators.call_auction import CallAuctionOperator, CallClearing
from walras.market.operators.capacity import OperatorClearing, capacity_allocation
from walras.market.operators.capacity_operator import CapacityOperator
from walras.market.operators.compile import compile_mechanism
from walras.market.operators.market_makers import (
    ConstantProductOperator,
    PoolSwap,
    ScoringRuleOperator,
    ScoringTrades,
)
from walras.market.operators.step import step_allocation
from walras.market.operators.taxes import TaxOperator

__all__ = [
    "AuctionClearing",
    "CallAuctionOperator",
    "CallClearing",
    "CapacityOperator",
    "ConstantProductOperator",
    "OperatorClearing",
    "PoolSwap",
    "ScoringRuleOperator",
    "ScoringTrades",
    "SealedBidOperator",
    "TaxOperator",
    "capacity_allocation",
    "compile_mechanism",
    "step_allocation",
]
