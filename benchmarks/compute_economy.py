"""Agent-steps a second of the compute economy, beside the same economy as a plain Mesa loop, in one run.

    python benchmarks/compute_economy.py

Both play truthful and random (ZI-C) bidding under a fixed supply: every agent bids what it can pay for, a market sorts
the bids and finds the price, agents pay for compute in whole cents, are paid the value that they produce, and pay a
tenth of their savings as dividends. The plain loop does this agent by agent, as a Mesa tutorial would; its shares of
the first period are compared with ours, bit for bit in the bids. Ours also certifies each clearing, apportions cents so
that the books balance, and records Gini coefficients and efficiency.

Each repeat runs both, one after the other; times are medians, and the ratio is the median of the paired ratios. One
core is used. Read the ratio rather than the times.
"""

import platform
from statistics import median
from time import perf_counter
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from walras.agents.adapter import Agent, Model, mesa
from walras.agents.compute import ComputeEconomy, Recording, ZeroIntelligenceConstrained, synthetic_population
from walras.market import CapacityMarket, FixedSupply

DIVIDEND_RATE = 0.1


class PlainAgent(Agent):
    """An agent that knows its numbers, and keeps its own money."""

    def __init__(self, model: Model, valuation: float, cost: float) -> None:
        super().__init__(model)
        self.valuation = valuation
        self.cost = cost
        self.opening = self.wealth = round(1000 * valuation * cost)
        self.bid = self.share = 0.0

    def choose(self) -> None:
        """Draw a bid."""
        self.bid = self.model.rng.random() * min(self.valuation, self.wealth / (100 * self.cost))

    def trade(self) -> None:
        """Pay for compute and be paid for what it makes, each in whole cents."""
        units = self.share * self.cost
        self.wealth += round(100 * self.valuation * units) - round(100 * self.model.price * units)
        self.wealth -= int(DIVIDEND_RATE * max(self.wealth - self.opening, 0))


class PlainEconomy(Model):
    """The same economy in Mesa's own way: one loop over agents to bid, one to serve, one to pay."""

    def __init__(self, population: pd.DataFrame, supply: float, seed: int) -> None:
        generator = np.random.default_rng(seed)
        super().__init__(generator)
        self.supply = supply
        self.price = 0.0
        columns = (population[name].tolist() for name in ("valuation", "cost"))
        self.bidders = [PlainAgent(self, valuation, cost) for valuation, cost in zip(*columns, strict=True)]

    def step(self) -> None:
        """Play a period."""
        self.agents.do("choose")
        left = self.supply
        for agent in sorted(self.bidders, key=lambda agent: -agent.bid):
            agent.share = min(left / agent.cost, 1.0)
            left -= agent.share * agent.cost
            if agent.share > 0.0:
                self.price = agent.bid
        self.agents.do("trade")


def populations(agents: int) -> pd.DataFrame:
    """Twelve layers, a fifth heads and the others blocks of neurons."""
    heads = agents // 60
    return synthetic_population(12, heads, agents // 12 - heads, rng=0)


def seconds_a_period(economy: Model, periods: int) -> float:
    start = perf_counter()
    for _ in range(periods):
        economy.step()
    return (perf_counter() - start) / periods


def found(population: pd.DataFrame, supply: float, seed: int, recording: Recording) -> ComputeEconomy:
    """Our economy."""
    market = CapacityMarket(FixedSupply(supply))
    policy = ZeroIntelligenceConstrained()
    return ComputeEconomy(population, market, policy, rng=seed, dividend_rate=DIVIDEND_RATE, recording=recording)


def check(population: pd.DataFrame, supply: float, seed: int) -> None:
    """Stop unless both bid and serve alike in the first period."""
    economy, peer = found(population, supply, seed, Recording()), PlainEconomy(population, supply, seed)
    rows = economy.run(1)
    peer.step()
    if not np.array_equal(rows["bid"], [agent.bid for agent in peer.bidders]):
        raise SystemExit("The two do not bid alike: report this as a bug.")
    if not np.allclose(rows["share"], [agent.share for agent in peer.bidders], atol=1e-9):
        raise SystemExit("The two do not serve alike: report this as a bug.")


def measure(agents: int, repeats: int, seed: int) -> list[str]:
    """Give a row of the table."""
    population = populations(agents)
    supply = 0.5 * float(population["cost"].sum())
    check(population, supply, seed)
    periods, plain_periods = max(3, 200_000 // agents), max(1, 20_000 // agents)
    ours, seldom, plain = [], [], []
    for _ in range(repeats):
        ours.append(seconds_a_period(found(population, supply, seed, Recording()), periods))
        seldom.append(seconds_a_period(found(population, supply, seed, Recording(every=100)), periods))
        plain.append(seconds_a_period(PlainEconomy(population, supply, seed), plain_periods))
    ratios = [median(peer / own for peer, own in zip(plain, times, strict=True)) for times in (ours, seldom)]
    milliseconds = [f"{1e3 * median(times):,.2f}" for times in (ours, seldom, plain)]
    return [f"{agents:,}", *milliseconds, f"{agents / median(ours):,.0f}", *(f"{ratio:.1f}" for ratio in ratios)]


def main(
    agents: Annotated[list[int], typer.Option(help="Numbers of agents.")] = [720, 100_000],  # noqa: B006
    repeats: Annotated[int, typer.Option(help="Paired repeats.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the bids.")] = 0,
) -> None:
    """Print the table."""
    table = Table(
        title=f"Compute economy, random bids, medians of {repeats}; Mesa {mesa.__version__}, "
        f"Python {platform.python_version()}"
    )
    for column in (
        "agents",
        "ms a period",
        "recorded every 100th",
        "Mesa loop, ms",
        "agent-steps/s",
        "to Mesa",
        "every 100th",
    ):
        table.add_column(column, justify="right")
    for number in agents:
        table.add_row(*measure(number, repeats, seed))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
