"""How spread out attention is, head by head."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedModel

from walras.llm.errors import CouplingError
from walras.llm.flops import evaluating
from walras.llm.tasks import Task

__all__ = ["attending", "attention_entropy", "entropy_of_batches"]


@torch.no_grad()
def attention_entropy(model: PreTrainedModel, task: Task, *, examples: int = 128) -> list[NDArray[np.float64]]:
    """Give the mean entropy of each head's attention, layer by layer.

    `-sum_k a_qk log2(a_qk)`, averaged over the queries q that are real tokens, in bits: 0 for a head that looks at one
    token, log2 of the number of tokens for one that looks at all alike.

    Parameters
    ----------
    model
        A whole or an exported model.
    examples
        How many of the task's evaluation examples to look at.

    Returns
    -------
    list of arrays
        One per layer that has heads left, of shape (heads,).
    """
    batches = DataLoader(task.evaluation.head(examples), batch_size=32, collate_fn=task.collate)
    return entropy_of_batches(model, batches)


@torch.no_grad()
def entropy_of_batches(model: PreTrainedModel, batches: Iterable[Mapping[str, Tensor]]) -> list[NDArray[np.float64]]:
    """Give the mean entropy of each head's attention (bits), as `attention_entropy`, over batches."""
    sums: list[Tensor] = []
    queries = 0.0
    with attending(model):
        for batch in batches:
            attentions, mask = _attentions(model, batch)
            of_batch = [_entropies(attention, mask) for attention in attentions]
            sums = [old + new for old, new in zip(sums, of_batch, strict=True)] if sums else of_batch
            queries += float(mask.sum())
    return [(total / queries).double().cpu().numpy() for total in sums]


@contextmanager
def attending(model: PreTrainedModel) -> Iterator[None]:
    """Put a model into evaluation mode, with attention that forms probabilities; and back afterwards."""
    implementation = model.config._attn_implementation
    model.set_attn_implementation("eager")  # the others do not form them
    try:
        with evaluating(model):
            yield
    finally:
        model.set_attn_implementation(implementation)


def _attentions(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[list[Tensor], Tensor]:
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    mask = inputs["attention_mask"] if "attention_mask" in inputs else torch.ones_like(inputs["input_ids"])
    attentions = model(**inputs, output_attentions=True).attentions
    if attentions is None:
        raise CouplingError(f"{type(model).__name__} gives no attention probabilities.")
    return [attention for attention in attentions if attention is not None], mask


def _entropies(attention: Tensor, mask: Tensor) -> Tensor:
    """Sum over real queries of the entropy of attention (batch, heads, queries, keys), shape (heads,)."""
    bits = torch.special.entr(attention.float()).sum(-1) / np.log(2.0)  # (batch, heads, queries)
    return (bits * mask[:, None, :]).sum((0, 2))
