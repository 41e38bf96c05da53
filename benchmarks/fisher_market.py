"""Time of the Fisher market beside cvxpy with Clarabel, and of a large sparse market.

    python benchmarks/fisher_market.py --seeds 5 --repeats 5

Random linear markets (valuations and budgets uniform on [0, 1], unit supplies), solved by turns in one process. The
gap is the relative duality gap of the Eisenberg-Gale pair, computed for both by `FisherMarket.certify`. The default
tolerance is one at which Clarabel ends with a gap of about 1e-6 at most; the construction of its problem is timed
apart. Ratios are medians over pairs of runs, one right after the other: read them rather than the times, and set
OMP_NUM_THREADS.
"""

import argparse
import platform
import resource
import sys
import time
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.sparse import csr_array, random_array

from walras.market.fisher import FisherMarket

try:
    import cvxpy
except ImportError:  # optional: pip install walras[bench]
    cvxpy = None


class Run(NamedTuple):
    """Seconds to build and to solve, and the certified relative gap."""

    build: float
    solve: float
    gap: float


def random_market(size: int, seed: int) -> tuple[FisherMarket, np.ndarray]:
    generator = np.random.default_rng(seed)
    return FisherMarket(generator.random(size)), generator.random((size, size))


def run_ours(market: FisherMarket, valuations: np.ndarray) -> Run:
    start = time.perf_counter()
    found = market.equilibrium(valuations)
    return Run(0.0, time.perf_counter() - start, found.certificate.duality_gap)


def run_cvxpy(market: FisherMarket, valuations: np.ndarray, tolerance: float) -> Run | None:
    """Build and solve the Eisenberg-Gale programme; None if the solver gives up."""
    budgets = np.asarray(market.budgets)
    start = time.perf_counter()
    allocation = cvxpy.Variable(valuations.shape, nonneg=True)
    supply = cvxpy.sum(allocation, axis=0) <= 1.0
    utilities = cvxpy.sum(cvxpy.multiply(valuations, allocation), axis=1)
    problem = cvxpy.Problem(cvxpy.Maximize(budgets / budgets.sum() @ cvxpy.log(utilities)), [supply])
    built = time.perf_counter()
    options = {f"tol_{name}": tolerance for name in ("gap_abs", "gap_rel", "feas")}
    try:
        problem.solve(solver="CLARABEL", **options)
    except cvxpy.error.SolverError:
        return None
    solved = time.perf_counter()
    prices = np.asarray(supply.dual_value) * budgets.sum()
    gap = market.certify(valuations, prices, np.asarray(allocation.value)).duality_gap
    return Run(built - start, solved - built, gap)


def compare(size: int, options: argparse.Namespace) -> dict[str, list[Any]]:
    """All runs of both, by turns."""
    runs: dict[str, list[Any]] = {"walras": [], "cvxpy": []}
    for seed in range(options.seeds):
        market, valuations = random_market(size, seed)
        run_ours(market, valuations)  # warm up
        for _ in range(options.repeats):
            runs["walras"].append(run_ours(market, valuations))
            if cvxpy is not None:
                runs["cvxpy"].append(run_cvxpy(market, valuations, options.tolerance))
    return runs


def report(options: argparse.Namespace) -> Table:
    table = Table(title=f"linear Fisher markets: medians of {options.seeds} markets, {options.repeats} runs each")
    for heading in ("market", "solver", "build", "solve", "solve / walras", "largest gap", "failed"):
        table.add_column(heading, justify="left" if heading in ("market", "solver") else "right")
    for size in options.sizes:
        runs = compare(size, options)
        for name, each in runs.items():
            done = [run for run in each if run is not None]
            if not done:
                continue
            pairs = zip(each, runs["walras"], strict=True)
            ratio = median(run.solve / ours.solve for run, ours in pairs if run is not None)
            table.add_row(
                f"{size} x {size}",
                "walras" if name == "walras" else f"cvxpy, Clarabel at {options.tolerance:g}",
                _milliseconds(median(run.build for run in done)) if name == "cvxpy" else "",
                _milliseconds(median(run.solve for run in done)),
                f"{ratio:.1f}",
                f"{max(run.gap for run in done):.1e}",
                f"{len(each) - len(done)} of {len(each)}",
            )
    return table


def large(buyers: int, goods: int, density: float) -> str:
    """Solve one large sparse market and describe it in a line."""
    generator = np.random.default_rng(0)
    valuations = csr_array(
        random_array((buyers, goods), density=density, rng=generator, data_sampler=lambda size: generator.random(size))
    )
    valuations = valuations[np.diff(valuations.indptr) > 0]
    market = FisherMarket(generator.random(valuations.shape[0]))
    start = time.perf_counter()
    found = market.equilibrium(valuations)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform == "linux" else 1024.0**2)
    return (
        f"{valuations.shape[0]:,} x {goods:,}, {density:.0%} dense ({valuations.nnz:,} pairs): {seconds:.2f} s, gap "
        f"{found.certificate.duality_gap:.1e}, {found.iterations} steps, {found.status.name}; peak memory of the "
        f"process {memory:,.0f} MiB"
    )


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:,.1f} ms"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 50, 100], help="buyers, and as many goods")
    parser.add_argument("--seeds", type=int, default=5, help="markets of each size")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each market")
    parser.add_argument("--tolerance", type=float, default=3e-7, help="asked of Clarabel, whose default is 1e-8")
    parser.add_argument("--large", type=int, nargs=2, default=[10_000, 1_000], help="buyers and goods, sparse")
    parser.add_argument("--density", type=float, default=0.01, help="of the large market's valuations")
    return parser.parse_args()


def main() -> None:
    options, console = arguments(), Console(width=110)
    peer = f"cvxpy {cvxpy.__version__}" if cvxpy is not None else "cvxpy is not installed: walras alone"
    console.print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}, {peer}")
    console.print(large(*options.large, options.density))  # first: its peak memory is then its own
    console.print(report(options))


if __name__ == "__main__":
    main()
