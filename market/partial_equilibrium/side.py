"""The two sides of a market."""

from enum import Enum

__all__ = ["Side"]


class Side(Enum):
    """A side of the market; the value says what its curve does."""

    BUYERS = "demand falls in the price"
    SELLERS = "supply rises in the price"
