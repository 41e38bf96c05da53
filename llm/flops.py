"""FLOPs as torch counts them, to check the closed form of `walras.llm.population` against."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

__all__ = ["count_flops", "evaluating"]


def count_flops(model: PreTrainedModel, *, sequence_length: int) -> int:
    """Count the FLOPs of one forward pass over one sequence without padding.

    Parameters
    ----------
    sequence_length
        Tokens in the sequence; a decoder beside an encoder reads as many.

    Returns
    -------
    int
        Matrix products, scores and mixing included; a multiply-add is two. Element-wise work is not counted.

    Notes
    -----
    The mathematical back end of scaled dot-product attention is forced: the counter does not see the fused one on CPU.
    """
    device = next(model.parameters()).device
    tokens = torch.zeros((1, sequence_length), dtype=torch.long, device=device)
    inputs = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokens
    counter = FlopCounterMode(display=False)
    with evaluating(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(**inputs)
    return int(counter.get_total_flops())


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and back afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
