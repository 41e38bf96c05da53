"""Meetings a second of the wealth economy: arrays and objects of ours beside a plain Mesa model of the same rule.

    python benchmarks/wealth_economy.py --agents 100000

The rule: a yard sale, a fraction of the poorer's wealth on a fair coin. The plain model is written as Mesa's tutorial
writes its economy: agents activated by `shuffle_do`, each meeting another one drawn from a list, in floating-point
money and with no ledger. Agents are alike in all engines, and there is no tax unless a row says so.

An *agent step* is a turn of one agent: in the plain model it makes one meeting, in a matching half of one, since a
meeting there is a turn of both. So meetings are given beside agent steps; read the ratios of one run, paired repeat by
repeat, rather than the rates. Memory is the peak of what a run of each engine allocates, its agents included.
"""

import platform
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Annotated, Protocol

import mesa
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from walras.agents.wealth import Activation, ColumnarWealthEconomy, WealthEconomy, YardSale
from walras.market.order_book.compiled import is_compiler_installed
from walras.market.taxation import WealthTax

FRACTION, CENTS = 0.1, 1_000_000
NEVER = 10**9  # periods between records


class Steps(Protocol):
    """Whatever plays a period."""

    def step(self) -> None:
        """Play a period."""


class PlainAgent(mesa.Agent):
    """An agent of the plain model."""

    def __init__(self, model: "PlainModel") -> None:
        super().__init__(model)
        self.wealth = float(CENTS)

    def exchange(self) -> None:
        """Bet with another agent; once in a while with itself, which changes nothing."""
        other = self.random.choice(self.model.others)
        stake = FRACTION * min(self.wealth, other.wealth)
        if self.random.random() < 0.5:
            stake = -stake
        self.wealth -= stake
        other.wealth += stake


class PlainModel(mesa.Model):
    """The yard sale as Mesa's tutorial would write it."""

    def __init__(self, agents: int) -> None:
        super().__init__(rng=0)
        PlainAgent.create_agents(self, agents)
        self.others = list(self.agents)  # drawing from `model.agents` itself would cost O(n) each time

    def step(self) -> None:
        """Activate all agents in random order."""
        self.agents.shuffle_do("exchange")


def columnar(agents: int, *, numba: bool, tax: WealthTax | None = None) -> Steps:
    return ColumnarWealthEconomy(
        np.full(agents, CENTS), YardSale(fraction=FRACTION), rng=0, tax=tax, record_every=NEVER, use_numba=numba
    )


def objects(agents: int, activation: Activation) -> Steps:
    return WealthEconomy(
        np.full(agents, CENTS), YardSale(fraction=FRACTION), rng=0, activation=activation, record_every=NEVER
    )


def engines(agents: int) -> dict[str, tuple[Callable[[], Steps], float]]:
    """Give each engine and its meetings per agent and period."""
    rows: dict[str, tuple[Callable[[], Steps], float]] = {}
    tax = WealthTax(0.0, 0.01)
    for numba in (True, False):
        if numba and not is_compiler_installed():
            continue
        how = "numba" if numba else "NumPy"
        rows[f"walras, columnar, {how}"] = (lambda numba=numba: columnar(agents, numba=numba), 0.5)
        rows[f"walras, columnar, {how}, with a wealth tax"] = (
            lambda numba=numba: columnar(agents, numba=numba, tax=tax),
            0.5,
        )
    return rows


def beside_mesa(agents: int) -> dict[str, tuple[Callable[[], Steps], float]]:
    """Give the engines that hold an object for each agent."""
    return {
        "walras, objects, matching": (lambda: objects(agents, Activation.MATCHING), 0.5),
        "walras, objects, sequence": (lambda: objects(agents, Activation.SEQUENCE), 1.0),
        "Mesa, plain, shuffle_do": (lambda: PlainModel(agents), 1.0),
    }


def seconds_per_period(economy: Steps, least_seconds: float) -> float:
    """Give the time of a period, over as many as fill the least time."""
    periods, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < least_seconds or periods == 0:
        economy.step()
        periods += 1
    return elapsed / periods


def peak_megabytes(make: Callable[[], Steps]) -> float:
    """Give the peak of what an engine allocates in its making and two periods."""
    tracemalloc.start()
    economy = make()
    economy.step()
    economy.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def measured(rows: dict[str, tuple[Callable[[], Steps], float]], repeats: int) -> dict[str, list[float]]:
    """Give the seconds per period of each engine, all of them in turn in each repeat."""
    economies = {name: make() for name, (make, _) in rows.items()}
    for economy in economies.values():
        economy.step()  # compiled, and warm
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(repeats):
        for name, economy in economies.items():
            times[name].append(seconds_per_period(economy, 0.2))
    return times


def report(
    console: Console,
    agents: int,
    rows: dict[str, tuple[Callable[[], Steps], float]],
    times: dict[str, list[float]],
    peer: str | None,
) -> None:
    table = Table(title=f"Yard sale of {agents:,} agents, medians of {len(next(iter(times.values())))} repeats")
    table.add_column("engine")
    for column in ("ms/period", "agent steps/s", "to Mesa", "meetings/s", "to Mesa", "MB"):
        table.add_column(column, justify="right")
    for name, (make, share) in rows.items():
        of_steps = of_meetings = ""
        if peer is not None:
            # Paired: each repeat is compared with the peer's own in the same repeat.
            ratios = [theirs / ours for ours, theirs in zip(times[name], times[peer], strict=True)]
            of_steps, of_meetings = f"{median(ratios):.1f}", f"{median(ratios) * share / rows[peer][1]:.1f}"
        period = median(times[name])
        table.add_row(
            name,
            f"{1e3 * period:,.2f}",
            f"{agents / period / 1e6:,.2f} M",
            of_steps,
            f"{share * agents / period / 1e6:,.2f} M",
            of_meetings,
            f"{peak_megabytes(make):,.0f}",
        )
    console.print(table)


def main(
    agents: Annotated[int, typer.Option(help="Agents of all engines.")] = 100_000,
    large: Annotated[int, typer.Option(help="Agents of the columnar engine alone; 0 for none.")] = 1_000_000,
    repeats: Annotated[int, typer.Option(help="Paired repeats.")] = 5,
) -> None:
    """Measure, and print the tables."""
    console = Console()
    console.print(f"Python {platform.python_version()}, NumPy {np.__version__}, Mesa {mesa.__version__}, one core")
    rows = engines(agents) | beside_mesa(agents)
    report(console, agents, rows, measured(rows, repeats), "Mesa, plain, shuffle_do")
    if large:
        rows = engines(large)
        report(console, large, rows, measured(rows, repeats), None)


if __name__ == "__main__":
    typer.run(main)
