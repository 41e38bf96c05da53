"""Published results about the compute economy."""

from walras.simulations.published.result import PublishedResult

__all__ = ["ROWS"]

ROWS: tuple[PublishedResult, ...] = ()
