"""Published results about the double-auction laboratory."""

from walras.simulations.published.result import PublishedResult

__all__ = ["ROWS"]

ROWS: tuple[PublishedResult, ...] = ()
