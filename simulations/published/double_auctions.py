"""Double auctions: the linear equilibrium of bilateral trade, in closed form and by simulation."""

import math
from collections.abc import Sequence

import numpy as np

from walras.market.double_auctions import BilateralTrade
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_PAIRS = 400_000


def _chatterjee_samuelson() -> Sequence[Comparison]:
    trade = BilateralTrade(0.5)
    equilibrium = trade.linear_equilibrium()
    values, costs = np.random.default_rng(1).random((2, _PAIRS))
    outcome = trade.clear(equilibrium.bid(values), equilibrium.ask(costs)).require()
    traded = outcome.buyer_allocation
    gains = (values - costs) * traded
    wrong = float(np.sum(traded != (values - costs >= 0.25)))
    bids, asks = equilibrium.bid([0.0, 1.0]), equilibrium.ask([0.0, 1.0])
    frequency_error = 4.0 * math.sqrt(9.0 / 32.0 * 23.0 / 32.0 / _PAIRS)
    gains_error = 4.0 * float(np.std(gains)) / math.sqrt(_PAIRS)
    return [
        Comparison("bid at value 0", 1.0 / 12.0, float(bids[0]), 1e-12),
        Comparison("bid at value 1", 3.0 / 4.0, float(bids[1]), 1e-12),
        Comparison("ask at cost 0", 1.0 / 4.0, float(asks[0]), 1e-12),
        Comparison("ask at cost 1", 11.0 / 12.0, float(asks[1]), 1e-12),
        Comparison("pairs that trade though v - c < 1/4, or do not though it is more", 0.0, wrong, 0.0),
        Comparison("probability of trade", 9.0 / 32.0, equilibrium.probability_of_trade, 1e-12),
        Comparison("expected gains", 9.0 / 64.0, equilibrium.expected_gains, 1e-12),
        Comparison("first-best gains", 1.0 / 6.0, equilibrium.first_best_gains, 1e-12),
        Comparison(f"share of {_PAIRS:,} pairs that trade", 9.0 / 32.0, float(np.mean(traded)), frequency_error),
        Comparison(f"mean gains of {_PAIRS:,} pairs", 9.0 / 64.0, float(np.mean(gains)), gains_error),
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "chatterjee-samuelson",
        "bilateral trade at k = 1/2, value and cost uniform on [0, 1]: bids 2v/3 + 1/12 and asks 2c/3 + 1/4 are an "
        "equilibrium; trade if v - c >= 1/4, with probability 9/32 and gains 9/64, against 1/6 at best",
        "Chatterjee and Samuelson 1983; closed form and simulated",
        _chatterjee_samuelson,
    ),
)
