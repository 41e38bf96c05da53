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
from rows import Rows
from torch import Tensor

from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherUtility, LeontiefUtility, LinearUtility
from walras.market.operators.equilibria import (
    LargeExchangeEquilibrium,
    LargeFisherEquilibrium,
    exchange_prices,
    fisher_prices,
)

Answer = LargeFisherEquilibrium | LargeExchangeEquilibrium

SPARSE = (LinearUtility(), CESUtility(0.5), LeontiefUtility())
DENSE = (CobbDouglasUtility(), CESUtility(0.5), CESUtility(-1.0), LeontiefUtility(), LinearUtility())
TRADING = (CobbDouglasUtility(), CESUtility(0.5), CESUtility(-1.0))


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
    parser.add_argument("--only", default="", help="markets whose name contains this")
    parser.add_argument("--json", default=None, help="write the rows to this file as well, as JSON lines")
    return parser.parse_args()


def problems(options: argparse.Namespace, device: torch.device) -> Iterator[tuple[str, Callable[[], Answer]]]:
    """Name the markets, and give what solves each; large tensors live no longer than their markets."""
    budgets = torch.rand(options.buyers, device=device, dtype=torch.float64) + 0.1
    fisher = partial(fisher_prices, tolerance=options.tolerance)
    sparse = {f"Fisher, sparse, {_name(utility)}": utility for utility in SPARSE}
    if wanted := _wanted(sparse, options):
        valuations = sparse_valuations(options.buyers, options.goods, options.density, device)
        for name, utility in wanted.items():
            yield name, partial(fisher, valuations, budgets, utility=utility)
    dense = _wanted({f"Fisher, dense float32, {_name(utility)}": utility for utility in DENSE}, options)
    trading = _wanted({f"exchange, dense float32, {_name(utility)}": utility for utility in TRADING}, options)
    if dense or trading:
        valuations = torch.rand(options.buyers, options.goods, device=device) + 0.1
    for name, utility in dense.items():
        yield name, partial(fisher, valuations, budgets, utility=utility)
    if trading:
        owned = torch.rand(options.buyers, options.goods, device=device)
    for name, utility in trading.items():
        yield name, partial(exchange_prices, valuations, owned, tolerance=options.tolerance, utility=utility)


def _wanted(named: dict[str, FisherUtility], options: argparse.Namespace) -> dict[str, FisherUtility]:
    return {name: utility for name, utility in named.items() if options.only in name}


def solved(name: str, solve: Callable[[], Answer], repeats: int, device: torch.device) -> dict[str, object]:
    """One row of the table."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds, answer = timed(solve, repeats, device)
    row: dict[str, object] = {"market": name, "seconds": seconds, "steps": answer.steps, "status": answer.status.name}
    if isinstance(answer, LargeFisherEquilibrium):
        row |= {"duality_gap": answer.duality_gap, "market_clearing": answer.market_clearing}
    else:
        row |= {"excess_demand": answer.excess_demand, "forgone": answer.forgone}
    if device.type == "cuda":
        row["peak_bytes"] = torch.cuda.max_memory_allocated()
    return row


def cells(row: dict[str, object]) -> list[str]:
    """Give the row as the table shows it."""
    measures = [row[key] for key in ("duality_gap", "market_clearing", "excess_demand", "forgone") if key in row]
    memory = f"{row['peak_bytes'] / 2**30:.1f} GiB" if "peak_bytes" in row else ""
    numbers = [f"{row['seconds']:.2f}", str(row["steps"]), *(f"{measure:.1e}" for measure in measures)]
    return [str(row["market"]), *numbers, memory, str(row["status"])]


def main() -> None:
    options = arguments()
    device, console, record = torch.device(options.device), Console(width=130), Rows(options.json)
    torch.manual_seed(0)
    hardware = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    title = f"{hardware}; torch {torch.__version__}; medians of {options.repeats}"
    console.print(title)
    record.add(hardware=title, agents=options.buyers, goods=options.goods, tolerance=options.tolerance)
    table = Table(title=f"{options.buyers:,} agents, {options.goods:,} goods, tolerance {options.tolerance:g}")
    for heading in ("market", "seconds", "steps", "gap or excess", "clearing or forgone", "memory", "status"):
        table.add_column(heading, justify="left" if heading in {"market", "status"} else "right")
    for name, solve in problems(options, device):
        row = solved(name, solve, options.repeats, device)
        record.add(**row)
        print(*cells(row), sep="; ", flush=True)  # as they come
        table.add_row(*cells(row))
    console.print(table)


def _name(utility: FisherUtility) -> str:
    if isinstance(utility, CESUtility):
        return f"CES rho={utility.rho}"
    return type(utility).__name__.removesuffix("Utility")


if __name__ == "__main__":
    main()
