"""Measures of an outcome: surplus, social welfare, inequality, concentration."""

from walras.market.welfare.inequality import gini

__all__ = ["gini"]
