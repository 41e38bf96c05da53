"""Published results about learning in games and markets."""

from walras.simulations.published.result import PublishedResult

__all__ = ["ROWS"]

ROWS: tuple[PublishedResult, ...] = ()
