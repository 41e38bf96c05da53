"""What tokens are worth to the whole model: gradient times input, and surprisal.

Under a causal language model and a classifier one pass tells both. A masked language model is asked about each token
once: tokens are hidden by turns, a group at a time; a token's gradient times input is its mean over the turns in which
it is seen, and its surprisal is taken in the turn in which it is hidden (as in the pseudo-likelihood of
Salazar et al. 2020, but several tokens at a time).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm.flops import evaluating
from walras.llm.scarcity.losses import hidden_groups, prediction_losses
from walras.llm.scarcity.texts import CAUSAL, LABEL, MASKED, TextBatch, Texts, objective_of
from walras.market.validation import whole_number

__all__ = ["TokenValues", "token_values"]


@final
@dataclass(frozen=True, eq=False)
class TokenValues:
    """Values of the tokens of one text.

    Attributes
    ----------
    gradient
        `|e . dL/de|` with e the input embedding and L the sum of the text's losses (nats), shape (tokens,).
    surprisal
        `-log2 p(token | what is seen)` (bits), shape (tokens,); NaN where the model does not guess the token.
    """

    gradient: NDArray[np.float64]
    surprisal: NDArray[np.float64]


def token_values(
    model: PreTrainedModel, texts: Texts, rng: Generator, *, groups: int = 6, batch_size: int = 32
) -> list[TokenValues]:
    """Give the values of each text's tokens.

    Parameters
    ----------
    rng
        For which tokens are hidden together.
    groups
        In how many turns a masked language model sees a text; six hide about a sixth at a time, as in its training.

    Notes
    -----
    *Cost*: a forward and a backward pass; `groups` of them for a masked language model.
    """
    objective = objective_of(model, texts)
    turns = whole_number("groups", groups, minimum=2) if objective == MASKED else 1
    found: dict[int, TokenValues] = {}
    with evaluating(model):
        for batch in texts.batches(batch_size, model.device):
            saliency, surprisal = _of_batch(model, batch, objective, turns, texts.mask, rng)
            for row, number in enumerate(batch.numbers.tolist()):
                length = len(texts.tokens[number])
                found[number] = TokenValues(saliency[row, :length], surprisal[row, :length])
    return [found[number] for number in range(len(texts))]


def _of_batch(
    model: PreTrainedModel, batch: TextBatch, objective: str, turns: int, mask: int | None, rng: Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gradient times input and surprisal, each of shape (batch, longest)."""
    group = hidden_groups(batch, turns, rng) if objective == MASKED else torch.full_like(batch.tokens, -1)
    total = torch.zeros(batch.tokens.shape, dtype=torch.float64, device=batch.tokens.device)
    seen = torch.zeros_like(total)
    surprisal = torch.full_like(total, torch.nan)
    for turn in range(turns):
        hidden = group == turn
        if objective == MASKED and not hidden.any():
            continue
        saliency, losses = _saliency(model, batch, objective, hidden, mask)
        total += torch.where(hidden, 0.0, saliency)
        seen += (~hidden).double()
        if objective == CAUSAL:
            surprisal[:, 1:] = losses[:, :-1]  # a place's loss is about the next token
        elif objective != LABEL:
            surprisal[hidden] = losses[hidden]
    return (total / seen.clamp(min=1.0)).cpu().numpy(), (surprisal / np.log(2.0)).cpu().numpy()


def _saliency(
    model: PreTrainedModel, batch: TextBatch, objective: str, hidden: Tensor, mask: int | None
) -> tuple[Tensor, Tensor]:
    tokens = batch.tokens if mask is None else batch.tokens.masked_fill(hidden, mask)
    embedded = model.get_input_embeddings()(tokens).detach().requires_grad_()
    with torch.enable_grad():
        losses = prediction_losses(model, batch, objective, hidden=hidden, mask=mask, embedded=embedded)
        # Texts do not meet: the gradient of the sum is each text's own.
        (gradient,) = torch.autograd.grad(losses.nansum(), embedded)
    return (gradient * embedded.detach()).sum(-1).abs().double(), losses.detach().double()
