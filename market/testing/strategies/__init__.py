"""Hypothesis strategies for the inputs of each family: ties, zeros, corners and huge scales are drawn often.

For example `from walras.market.testing.strategies.auctions import sealed_bid_cases`.
"""

from walras.market.testing.strategies import (
    assignment,
    auctions,
    capacity,
    double_auctions,
    exchange,
    fisher,
    market_makers,
    networks,
    order_book,
    partial_equilibrium,
    taxation,
    welfare,
)

__all__ = [
    "assignment",
    "auctions",
    "capacity",
    "double_auctions",
    "exchange",
    "fisher",
    "market_makers",
    "networks",
    "order_book",
    "partial_equilibrium",
    "taxation",
    "welfare",
]
