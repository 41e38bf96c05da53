"""Time of exported models beside the dense one: whether a model with fewer FLOPs runs faster by as much.

    python benchmarks/exported_latency.py
    python benchmarks/exported_latency.py --batches 32,128,512 --modes eager,graph,compiled --out exported.json
    OMP_NUM_THREADS=1 python benchmarks/exported_latency.py --device cpu --dtype float32 --batches 32 --round-to 0 \
        --repeats 3 --warm-up 1 --clock cpu
    python benchmarks/exported_latency.py --model MODEL_FOLDER --run runs/cola-0 --batches 1,32,256 --modes eager

By default a BERT of base size with random weights, since time does not depend on them; who is served follows random
valuations, the same for all budgets, so that layers differ in width as they fall; with `--run`, the valuations of a
finished `walras study` of the model in `--model`. FLOPs are counted on the exported models, by torch. All models of a
row's batch and mode take turns in one run; medians and quartiles of `--repeats`. The third command is for a CPU that
others use too: one thread, and the process's own seconds.

A mode is `eager`; `graph`, the eager kernels replayed as one CUDA graph, without the host's time; `compiled`, by
torch's inductor (on CUDA with graphs); or `frozen`, the same with the weights as constants, which lets the compiler
join projections of one input. Compiling takes a quarter of a minute a model, so it is done at one batch, the middle
one, and for rounded shapes first; once `--seconds` have passed, what is left is skipped, and said to be.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification, PreTrainedModel

from walras.llm import EconomyConfig, attach, count_flops
from walras.llm.latency import measure_turns

MODES = ("eager", "graph", "compiled", "frozen")
TARGET = 0.85  # of the FLOPs ratio


@dataclass(frozen=True)
class Exported:
    """A model, what it is called in the table, and its FLOPs as a fraction of the dense model's."""

    name: str
    model: PreTrainedModel
    flops: float

    @property
    def order(self) -> int:
        """When its turn to be compiled comes."""
        return 0 if self.name == "dense" else 1 if " by " in self.name else 2


def whole_model(options: argparse.Namespace, device: torch.device) -> PreTrainedModel:
    """Give the model that is cut: the one in a folder, or a BERT of the size asked for with random weights."""
    if options.model:
        model = AutoModelForSequenceClassification.from_pretrained(options.model, dtype=torch.float32)
    else:
        torch.manual_seed(options.seed)
        heads = max(options.hidden // 64, 1)
        config = BertConfig(
            hidden_size=options.hidden,
            num_hidden_layers=options.layers,
            num_attention_heads=heads,
            intermediate_size=4 * options.hidden,
            max_position_embeddings=max(512, options.tokens),
        )
        with device:  # random weights are drawn fastest there
            model = BertForSequenceClassification(config)
    return model.to(device, getattr(torch, options.dtype)).eval()


def exported_models(options: argparse.Namespace, device: torch.device) -> list[Exported]:
    """Give the dense model, and for each budget an exported one as cleared and one with rounded shapes."""
    model = whole_model(options, device)
    economy = attach(model, EconomyConfig(sequence_length=options.tokens))
    budgets = [float(text) for text in options.budgets.split(",")]
    if options.run:
        agents = pd.read_parquet(options.run / "agents.parquet")
        economy.set_valuations(agents.loc[agents["budget"] == agents["budget"].max(), "valuation"].to_numpy())
    else:
        economy.set_valuations(np.random.default_rng(options.seed).standard_normal(len(economy.population)))
    models = {"dense": economy.export(1.0)}
    for budget in budgets:
        models[f"{budget:g}"] = economy.export(budget)
        if options.round_to:
            models[f"{budget:g} by {options.round_to}"] = economy.export(budget, round_to=options.round_to)
    economy.detach()
    flops = [count_flops(each, sequence_length=options.tokens) for each in models.values()]
    return [Exported(name, each, count / flops[0]) for (name, each), count in zip(models.items(), flops, strict=True)]


def runner(model: PreTrainedModel, tokens: torch.Tensor, mode: str) -> Callable[[], object]:
    """Give a function without arguments that runs one forward pass in a mode; compiles or captures it first."""
    if mode == "eager":
        return lambda: model(input_ids=tokens)
    if mode == "graph":
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                model(input_ids=tokens)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model(input_ids=tokens)
        return graph.replay
    torch._dynamo.config.recompile_limit = 64  # all models run the same code
    options = {"triton.cudagraphs": tokens.is_cuda, "freezing": mode == "frozen"}
    compiled = torch.compile(model, fullgraph=True, dynamic=False, options=options)
    for _ in range(3):
        compiled(input_ids=tokens)
    return lambda: compiled(input_ids=tokens)


def measured(
    models: list[Exported], options: argparse.Namespace, device: torch.device, deadline: float
) -> tuple[list[dict[str, object]], list[str]]:
    """Give a row per mode, batch and model, and what was skipped and why."""
    rows: list[dict[str, object]] = []
    skipped: list[str] = []
    batches = [int(text) for text in options.batches.split(",")]
    for mode in options.modes.split(","):
        compiles = mode in ("compiled", "frozen")
        if mode == "graph" and device.type != "cuda":
            skipped.append("graph: needs CUDA")
            continue
        for batch in [batches[len(batches) // 2]] if compiles else batches:
            tokens = torch.ones((batch, options.tokens), dtype=torch.long, device=device)
            ready: list[tuple[Exported, Callable[[], object]]] = []
            longest = 0.0
            for each in sorted(models, key=lambda each: each.order) if compiles else models:
                if compiles and time.perf_counter() + longest > deadline:
                    skipped.append(f"{mode}, batch {batch}, {each.name}: out of time")
                    continue
                started = time.perf_counter()
                try:
                    ready.append((each, runner(each.model, tokens, mode)))
                except Exception as error:  # a row that fails must not cost the others
                    skipped.append(f"{mode}, batch {batch}, {each.name}: {type(error).__name__}: {str(error)[:200]}")
                longest = max(longest, time.perf_counter() - started)
            if not ready or ready[0][0].name != "dense":
                continue
            times = measure_turns(
                [run for _, run in ready],
                devices=[device] * len(ready),
                repeats=options.repeats,
                warm_up=options.warm_up,
                clock=time.process_time if options.clock == "cpu" else None,
            )
            for (each, _), latency in zip(ready, times, strict=True):
                speed_up = times[0].median / latency.median
                rows.append(
                    {
                        "mode": mode,
                        "batch": batch,
                        "budget": each.name,
                        "flops": each.flops,
                        "median_ms": latency.median * 1e3,
                        "lower_ms": latency.lower_quartile * 1e3,
                        "upper_ms": latency.upper_quartile * 1e3,
                        "speed_up": speed_up,
                        "of_flops_ratio": speed_up * each.flops,
                    }
                )
    return rows, skipped


def printed(rows: list[dict[str, object]], title: str) -> None:
    """Print the rows as a table."""
    table = Table(title=title, caption=f"Green: at least {TARGET} of the FLOPs ratio.")
    for column in ("mode", "batch", "budget", "FLOPs / dense", "median (ms)", "quartiles (ms)", "speed-up", "of ratio"):
        table.add_column(column, justify="right")
    for number, row in enumerate(rows):
        share = row["of_flops_ratio"]
        table.add_row(
            str(row["mode"]),
            str(row["batch"]),
            str(row["budget"]),
            f"{row['flops']:.3f}",
            f"{row['median_ms']:.2f}",
            f"{row['lower_ms']:.2f} to {row['upper_ms']:.2f}",
            f"{row['speed_up']:.2f}",
            f"[green]{share:.2f}[/]" if share >= TARGET else f"{share:.2f}",
            end_section=number + 1 < len(rows) and rows[number + 1]["budget"] == "dense",
        )
    Console(width=120).print(table)


@torch.no_grad()
def main() -> None:
    """Print one table, and write the rows where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder or hub name of a pretrained encoder, in place of random weights")
    parser.add_argument("--run", type=Path, help="folder of a finished study of that model")
    parser.add_argument("--hidden", type=int, default=768, help="hidden size of the random model")
    parser.add_argument("--layers", type=int, default=12, help="layers of the random model")
    parser.add_argument("--budgets", default="0.6,0.4,0.25,0.15", help="fractions of the agents' FLOPs")
    parser.add_argument("--batches", default="32,128", help="sequences in a batch")
    parser.add_argument("--tokens", type=int, default=128, help="tokens in a sequence")
    parser.add_argument("--dtype", default="bfloat16" if torch.cuda.is_available() else "float32")
    parser.add_argument("--modes", default="eager", help=f"of {', '.join(MODES)}")
    parser.add_argument("--round-to", type=int, default=128, help="also export rounded shapes; 0 for none")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=2, help="passes that do not count")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: seconds of the process alone")
    parser.add_argument("--seconds", type=float, default=80.0, help="start no further compilation after this")
    parser.add_argument("--seed", type=int, default=0, help="of weights and valuations")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="write the rows there, as JSON")
    options = parser.parse_args()
    unknown = set(options.modes.split(",")) - set(MODES)
    if unknown:
        parser.error(f"--modes takes {', '.join(MODES)}; got {', '.join(sorted(unknown))}")

    deadline = time.perf_counter() + options.seconds
    device = torch.device(options.device)
    models = exported_models(options, device)
    rows, skipped = measured(models, options, device, deadline)
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    title = f"{name}; {versions}; {options.dtype}, {options.tokens} tokens; {options.clock} clock"
    printed(rows, title)
    for line in skipped:
        print("skipped:", line)
    if options.out:
        settings = {key: str(value) for key, value in vars(options).items()}
        report = {"title": title, "settings": settings, "rows": rows, "skipped": skipped}
        options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
