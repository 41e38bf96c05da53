"""Time of excess demand and of an extragradient step, beside the published figure and plain NumPy.

    python benchmarks/exchange_economy.py --consumers 600 --goods 500

The plain version forms the matrix of demands with the textbook formula, as a reader of the literature would write it.
It runs in the same rounds as ours; read the ratio to it rather than the times. The published figure is that of an
extragradient step (two excess demands) of a public JAX notebook, 600 consumers and 500 goods, on two cores.
"""

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from walras.market.exchange import CES, CobbDouglas, ExchangeEconomy, Leontief, Newton, Utility
from walras.market.validation import FloatArray

Excess = Callable[[FloatArray], FloatArray]
PUBLISHED_STEP_MS = {"Leontief": 7.7, "Cobb-Douglas": 9.0, "CES, rho of each": 23.0, "CES, one rho": 23.0}


def plain(kind: str, weights: FloatArray, rho: FloatArray, endowments: FloatArray) -> Excess:
    """Excess demand by the textbook formula."""
    elasticity = (1.0 / (1.0 - rho))[:, None]

    def excess(prices: FloatArray) -> FloatArray:
        incomes = endowments @ prices
        if kind == "Leontief":
            demand = weights * (incomes / (weights @ prices))[:, None]
        elif kind == "Cobb-Douglas":
            demand = weights / weights.sum(axis=1, keepdims=True) * incomes[:, None] / prices
        else:
            index = (weights**elasticity * prices ** (1.0 - elasticity)).sum(axis=1, keepdims=True)
            demand = (weights / prices) ** elasticity * incomes[:, None] / index
        return np.asarray((demand - endowments).sum(axis=0))

    return excess


def step(excess: Excess, prices: FloatArray) -> FloatArray:
    """One extragradient step."""
    ahead = np.maximum(prices + 1e-6 * excess(prices), 1e-9)
    return np.maximum(prices + 1e-6 * excess(ahead), 1e-9)


def timed(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median milliseconds of each, all measured in turn in each round."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.perf_counter()
            run()
            times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: median(each) for name, each in times.items()}


def report(options: argparse.Namespace) -> Table:
    generator = np.random.default_rng(options.seed)
    shape = options.consumers, options.goods
    weights, endowments = generator.uniform(0.1, 1.0, shape), generator.uniform(0.0, 1.0, shape)
    prices = generator.uniform(0.5, 1.5, options.goods)
    each, common = generator.uniform(-2.0, 0.8, options.consumers), np.full(options.consumers, 0.5)
    kinds: dict[str, tuple[Utility, FloatArray]] = {
        "Leontief": (Leontief(weights), common),
        "Cobb-Douglas": (CobbDouglas(weights), common),
        "CES, rho of each": (CES(weights, each), each),
        "CES, one rho": (CES(weights, common), common),
    }
    table = Table(title=f"{shape[0]} consumers x {shape[1]} goods, milliseconds (medians of {options.rounds} rounds)")
    headings = (
        "utility",
        "excess demand",
        "plain NumPy",
        "ratio",
        "extragradient step",
        "plain",
        "published",
        "Newton",
    )
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "utility" else "right")
    published = shape == (600, 500)
    for kind, (utility, rho) in kinds.items():
        economy = ExchangeEconomy(utility, endowments)
        textbook = plain(kind, weights, rho, endowments)
        difference = np.abs(economy.excess_demand(prices) - textbook(prices)).max()
        assert difference < 1e-8 * options.consumers, (kind, difference)
        medians = timed(
            {
                "ours": lambda economy=economy: economy.excess_demand(prices),
                "plain": lambda textbook=textbook: textbook(prices),
                "our step": lambda economy=economy: step(economy.excess_demand, prices),
                "plain step": lambda textbook=textbook: step(textbook, prices),
            },
            options.rounds,
        )
        if kind == "Leontief" and not options.leontief_newton:
            solved = "-"
        else:
            begin = time.perf_counter()
            equilibrium = Newton().solve(economy)
            seconds = time.perf_counter() - begin
            solved = f"{1e3 * seconds:,.0f} ({equilibrium.status.name}, {equilibrium.certificate.largest:.0e})"
        table.add_row(
            kind,
            f"{medians['ours']:.2f}",
            f"{medians['plain']:.2f}",
            f"{medians['plain'] / medians['ours']:.1f}",
            f"{medians['our step']:.2f}",
            f"{medians['plain step']:.2f}",
            f"{PUBLISHED_STEP_MS[kind]} ({PUBLISHED_STEP_MS[kind] / medians['our step']:.0f}x)" if published else "-",
            solved,
        )
    return table


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--consumers", type=int, default=600)
    parser.add_argument("--goods", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=30, help="rounds over all functions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leontief-newton", action="store_true", help="solve the Leontief economy too: half a minute")
    return parser.parse_args()


def main() -> None:
    console = Console(width=140)
    console.print(report(arguments()))
    console.print(f"{platform.machine()} CPU; Python {platform.python_version()}, NumPy {np.__version__}; float64")


if __name__ == "__main__":
    main()
