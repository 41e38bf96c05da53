"""Published results on inequality: Gini coefficients of known laws, and of the money-exchange model."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from walras.agents.wealth import exchange_wealth, stationary_wealth_law
from walras.market import gini
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_POINTS = 400_000

# For each law on the positive numbers: what the agent owns whom a share t of all agents exceeds; its Gini coefficient.
_LAWS: tuple[tuple[str, Callable[[FloatArray], FloatArray], float], ...] = (
    ("exponential", lambda t: -np.log(t), 1.0 / 2.0),
    ("uniform on [0, 1]", lambda t: 1.0 - t, 1.0 / 3.0),
    ("Pareto, a = 1.5", lambda t: t ** (-1.0 / 1.5), 1.0 / 2.0),
    ("Pareto, a = 3", lambda t: t ** (-1.0 / 3.0), 1.0 / 5.0),
    ("lognormal, s = 0.5", lambda t: _lognormal(0.5, t), math.erf(0.25)),
    ("lognormal, s = 1", lambda t: _lognormal(1.0, t), math.erf(0.5)),
    ("Weibull, k = 0.7", lambda t: (-np.log(t)) ** (1.0 / 0.7), 1.0 - 2.0 ** (-1.0 / 0.7)),
    ("Weibull, k = 2", lambda t: (-np.log(t)) ** 0.5, 1.0 - 2.0**-0.5),
)


def _lognormal(sigma: float, t: FloatArray) -> FloatArray:
    from scipy.special import ndtri

    law: FloatArray = np.exp(-sigma * ndtri(t))
    return law


def _gini_closed() -> list[Comparison]:
    """Gini coefficients of populations that are laid out along the laws' quantiles.

    Each agent weighs a cell of t and owns what the law gives at its middle. The cells' edges are `s^6` for even s from
    0 to 1: towards t = 0 they become so small that the midpoint rule converges for the heaviest tail here too.
    """
    edges = np.linspace(0.0, 1.0, _POINTS + 1) ** 6
    weights = np.diff(edges)
    middle = edges[:-1] + 0.5 * weights
    return [
        Comparison(f"Gini, {name}", expected, gini(owned(middle), weights=weights), 1e-7)
        for name, owned, expected in _LAWS
    ]


def _money_model() -> list[Comparison]:
    """Simulate 10,000 agents who start with equal wealth, and compare the law that time leads to."""
    return [comparison for mean, rounds in ((1, 400), (20, 6_000)) for comparison in _exchange(mean, rounds)]


def _exchange(mean: int, rounds: int) -> Sequence[Comparison]:
    agents = 10_000
    rng = np.random.default_rng(2018)
    wealth = exchange_wealth(np.full(agents, mean), rounds, rng)
    ginis, empty = [], []
    for _ in range(10):
        wealth = exchange_wealth(wealth, rounds // 10, rng)
        ginis.append(gini(wealth))
        empty.append(float(np.mean(wealth == 0)))
    law = stationary_wealth_law(mean, 40 * (mean + 1))
    expected = 1.0 / (1.0 + mean / (1.0 + mean))
    return (
        Comparison(f"Gini of the geometric law, m = {mean}", expected, gini(np.arange(law.size), weights=law), 1e-9),
        Comparison(f"Gini, simulated, m = {mean}", expected, float(np.mean(ginis)), 0.01),
        Comparison(f"share without money, m = {mean}", 1.0 / (1.0 + mean), float(np.mean(empty)), 0.01),
    )


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="gini-closed",
        claim=(
            "Gini coefficient of a law: exponential 1/2, uniform 1/3, Pareto 1/(2a - 1), lognormal erf(s/2), "
            "Weibull 1 - 2^(-1/k)."
        ),
        source="closed forms; Cowell 2011",
        compute=_gini_closed,
    ),
    PublishedResult(
        id="money-model",
        claim=(
            "One unit given if wealth > 0, well mixed, mean wealth m: the law becomes geometric, with Gini coefficient "
            "1/(1 + m/(1 + m)): 2/3 at m = 1, 0.5122 (not the textbook's 1/2) at m = 20."
        ),
        source="recomputed; model of Drăgulescu and Yakovenko 2000",
        compute=_money_model,
    ),
)
