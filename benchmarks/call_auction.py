"""Time of a call auction of many orders beside plain Python, and beside the sorting alone.

    python benchmarks/call_auction.py --orders 1000000 --repeats 5

Half of the orders are bids and half asks, normal prices and 1 to 99 units each, or one unit each. The plain loop sorts
both sides with Python's `sorted` and walks along them; it finds volume, price and allocations, and nothing else.
`numpy sort` is the time that NumPy takes to sort the prices, and `argsort` their places: no method that sorts can be
faster. Runs are by turns in one process; ratios are medians of pairs. Read them rather than the times, and set
OMP_NUM_THREADS.
"""

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from walras.market.double_auctions import CallAuction


def orders(count: int, *, single: bool) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(0)
    bids, asks = generator.normal(100.0, 10.0, (2, count // 2)).round(4)
    units = np.ones((2, count // 2)) if single else generator.integers(1, 100, (2, count // 2)).astype(float)
    return bids, asks, units[0], units[1]


def plain_python(bids: list, asks: list, wanted: list, offered: list) -> tuple[float, float, list, list]:
    """Walk along both sides, best prices first, and fill orders until the next two disagree."""
    buyers = sorted(range(len(bids)), key=lambda place: -bids[place])
    sellers = sorted(range(len(asks)), key=lambda place: asks[place])
    bought, sold = [0.0] * len(bids), [0.0] * len(asks)
    buyer = seller = 0
    volume, low, high = 0.0, -float("inf"), float("inf")
    while buyer < len(buyers) and seller < len(sellers):
        bid, ask = buyers[buyer], sellers[seller]
        if bids[bid] < asks[ask]:
            break
        units = min(wanted[bid] - bought[bid], offered[ask] - sold[ask])
        bought[bid] += units
        sold[ask] += units
        volume += units
        low, high = asks[ask], bids[bid]
        buyer += bought[bid] == wanted[bid]
        seller += sold[ask] == offered[ask]
    if buyer < len(buyers):
        low = max(low, bids[buyers[buyer]])
    if seller < len(sellers):
        high = min(high, asks[sellers[seller]])
    return volume, 0.5 * (low + high), bought, sold


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(count: int, repeats: int, *, single: bool) -> dict[str, list[float]]:
    """Run everything by turns, and see that the answers agree."""
    bids, asks, wanted, offered = orders(count, single=single)
    lists = [each.tolist() for each in (bids, asks, wanted, offered)]
    quantities = () if single else (wanted, offered)
    clearing = CallAuction().clear(bids, asks, *quantities).require(1e-12)
    volume, price, _, _ = plain_python(*lists)
    assert volume == clearing.volume
    assert abs(price - clearing.price) < 1e-9
    calls: dict[str, Callable[[], object]] = {
        "walras": lambda: CallAuction().clear(bids, asks, *quantities),
        "plain Python": lambda: plain_python(*lists),
        "numpy sort": lambda: (np.sort(bids), np.sort(asks)),
        "numpy argsort": lambda: (np.argsort(bids), np.argsort(asks)),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def report(options: argparse.Namespace) -> Table:
    table = Table(title=f"call auction of {options.orders:,} orders: medians of {options.repeats} runs")
    for heading in ("orders", "method", "time", "time / walras", "slowest"):
        table.add_column(heading, justify="left" if heading in ("orders", "method") else "right")
    for single in (False, True):
        times = compare(options.orders, options.repeats, single=single)
        for name, each in times.items():
            ratio = median(time / ours for time, ours in zip(each, times["walras"], strict=True))
            kind = "one unit each" if single else "1 to 99 units"
            table.add_row(kind, name, f"{1e3 * median(each):,.0f} ms", f"{ratio:.2f}", f"{1e3 * max(each):,.0f} ms")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=1_000_000, help="bids and asks together")
    parser.add_argument("--repeats", type=int, default=5)
    options, console = parser.parse_args(), Console(width=110)
    console.print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    console.print(report(options))


if __name__ == "__main__":
    main()
