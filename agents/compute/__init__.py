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
from walras.agents.compute.contributions import marginal_contributions, pivot_payments, shapley_values
from walras.agents.compute.economy import ComputeEconomy
from walras.agents.compute.pay import MarginalContribution, PaymentRule, Production, ValueProduced
from walras.agents.compute.population import synthetic_population
from walras.agents.compute.recorded import RecordedPopulation, load_population
from walras.agents.compute.recording import Recording
from walras.agents.compute.tables import PeriodRecord
from walras.agents.compute.valuations import (
    AfterLast,
    AutoregressiveValuations,
    ConstantValuations,
    IndependentValuations,
    RecordedValuations,
    ValuationProcess,
)

__all__ = [
    "AfterLast",
    "AttentionHead",
    "AutoregressiveValuations",
    "Bidders",
    "BiddingPolicy",
    "ComputeAgent",
    "ComputeEconomy",
    "ConstantValuations",
    "IndependentValuations",
    "MarginalContribution",
    "NeuronBlock",
    "PaymentRule",
    "PeriodRecord",
    "Principal",
    "Production",
    "RecordedPopulation",
    "RecordedValuations",
    "Recording",
    "Truthful",
    "ValuationProcess",
    "ValueProduced",
    "ZeroIntelligenceConstrained",
    "ZeroIntelligenceUnconstrained",
    "affordable_bids",
    "load_population",
    "marginal_contributions",
    "pivot_payments",
    "shapley_values",
    "synthetic_population",
]
