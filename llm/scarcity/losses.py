"""The loss of each prediction that a model makes about a text, by objective."""

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from walras.llm.errors import CouplingError
from walras.llm.scarcity.texts import CAUSAL, LABEL, TextBatch

__all__ = ["hidden_groups", "losses_of", "prediction_losses"]


def hidden_groups(batch: TextBatch, groups: int, rng: Generator) -> Tensor:
    """Draw which tokens are hidden together: numbers 0 to groups - 1, -1 for special tokens; shape (batch, longest).

    A text's groups are of the same size, up to one token; a text with fewer tokens than groups leaves some empty.
    """
    numbers = torch.full_like(batch.tokens, -1)
    for row, ordinary in enumerate(batch.ordinary.cpu()):
        places = np.flatnonzero(ordinary.numpy())
        numbers[row, torch.from_numpy(rng.permutation(places))] = torch.arange(len(places)).to(numbers) % groups
    return numbers


def prediction_losses(
    model: PreTrainedModel,
    batch: TextBatch,
    objective: str,
    *,
    hidden: Tensor | None = None,
    mask: int | None = None,
    real: Tensor | None = None,
    embedded: Tensor | None = None,
) -> Tensor:
    """Give the loss (nats) of each prediction at the place that predicts, NaN elsewhere; shape (batch, longest).

    Parameters
    ----------
    objective
        `CAUSAL`: a place predicts the next token; `MASKED`: a hidden token's place predicts it; `LABEL`: the first
        place predicts the label.
    hidden
        Which tokens are hidden, shape (batch, longest), and by which token (`mask`).
    real
        What may be looked at, by default every token.
    embedded
        Input embeddings to go on from, by default those of the tokens.
    """
    tokens = batch.tokens
    seen = tokens if hidden is None or mask is None else tokens.masked_fill(hidden, mask)
    visible = batch.real if real is None else real
    given = {"input_ids": seen} if embedded is None else {"inputs_embeds": embedded}
    more = {"use_cache": False} if objective == CAUSAL else {}
    logits = getattr(model(**given, attention_mask=visible.long(), **more), "logits", None)
    if logits is None or (objective == LABEL) != (logits.ndim == 2):
        raise CouplingError(f"{type(model).__name__} does not predict {objective}s: it has another head, or none.")
    return losses_of(logits, batch, objective, visible, hidden)


def losses_of(logits: Tensor, batch: TextBatch, objective: str, visible: Tensor, hidden: Tensor | None) -> Tensor:
    """Give the loss (nats) of each prediction, as `prediction_losses`, from the model's logits."""
    tokens = batch.tokens
    losses = torch.full(tokens.shape, torch.nan, dtype=torch.float32, device=tokens.device)
    if objective == LABEL and batch.labels is not None:
        losses[:, 0] = functional.cross_entropy(logits.float(), batch.labels, reduction="none")
    elif objective == CAUSAL:
        predicts = visible[:, :-1] & visible[:, 1:]
        losses[:, :-1][predicts] = functional.cross_entropy(
            logits[:, :-1][predicts].float(), tokens[:, 1:][predicts], reduction="none"
        )
    elif hidden is not None:
        losses[hidden] = functional.cross_entropy(logits[hidden].float(), tokens[hidden], reduction="none")
    return losses
