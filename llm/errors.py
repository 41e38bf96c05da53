"""Errors of the coupling; they join the market's, so that one `except MarketError` catches all that walras raises."""

from walras.market.errors import MarketError

__all__ = ["CouplingError", "DataError", "UnsupportedModelError"]


class CouplingError(MarketError, RuntimeError):
    """A model or an economy is in a state in which the call makes no sense (attached twice, already detached, ...)."""


class DataError(MarketError, ValueError):
    """A dataset, a model folder or the hub does not hold what was asked for."""


class UnsupportedModelError(MarketError, TypeError):
    """The model's architecture, or the way its layers are stored, is not one that an economy can be attached to."""
