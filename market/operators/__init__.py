"""Compiled mechanisms: the engine's rules as differentiable, batched torch operators."""

from walras.market.operators.assignment import AssignmentOperator, SmoothAssignment
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
from walras.market.operators.resources import ResourceClearings, ResourceOperator
from walras.market.operators.sharded import ShardedClearing, sharded_allocation
from walras.market.operators.spending import ExchangeOperator, FisherOperator, MarketEquilibria
from walras.market.operators.step import step_allocation
from walras.market.operators.taxes import TaxOperator
from walras.market.operators.temperature import TemperatureSchedule, marginal_part

__all__ = [
    "AssignmentOperator",
    "AuctionClearing",
    "CallAuctionOperator",
    "CallClearing",
    "CapacityOperator",
    "ConstantProductOperator",
    "ExchangeOperator",
    "FisherOperator",
    "MarketEquilibria",
    "OperatorClearing",
    "PoolSwap",
    "ResourceClearings",
    "ResourceOperator",
    "ScoringRuleOperator",
    "ScoringTrades",
    "SealedBidOperator",
    "ShardedClearing",
    "SmoothAssignment",
    "TaxOperator",
    "TemperatureSchedule",
    "capacity_allocation",
    "compile_mechanism",
    "marginal_part",
    "sharded_allocation",
    "step_allocation",
]
