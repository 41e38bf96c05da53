"""Time of the Gini coefficient beside quantecon's, on lognormal incomes.

    python benchmarks/inequality.py --agents 40000 --repeats 5

Both get the same incomes in each repeat, one after the other; the table gives the medians and the median of the paired
ratios, and how far the two values are apart (both are the population form). The peer compares all pairs, so a few
repeats take seconds; it is called once before timing, to compile.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from walras.market import gini

try:
    from quantecon import gini_coefficient
except ImportError:  # optional: pip install walras[bench]
    gini_coefficient = None


def seconds(call: Callable[[], float]) -> tuple[float, float]:
    """Time one call; give the seconds and its value."""
    start = perf_counter()
    value = call()
    return perf_counter() - start, value


def measure(agents: int, repeats: int, console: Console) -> None:
    rng = np.random.default_rng(0)
    ours, peers, differences = [], [], []
    if gini_coefficient is not None:
        gini_coefficient(np.array([1.0, 2.0]))
    for _ in range(repeats):
        incomes = rng.lognormal(size=agents)
        time, value = seconds(lambda incomes=incomes: gini(incomes))
        ours.append(time)
        if gini_coefficient is not None:
            time, peer = seconds(lambda incomes=incomes: gini_coefficient(incomes))
            peers.append(time)
            differences.append(abs(peer - value))
    table = Table(title=f"Gini of {agents:,} incomes, medians of {repeats}", box=None, pad_edge=False)
    for column in ("function", "ms", "ratio"):
        table.add_column(column, justify="left" if column == "function" else "right")
    table.add_row("walras.market.gini", f"{1e3 * median(ours):.3f}", "1")
    if peers:
        ratio = median(peer / own for peer, own in zip(peers, ours, strict=True))
        table.add_row("quantecon.gini_coefficient", f"{1e3 * median(peers):.1f}", f"{ratio:,.0f}")
    console.print(table)
    if peers:
        console.print(f"Largest difference of the values: {max(differences):.1e}")
    else:
        console.print("quantecon is not installed: pip install walras[bench] to compare.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=40_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    measure(arguments.agents, arguments.repeats, Console())
