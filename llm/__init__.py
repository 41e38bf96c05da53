"""The coupling: a market rations the compute of a Hugging Face Transformer."""

from walras.llm.architectures import Architecture, Attention, FeedForward, Stack
from walras.llm.bidders import SequenceBids
from walras.llm.callback import EconomyCallback
from walras.llm.config import EconomyConfig
from walras.llm.distillation import Distillation
from walras.llm.economy import ModelEconomy, attach
from walras.llm.errors import CouplingError, DataError, UnsupportedModelError
from walras.llm.flops import count_flops
from walras.llm.guards import GatedModelWarning
from walras.llm.incentives import ConcentrationTax
from walras.llm.population import Population
from walras.llm.recovery import recover
from walras.llm.resources import Flops, KeyValueCache, MeasuredLatency, Parameters, Resource
from walras.llm.schedule import AnnealedBudget, ElasticBudget
from walras.llm.site_latency import SiteLatency
from walras.llm.streamlining import streamline
from walras.llm.structure import EconomizedModel
from walras.llm.trainer import EconomyTrainer
from walras.llm.unpadded import unpadded
from walras.llm.wealth import WealthDynamics

__all__ = [
    "AnnealedBudget",
    "Architecture",
    "Attention",
    "ConcentrationTax",
    "CouplingError",
    "DataError",
    "Distillation",
    "EconomizedModel",
    "EconomyCallback",
    "EconomyConfig",
    "EconomyTrainer",
    "ElasticBudget",
    "FeedForward",
    "Flops",
    "GatedModelWarning",
    "KeyValueCache",
    "MeasuredLatency",
    "ModelEconomy",
    "Parameters",
    "Population",
    "Resource",
    "SequenceBids",
    "SiteLatency",
    "Stack",
    "UnsupportedModelError",
    "WealthDynamics",
    "attach",
    "count_flops",
    "recover",
    "streamline",
    "unpadded",
]
