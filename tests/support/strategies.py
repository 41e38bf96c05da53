"""The library's strategies for capacity markets, under the name that the tests have for them."""

from walras.market.testing.strategies.capacity import (
    DIVISIBLE_RULES,
    RULES,
    SMOOTH_RULES,
    CapacityCase,
    boundaries,
    capacity_cases,
    cost_vectors,
    demands,
    quantities,
    tax_vectors,
    valuation_vectors,
)

__all__ = [
    "DIVISIBLE_RULES",
    "RULES",
    "SMOOTH_RULES",
    "CapacityCase",
    "boundaries",
    "capacity_cases",
    "cost_vectors",
    "demands",
    "quantities",
    "tax_vectors",
    "valuation_vectors",
]
