"""Published and closed-form results, recomputed: what is expected, beside what the engine obtains."""

from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["Comparison", "PublishedResult"]
