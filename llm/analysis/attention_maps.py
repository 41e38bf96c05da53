"""Where heads look in one sentence, with all the compute and under a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from walras.llm.analysis.use import at_budget
from walras.llm.attention import attending
from walras.llm.config import checked_budget
from walras.llm.errors import CouplingError
from walras.market import InvalidInputError

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["AttentionMaps", "attention_maps"]

FloatArray = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class AttentionMaps:
    """Attention in one sentence, before (everyone served) and after (whole agents at the budget).

    Attributes
    ----------
    before, after
        For each layer, probabilities of shape (heads, queries, keys).
    served
        For each layer, which heads are served at the budget, shape (heads,); closed heads still form probabilities,
        which nobody reads.
    words
        The sentence's tokens.
    budget
        Fraction of the agents' resource.
    """

    before: tuple[FloatArray, ...]
    after: tuple[FloatArray, ...]
    served: tuple[NDArray[np.bool_], ...]
    words: tuple[str, ...]
    budget: float

    @property
    def moved(self) -> tuple[FloatArray, ...]:
        """How much probability each head moved, on the mean over queries: total variation, shape (heads,) a layer."""
        return tuple(0.5 * np.abs(new - old).sum(-1).mean(-1) for old, new in zip(self.before, self.after, strict=True))

    def received(self) -> tuple[FloatArray, FloatArray]:
        """Attention that each token receives, before and after: mean over layers, open heads and queries; (keys,)."""
        everyone = [np.ones_like(open_heads) for open_heads in self.served]
        return self._received(self.before, everyone), self._received(self.after, self.served)

    def _received(self, maps: Sequence[FloatArray], heads: Sequence[NDArray[np.bool_]]) -> FloatArray:
        received = np.concatenate([layer[chosen].mean(1) for layer, chosen in zip(maps, heads, strict=True)])
        return received.mean(0) if len(received) else np.full(len(self.words), np.nan)

    def figure(self, layer: int) -> Figure:
        """Draw one layer's heads, before above and after below; closed heads are left out below."""
        if not 0 <= layer < len(self.before):
            raise InvalidInputError(f"layer must lie in 0 to {len(self.before) - 1}, got {layer}.")
        heads = len(self.before[layer])
        size = 1.0 + 0.16 * len(self.words)
        figure = Figure(figsize=(max(size * heads, 4.0), 2 * size + 0.6), layout="constrained")
        axes = figure.subplots(2, heads, squeeze=False)
        for row, (maps, when) in enumerate(((self.before, "all served"), (self.after, f"budget {self.budget:g}"))):
            for head in range(heads):
                axis = axes[row, head]
                axis.set_xticks(range(len(self.words)), self.words, rotation=90, fontsize=6)
                axis.set_yticks(range(len(self.words)), self.words if head == 0 else [], fontsize=6)
                axis.set_title(f"head {head}, {when}", fontsize=8)
                if row == 0 or self.served[layer][head]:
                    axis.imshow(maps[layer][head], cmap="Blues", vmin=0.0, vmax=1.0)
                else:
                    axis.set(xlim=(-0.5, len(self.words) - 0.5), ylim=(len(self.words) - 0.5, -0.5))
                    axis.set_aspect("equal")
                    axis.text(0.5, 0.5, "closed", transform=axis.transAxes, ha="center", color="#6c757d")
        figure.suptitle(f"Attention of layer {layer}: rows look at columns")
        return figure


@torch.no_grad()
def attention_maps(
    economy: "ModelEconomy", inputs: Mapping[str, Tensor], *, budget: float, words: Sequence[str] | None = None
) -> AttentionMaps:
    """Give a sentence's attention before and after its compute is cut.

    Parameters
    ----------
    inputs
        What the model is called with, for one sequence without padding.
    budget
        Fraction of the agents' resource, in [0, 1].
    words
        Text of each token; their numbers by default.

    Raises
    ------
    InvalidInputError
        More than one sequence, words of another number than tokens, or a budget outside [0, 1].
    CouplingError
        A model that gives no attention probabilities.
    """
    tokens = inputs.get("input_ids")
    if tokens is None or tokens.ndim != 2 or tokens.shape[0] != 1:
        got = None if tokens is None else tuple(tokens.shape)
        raise InvalidInputError(f"inputs must hold input_ids of one sequence, shape (1, tokens); got {got}.")
    texts = tuple(str(token) for token in (tokens[0].tolist() if words is None else words))
    if len(texts) != tokens.shape[1]:
        raise InvalidInputError(f"words has {len(texts)} entries for {tokens.shape[1]} tokens.")
    fraction = checked_budget(budget)
    before = _maps(economy, inputs, 1.0, "open")
    after = _maps(economy, inputs, fraction, "hard")
    given = inputs if economy.gate.bidder is not None else None
    allocation = economy.hard_allocation(fraction, inputs=given).reshape(-1)
    served = tuple(
        np.repeat(allocation[site.agents], len(layer) // len(site.widths))
        for site, layer in zip([s for s in economy.population.sites if s.is_attention], before, strict=True)
    )
    return AttentionMaps(before, after, served, texts, fraction)


def _maps(economy: "ModelEconomy", inputs: Mapping[str, Tensor], budget: float, mode: str) -> tuple[FloatArray, ...]:
    model = economy.model
    with at_budget(economy, budget, mode), attending(model):
        given = {name: tensor.to(model.device) for name, tensor in inputs.items() if name != "labels"}
        attentions = model(**given, output_attentions=True).attentions
    if not attentions or any(layer is None for layer in attentions):
        raise CouplingError(f"{type(model).__name__} gives no attention probabilities.")
    return tuple(layer[0].double().cpu().numpy() for layer in attentions)
