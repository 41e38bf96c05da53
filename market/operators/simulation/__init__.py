"""Economies as tensors: thousands of replicas at once, on CPU or CUDA, with gradients through a whole run."""

from walras.market.operators.simulation.call_auction import CallMarkets, simulate_call_auctions
from walras.market.operators.simulation.capacity import CapacityRun, simulate_capacity
from walras.market.operators.simulation.labour import LabourRun, simulate_labour
from walras.market.operators.simulation.wealth import Exchange, Matching, WealthRun, simulate_wealth

__all__ = [
    "CallMarkets",
    "CapacityRun",
    "Exchange",
    "LabourRun",
    "Matching",
    "WealthRun",
    "simulate_call_auctions",
    "simulate_capacity",
    "simulate_labour",
    "simulate_wealth",
]
