"""Time of a forward pass over long sequences when tokens buy their processing, beside the dense model.

    OMP_NUM_THREADS=1 python benchmarks/token_market.py --clock cpu
    python benchmarks/token_market.py --device cuda --out token_market.json
    python benchmarks/token_market.py --device cuda --models bert-base --modes compiled --seconds 300

Models have random weights and read random tokens without padding; every layer but the first is for sale. Encoders
(BERT's shape) clear a market in each sequence. Decoders (Llama's shape) post prices that were calibrated on the same
kind of tokens, and read a prompt into a new cache: as many tokens are taken through a layer as buy, or, with `room`, a
fixed number of places, 1.1 times the capacity. `visible` says whether buyers see the keys and values of
everyone or of buyers only.

A mode is `eager`; `graph`, the eager kernels replayed as one CUDA graph, without the host's time; or `compiled`, by
torch's inductor (on CUDA with graphs). The last two need a number of places that is known beforehand. Compiling takes
a quarter of a minute a variant and is done last; once `--seconds` have passed, what is left is skipped, and said to be.

Nothing is padding, and nobody makes a mask of nothing: all is measured under `walras.llm.unpadded`, since captured and
compiled passes of transformers would otherwise attend through one, several times slower, the dense model's as well.

All variants of a model and mode take turns in one run, so that a change in the machine's speed meets all alike. Times
are medians (on a CPU that others use too: one thread, and the process's own seconds), and the speed-up is the dense
model's in the same mode over the variant's. FLOPs are those of the whole model, in closed form, scores counted in full,
as torch does, although causal kernels skip half of them; `reached` is the speed-up times the FLOPs ratio: 1 where time
falls as FLOPs do. `best` compares each variant in its fastest mode with the dense model in its own, among the modes in
which the dense model was measured: what somebody gains who takes the best of each.
"""

import argparse
import copy
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from rich.console import Console
from rich.table import Table
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedModel

from walras.llm import unpadded
from walras.llm.latency import as_graph, measure_turns
from walras.llm.tokens import TokenConfig, attach_tokens

MODES = ("eager", "graph", "compiled")
VISIBLE = ("everyone", "buyers")
VOCABULARY = 8192
SPARE = 1.1  # places of a layer with `room`, over its capacity


class Shape(NamedTuple):
    """Sizes of a model and its batch."""

    kind: str
    layers: int
    hidden: int
    heads: int
    key_value_heads: int
    neurons: int
    sequences: int
    tokens: int


MODELS = {
    "bert-small": Shape("bert", 4, 256, 4, 4, 1024, 2, 512),
    "llama-small": Shape("llama", 4, 256, 4, 1, 704, 1, 1024),
    "bert-base": Shape("bert", 12, 768, 12, 12, 3072, 32, 512),
    "bert-large": Shape("bert", 24, 1024, 16, 16, 4096, 16, 512),
    "llama-2k": Shape("llama", 12, 2048, 32, 4, 5632, 4, 2048),
    "llama-8k": Shape("llama", 12, 2048, 32, 4, 5632, 4, 8192),
}
BY_DEVICE = {"cpu": "bert-small,llama-small", "cuda": "bert-base,bert-large,llama-2k,llama-8k"}


@dataclass
class Variant:
    """A model, dense or with a market, and what was found of it."""

    name: str
    model: PreTrainedModel
    flops: float
    fixed: bool  # whether its shapes are known beforehand
    modes: dict[str, dict[str, float]] = field(default_factory=dict)
    best: dict[str, Any] = field(default_factory=dict)  # in the fastest of them


def build(shape: Shape, device: str, dtype: torch.dtype) -> PreTrainedModel:
    """Make a model with random weights, in evaluation mode."""
    common: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.neurons,
        "max_position_embeddings": shape.tokens,
    }
    torch.manual_seed(0)
    with torch.device(device):
        model: PreTrainedModel
        if shape.kind == "bert":
            model = BertModel(BertConfig(**common), add_pooling_layer=False)
        else:
            model = LlamaModel(LlamaConfig(**common, num_key_value_heads=shape.key_value_heads))
    return model.to(dtype).eval()


def variants(shape: Shape, capacities: list[float], device: str, dtype: torch.dtype) -> list[Variant]:
    """Give the dense model and copies of it with each of the markets."""
    dense = build(shape, device, dtype)
    found = [Variant("dense", dense, 1.0, fixed=True)]
    batch, *others = ({"input_ids": tokens_of(shape, device, seed)} for seed in range(4))
    rooms = (False, True) if shape.kind == "llama" else (False,)
    for with_room in rooms:
        for visible in VISIBLE:
            for capacity in capacities:
                room = min(SPARE * capacity, 1.0) if with_room else None
                model = copy.deepcopy(dense)
                torch.manual_seed(1)
                layers = tuple(range(1, shape.layers))
                economy = attach_tokens(
                    model, TokenConfig(layers=layers, capacity=capacity, visible=visible, room=room)
                )
                if economy.causal:
                    economy.calibrate(others)
                model(**batch)
                rows = economy.flops()
                of_layer = float(rows["dense_flops"].iloc[0])
                flops = (rows["flops"].sum() + of_layer) / (shape.layers * of_layer)  # the first layer is dense
                name = f"{visible} {capacity:g}" + (f", room {room:g}" if room else "")
                found.append(Variant(name, model, float(flops), fixed=room is not None or not economy.causal))
    return found


def tokens_of(shape: Shape, device: str, seed: int) -> torch.Tensor:
    """Draw random tokens; shape (sequences, tokens)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(VOCABULARY, (shape.sequences, shape.tokens), generator=generator).to(device)


def runner(model: PreTrainedModel, tokens: torch.Tensor, mode: str) -> Callable[[], object]:
    """Give a function without arguments that runs one forward pass in a mode; compiles or captures it first."""
    if mode == "eager":
        return lambda: model(input_ids=tokens)
    if mode == "graph":
        return as_graph(lambda: model(input_ids=tokens), tokens.device)
    torch._dynamo.config.recompile_limit = 64  # all variants run the same code
    compiled = torch.compile(model, fullgraph=True, dynamic=False, options={"triton.cudagraphs": tokens.is_cuda})
    for _ in range(3):
        compiled(input_ids=tokens)
    return lambda: compiled(input_ids=tokens)


def measure(
    candidates: list[Variant], tokens: torch.Tensor, mode: str, options: argparse.Namespace, deadline: float
) -> list[str]:
    """Time the variants in turns, and write what is found into them; give what was skipped, and why."""
    skipped: list[str] = []
    ready: list[tuple[Variant, Callable[[], object]]] = []
    longest = 0.0
    for each in candidates:
        if mode != "eager" and not each.fixed:
            continue
        if mode == "compiled" and time.perf_counter() + longest > deadline:
            skipped.append(f"{mode}, {each.name}: out of time")
            continue
        started = time.perf_counter()
        try:
            ready.append((each, runner(each.model, tokens, mode)))
        except Exception as error:  # a row that fails must not cost the others
            while error.__cause__ or error.__context__:  # what went wrong first says why
                error = error.__cause__ or error.__context__
            skipped.append(f"{mode}, {each.name}: {type(error).__name__}: {str(error)[:300]}")
        longest = max(longest, time.perf_counter() - started)
    if not ready or ready[0][0].name != "dense":
        return skipped
    times = measure_turns(
        [run for _, run in ready],
        devices=[tokens.device] * len(ready),
        repeats=options.turns,
        clock=time.process_time if options.clock == "cpu" else None,
    )
    for (each, _), latency in zip(ready, times, strict=True):
        speed_up = times[0].median / latency.median
        each.modes[mode] = {"ms": 1e3 * latency.median, "speed_up": speed_up, "reached": speed_up * each.flops}
    return skipped


def add_best(rows: list[Variant]) -> None:
    """Write into each variant what its fastest mode gains over the dense model's fastest."""
    modes = [mode for mode in MODES if mode in rows[0].modes]
    if not modes:
        return
    dense = min(rows[0].modes[mode]["ms"] for mode in modes)
    for row in rows:
        fastest = min((row.modes[mode]["ms"], mode) for mode in modes if mode in row.modes)
        speed_up = dense / fastest[0]
        row.best = {"mode": fastest[1], "ms": fastest[0], "speed_up": speed_up, "reached": speed_up * row.flops}


def printed(name: str, shape: Shape, rows: list[Variant], head: str) -> None:
    """Print a table: a row a variant; what is reached in its best mode; milliseconds and speed-up in each mode."""
    modes = [mode for mode in MODES if any(mode in row.modes for row in rows)]
    size = f"{shape.layers} x {shape.hidden}, {shape.sequences} x {shape.tokens} tokens"
    table = Table(title=f"{name}: {size}; {head}")
    table.add_column("visible, capacity")
    by_mode = [f"{mode}: {what}" for mode in modes for what in ("ms", "speed-up")]
    for column in ("FLOPs", "best: mode", "speed-up", "reached", *by_mode):
        table.add_column(column, justify="right")
    for row in rows:
        best = row.best
        cells = [best["mode"], f"{best['speed_up']:.2f}", f"{best['reached']:.2f}"] if best else ["", "", ""]
        for mode in modes:
            found = row.modes.get(mode)
            cells += [f"{found[key]:.2f}" for key in ("ms", "speed_up")] if found else ["", ""]
        table.add_row(row.name, f"{row.flops:.3f}", *cells)
    Console(width=150).print(table)


def options_of_the_command() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--models", help=f"of {', '.join(MODELS)}; by default {BY_DEVICE}")
    parser.add_argument("--modes", help="of eager, graph, compiled; by default all on cuda, eager on cpu")
    parser.add_argument("--capacities", default="0.5,0.25")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=150.0, help="start no further compilation after this")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: seconds of the process alone")
    parser.add_argument("--out", type=Path, help="write the rows to this JSON file")
    options = parser.parse_args()
    options.models = (options.models or BY_DEVICE[options.device]).split(",")
    options.modes = (options.modes or ("eager" if options.device == "cpu" else ",".join(MODES))).split(",")
    options.capacities = [float(each) for each in options.capacities.split(",")]
    if unknown := {*options.models} - {*MODELS} | {*options.modes} - {*MODES}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; models {', '.join(MODELS)}; modes {', '.join(MODES)}")
    if options.device == "cpu" and "graph" in options.modes:
        parser.error("--modes graph needs --device cuda")
    return options


@torch.no_grad()
def main() -> None:
    """Print a table for each model, and save the rows."""
    options = options_of_the_command()
    deadline = time.perf_counter() + options.seconds
    dtype = torch.bfloat16 if options.device == "cuda" else torch.float32
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} CPU threads"
    head = f"{device}, {dtype}, torch {torch.__version__}, transformers {transformers.__version__}"
    results: dict[str, Any] = {"environment": head, "python": platform.python_version(), "models": {}, "skipped": []}
    known: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    # What takes no compiling is measured for all models before anything is compiled.
    parts = [[mode for mode in options.modes if (mode == "compiled") == compiles] for compiles in (False, True)]
    for modes, name in ((modes, name) for modes in parts if modes for name in options.models):
        skipped: list[str] = results["skipped"]
        if time.perf_counter() > deadline:
            skipped.append(f"{name}, {', '.join(modes)}: out of time")
            continue
        shape = MODELS[name]
        rows = variants(shape, options.capacities, options.device, dtype)
        for row in rows:
            row.modes = known.setdefault((name, row.name), row.modes)
        for mode in modes:
            with unpadded():
                missed = measure(rows, tokens_of(shape, options.device, 0), mode, options, deadline)
            skipped += [f"{name}, {line}" for line in missed]
        add_best(rows)
        printed(name, shape, [row for row in rows if row.modes], head)
        results["models"][name] = {
            "shape": shape._asdict(),
            "rows": [{"variant": row.name, "flops": row.flops, "modes": row.modes, "best": row.best} for row in rows],
        }
        del rows
        torch.compiler.reset()
        if options.device == "cuda":
            torch.cuda.empty_cache()
        if options.out:
            options.out.write_text(json.dumps(results, indent=1), encoding="utf-8")
    for line in results["skipped"]:
        print("skipped:", line)


if __name__ == "__main__":
    main()
