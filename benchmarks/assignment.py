"""Time of the assignment market beside SciPy's and lapx's solvers.

    python benchmarks/assignment.py --sizes 200 1000 2000 --repeats 5

Square markets with valuations uniform on [0, 1], with whole ones up to 1000, and of low rank (sums of eight products of
what buyers want and objects have, which is harder: --kinds). `efficient_assignment` finds the assignment;
`AssignmentMarket` also the corners of the price lattice, whether the assignment is the only best one, and the
certificate. lapx has several solvers: `lapjv` and `lapjvs` in float64, and `lapjvs` as it is by default, which rounds
to float32, so that its assignment need not be the best one (the table says by how much it falls short). All runs are by
turns in one process; ratios are medians of pairs. Read them rather than the times, and set OMP_NUM_THREADS.
"""

import argparse
import platform
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import scipy
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from walras.market.assignment import AssignmentMarket, efficient_assignment

try:
    import lap
except ImportError:  # optional: pip install walras[bench]
    lap = None

KINDS = {
    "uniform": lambda generator, size: generator.random((size, size)),
    "whole": lambda generator, size: generator.integers(0, 1000, (size, size)).astype(float),
    "low rank": lambda generator, size: generator.random((size, 8)) @ generator.random((8, size)),
}


def solvers() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    found: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "walras efficient_assignment": efficient_assignment,
        "walras AssignmentMarket": lambda valuations: AssignmentMarket().clear(valuations).assignment,
        "scipy": lambda valuations: linear_sum_assignment(valuations, maximize=True)[1],
    }
    if lap is not None:
        found["lapx lapjv"] = lambda valuations: lap.lapjv(-valuations, return_cost=False)[0]
        found["lapx lapjvs"] = lambda valuations: lap.lapjvs(
            -valuations, return_cost=False, jvx_like=False, prefer_float32=False
        )[0]
        found["lapx lapjvs, float32"] = lambda valuations: lap.lapjvs(-valuations, return_cost=False, jvx_like=False)[0]
    return found


def compare(valuations: np.ndarray, repeats: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Times of all, by turns, and by how much each falls short of the largest worth."""
    times: dict[str, list[float]] = {name: [] for name in solvers()}
    worth: dict[str, float] = {}
    for _ in range(repeats):
        for name, solve in solvers().items():
            start = time.perf_counter()
            assignment = solve(valuations)
            times[name].append(time.perf_counter() - start)
            worth[name] = float(np.sum(valuations[np.arange(len(valuations)), assignment]))
    best = max(worth.values())
    return times, {name: (best - each) / best for name, each in worth.items()}


def report(options: argparse.Namespace) -> Table:
    table = Table(title=f"assignment of n buyers and n objects: medians of {options.repeats} runs")
    for heading in ("n", "valuations", "solver", "time", "time / best library", "falls short"):
        table.add_column(heading, justify="left" if heading in ("valuations", "solver") else "right")
    for size in options.sizes:
        for kind in options.kinds:
            times, short = compare(KINDS[kind](np.random.default_rng(size), size), options.repeats)
            libraries = [each for name, each in times.items() if not name.startswith("walras")]
            best = [min(run) for run in zip(*libraries, strict=True)]
            for name, each in times.items():
                ratio = median(ours / theirs for ours, theirs in zip(each, best, strict=True))
                missing = "" if short[name] < 1e-14 else f"{short[name]:.0e}"
                table.add_row(f"{size}", kind, name, f"{1e3 * median(each):,.1f} ms", f"{ratio:.2f}", missing)
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[200, 1000, 2000])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=["uniform", "whole"])
    parser.add_argument("--repeats", type=int, default=5)
    options, console = parser.parse_args(), Console(width=110)
    peer = f"lapx {lap.__version__}" if lap is not None else "lapx is not installed: its rows are left out"
    versions = f"numpy {np.__version__}, scipy {scipy.__version__}, {peer}"
    console.print(f"{platform.machine()}, Python {platform.python_version()}, {versions}")
    console.print(report(options))


if __name__ == "__main__":
    main()
