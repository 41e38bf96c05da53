"""Published results about instruments against pollution."""

from walras.simulations.published.result import PublishedResult

__all__ = ["ROWS"]

ROWS: tuple[PublishedResult, ...] = ()
