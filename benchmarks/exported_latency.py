r"""Time of exported models beside the dense one: whether a model with fewer FLOPs runs faster by as much.

    python benchmarks/exported_latency.py --out exported.csv
    python benchmarks/exported_latency.py --parts graph:bfloat16:32x128,128x128 compiled:tf32:128x128
    OMP_NUM_THREADS=1 python benchmarks/exported_latency.py --parts eager:float32:32x128 --clock cpu --repeats 3 \
        --warm-up 1
    python benchmarks/exported_latency.py --model MODEL_FOLDER --run runs/cola-0
    python benchmarks/exported_latency.py --model MODEL_FOLDER --chosen runs/stsb/scores.parquet --method market
    python benchmarks/exported_latency.py --model EXPORTED_FOLDER EXPORTED_FOLDER ...

By default a BERT of base size with random weights, since time does not depend on them, cut in several ways to each
budget (see `CUTS` in exported_models.py, and the legend that is printed) and streamlined; beside it the dense model as
transformers has it, the dense model streamlined, and small dense models with fewer layers. With `--model` the whole
model of a folder, or models that were exported before, beside a dense one of their size. With `--chosen` the whole
model is cut in each layer as a method of `walras frontier` cut its first seed's at each budget (the cut "chosen").

A part is mode:precision:shapes, a shape BATCHxTOKENS, without padding. All models of a part and shape take turns in one
run, after a warm-up, the device synchronised around each pass; medians and quartiles of `--repeats`. Modes:

    eager      one kernel after the other, launched by the host
    graph      the same kernels, replayed as one CUDA graph: without the host's time
    compiled   each layer compiled by torch's inductor; on CUDA replayed as one CUDA graph
               (`--compile-mode max-autotune-no-cudagraphs` also tunes matrix products, which takes minutes)

Nothing is padding, and no model gets a mask or makes one: all is measured under `walras.llm.unpadded`, since captured
and compiled passes of transformers would otherwise attend through a mask of nothing, several times slower.

Precisions: float32; tf32, float32 with products in TF32; bfloat16. FLOPs are counted by torch on the exported model.
"of ratio" is speed-up times FLOPs / dense: 1.00 if time falls by as much as FLOPs do; then the same beside the dense
model that is streamlined as well. The headline compares each model in its fastest mode with the dense model in its own:
what somebody gains who takes the best of each. Parts are done in order, those that compile last; once `--seconds` have
passed no other begins, and compiling ends after `--compile-seconds` in a part; what is left out is said. The third
command is for a CPU that others use too: one thread, and the process's own seconds.
"""

import argparse
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import transformers
from exported_models import CUTS, Candidate, candidates
from exported_tables import printed, printed_headline, printed_summary
from transformers import PreTrainedModel

from walras.llm import unpadded
from walras.llm.architectures import Architecture, architecture_of, named_layers
from walras.llm.latency import as_graph, measure_turns

MODES = ("eager", "graph", "compiled")
PRECISIONS = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
PARTS = {  # the most important first
    "cuda": (
        "graph:bfloat16:128x128,32x128,256x128",
        "eager:bfloat16:128x128,32x128",
        "graph:tf32:128x128,32x128",
        "graph:bfloat16:1x128,32x512,128x512",
        "eager:bfloat16:1x128",
        "eager:tf32:32x128,128x128",
        "compiled:bfloat16:128x128,32x128",
        "compiled:tf32:128x128",
        "compiled:bfloat16:1x128",
    ),
    "cpu": ("eager:float32:4x128",),
}


@dataclass(frozen=True)
class Part:
    """A mode, a precision, and the shapes (batch, tokens) that are measured in them."""

    mode: str
    precision: str
    shapes: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, text: str) -> "Part":
        """Read `mode:precision:BATCHxTOKENS,...`."""
        try:
            mode, precision, shapes = text.split(":")
            sizes = tuple(
                (int(batch), int(tokens)) for batch, tokens in (each.split("x") for each in shapes.split(","))
            )
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not mode:precision:BATCHxTOKENS,...") from None
        if mode not in MODES or precision not in PRECISIONS:
            raise argparse.ArgumentTypeError(f"{text!r}: a mode of {MODES}, a precision of {tuple(PRECISIONS)}")
        return cls(mode, precision, sizes)


def compile_layers(model: PreTrainedModel, mode: str) -> None:
    """Compile each layer on its own: layers of one shape are compiled once, also those of different models."""
    for limit in ("recompile_limit", "accumulated_recompile_limit"):  # all models run the same code
        if hasattr(torch._dynamo.config, limit):
            setattr(torch._dynamo.config, limit, 2048)
    structure = getattr(model.config, "walras", None)
    architecture = Architecture.from_dict(structure["architecture"]) if structure else architecture_of(model)
    for layer, _ in named_layers(model, architecture):
        layer.compile(fullgraph=True, dynamic=False, mode=mode)


def runner(
    model: PreTrainedModel, tokens: torch.Tensor, options: argparse.Namespace, mode: str
) -> Callable[[], object]:
    """Give a function without arguments that runs one forward pass in a mode; compiles or captures it first."""

    def compute() -> object:
        return model(input_ids=tokens)

    if mode == "compiled":
        compile_layers(model, options.compile_mode)
        compute()
    if mode == "eager" or not tokens.is_cuda:
        return compute
    if mode == "compiled":
        return as_graph(compute, tokens.device)
    with refusing_masks():
        return as_graph(compute, tokens.device)


@contextmanager
def refusing_masks() -> Iterator[None]:
    """Raise where attention gets a mask: a table with masked passes in it would mislead."""
    attend = torch.nn.functional.scaled_dot_product_attention

    def unmasked(*arguments: torch.Tensor, attn_mask: torch.Tensor | None = None, **named: Any) -> torch.Tensor:
        if attn_mask is not None:
            raise RuntimeError(f"attention got a mask of shape {tuple(attn_mask.shape)}, and nothing is padding")
        return attend(*arguments, **named)

    torch.nn.functional.scaled_dot_product_attention = unmasked
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = attend


def reason(error: BaseException) -> str:
    """Say what went wrong first: a capture that is broken off raises a second error, which says nothing."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return f"{type(error).__name__}: {str(error)[:200]}"


def uncompiled(model: PreTrainedModel) -> None:
    for module in model.modules():
        module._compiled_call_impl = None


def measured(
    part: Part, models: list[Candidate], options: argparse.Namespace, shape: tuple[int, int]
) -> tuple[list[dict[str, object]], list[str]]:
    """Give a row per model in one mode, precision and shape, and what was left out and why."""
    batch, length = shape
    device = models[0].model.device
    tokens = torch.ones(shape, dtype=torch.long, device=device)
    ready: list[tuple[Candidate, Callable[[], object]]] = []
    left_out: list[str] = []
    started, longest = time.perf_counter(), 0.0
    order = sorted(models, key=lambda each: _compiled_first(each.cut)) if part.mode == "compiled" else models
    for each in order:
        name = f"{part.mode}, {part.precision}, {batch} x {length}: {each.cut} {each.budget or ''}".strip()
        if part.mode == "compiled" and time.perf_counter() - started + longest > options.compile_seconds:
            left_out.append(f"{name}: out of time")
            continue
        before = time.perf_counter()
        try:
            ready.append((each, runner(each.model, tokens, options, part.mode)))
        except Exception as error:  # a row that fails must not cost the others
            left_out.append(f"{name}: {reason(error)}")
        longest = max(0.7 * longest, time.perf_counter() - before)
    if not ready or ready[0][0].cut != "dense":
        return [], left_out
    times = measure_turns(
        [run for _, run in ready],
        devices=[device] * len(ready),
        repeats=options.repeats,
        warm_up=options.warm_up,
        clock=time.process_time if options.clock == "cpu" else None,
    )
    for each in models:
        uncompiled(each.model)
    median = {each.cut: latency.median for (each, _), latency in zip(ready, times, strict=True)}
    whole = models[0].flops(length)
    rows = []
    for (each, _), latency in zip(ready, times, strict=True):
        flops = each.flops(length) / whole
        rows.append(
            {
                "mode": part.mode,
                "precision": part.precision,
                "batch": batch,
                "tokens": length,
                "cut": each.cut,
                "budget": each.budget,
                "flops": flops,
                "median_ms": latency.median * 1e3,
                "lower_ms": latency.lower_quartile * 1e3,
                "upper_ms": latency.upper_quartile * 1e3,
                "speed_up": median["dense"] / latency.median,
                "of_ratio": median["dense"] / latency.median * flops,
                "of_ratio_streamlined": median.get("dense, streamlined", float("nan")) / latency.median * flops,
            }
        )
    return rows, left_out


def measured_or_why_not(
    part: Part, models: list[Candidate], options: argparse.Namespace, shape: tuple[int, int]
) -> tuple[list[dict[str, object]], list[str]]:
    """Give what `measured` does, also where the device fails."""
    try:
        with unpadded():
            return measured(part, models, options, shape)
    except Exception as error:
        return [], [f"{part.mode}, {part.precision}, {shape[0]} x {shape[1]}: {reason(error)}"]


def _compiled_first(cut: str) -> int:
    """Cuts whose layers share few shapes are compiled soonest."""
    order = (
        "dense",
        "dense, streamlined",
        "small dense",
        "even",
        "sub-layers",
        "exported",
        "chosen",
        "seconds",
        "market",
    )
    return order.index(cut) if cut in order else len(order)


def profiled(models: list[Candidate], options: argparse.Namespace) -> None:
    """Print the kernels that take most of a pass, of the dense model and of those of the smallest budget."""
    least = min(options.budgets)
    tokens = torch.ones((128, 128), dtype=torch.long, device=models[0].model.device)
    for each in models:
        if not (each.cut == "dense" or (each.budget == least and each.cut in ("even", "sub-layers"))):
            continue
        each.model(input_ids=tokens)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
            for _ in range(3):
                each.model(input_ids=tokens)
            torch.cuda.synchronize()
        kernels = sorted(profile.key_averages(), key=lambda kernel: -kernel.self_device_time_total)[:10]
        total = sum(kernel.self_device_time_total for kernel in profile.key_averages())
        print(f"\nKernels of one pass, {each.cut} {each.budget or ''}, 128 x 128: {total / 3e3:.2f} ms in all")
        for kernel in kernels:
            print(f"    {kernel.self_device_time_total / 3e3:7.3f} ms {kernel.count / 3:5.0f} x  {kernel.key[:110]}")


def options_of(arguments: argparse.ArgumentParser) -> argparse.Namespace:
    """Read the command line."""
    add = arguments.add_argument
    add("--model", nargs="+", help="a pretrained encoder, or exported models, in place of random weights")
    add("--run", type=Path, help="folder of a finished study of that model, for its valuations")
    add("--chosen", type=Path, help="rows of walras frontier on that model: scores.parquet, or rows.csv")
    add("--method", default="market", help="whose rows of these; not of dense, nor of small_dense")
    add("--hidden", type=int, default=768, help="hidden size of the random model")
    add("--layers", type=int, default=12, help="layers of the random model")
    add("--budgets", type=_numbers, default=(0.6, 0.4, 0.25, 0.15), help="fractions of what agents use")
    add("--cuts", type=lambda text: text.split(","), help=f"of {', '.join(CUTS)}; all but plain, if not said otherwise")
    add("--parts", type=Part.read, nargs="+", help=f"by default, on CUDA, {' '.join(PARTS['cuda'])}")
    add("--repeats", type=int, default=12)
    add("--warm-up", type=int, default=2, help="rounds that do not count")
    add("--clock", choices=("wall", "cpu"), default="wall", help="cpu: seconds of the process alone")
    add("--seconds", type=float, default=210.0, help="begin no further part after this")
    add("--compile-seconds", type=float, default=50.0, help="for compiling, in one part and shape")
    add("--compile-mode", default="default", help="of torch.compile")
    add("--seconds-batch", type=int, help="batch at which seconds are measured; 128, on a CPU 4")
    add("--profile", action="store_true", help="also print the kernels that take most time (CUDA)")
    add("--seed", type=int, default=0, help="of weights and valuations")
    add("--device", type=torch.device, default=torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    add("--out", type=Path, help="write the rows there, as CSV")
    options = arguments.parse_args()
    if options.cuts is None:
        options.cuts = [cut for cut in CUTS if cut != "plain" and (cut != "chosen" or options.chosen)]
    if "chosen" in options.cuts and not options.chosen:
        arguments.error("the cut chosen needs --chosen FILE")
    unknown = [cut for cut in options.cuts if cut not in CUTS]
    if unknown:
        arguments.error(f"--cuts takes {', '.join(CUTS)}; got {', '.join(unknown)}")
    options.seconds_batch = options.seconds_batch or (128 if options.device.type == "cuda" else 4)
    options.parts = options.parts or [Part.read(text) for text in PARTS[options.device.type]]
    return options


def _why_not(part: Part, options: argparse.Namespace, began: float) -> str:
    if part.mode == "graph" and options.device.type != "cuda":
        return "needs CUDA"
    return "out of time" if time.perf_counter() - began > options.seconds else ""


def all_parts(options: argparse.Namespace, began: float) -> tuple[list[dict[str, object]], list[str]]:
    """Measure, print and write part by part; give all rows, and what was left out."""
    rows: list[dict[str, object]] = []
    left_out: list[str] = []
    made: dict[str, list[Candidate]] = {}
    to_profile = options.profile and options.device.type == "cuda"
    # A capture that fails may break what comes after it, and compiled code has most that can fail: it comes last.
    parts = sorted(options.parts, key=lambda part: part.mode == "compiled")
    for part, shape in [(each, shape) for each in parts for shape in each.shapes]:
        name = f"{part.mode}, {part.precision}, {shape[0]} x {shape[1]}"
        if why_not := _why_not(part, options, began):
            left_out.append(f"{name}: {why_not}")
            continue
        torch.set_float32_matmul_precision("high" if part.precision == "tf32" else "highest")
        if part.precision not in made:
            made[part.precision], remarks = candidates(options, options.device, PRECISIONS[part.precision])
            for remark in remarks:
                print(f"{part.precision}, {remark}", flush=True)
        models = made[part.precision]
        places = getattr(models[0].model.config, "max_position_embeddings", shape[1])
        if shape[1] > places:  # on CUDA, to look up a place that is not there breaks all that comes after it
            left_out.append(f"{name}: the model has {places} positions")
            continue
        more, failed = measured_or_why_not(part, models, options, shape)
        rows += more
        left_out += failed
        if more:
            printed(more)
        if options.out:
            pd.DataFrame(rows).to_csv(options.out, index=False, float_format="%.6g")
        if to_profile:
            to_profile = False
            try:
                profiled(models, options)
            except Exception as error:  # as above
                left_out.append(f"profile: {reason(error)}")
    return rows, left_out


@torch.no_grad()
def main() -> None:
    """Print tables, and write the rows where asked."""
    began = time.perf_counter()
    options = options_of(
        argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    )
    transformers.logging.set_verbosity_error()  # that a pretrained encoder's head is new does not matter to time
    transformers.logging.disable_progress_bar()
    on_gpu = options.device.type == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{name}; torch {torch.__version__.partition('+')[0]}, transformers {transformers.__version__}, Python "
        f"{platform.python_version()}; median and quartiles of {options.repeats} turns, {options.clock} clock"
    )
    for cut in options.cuts:
        print(f"- {cut}: {CUTS[cut]}")
    rows, left_out = all_parts(options, began)
    if rows:
        printed_summary(rows)
        printed_headline(rows)
    for line in left_out:
        print("left out:", line)
    print(f"{time.perf_counter() - began:.0f} s in all")


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))


if __name__ == "__main__":
    main()
