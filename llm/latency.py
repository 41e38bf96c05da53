"""How long a forward pass takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from transformers import PreTrainedModel

from walras.llm.flops import evaluating

__all__ = ["Latency", "measure_latency"]


@final
@dataclass(frozen=True)
class Latency:
    """Seconds of a forward pass over a batch: median, and the quartiles around it."""

    median: float
    lower_quartile: float
    upper_quartile: float


@torch.no_grad()
def measure_latency(
    models: Sequence[PreTrainedModel], *, batch_size: int, sequence_length: int, repeats: int = 20
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
    """
    seconds = np.empty((repeats, len(models)))
    for turn in range(-2, repeats):
        for number, model in enumerate(models):
            elapsed = _one_pass(model, batch_size, sequence_length)
            if turn >= 0:
                seconds[turn, number] = elapsed
    lower, median, upper = np.quantile(seconds, (0.25, 0.5, 0.75), axis=0)
    return [Latency(float(m), float(low), float(up)) for m, low, up in zip(median, lower, upper, strict=True)]


def _one_pass(model: PreTrainedModel, batch_size: int, sequence_length: int) -> float:
    device = model.device
    tokens = torch.ones((batch_size, sequence_length), dtype=torch.long, device=device)
    with evaluating(model):
        _synchronise(device)
        started = time.perf_counter()
        model(input_ids=tokens, attention_mask=tokens)
        _synchronise(device)
        return time.perf_counter() - started


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
