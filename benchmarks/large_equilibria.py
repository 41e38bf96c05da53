"""Equilibrium prices of markets with up to a million agents on one device, with the duality gap of each.

    python benchmarks/large_equilibria.py --device cuda
    python benchmarks/large_equilibria.py --buyers 10000 --goods 300

A linear Fisher market with sparse valuations (1 % of the pairs), the same with dense Cobb-Douglas, CES and Leontief
buyers, and exchange economies. Times include reading the valuations.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria import (
    LargeExchangeEquilibrium,
    LargeFisherEquilibrium,
    exchange_prices,
    fisher_prices,
)

Answer = LargeFisherEquilibrium | LargeExchangeEquilibrium


def sparse_valuations(buyers: int, goods: int, density: float, device: torch.device) -> Tensor:
    """Valuations in [0.1, 1.1], about `density * goods` for each buyer; each good has a buyer, each buyer a good."""
    each = max(1, round(density * goods))
    buyer = torch.arange(buyers, device=device).repeat_interleave(each)
    good = torch.randint(goods, (buyers * each,), device=device)
    every = torch.arange(max(buyers, goods), device=device)
    places = torch.stack([torch.cat([buyer, every % buyers]), torch.cat([good, every % goods])])
    values = torch.rand(places.shape[1], device=device, dtype=torch.float64) + 0.1
    return torch.sparse_coo_tensor(places, values, (buyers, goods), check_invariants=False).coalesce()


def timed(solve: Callable[[], Answer], repeats: int, device: torch.device) -> tuple[float, Answer]:
    """Median seconds, and the last answer."""
    seconds = []
    for _ in range(repeats):
        _wait(device)
        start = time.perf_counter()
        answer = solve()
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return median(seconds), answer


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--buyers", type=int, default=1_000_000)
    parser.add_argument("--goods", type=int, default=1_000)
    parser.add_argument("--density", type=float, default=0.01)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def problems(options: argparse.Namespace, device: torch.device) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Name the markets, and give what solves each; large tensors live no longer than their markets."""
    budgets = torch.rand(options.buyers, device=device, dtype=torch.float64) + 0.1
    valuations = sparse_valuations(options.buyers, options.goods, options.density, device)
    fisher = partial(fisher_prices, tolerance=options.tolerance)
    for utility in (LinearUtility(), CESUtility(0.5), LeontiefUtility()):
        yield f"Fisher, sparse, {_name(utility)}", partial(fisher, valuations, budgets, utility=utility)
    valuations = torch.rand(options.buyers, options.goods, device=device) + 0.1
    for utility in (CobbDouglasUtility(), CESUtility(0.5), CESUtility(-1.0), LeontiefUtility(), LinearUtility()):
        yield f"Fisher, dense float32, {_name(utility)}", partial(fisher, valuations, budgets, utility=utility)
    owned = torch.rand(options.buyers, options.goods, device=device)
    exchange = partial(exchange_prices, valuations, owned, tolerance=options.tolerance)
    for utility in (CobbDouglasUtility(), CESUtility(0.5), CESUtility(-1.0)):
        yield f"exchange, dense float32, {_name(utility)}", partial(exchange, utility=utility)


def cells(name: str, solve: Callable[[], Answer], repeats: int, device: torch.device) -> list[str]:
    """One row of the table."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds, answer = timed(solve, repeats, device)
    memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB" if device.type == "cuda" else ""
    if isinstance(answer, LargeFisherEquilibrium):
        measures = (answer.duality_gap, answer.market_clearing)
    else:
        measures = (answer.excess_demand, answer.forgone)
    numbers = [f"{seconds:.2f}", str(answer.steps), *(f"{measure:.1e}" for measure in measures)]
    return [name, *numbers, memory, answer.status.name]


def main() -> None:
    options = arguments()
    device = torch.device(options.device)
    torch.manual_seed(0)
    table = Table(title=f"{options.buyers:,} agents, {options.goods:,} goods, tolerance {options.tolerance:g}")
    for heading in ("market", "seconds", "steps", "gap or excess", "clearing or forgone", "memory", "status"):
        table.add_column(heading, justify="left" if heading in {"market", "status"} else "right")
    for name, solve in problems(options, device):
        table.add_row(*cells(name, solve, options.repeats, device))
    console = Console(width=130)
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    console.print(f"{hardware}; torch {torch.__version__}; medians of {options.repeats}")
    console.print(table)


def _name(utility: FisherUtility) -> str:
    if isinstance(utility, CESUtility):
        return f"CES rho={utility.rho}"
    return type(utility).__name__.removesuffix("Utility")


if __name__ == "__main__":
    main()
