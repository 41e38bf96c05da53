"""Evidence: frontiers of score against compute, over methods, budgets and seeds, as cells of a run that resumes."""

from walras.simulations.evidence.attention_table import (
    attention_differences,
    attention_verdict,
    attention_verdicts,
)
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.experiment import EXPERIMENT
from walras.simulations.evidence.methods import METHODS
from walras.simulations.evidence.table import frontier_summary, leads
from walras.simulations.evidence.task_training import TaskTraining

__all__ = [
    "EXPERIMENT",
    "METHODS",
    "FrontierConfig",
    "TaskTraining",
    "attention_differences",
    "attention_verdict",
    "attention_verdicts",
    "frontier_summary",
    "leads",
]
