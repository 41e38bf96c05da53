"""The scarcity study of a model as cells of a run that resumes."""

from walras.simulations.scarcity.config import ScarcityConfig
from walras.simulations.scarcity.experiment import EXPERIMENT

__all__ = ["EXPERIMENT", "ScarcityConfig"]
