"""Partial equilibrium: one good with two curves, two goods, induced values, and a cobweb."""

import math
from collections.abc import Sequence

import numpy as np

from walras.market.partial_equilibrium import (
    Cobweb,
    CompetitiveMarket,
    DirectCurve,
    LinearCurve,
    NonlinearMarket,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]


def _linear_market() -> Sequence[Comparison]:
    free = CompetitiveMarket(demand=LinearCurve(1.0, -0.6), supply=LinearCurve(0.1, 0.4)).equilibrium().require()
    return [
        Comparison("quantity", 0.9, free.quantity, 1e-12),
        Comparison("price", 0.46, free.producer_price, 1e-12),
        Comparison("consumer surplus", 0.243, free.consumer_surplus, 1e-12),
        Comparison("producer surplus", 0.162, free.producer_surplus, 1e-12),
    ]


def _two_good_newton() -> Sequence[Comparison]:
    cross = np.array([[0.5, 0.4], [0.8, 0.2]])
    market = NonlinearMarket(demand=lambda prices: np.exp(-cross @ prices) + 1.0, supply=np.sqrt)
    prices = market.equilibrium([1.0, 1.0]).require(1e-12).prices
    excess = market.excess_demand([1.0, 0.5])
    return [
        Comparison("price of the first good", 1.57080182, float(prices[0]), 5e-9),
        Comparison("price of the second good", 1.46928838, float(prices[1]), 5e-9),
        Comparison("excess demand for the first good at (1, 0.5)", 0.4966, float(excess[0]), 5e-5),
        Comparison("excess demand for the second good at (1, 0.5)", 0.6995, float(excess[1]), 5e-5),
    ]


def _smith_1962() -> Sequence[Comparison]:
    values = np.arange(13, 2, -1) / 4.0  # 3.25, 3.00, ..., 0.75
    cleared = CompetitiveMarket(StepDemandCurve(values), StepSupplyCurve(values[::-1])).equilibrium().require()
    return [
        Comparison("price", 2.0, cleared.producer_price, 0.0),
        Comparison("quantity", 6.0, cleared.quantity, 0.0),
        Comparison("largest surplus of a period", 7.5, cleared.welfare, 1e-12),
    ]


def _cobweb() -> Sequence[Comparison]:
    cobweb = Cobweb(
        demand=LinearCurve(8.0, -1.0),
        supply=DirectCurve(lambda price: math.tanh(2.0 * (price - 6.0)) + 1.0, lowest_price=0.0, highest_price=20.0),
    )
    stability = cobweb.stability().require()
    path = cobweb.simulate(start_price=6.3, periods=500).require()
    return [
        Comparison("price of the equilibrium", 6.370387, stability.price, 5e-7),
        Comparison("slope at the equilibrium", -1.207, stability.slope, 5e-4),
        Comparison("period of the cycle", 2.0, float(path.period), 0.0),
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="linear-market",
        claim="Inverse demand 1 - 0.6 q and inverse supply 0.1 + 0.4 q: quantity, price and surpluses.",
        source="QuantEcon lecture, supply and demand; closed form",
        compute=_linear_market,
    ),
    PublishedResult(
        id="two-good-newton",
        claim="Two goods with demand exp(-A p) + 1, A = [[0.5, 0.4], [0.8, 0.2]], and supply sqrt(p).",
        source="QuantEcon lecture, Newton's method",
        compute=_two_good_newton,
    ),
    PublishedResult(
        id="smith-1962",
        claim="Eleven buyers with values 3.25 to 0.75 and eleven sellers with costs 0.75 to 3.25, in steps of 0.25.",
        source="Smith 1962, test 1",
        compute=_smith_1962,
    ),
    PublishedResult(
        id="cobweb",
        claim="Demand 8 - p and supply tanh(2 (e - 6)) + 1 at the expected price e, naive expectations: a two-cycle.",
        source="QuantEcon lecture, cobweb model",
        compute=_cobweb,
    ),
)
