"""Time of the compiled capacity market beside softmax, top-k and entmax's budget projection.

    python benchmarks/capacity_operator.py --rows 256 --agents 1024

Every function gets the same scores; unit costs, and a budget of a quarter of the agents, so that all of them are asked
for shares or a selection of equal size. "one cost" gives the market its costs as one number, the others as a vector.
The copy of a tensor of scores measures the bandwidth that the device has; the last column is each forward pass's share
of it (scores read once, shares written once). Times are medians of `torch.utils.benchmark.Timer.blocked_autorange`;
read the ratios to softmax rather than the times.
"""

import argparse
import math
import platform
from collections.abc import Callable
from statistics import median
from typing import Generic, NamedTuple, TypeVar

import torch
from rich.console import Console
from rich.table import Table
from rows import Rows
from torch import Tensor
from torch.utils.benchmark import Timer

from walras.market import CapacityMarket, FixedSupply, LinearDemand, LogitDemand
from walras.market.operators import compile_mechanism

try:
    import entmax
except ImportError:  # optional: pip install walras[bench]
    entmax = None

Function = Callable[[Tensor], Tensor]
BUDGET_FRACTION = 0.25
COPY = "copy of the scores"


Run = Callable[[], None]
T = TypeVar("T")


class Timing(NamedTuple, Generic[T]):
    """What belongs to a forward pass, and to a forward and backward pass, of one function."""

    forward: T
    both: T


def functions(agents: int, *, compiled: bool, device: torch.device) -> dict[str, Function]:
    """Name -> scores (rows, agents) to shares, or to selected scores."""
    budget = max(1, round(BUDGET_FRACTION * agents))
    costs, one_cost = torch.ones(agents, device=device), torch.ones(1, device=device)
    supply = torch.tensor(float(budget), device=device)

    def market(demand: LogitDemand | LinearDemand, units: Tensor) -> Function:
        operator = compile_mechanism(CapacityMarket(FixedSupply(float(budget)), demand)).to(device)

        def shares(scores: Tensor) -> Tensor:
            return operator(scores, units, supply=supply).allocation

        return shares

    ours = {
        "walras logit": market(LogitDemand(1.0), costs),
        "walras logit, one cost": market(LogitDemand(1.0), one_cost),
        "walras linear": market(LinearDemand(1.0), costs),
        "walras linear, one cost": market(LinearDemand(1.0), one_cost),
    }
    table: dict[str, Function] = {
        COPY: torch.clone,
        "torch.softmax": lambda scores: torch.softmax(scores, dim=-1),
        f"torch.topk k={budget}": lambda scores: torch.topk(scores, budget, dim=-1).values,
        **ours,
        "Sinkhorn soft top-k, 20 rounds": lambda scores: soft_top_k(scores, budget),
    }
    if compiled:
        torch.compiler.reset()  # the sizes before count against the limit of recompilations
        table |= {f"{name}, torch.compile": torch.compile(function, dynamic=False) for name, function in ours.items()}
    if entmax is not None:
        table["entmax sparsemax"] = lambda scores: entmax.sparsemax(scores, dim=-1)
        table["entmax budget_bisect"] = lambda scores: entmax.budget_bisect(scores, budget=supply, dim=-1)
    return table


def soft_top_k(scores: Tensor, k: int, *, temperature: float = 0.1, rounds: int = 20) -> Tensor:
    """Shares that add up to about k, by entropic transport of agents to "in" and "out" (Xie et al., 2020)."""
    agents = scores.shape[-1]
    cost = torch.stack([scores - scores.amax(-1, keepdim=True), scores.amin(-1, keepdim=True) - scores], -1)
    log_plan = cost / temperature  # (rows, agents, 2)
    log_sizes = torch.tensor([k / agents, 1.0 - k / agents], device=scores.device).log()
    for _ in range(rounds):
        log_plan = log_plan - log_plan.logsumexp(-2, keepdim=True) + log_sizes
        log_plan = log_plan - log_plan.logsumexp(-1, keepdim=True) - math.log(agents)
    return agents * log_plan[..., 0].exp()


def runs_of(function: Function, scores: Tensor) -> Timing[Run]:
    """The two calls to be timed: without a graph, and with a graph and its backward pass."""
    leaf = scores.clone().requires_grad_()
    with torch.no_grad():
        upstream = torch.randn_like(function(scores))

    def forward() -> None:
        with torch.no_grad():
            function(scores)

    def forward_and_backward() -> None:
        leaf.grad = None
        function(leaf).backward(upstream)

    return Timing(forward, forward_and_backward)


def time_all(table: dict[str, Function], scores: Tensor, options: argparse.Namespace) -> dict[str, Timing[float]]:
    """Median seconds of each function.

    All are measured in turn, and that several times over: a machine that is busy for a while slows all of them, and the
    ratios stay what they are.
    """
    runs = {}
    for name, function in table.items():
        try:
            of_one = dict(enumerate(runs_of(function, scores)))
            for run in of_one.values():
                for _ in range(3):  # warm up, compile
                    run()
        except RuntimeError as error:  # out of memory: the others are still worth having
            print(f"{name} is left out: {str(error).splitlines()[0]}")
            continue
        runs |= {(name, part): run for part, run in of_one.items()}
    if scores.device.type == "cuda":
        torch.cuda.synchronize(scores.device)
    timers = {key: Timer("run()", globals={"run": run}, num_threads=options.threads) for key, run in runs.items()}
    medians: dict[tuple[str, int], list[float]] = {key: [] for key in runs}
    for _ in range(options.rounds):
        for key, timer in timers.items():  # the timer synchronises the device
            medians[key].append(timer.blocked_autorange(min_run_time=options.seconds).median)
    return {name: Timing(median(medians[name, 0]), median(medians[name, 1])) for name in table if (name, 0) in runs}


def kernels_of(run: Run) -> int | None:
    """Kernels that a run starts on the device, copies and fills included; None where no profiler can be had."""
    from torch.profiler import ProfilerActivity, profile

    try:
        for _ in range(3):
            run()
        torch.cuda.synchronize()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
            run()
            torch.cuda.synchronize()
    except RuntimeError as error:
        print(f"No profile: {str(error).splitlines()[0]}")
        return None
    return sum(event.device_type == torch.autograd.DeviceType.CUDA for event in profiler.events())


def report(rows: int, agents: int, timings: dict[str, Timing[float]]) -> Table:
    """A table of medians and of ratios to softmax."""
    table = Table(title=f"{rows} market{'s' * (rows > 1)} of {agents} agents")
    headings = ("function", "forward", "/ softmax", "forward + backward", "/ softmax", "of copy's bandwidth")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "function" else "right")
    softmax = timings["torch.softmax"]
    for name, timing in timings.items():
        cells = [_microseconds(timing.forward), f"{timing.forward / softmax.forward:.2f}"]
        cells += [
            _microseconds(timing.both),
            f"{timing.both / softmax.both:.2f}",
            f"{timings[COPY].forward / timing.forward:.0%}",
        ]
        table.add_row(name, *cells)
    return table


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f} µs"


def describe(device: torch.device, threads: int) -> str:
    """Name the hardware and the versions that the numbers belong to."""
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{platform.machine()} CPU ({torch.backends.cpu.get_cpu_capability()}), {threads} thread(s)"
    peer = f", entmax {entmax.__version__}" if entmax is not None else ", entmax not installed"
    return f"{hardware}; Python {platform.python_version()}, torch {torch.__version__}{peer}; float32"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--rows", type=int, default=256, help="markets in the batch")
    parser.add_argument("--agents", type=int, default=1024, help="agents in each market")
    parser.add_argument("--compile", action="store_true", help="time torch.compile of the operator too")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; more than one stalls on a shared machine")
    parser.add_argument("--seconds", type=float, default=0.3, help="time spent on each function in a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds over all functions")
    parser.add_argument("--kernels", action="store_true", help="count the kernels of a forward pass too (cuda)")
    parser.add_argument("--json", default=None, help="write the rows to this file as well, as JSON lines")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    device, console = torch.device(options.device), Console(width=110)
    torch.manual_seed(0)
    console.print(describe(device, options.threads))
    record = Rows(options.json)
    record.add(hardware=describe(device, options.threads))
    # The second is a Transformer's: one budget over 720 agents (heads and blocks of a twelve-layer model).
    for rows, agents in ((options.rows, options.agents), (1, 720)):
        scores = torch.randn(rows, agents, device=device)
        table = functions(agents, compiled=options.compile, device=device)
        timings = time_all(table, scores, options)
        console.print(report(rows, agents, timings))
        softmax, copied = timings["torch.softmax"], timings[COPY].forward
        # Scores are read once and written once.
        bandwidth = 2 * scores.numel() * scores.element_size() / copied
        for name, timing in timings.items():
            record.add(
                rows=rows,
                agents=agents,
                function=name,
                forward_seconds=timing.forward,
                both_seconds=timing.both,
                forward_over_softmax=timing.forward / softmax.forward,
                both_over_softmax=timing.both / softmax.both,
                share_of_copy_bandwidth=copied / timing.forward,
                copy_bytes_per_second=bandwidth,
            )
        if options.kernels and device.type == "cuda":
            for name, function in table.items():
                if name in timings:
                    kernels = kernels_of(runs_of(function, scores).forward)
                    console.print(f"{rows} x {agents}, {name}: {kernels} kernels forward")
                    record.add(rows=rows, agents=agents, function=name, kernels_forward=kernels)


if __name__ == "__main__":
    main()
