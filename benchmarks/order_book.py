"""Events a second of the order book: the columnar engine beside the object engine, on one flow of events.

    python benchmarks/order_book.py --events 1000000

The flow: limit orders at geometric distances around a walking price (some cross the spread), market orders, and
cancellations of orders that rest, over four instruments; no event is rejected. Both engines process the same events,
each repeat one after the other, and their results are compared by digest. One core is used. Rates are medians; read the
ratio of one run rather than the rates.
"""

import argparse
import platform
from statistics import median
from time import perf_counter

import numpy as np
from rich.console import Console
from rich.table import Table

from walras.market.order_book import Book, ColumnarBook, EventKind, EventLog, ObjectBook
from walras.market.order_book.compiled import is_compiler_installed

INSTRUMENTS = 4
# Recorded on two cores when this was written, not in this run.
PEERS = {
    "ABIDES rmsc04, 1,117 agents": "15.9 k messages/s",
    "Bristol Stock Exchange, ZIC 11+11": "100 k trader-steps/s",
}


def flow(count: int, seed: int) -> EventLog:
    """Give `count` events, none of which is rejected."""
    rng = np.random.default_rng(seed)
    drawn = 2 * count
    kind = rng.choice([EventKind.LIMIT, EventKind.CANCEL, EventKind.MARKET], drawn, p=[0.40, 0.56, 0.04])
    number = np.arange(drawn)
    side = rng.choice([1, -1], drawn)
    middle = 10_000 + np.cumsum(rng.integers(-1, 2, drawn)) // 4
    distance = rng.geometric(0.15, drawn) - 2
    log = EventLog.from_columns(
        time=number,
        kind=kind,
        order=np.where(kind == EventKind.CANCEL, np.maximum(number - rng.geometric(1 / 400, drawn), 0), number),
        instrument=np.where(kind == EventKind.CANCEL, 0, rng.integers(0, INSTRUMENTS, drawn)),
        side=side,
        price=middle - side * distance,
        quantity=rng.integers(1, 100, drawn),
    )
    # A rejected event changes nothing, so the others have the same effect without it.
    rejected = ColumnarBook(INSTRUMENTS).process(log).rejections["event"]
    return EventLog(np.delete(log.events, rejected)[:count])


def seconds(book: Book, log: EventLog) -> tuple[float, str]:
    """Give the time that a book takes for a log, and a digest of all that it did."""
    start = perf_counter()
    report = book.process(log)
    elapsed = perf_counter() - start
    return elapsed, report.digest() + book.state().digest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console()

    start = perf_counter()
    ColumnarBook(INSTRUMENTS).process(EventLog.of([]))
    loading = perf_counter() - start
    log = flow(options.events, options.seed)
    kinds = {kind.name.lower(): float((log.events["kind"] == kind).mean()) for kind in EventKind}
    shares = ", ".join(f"{share:.0%} {name}" for name, share in kinds.items() if share > 0)

    rates: dict[str, list[float]] = {"columnar": [], "objects": []}
    for _ in range(options.repeats):
        digests = set()
        for name, book in (("columnar", ColumnarBook(INSTRUMENTS)), ("objects", ObjectBook(INSTRUMENTS))):
            elapsed, digest = seconds(book, log)
            rates[name].append(len(log) / elapsed)
            digests.add(digest)
        if len(digests) != 1:
            raise SystemExit("The engines disagree: report this as a bug.")

    compiler = "numba" if is_compiler_installed() else "no numba: plain Python (pip install walras[fast])"
    table = Table(
        title=f"{len(log):,} events ({shares}), {INSTRUMENTS} instruments, Python {platform.python_version()}"
    )
    table.add_column("order book")
    table.add_column("events/s", justify="right")
    table.add_column("to objects", justify="right")
    ratios = [ours / objects for ours, objects in zip(rates["columnar"], rates["objects"], strict=True)]
    table.add_row(f"walras, columnar ({compiler})", f"{median(rates['columnar']):,.0f}", f"{median(ratios):.1f}")
    table.add_row("walras, objects", f"{median(rates['objects']):,.0f}", "1.0")
    for name, rate in PEERS.items():
        table.add_row(name, rate, "")
    console.print(table)
    console.print(
        "Below the line of objects: figures recorded earlier, for simulators that do other work at each step."
    )
    console.print(f"Loading the kernel, or compiling it at its first use on this machine: {loading:.1f} s.")


if __name__ == "__main__":
    main()
