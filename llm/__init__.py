"""The coupling: a market rations the compute of a Hugging Face Transformer."""

from walras.llm.architectures import Architecture, Attention, FeedForward, Stack
from walras.llm.config import EconomyConfig
from walras.llm.economy import ModelEconomy, attach
from walras.llm.errors import CouplingError, DataError, UnsupportedModelError
from walras.llm.flops import count_flops
from walras.llm.population import Population
from walras.llm.schedule import EconomyCallback, ElasticBudget
from walras.llm.structure import EconomizedModel

__all__ = [
    "Architecture",
    "Attention",
    "CouplingError",
    "DataError",
    "EconomizedModel",
    "EconomyCallback",
    "EconomyConfig",
    "ElasticBudget",
    "FeedForward",
    "ModelEconomy",
    "Population",
    "Stack",
    "UnsupportedModelError",
    "attach",
    "count_flops",
]
