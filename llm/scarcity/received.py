"""Attention that tokens receive, and what a cut by itself does to it.

Head h's attention from place q to place k is a[h, q, k]; a token receives the mean over the open heads of all layers
and over the places that look. Three stages are compared:

    whole        the whole model: all heads, all tokens
    cut by itself   the whole model's attention, of which only what the cut leaves is counted: the heads that stay open;
                 the scores at the new temperature; the tokens that are left, to whom the dropped ones' attention falls
                 in proportion
    cut          what the model that is cut attends to

From the first to the second is *composition*: nobody attends differently to anything that is left. From the second to
the third is *reallocation*: what is left attends differently, because what it reads has changed.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.errors import CouplingError
from walras.llm.population import Population
from walras.llm.scarcity.texts import TextBatch

__all__ = ["among", "at_temperature", "attention_and_logits", "attention_of", "head_weights", "received"]


@torch.no_grad()
def attention_of(
    model: PreTrainedModel, batch: TextBatch, *, real: Tensor | None = None, order: NDArray[np.int64] | None = None
) -> Tensor:
    """Give the attention of all heads, shape (layers, batch, heads, queries, keys).

    Parameters
    ----------
    real
        What may be looked at, shape (batch, longest); by default every token.
    order
        The number of the layer that stands at each place, if they are shuffled; what is given is by number.
    """
    # The base model alone: the head's logits are not needed.
    output = model.base_model(**_inputs(batch, real), output_attentions=True)
    stacked = _stacked(model, output.attentions)
    return stacked if order is None else stacked[torch.from_numpy(np.argsort(order)).to(stacked.device)]


@torch.no_grad()
def attention_and_logits(model: PreTrainedModel, batch: TextBatch, *, real: Tensor | None) -> tuple[Tensor, Tensor]:
    """Give the attention of all heads, as `attention_of`, and the model's logits, in one pass."""
    output = model(**_inputs(batch, real), output_attentions=True)
    return _stacked(model, output.attentions), output.logits


def _inputs(batch: TextBatch, real: Tensor | None) -> dict[str, Tensor]:
    return {"input_ids": batch.tokens, "attention_mask": (batch.real if real is None else real).long()}


def _stacked(model: PreTrainedModel, attentions: Sequence[Tensor | None] | None) -> Tensor:
    found = [layer for layer in attentions or () if layer is not None]
    if not found:
        raise CouplingError(f"{type(model).__name__} gives no attention probabilities.")
    return torch.stack(found).float()


def at_temperature(attention: Tensor, temperature: float) -> Tensor:
    """Give what attention would be with all scores divided by a temperature, and nothing else changed."""
    # Scores are the logarithms up to a constant of each row; 0 stays 0. Scaled by the row's largest, no row underflows.
    largest = attention.amax(-1, keepdim=True).clamp(min=torch.finfo(attention.dtype).tiny)
    powers = (attention / largest) ** (1.0 / temperature)
    return powers / powers.sum(-1, keepdim=True)


def among(attention: Tensor, left: Tensor) -> Tensor:
    """Give what attention would be if only some tokens (shape (batch, longest)) could be looked at."""
    kept = attention * left[None, :, None, None, :]
    return kept / kept.sum(-1, keepdim=True).clamp(min=torch.finfo(attention.dtype).tiny)


def head_weights(population: Population, open_heads: NDArray[np.bool_] | None, heads: int) -> Tensor:
    """Give each query head's weight in a mean over the open ones, shape (layers, heads): they add up to 1."""
    sites = [site for site in population.sites if site.is_attention]
    weights = torch.zeros(len(sites), heads)
    for layer, site in enumerate(sites):
        is_open = torch.ones(len(site.widths)) if open_heads is None else torch.from_numpy(open_heads[site.agents])
        weights[layer] = is_open.float().repeat_interleave(heads // len(site.widths))  # query heads of a group
    return weights / weights.sum()


def received(attention: Tensor, weights: Tensor, looking: Tensor) -> NDArray[np.float64]:
    """Give the attention that each token receives, shape (batch, longest).

    Parameters
    ----------
    attention
        Shape (layers, batch, heads, queries, keys).
    weights
        Of heads, shape (layers, heads), adding up to 1.
    looking
        Places whose looks count, shape (batch, queries).
    """
    shares = looking.float() / looking.sum(-1, keepdim=True)
    return torch.einsum("lbhqk,lh,bq->bk", attention, weights.to(attention), shares).double().cpu().numpy()
