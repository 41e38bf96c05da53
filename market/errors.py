"""The errors that walras raises on purpose. Each message says what, where, what was got and what to do."""

__all__ = ["InfeasibleError", "InvalidInputError", "MarketError", "NotConvergedError", "NotDifferentiableError"]


class MarketError(Exception):
    """Base of every error that walras raises on purpose."""


class InvalidInputError(MarketError, ValueError):
    """An argument is malformed: not finite, of the wrong shape or sign, or empty."""


class InfeasibleError(MarketError, ValueError):
    """The arguments are well formed, but no allocation can satisfy them together."""


class NotConvergedError(MarketError, ArithmeticError):
    """A solver's answer does not pass its certificate."""


class NotDifferentiableError(MarketError, TypeError):
    """A gradient was asked for where no useful derivative exists."""
