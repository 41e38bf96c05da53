"""Time of a training step with and without the market, at the size of BERT-base.

    python benchmarks/step_overhead.py --out step_overhead.json
    python benchmarks/step_overhead.py --layers 2 --hidden 128 --batch 4 --tokens 32 --steps 5 --modes eager

A step is forward, backward, clipping and AdamW, on random weights and random tokens, under bf16 autocast. The rows:

- `dense`: the model alone;
- `market`: the same with an economy attached and one budget a step, as the callback sets it in an ordinary Trainer;
- `elastic`: three budgets a step, side by side in one pass, beside three dense steps' forward and backward, eager.

The models take turns in one run, so that a change in the machine's speed meets all alike; medians and quartiles. The
overhead is the median over turns of the time over the dense model's in the same turn, less 1. Compiled models are
compiled by `torch.compile`, whose time is not counted in a step (and is most of this program's own).
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from rich.console import Console
from rich.table import Table
from transformers import BertConfig, BertForSequenceClassification

from walras.llm import EconomyConfig, ElasticBudget, attach
from walras.llm.callback import EconomyCallback

BUDGETS = (1.0, 0.25, 0.6)
TARGET = 0.05


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
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()


def variant(options: argparse.Namespace, name: str, *, compiled: bool) -> Variant:
    """Make one of the models that are compared, on the device."""
    torch.manual_seed(0)
    config = BertConfig(
        num_hidden_layers=options.layers,
        hidden_size=options.hidden,
        num_attention_heads=max(options.hidden // 64, 1),
        intermediate_size=4 * options.hidden,
        num_labels=2,
    )
    with options.device:  # a hundred million numbers are drawn faster there
        model = BertForSequenceClassification(config)
    model = model.to(options.device).train()
    market, budgets = None, ()
    if name in ("market", "elastic"):
        economy = attach(model, EconomyConfig(sequence_length=options.tokens))
        economy.set_valuations(np.random.default_rng(0).standard_normal(len(economy.population)))
        market = economy.callback(ElasticBudget())
        budgets = BUDGETS if name == "elastic" else BUDGETS[-1:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=options.device.type == "cuda")
    run = torch.compile(model) if compiled else model
    return Variant(name, model, run, optimizer, market, budgets, len(BUDGETS) if name == "dense x3" else 1)


def measure(variants: list[Variant], options: argparse.Namespace) -> np.ndarray:
    """Give seconds of each step, shape (steps, variants)."""
    generator = torch.Generator().manual_seed(1)
    shape = (options.batch, options.tokens)
    ids = torch.randint(1000, 30000, shape, generator=generator).to(options.device)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    labels = torch.randint(2, (options.batch,), generator=generator).to(options.device)
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


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rows_of(options: argparse.Namespace, mode: str) -> list[dict[str, Any]]:
    """Measure one mode."""
    names = ["dense x3", "elastic"] if mode == "elastic" else ["dense", "market"]
    variants = [variant(options, name, compiled=mode == "compiled") for name in names]
    seconds = measure(variants, options)
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
        show(found, f"Training step, {options.layers} x {options.hidden}, {options.batch} x {options.tokens}: {name}")
        if options.out:
            facts = {**about, "seconds": time.perf_counter() - started}
            options.out.write_text(json.dumps({"about": facts, "rows": rows}, indent=1))
        if options.device.type == "cuda":
            torch.cuda.empty_cache()
    print(f"target: market at most {TARGET:.0%} over dense; {time.perf_counter() - started:.0f} s in all")


def show(rows: list[dict[str, Any]], title: str) -> None:
    """Print the rows of one mode."""
    table = Table(title=title)
    for column in ("mode", "model", "agents", "ms (quartiles)", "over dense"):
        table.add_column(column, justify="left" if column in ("mode", "model") else "right")
    for row in rows:
        quartiles = f"{row['median_ms']:.2f} ({row['lower_quartile_ms']:.2f}-{row['upper_quartile_ms']:.2f})"
        over = "" if row["model"].startswith("dense") else f"{row['overhead']:+.1%}"
        table.add_row(row["mode"], row["model"], str(row["agents"] or ""), quartiles, over)
    console = Console()
    console.print(table)
    console.file.flush()


if __name__ == "__main__":
    main()
