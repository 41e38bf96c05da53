"""What the market is compared with: one interface, one trainer, the same agents, budget, steps, data and teacher."""

from walras.llm.baselines.comparison import Comparison, Compressed, Method, compress
from walras.llm.baselines.methods import METHODS

__all__ = ["METHODS", "Comparison", "Compressed", "Method", "compress"]
