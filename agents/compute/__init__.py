"""The compute economy: attention heads and neuron blocks that buy compute from the model's owner."""

from walras.agents.compute.accounts import AttentionHead, ComputeAgent, NeuronBlock, Principal
from walras.agents.compute.bidding import (
    Bidders,
    BiddingPolicy,
    Truthful,
    ZeroIntelligenceConstrained,
    ZeroIntelligenceUnconstrained,
    affordable_bids,
)
from walras.agents.compute.economy import ComputeEconomy
from walras.agents.compute.population import synthetic_population

__all__ = [
    "AttentionHead",
    "Bidders",
    "BiddingPolicy",
    "ComputeAgent",
    "ComputeEconomy",
    "NeuronBlock",
    "Principal",
    "Truthful",
    "ZeroIntelligenceConstrained",
    "ZeroIntelligenceUnconstrained",
    "affordable_bids",
    "synthetic_population",
]
