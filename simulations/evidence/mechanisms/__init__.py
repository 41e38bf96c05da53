"""Does the mechanism matter: cap, tax, collar and others at equal budgets, in training and on recorded agents."""

from walras.simulations.evidence.mechanisms.config import MechanismsConfig
from walras.simulations.evidence.mechanisms.experiment import EXPERIMENT
from walras.simulations.evidence.mechanisms.isolated import Isolated, isolated_market
from walras.simulations.evidence.mechanisms.ranking import rank_correlations
from walras.simulations.evidence.mechanisms.recorded import Recorded, record_agents
from walras.simulations.evidence.mechanisms.rules import MECHANISMS
from walras.simulations.evidence.mechanisms.table import mechanism_summary

__all__ = [
    "EXPERIMENT",
    "MECHANISMS",
    "Isolated",
    "MechanismsConfig",
    "Recorded",
    "isolated_market",
    "mechanism_summary",
    "rank_correlations",
    "record_agents",
]
