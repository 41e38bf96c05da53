"""How long a forward pass takes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from transformers import PreTrainedModel

from walras.llm.flops import evaluating
from walras.llm.unpadded import unpadded
from walras.market import InvalidInputError

__all__ = ["Latency", "as_graph", "measure_latency", "measure_turns"]


@final
@dataclass(frozen=True)
class Latency:
    """Seconds of a forward pass over a batch: median, and the quartiles around it."""

    median: float
    lower_quartile: float
    upper_quartile: float


@torch.no_grad()
def measure_latency(
    models: Sequence[PreTrainedModel],
    *,
    batch_size: int,
    sequence_length: int,
    repeats: int = 20,
    graphed: bool = False,
    clock: Callable[[], float] | None = None,
) -> list[Latency]:
    """Measure the forward pass of several models in one run.

    The models take turns, so that a change in the machine's speed meets them all alike; the device is synchronised
    around each pass, and two rounds of warm-up are not counted.

    Parameters
    ----------
    batch_size, sequence_length
        Shape of the batch, without padding.
    repeats
        Counted passes of each model.
    graphed
        Replay each pass as a CUDA graph, without the host's launches, and as in an eager pass without masks that mask
        nothing (`as_graph`).
    clock
        As in `measure_turns`.
    """
    devices = [model.device for model in models]
    passes: list[Callable[[], object]] = [
        # Transformers looks into a mask to see whether it is needed, which a graph cannot capture.
        lambda model=model: _one_pass(model, batch_size, sequence_length, masked=not graphed)  # type: ignore[misc]
        for model in models
    ]
    if graphed:
        passes = [as_graph(compute, device) for compute, device in zip(passes, devices, strict=True)]
    return measure_turns(passes, devices=devices, repeats=repeats, clock=clock)


def measure_turns(
    passes: Sequence[Callable[[], object]],
    *,
    devices: Sequence[torch.device],
    repeats: int = 20,
    warm_up: int = 2,
    clock: Callable[[], float] | None = None,
) -> list[Latency]:
    """Measure several computations in one run, each in its turn.

    Parameters
    ----------
    passes
        What is timed.
    devices
        The device of each, synchronised around it.
    repeats, warm_up
        Rounds that count, and rounds before them that do not.
    clock
        Gives seconds; by default `time.perf_counter`. On a CPU that others use too, `time.process_time` counts what the
        computation itself took.
    """
    clock = clock or time.perf_counter
    seconds = np.empty((repeats, len(passes)))
    for turn in range(-warm_up, repeats):
        for number, (compute, device) in enumerate(zip(passes, devices, strict=True)):
            _synchronise(device)
            started = clock()
            compute()
            _synchronise(device)
            if turn >= 0:
                seconds[turn, number] = clock() - started
    lower, median, upper = np.quantile(seconds, (0.25, 0.5, 0.75), axis=0)
    return [Latency(float(m), float(low), float(up)) for m, low, up in zip(median, lower, upper, strict=True)]


def as_graph(compute: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Capture a computation as a CUDA graph, and give what replays it.

    It runs three times before, so that what is compiled is compiled then, and is captured under `unpadded`: where a
    model gets no attention mask, it makes none.

    Raises
    ------
    InvalidInputError
        Another device than CUDA; or position ids put several sequences into one row.
    RuntimeError
        Something would be compiled while it is captured.
    """
    if device.type != "cuda":
        raise InvalidInputError(f"CUDA graphs need a CUDA device, got {device}: measure without graphed=True.")
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with unpadded():
        with torch.cuda.stream(stream):  # what is set up by a first pass must not be captured
            for _ in range(3):
                compute()
        torch.cuda.current_stream(device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # A compiler that starts in a capture breaks it, and nothing would say why.
        with torch.compiler.set_stance("fail_on_recompile"), torch.cuda.graph(graph):
            compute()
    return graph.replay


def _one_pass(model: PreTrainedModel, batch_size: int, sequence_length: int, *, masked: bool) -> None:
    tokens = torch.ones((batch_size, sequence_length), dtype=torch.long, device=model.device)
    inputs = {"input_ids": tokens, "attention_mask": tokens} if masked else {"input_ids": tokens}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokens
    with evaluating(model):
        model(**inputs)


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
