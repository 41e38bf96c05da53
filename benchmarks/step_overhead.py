"""Time of a training step with and without the market, at the size of BERT-base.

    python benchmarks/step_overhead.py --out step_overhead.json
    python benchmarks/step_overhead.py --layers 2 --hidden 128 --batch 4 --tokens 32 --steps 5 --modes eager
    python benchmarks/step_overhead.py --modes host --steps 200

A step is forward, backward, clipping and AdamW, on random weights and random tokens, under bf16 autocast. The rows:

- `dense`: the model alone;
- `market`: the same with an economy attached and one budget a step, as the callback sets it in an ordinary Trainer;
- `elastic`: three budgets a step, side by side in one pass, beside three dense steps' forward and backward, eager.

The models take turns in one run, so that a change in the machine's speed meets all alike; medians and quartiles. The
overhead is the median over turns of the time over the dense model's in the same turn, less 1. Compiled models are
compiled by `torch.compile`, whose time is not counted in a step (and is most of this program's own).

`host` is what an eager step asks of the host, and needs no GPU: the processor time of forward and backward, and the
kernels that they launch, of a model with as many layers and agents that is so narrow that its work is next to nothing.
The fused kernel that clears the market on a GPU is left out: what stands for it on a CPU is another algorithm. Gates
are on features, or folded into weights, as they are on a GPU (there `features` is `eager` without folding).
"""

import argparse
import contextlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertForSequenceClassification

from walras.llm import EconomyConfig, ElasticBudget, attach
from walras.llm.callback import EconomyCallback
from walras.market.operators import capacity

BUDGETS = (1.0, 0.25, 0.6)
# Of the model whose host's time is measured.
NARROW, NARROW_HEADS = 24, 12
TARGET = 0.05


class Kernels(TorchDispatchMode):
    """Counts the operations that work on data: neither views nor allocations."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count one operation, and do it."""
        is_view = any(result.alias_info and not result.alias_info.is_write for result in func._schema.returns)
        self.count += not is_view and "empty" not in func._schema.name
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Variant:
    """A model, its optimiser, and the budgets of its steps (none for a dense one)."""

    name: str
    model: BertForSequenceClassification
    run: Callable[..., Any]
    optimizer: torch.optim.Optimizer
    market: EconomyCallback | None
    budgets: tuple[float, ...]
    passes: int

    def step(self, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> None:
        """Train for one step."""
        self.backward(batch, labels)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def backward(self, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> None:
        """Find a step's gradients."""
        if self.market is not None:
            self.market.economy.set_temperature(0.5)
            self.market.open_lanes(self.budgets)
        lanes = max(len(self.budgets), 1)
        if lanes > 1:
            batch = {name: tensor.repeat(lanes, 1) for name, tensor in batch.items()}
            labels = labels.repeat(lanes)
        for _ in range(self.passes):
            with torch.autocast(labels.device.type, dtype=torch.bfloat16):
                loss = self.run(**batch, labels=labels).loss
            loss.backward()


def variant(options: argparse.Namespace, name: str, *, compiled: bool) -> Variant:
    """Make one of the models that are compared, on the device."""
    torch.manual_seed(0)
    config = BertConfig(
        num_hidden_layers=options.layers,
        hidden_size=options.hidden,
        num_attention_heads=options.heads or max(options.hidden // 64, 1),
        intermediate_size=4 * options.hidden,
        num_labels=2,
    )
    with options.device:  # a hundred million numbers are drawn faster there
        model = BertForSequenceClassification(config)
    model = model.to(options.device).train()
    market, budgets = None, ()
    if name.startswith(("market", "elastic")):
        width = config.hidden_size // config.num_attention_heads
        economy = attach(model, EconomyConfig(sequence_length=options.tokens, block_width=width))
        economy.gate.folds = {"market, features": False, "market, weights": True}.get(name)
        economy.set_valuations(np.random.default_rng(0).standard_normal(len(economy.population)))
        market = economy.callback(ElasticBudget())
        budgets = BUDGETS if name == "elastic" else BUDGETS[-1:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=options.device.type == "cuda")
    run = torch.compile(model) if compiled else model
    return Variant(name, model, run, optimizer, market, budgets, len(BUDGETS) if name == "dense x3" else 1)


def measure(variants: list[Variant], options: argparse.Namespace) -> np.ndarray:
    """Give seconds of each step, shape (steps, variants)."""
    batch, labels = batch_of(options)
    seconds = np.empty((options.steps, len(variants)))
    for turn in range(-options.warm_up, options.steps):
        for number, one in enumerate(variants):
            synchronise(options.device)
            started = time.perf_counter()
            one.step(batch, labels)
            synchronise(options.device)
            if turn >= 0:
                seconds[turn, number] = time.perf_counter() - started
    return seconds


def batch_of(options: argparse.Namespace) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Draw a batch of tokens, and labels."""
    generator = torch.Generator().manual_seed(1)
    shape = (options.batch, options.tokens)
    ids = torch.randint(1000, 30000, shape, generator=generator).to(options.device)
    labels = torch.randint(2, (options.batch,), generator=generator).to(options.device)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, labels


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def host_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure what a step asks of the host: processor time, and kernels."""
    narrow = {"device": torch.device("cpu"), "hidden": NARROW, "heads": NARROW_HEADS, "batch": 1, "tokens": 4}
    options = argparse.Namespace(**{**vars(options), **narrow})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with without_fused_kernel():
        variants = [variant(options, name, compiled=False) for name in ("dense", "market, features", "market, weights")]
        batch, labels = batch_of(options)
        seconds = np.empty((options.steps, len(variants)))
        for turn in range(-options.warm_up, options.steps):
            for number, one in enumerate(variants):
                started = time.process_time()
                one.backward(batch, labels)
                if turn >= 0:
                    seconds[turn, number] = time.process_time() - started
                one.optimizer.zero_grad()
        rows = table_of("host", variants, seconds)
        for row, one in zip(rows, variants, strict=True):
            row |= {"kernels": kernels_of(one, batch, labels), "hidden": NARROW, "batch": 1, "tokens": 4}
    torch.set_num_threads(threads)
    return rows


def kernels_of(one: Variant, batch: dict[str, torch.Tensor], labels: torch.Tensor) -> int:
    """Count the kernels of forward and backward."""
    with Kernels() as kernels:
        one.backward(batch, labels)
    one.optimizer.zero_grad()
    return kernels.count


@contextlib.contextmanager
def without_fused_kernel() -> Iterator[None]:
    """Have the market's fused kernels, for the time being, give tensors of the right shapes at once."""

    def forward(values: torch.Tensor, *others: Any) -> tuple[torch.Tensor, ...]:
        supply = others[3]
        return values.new_full(values.shape, 0.6), torch.zeros(supply.shape), torch.full(supply.shape, 0.6)

    def backward(upstream: torch.Tensor, _: Any, allocation: torch.Tensor, *__: Any, **___: Any) -> tuple[Any, ...]:
        return torch.zeros_like(allocation), None, allocation.new_zeros((*allocation.shape[:-1], 1)), None

    before = capacity.fits, capacity.fused_forward, capacity.fused_backward
    capacity.fits, capacity.fused_forward, capacity.fused_backward = lambda *_: True, forward, backward
    try:
        yield
    finally:
        capacity.fits, capacity.fused_forward, capacity.fused_backward = before


def rows_of(options: argparse.Namespace, mode: str) -> list[dict[str, Any]]:
    """Measure one mode."""
    if mode == "host":
        return host_rows(options)
    names = {"elastic": ["dense x3", "elastic"], "features": ["dense", "market, features"]}.get(
        mode, ["dense", "market"]
    )
    variants = [variant(options, name, compiled=mode == "compiled") for name in names]
    return table_of(mode, variants, measure(variants, options))


def table_of(mode: str, variants: list[Variant], seconds: np.ndarray) -> list[dict[str, Any]]:
    """Give a row per variant of seconds of each step, shape (steps, variants); the first is the reference."""
    rows = []
    for number, one in enumerate(variants):
        reference = seconds[:, 0]
        lower, median, upper = np.quantile(seconds[:, number], (0.25, 0.5, 0.75)) * 1e3
        agents = 0 if one.market is None else len(one.market.economy.population)
        rows.append(
            {
                "mode": mode,
                "model": one.name,
                "agents": agents,
                "median_ms": median,
                "lower_quartile_ms": lower,
                "upper_quartile_ms": upper,
                "overhead": float(np.median(seconds[:, number] / reference)) - 1.0,
            }
        )
    return rows


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--device", type=torch.device, default=torch.device("cuda" if torch.cuda.is_available() else "cpu")
    )
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=768)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=4)
    parser.add_argument("--modes", default="eager,elastic,compiled")
    parser.add_argument("--out", type=Path)
    parser.set_defaults(heads=None)
    options = parser.parse_args()
    started = time.perf_counter()
    name = (
        torch.cuda.get_device_name(options.device) if options.device.type == "cuda" else platform.processor() or "CPU"
    )
    about = {
        "device": name,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "layers": options.layers,
        "hidden": options.hidden,
        "batch": options.batch,
        "tokens": options.tokens,
        "steps": options.steps,
    }
    rows: list[dict[str, Any]] = []
    for mode in options.modes.split(","):  # shown and saved as they come: compiling may outlast a limit of time
        print(f"{mode}, after {time.perf_counter() - started:.0f} s", flush=True)
        found = rows_of(options, mode)
        rows += found
        if mode == "host":
            title = f"Host's part of a training step, {options.layers} x {NARROW}: {platform.processor() or 'CPU'}"
        else:
            title = f"Training step, {options.layers} x {options.hidden}, {options.batch} x {options.tokens}: {name}"
        show(found, title)
        if options.out:
            facts = {**about, "seconds": time.perf_counter() - started}
            options.out.write_text(json.dumps({"about": facts, "rows": rows}, indent=1))
        if options.device.type == "cuda":
            torch.cuda.empty_cache()
    print(f"target: market at most {TARGET:.0%} over dense; {time.perf_counter() - started:.0f} s in all")


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print the rows of one mode."""
    table = Table(title=title)
    counted = any("kernels" in row for row in rows)
    for column in ("mode", "model", "agents", "ms (quartiles)", "over dense", *(("kernels",) if counted else ())):
        table.add_column(column, justify="left" if column in ("mode", "model") else "right")
    for row in rows:
        quartiles = f"{row['median_ms']:.2f} ({row['lower_quartile_ms']:.2f}-{row['upper_quartile_ms']:.2f})"
        over = "" if row["model"].startswith("dense") else f"{row['overhead']:+.1%}"
        kernels = (str(row["kernels"]),) if counted else ()
        table.add_row(row["mode"], row["model"], str(row["agents"] or ""), quartiles, over, *kernels)
    console = Console()
    console.print(table)
    console.file.flush()


if __name__ == "__main__":
    main()
