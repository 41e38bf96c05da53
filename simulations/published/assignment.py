"""Assignment markets: the random assignment problem, and the price war of an auction."""

import math
from collections.abc import Sequence

import numpy as np

from walras.market.assignment import BertsekasAuction, efficient_assignment
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]


def _cheapest(costs: FloatArray) -> float:
    """Least cost of matching all rows: values are what is left of a cost no pair reaches."""
    most = float(np.max(costs)) + 1.0
    return float(np.sum(costs[np.arange(len(costs)), efficient_assignment(most - costs)]))


def _random_assignment() -> Sequence[Comparison]:
    generator = np.random.default_rng(1)
    rows = []
    for size, draws in ((2, 20_000), (10, 20_000), (50, 2_000)):
        least = np.array([_cheapest(generator.exponential(size=(size, size))) for _ in range(draws)])
        expected = math.fsum(1.0 / place**2 for place in range(1, size + 1))
        error = 4.0 * float(np.std(least)) / math.sqrt(draws)
        rows.append(Comparison(f"mean least cost, n = {size}, {draws:,} draws", expected, float(np.mean(least)), error))
    return rows


def _bids(auction: BertsekasAuction, value: float) -> int:
    return auction.clear(np.array([[value, value, 0.0]] * 3)).bids


def _price_war() -> Sequence[Comparison]:
    plain, scaled = BertsekasAuction(0.25, scaling_factor=None), BertsekasAuction(0.25)
    rows = [
        Comparison(f"bids without scaling, C = {value:g}", expected, _bids(plain, value), 0.0)
        for value, expected in ((1e1, 43.0), (1e2, 403.0), (1e3, 4003.0), (1e4, 40003.0))
    ]
    # A power law would add a thousand times as many bids the second time, a logarithm as many.
    small, middle, large = (_bids(scaled, value) for value in (1e1, 1e5, 1e9))
    growth = (large - middle) / (middle - small)
    return [*rows, Comparison("bids with scaling, added by C = 10^5 ... 10^9 over 10 ... 10^5", 1.0, growth, 0.25)]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "random-assignment",
        "n x n costs, independent and exponential of mean 1: the least cost of matching them is 1 + 1/4 + ... + 1/n^2 "
        "in the mean (n = 10: 1.5498)",
        "theorem (conjectured by Parisi); simulated",
        _random_assignment,
    ),
    PublishedResult(
        "bertsekas-price-war",
        "three persons with values (C, C, 0) each, epsilon 0.25: bids grow like C / epsilon without epsilon scaling "
        "(43, 403, 4003, 40003), like log C with it",
        "Bertsekas 1988; counts depend on who bids first, the growth law does not",
        _price_war,
    ),
)
