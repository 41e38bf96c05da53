"""Trader steps a second of the double-auction laboratory: arrays beside objects, in one run.

    python benchmarks/trading_laboratory.py

A *trader step* is one trader that is picked, comes to a quote, and has it heard and cleared by the market; settlement
of money and goods, and the tables of days and trades, are included. ZIP traders also learn: each of them hears each
quote, which is 22 steps of learning to one trader step in the market of 11 buyers and 11 sellers.

The peer is the Bristol Stock Exchange with 11 and 11 zero-intelligence traders, whose speed was measured once, on a
machine with two cores, and is stated as a reference line: read the ratio to it as an order of magnitude, and the ratios
between the engines, paired repeat by repeat, as measured.
"""

import platform
import time
from statistics import median
from typing import Annotated, Protocol

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from walras.agents.trading import (
    ColumnarLaboratory,
    DoubleAuctionLaboratory,
    GjerstadDickhaut,
    InducedMarket,
    Truthful,
    ZeroIntelligencePlus,
    ZeroIntelligenceQuotes,
)
from walras.market.order_book.compiled import is_compiler_installed

PEER = 100_000  # trader steps a second, Bristol Stock Exchange, ZIC 11 + 11
POLICIES = {
    "ZI-C": ZeroIntelligenceQuotes(),
    "ZI-U": ZeroIntelligenceQuotes(constrained=False),
    "truthful": Truthful(),
    "ZIP": ZeroIntelligencePlus(),
}


class Laboratory(Protocol):
    """Whatever plays days."""

    def run(self, days: int) -> pd.DataFrame:
        """Play days and give their rows."""


def smith(traders: int) -> InducedMarket:
    """Give the first market of Smith 1962, or one of as many traders a side between the same bounds."""
    ladder = np.linspace(75, 325, traders).round().astype(int)
    return InducedMarket(values=ladder[::-1].tolist(), costs=ladder.tolist(), ceiling=400)


def steps_per_second(laboratory: Laboratory, least_seconds: float) -> float:
    """Give the trader steps a second over as many days as fill the least time."""
    days, steps, spent = 1, 0, 0.0
    while spent < least_seconds:
        begin = time.perf_counter()
        rows = laboratory.run(days)
        elapsed = time.perf_counter() - begin
        steps += int(rows["quotes"].sum())
        spent += elapsed
        if elapsed < 0.1 * least_seconds:
            days *= 2
    return steps / spent


def measured(engines: dict[str, Laboratory], repeats: int, least_seconds: float) -> dict[str, list[float]]:
    """Give the speed of each engine, all of them in turn in each repeat."""
    for laboratory in engines.values():
        laboratory.run(1)  # compiled, and warm
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, laboratory in engines.items():
            speeds[name].append(steps_per_second(laboratory, least_seconds))
    return speeds


def main(
    traders: Annotated[int, typer.Option(help="Buyers, and as many sellers.")] = 11,
    large: Annotated[int, typer.Option(help="Traders a side of a large ZI-C market of arrays; 0 for none.")] = 50_000,
    repeats: Annotated[int, typer.Option(help="Paired repeats.")] = 5,
    least_seconds: Annotated[float, typer.Option(help="Least time of a measurement.")] = 0.5,
) -> None:
    """Measure, and print the table."""
    console = Console()
    console.print(f"Python {platform.python_version()}, NumPy {np.__version__}, one core, medians of {repeats} repeats")
    table = Table(
        box=None, title=f"Double-auction laboratory, {traders} + {traders} traders, with settlement and records"
    )
    for column in ("policy", "engine", "M trader steps/s", "to objects", "to the peer's stated 0.1 M"):
        table.add_column(column, justify="left" if column in ("policy", "engine") else "right")
    options = {"rng": 0, "most_quotes": 2_000, "most_days": 10**6}
    market = smith(traders)
    for name, policy in POLICIES.items():
        engines: dict[str, Laboratory] = {}
        if is_compiler_installed():
            engines["arrays, numba"] = ColumnarLaboratory(market, policy, **options, use_numba=True)  # type: ignore[arg-type]
        engines["arrays, plain Python"] = ColumnarLaboratory(market, policy, **options, use_numba=False)  # type: ignore[arg-type]
        engines["objects"] = DoubleAuctionLaboratory(market, policy, **options)  # type: ignore[arg-type]
        speeds = measured(engines, repeats, least_seconds)
        for engine, speed in speeds.items():
            ratio = median(ours / theirs for ours, theirs in zip(speed, speeds["objects"], strict=True))
            add_row(table, name, engine, median(speed), f"{ratio:.1f}")
    for name, policy in (("GD", GjerstadDickhaut()), ("GDX, horizon 10", GjerstadDickhaut(horizon=10))):
        believing = {"objects": DoubleAuctionLaboratory(market, policy, **options)}  # type: ignore[arg-type]
        add_row(table, name, "objects", median(measured(believing, repeats, least_seconds)["objects"]), "1.0")
    if large and is_compiler_installed():
        many = ColumnarLaboratory(smith(large), POLICIES["ZI-C"], rng=0, most_quotes=10**7)
        speed = median(steps_per_second(many, least_seconds) for _ in range(repeats))
        add_row(table, f"ZI-C, {large:,} + {large:,}", "arrays, numba", speed, "")
    console.print(table)


def add_row(table: Table, policy: str, engine: str, speed: float, to_objects: str) -> None:
    """Add a line of the table."""
    table.add_row(policy, engine, f"{speed / 1e6:,.3f}", to_objects, f"{speed / PEER:,.1f}")


if __name__ == "__main__":
    typer.run(main)
