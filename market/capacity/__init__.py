"""The capacity market: its rules, and one exact solver for each demand rule."""

from walras.market.capacity.market import CapacityMarket

__all__ = ["CapacityMarket"]
