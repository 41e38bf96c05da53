"""Bids that depend on the input: a small network reads a sequence, and says how much more each agent is worth for it.

    v(sequence) = v + g W_2 tanh(W_1 h),    h = the mean of the sequence's input embeddings, normalised,

with v the learned static valuations and g their gain. Each sequence then has a market of its own. `W_2` starts at 0, so
that training starts from the static market. The network's own FLOPs, `2 d r + 2 r n` for d features, r hidden units and
n agents, are taken out of every budget below the whole one, at which it need not run.
"""

from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from walras.llm.errors import UnsupportedModelError
from walras.llm.population import Population
from walras.llm.resources import is_causal
from walras.market import InvalidInputError
from walras.market.validation import whole_number

__all__ = ["Bidder", "SequenceBids", "pooled_embeddings"]


@final
@dataclass(frozen=True)
class SequenceBids:
    """Valuations that depend on the sequence, by a network with one hidden layer.

    Parameters
    ----------
    width
        Hidden units, 1 or more.
    """

    width: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", whole_number("SequenceBids.width", self.width, minimum=1))


class Bidder(nn.Module):
    """The network of `SequenceBids` for a model and its population."""

    def __init__(self, rule: SequenceBids, model: PreTrainedModel, population: Population) -> None:
        super().__init__()
        if is_causal(model) and (model.can_generate() or model is model.base_model):
            raise UnsupportedModelError(
                f"SequenceBids read the whole sequence, and {type(model).__name__} is causal: a token's gates would "
                "depend on tokens after it. Use static valuations."
            )
        features = model.get_input_embeddings().weight.shape[1]
        self.hidden = nn.Linear(features, rule.width)
        self.bids = nn.Linear(rule.width, len(population), bias=False)
        nn.init.zeros_(self.bids.weight)

    @property
    def flops(self) -> int:
        """FLOPs for one sequence (multiply-adds count as two)."""
        return 2 * (self.hidden.weight.numel() + self.bids.weight.numel())

    def forward(self, pooled: Tensor) -> Tensor:
        """Give what to add to the raw valuations, shape (sequences, n), from (sequences, features)."""
        with torch.autocast(pooled.device.type, enabled=False):
            features = nn.functional.layer_norm(pooled.float(), pooled.shape[-1:])
            hidden = nn.functional.linear(features, self.hidden.weight.float(), self.hidden.bias.float())
            return nn.functional.linear(hidden.tanh(), self.bids.weight.float())


def pooled_embeddings(model: PreTrainedModel, arguments: tuple[Any, ...], named: dict[str, Any]) -> Tensor:
    """Give the mean input embedding of each sequence's real tokens, shape (sequences, features).

    Parameters
    ----------
    arguments, named
        Of the base model's forward pass.

    Raises
    ------
    InvalidInputError
        Neither token numbers nor embeddings among them.
    """
    embeddings = named.get("inputs_embeds")
    if embeddings is None:
        tokens = arguments[0] if arguments else named.get("input_ids")
        if tokens is None:
            raise InvalidInputError(
                "SequenceBids need input_ids or inputs_embeds, and the model was called with neither."
            )
        embeddings = model.get_input_embeddings()(tokens)  # (sequences, tokens, features)
    mask = arguments[1] if len(arguments) > 1 else named.get("attention_mask")
    if mask is None or mask.ndim != 2:
        return embeddings.mean(1)
    real = mask.to(embeddings.dtype).unsqueeze(-1)
    return (embeddings * real).sum(1) / real.sum(1).clamp(min=1.0)
