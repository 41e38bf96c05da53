"""Memory of the economies over a million periods: what the process holds after 1, 10 and 100 % of them.

    python benchmarks/bounded_memory.py --periods 1000000

Each economy is small, so that what grows with the number of periods would show: a row per period of ten float64 columns
alone would come to 80 MB. Each runs in a process of its own. Memory is the resident set, as Linux gives it.
"""

import gc
import multiprocessing
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from walras.agents.compute import ComputeEconomy, Recording, Truthful, synthetic_population
from walras.agents.labour import ColumnarLabourEconomy, LabourRules, LognormalSkills, QuasiLinearPreferences
from walras.agents.learning import AdaptiveForecast, CournotMarket, FirmEconomy, ReplyToForecast
from walras.agents.pollution import Damage, Industry, PermitCap, PollutionEconomy
from walras.agents.trading import ColumnarLaboratory, InducedMarket, ZeroIntelligencePlus
from walras.agents.wealth import ColumnarWealthEconomy, WealthEconomy, YardSale
from walras.market import CapacityMarket, FixedSupply
from walras.market.partial_equilibrium import LinearCurve
from walras.market.taxation import BracketTax, WealthTax

AGENTS = 10


class Runs(Protocol):
    """Whatever plays periods."""

    def run(self, periods: int) -> pd.DataFrame:
        """Play some periods."""


def wealth_columnar() -> Runs:
    return ColumnarWealthEconomy(np.full(AGENTS, 10**6), YardSale(fraction=0.1), rng=0, tax=WealthTax(0.0, 0.01))


def wealth_objects() -> Runs:
    return WealthEconomy(np.full(AGENTS, 10**6), YardSale(fraction=0.1), rng=0, tax=WealthTax(0.0, 0.01))


def laboratory() -> Runs:
    market = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    return ColumnarLaboratory(market, ZeroIntelligencePlus(), rng=0, wealth_cents=10**9)


def labour() -> Runs:
    rules = LabourRules(
        preferences=QuasiLinearPreferences(elasticity=0.5), tax=BracketTax([100.0], [0.1, 0.4]), shock_deviation=0.1
    )
    skills = LognormalSkills(median=20.0, log_spread=0.5).draw(AGENTS, np.random.default_rng(0))
    return ColumnarLabourEconomy(skills, rules, rng=0)


def firms() -> Runs:
    market = CournotMarket(LinearCurve(100.0, -1.0), [10.0, 20.0])
    return FirmEconomy(market, ReplyToForecast(forecast=AdaptiveForecast(0.5)), rng=0)


def pollution() -> Runs:
    industry = Industry(intercepts=[100.0, 90.0], slopes=[2.0, 2.0], common_deviation=3.0, own_deviation=1.0)
    return PollutionEconomy(industry, Damage(slope=1.0), PermitCap(50.0), rng=0)


def compute() -> Runs:
    population = synthetic_population(layers=1, heads=4, blocks=6, rng=0)
    supply = FixedSupply(0.5 * float(population["cost"].sum()))
    kept = Recording(most_agent_rows=20_000, most_period_rows=2_000)  # by default a hundred times as many
    return ComputeEconomy(population, CapacityMarket(supply), Truthful(), rng=0, recording=kept)


# Each with the fraction of the periods that it plays: the slow ones play fewer, and say so.
ECONOMIES: dict[str, tuple[Callable[[], Runs], float]] = {
    "wealth, columnar": (wealth_columnar, 1.0),
    "wealth, objects": (wealth_objects, 1.0),
    "double auction, columnar, 22 ZIP traders": (laboratory, 1.0),
    "labour, columnar": (labour, 0.1),
    "firms in quantities": (firms, 0.1),
    "pollution under a cap": (pollution, 0.1),
    "compute, 10 heads and blocks": (compute, 0.1),
}


def resident_megabytes() -> float:
    """Give the resident set of this process, garbage apart."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def measured(name: str, periods: int) -> tuple[list[float], float]:
    """Give megabytes after 1, 10 and 100 % of the periods, and seconds."""
    economy, begin = ECONOMIES[name][0](), time.perf_counter()
    held, done = [], 0
    for mark in (periods // 100, periods // 10, periods):
        # In pieces, as a sweep would; the table that `run` gives is dropped.
        while done < mark:
            piece = min(mark - done, 10_000)
            economy.run(piece)
            done += piece
        held.append(resident_megabytes())
    return held, time.perf_counter() - begin


def main(
    periods: Annotated[int, typer.Option(min=100, help="Periods, of the quick economies.")] = 1_000_000,
    only: Annotated[list[str] | None, typer.Option(help="Names of economies; default: all.")] = None,
) -> None:
    """Measure, and print the table."""
    console = Console()
    console.print(f"Python {platform.python_version()}, NumPy {np.__version__}, {AGENTS} agents unless a row says so")
    table = Table(title="Resident memory (MB) of a process that plays one economy")
    for column in ("economy", "periods", "after 1 %", "after 10 %", "after 100 %", "seconds"):
        table.add_column(column, justify="left" if column == "economy" else "right")
    context = multiprocessing.get_context("spawn")
    for name in only or ECONOMIES:
        played = max(100, int(ECONOMIES[name][1] * periods))
        with context.Pool(1) as pool:
            held, seconds = pool.apply(measured, (name, played))
        table.add_row(name, f"{played:,}", *(f"{megabytes:,.0f}" for megabytes in held), f"{seconds:,.0f}")
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
