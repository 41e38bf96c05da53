"""Published results about exchange among agents."""

from walras.simulations.published.result import PublishedResult

__all__ = ["ROWS"]

ROWS: tuple[PublishedResult, ...] = ()
