"""Errors of economies; they join the market's, so that one `except MarketError` catches all that walras raises."""

from walras.market.errors import MarketError

__all__ = ["SettlementError"]


class SettlementError(MarketError, ArithmeticError):
    """Money cannot change hands as asked: an entry does not balance, an agent cannot pay, or amounts are too large."""
