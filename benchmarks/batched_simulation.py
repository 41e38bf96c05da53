"""Agent-steps a second of batched economies, beside the columnar engine and Mesa, in one run.

    python benchmarks/batched_simulation.py --device cuda
    python benchmarks/batched_simulation.py --replicas 64

The labour economy has three brackets and shocks to skills. The wealth economy is the yard sale with a wealth tax that
is paid back in equal parts. Tensors hold `--replicas` economies of `--agents` agents; the columnar engines and Mesa run
one economy each. The call auctions draw zero-intelligence bids and clear, all markets at once. A step is one agent in
one period.
"""

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from rows import Rows

from walras.market.double_auctions import CallAuction
from walras.market.operators import compile_mechanism
from walras.market.operators.simulation import Matching, simulate_call_auctions, simulate_labour, simulate_wealth
from walras.market.taxation import BracketTax, WealthTax

TAX_RATE = 0.01
BRACKETS = BracketTax([500.0, 2000.0], [0.1, 0.3, 0.5])


def seconds_of(run: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds of a run, after one to warm up."""
    run()
    times = []
    for _ in range(repeats):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        times.append(time.perf_counter() - start)
    return median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def tensors(matching: Matching, replicas: int, agents: int, periods: int, device: torch.device) -> Callable[[], object]:
    """The wealth economy as tensors."""
    generator = torch.Generator(device).manual_seed(0)
    start = torch.ones(replicas, agents, device=device)
    tax = WealthTax((0.0,), (TAX_RATE,))
    return lambda: simulate_wealth(start, periods, fraction=0.1, generator=generator, matching=matching, tax=tax)


def columnar(agents: int, periods: int) -> Callable[[], object] | None:
    """The columnar engine of `walras.agents.wealth`."""
    try:
        from walras.agents.wealth import ColumnarWealthEconomy, YardSale
    except ImportError:
        return None
    tax = WealthTax((0.0,), (TAX_RATE,))
    economy = ColumnarWealthEconomy(np.full(agents, 10_000), YardSale(fraction=0.1), tax=tax, rng=0)
    return lambda: economy.run(periods)


def labour_tensors(replicas: int, agents: int, periods: int, device: torch.device) -> Callable[[], object]:
    """The labour economy as tensors."""
    generator = torch.Generator(device).manual_seed(0)
    skills = 100.0 * torch.randn(replicas, agents, generator=generator, device=device).mul(0.5).exp()
    return lambda: simulate_labour(
        skills, periods, tax=BRACKETS, elasticity=0.5, shock_deviation=0.2, generator=generator
    )


def labour_columns(agents: int, periods: int) -> Callable[[], object] | None:
    """The columnar engine of `walras.agents.labour`."""
    try:
        from walras.agents.labour import ColumnarLabourEconomy, LabourRules, QuasiLinearPreferences
    except ImportError:
        return None
    rules = LabourRules(preferences=QuasiLinearPreferences(elasticity=0.5), tax=BRACKETS, shock_deviation=0.2)
    skills = 100.0 * np.exp(0.5 * np.random.default_rng(0).standard_normal(agents))
    economy = ColumnarLabourEconomy(skills, rules, rng=0)
    return lambda: economy.run(periods)


def mesa_model(agents: int, periods: int) -> Callable[[], object] | None:
    """The same economy in plain Mesa: agents in a random order, each meets another one; then all are taxed."""
    try:
        import mesa
    except ImportError:
        return None

    class Household(mesa.Agent):
        def __init__(self, model: mesa.Model) -> None:
            super().__init__(model)
            self.wealth = 1.0

        def meet(self) -> None:
            other = self.model.households[int(self.model.rng.integers(len(self.model.households)))]
            stake = 0.1 * min(self.wealth, other.wealth)
            stake = stake if self.model.rng.random() < 0.5 else -stake
            self.wealth += stake
            other.wealth -= stake

    class Economy(mesa.Model):
        def __init__(self) -> None:
            super().__init__(rng=0)
            self.households = [Household(self) for _ in range(agents)]

        def step(self) -> None:
            self.agents.shuffle_do("meet")
            revenue = sum(TAX_RATE * household.wealth for household in self.households)
            for household in self.households:
                household.wealth += revenue / agents - TAX_RATE * household.wealth

    economy = Economy()

    def run() -> None:
        for _ in range(periods):
            economy.step()

    return run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--replicas", type=int, default=None, help="economies at once; default 20,000 (cpu: 20)")
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--periods", type=int, default=20)
    parser.add_argument("--markets", type=int, default=None, help="call auctions at once; default 10,000 (cpu: 100)")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", default=None, help="write the rows to this file as well, as JSON lines")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    device = torch.device(options.device)
    on_gpu = device.type == "cuda"
    replicas = options.replicas or (20_000 if on_gpu else 20)
    markets = options.markets or (10_000 if on_gpu else 100)
    agents, periods = options.agents, options.periods
    console, record = Console(width=110), Rows(options.json)
    hardware = torch.cuda.get_device_name(device) if on_gpu else f"{platform.machine()} CPU"
    title = f"{hardware}; torch {torch.__version__}; medians of {options.repeats}"
    console.print(title)
    record.add(hardware=title)

    table = Table(title=f"Wealth economy with a wealth tax, {periods} periods")
    for heading in ("engine", "agent-steps / s", "times the last row"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    runs = {
        f"tensors, uniform matching, {replicas:,} x {agents:,}": (
            tensors(Matching.UNIFORM, replicas, agents, periods, device),
            replicas * agents,
        ),
        f"tensors, matching by shift, {replicas:,} x {agents:,}": (
            tensors(Matching.SHIFT, replicas, agents, periods, device),
            replicas * agents,
        ),
        "columnar engine, 1 x 1,000,000": (columnar(1_000_000, periods), 1_000_000),
        "Mesa, 1 x 10,000": (mesa_model(10_000, periods), 10_000),
    }
    rates = {}
    for name, (run, population) in runs.items():
        if run is None:
            console.print(f"{name}: not installed here, left out.")
            continue
        rates[name] = population * periods / seconds_of(run, device, options.repeats)
        record.add(economy="wealth and tax", engine=name, agent_steps_per_second=rates[name])
    slowest = list(rates.values())[-1]
    for name, rate in rates.items():
        table.add_row(name, f"{rate:,.0f}", f"{rate / slowest:,.1f}")
    console.print(table)

    labour = labour_tensors(replicas, agents, periods, device)
    labour_rates = {
        f"tensors, {replicas:,} x {agents:,}": replicas * agents * periods / seconds_of(labour, device, options.repeats)
    }
    columns = labour_columns(100_000, periods)
    if columns is not None:
        labour_rates["columnar engine, 1 x 100,000"] = 100_000 * periods / seconds_of(columns, device, options.repeats)
    table = Table(title=f"Labour under three brackets, shocks in each of {periods} periods")
    for heading in ("engine", "agent-steps / s"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    for name, rate in labour_rates.items():
        table.add_row(name, f"{rate:,.0f}")
        record.add(economy="labour and tax", engine=name, agent_steps_per_second=rate)
    console.print(table)

    generator = torch.Generator(device).manual_seed(0)
    half = agents // 2
    values, costs = (torch.rand(markets, half, generator=generator, device=device) for _ in range(2))
    table = Table(title=f"{markets:,} call auctions of {2 * half:,} traders")
    for heading in ("work", "rounds / s", "traders / s"):
        table.add_column(heading, justify="left" if heading == "work" else "right")
    exact, smooth = compile_mechanism(CallAuction()), compile_mechanism(CallAuction(), temperature=0.05)
    laboratory = partial(simulate_call_auctions, values, costs, generator=generator, ceiling=1.0)
    work: dict[str, Callable[[], object]] = {
        "clear given bids, exact": partial(exact, values, costs),
        "clear given bids, smooth": partial(smooth, values, costs),
        "draw bids, clear, measure gains, exact": laboratory,
        "draw bids, clear, measure gains, smooth": partial(laboratory, temperature=0.05),
    }
    for name, run in work.items():
        rate = 1.0 / seconds_of(run, device, options.repeats * 4)
        table.add_row(name, f"{rate:,.1f}", f"{rate * markets * 2 * half:,.0f}")
        record.add(markets=markets, traders=2 * half, work=name, rounds_per_second=rate)
    console.print(table)


if __name__ == "__main__":
    main()
