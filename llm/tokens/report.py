"""What a batch cost with a market of tokens, and without."""

from collections.abc import Mapping
from typing import final

import pandas as pd
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

__all__ = ["TokenReport", "counted"]


@final
class TokenReport:
    """Prices, purchases and FLOPs of one batch; `str` gives a table.

    Attributes
    ----------
    layers
        As `TokenEconomy.flops` gives it.
    model_flops, dense_model_flops
        Of the whole model, embeddings and head included, with the market and without, counted by torch.
    """

    def __init__(self, layers: pd.DataFrame, model_flops: int, dense_model_flops: int, *, causal: bool) -> None:
        self.layers, self.model_flops, self.dense_model_flops = layers, model_flops, dense_model_flops
        self.causal = causal

    @property
    def layers_ratio(self) -> float:
        """FLOPs of the layers for sale, over those of the same layers without a market."""
        return float(self.layers["flops"].sum() / self.layers["dense_flops"].sum())

    @property
    def model_ratio(self) -> float:
        """FLOPs of the whole model, over those without a market."""
        return self.model_flops / self.dense_model_flops

    def __str__(self) -> str:
        """Give a table and the FLOPs of layers and model."""
        table = self.layers.to_string(index=False, float_format=lambda number: f"{number:.3f}")
        price = "posted prices" if self.causal else "a market in each sequence"
        return (
            f"Tokens buy processing at {len(self.layers)} layers, at {price}\n{table}\n"
            f"layers for sale: {self.layers_ratio:.3f} of their FLOPs; whole model: {self.model_ratio:.3f} of "
            f"{self.dense_model_flops:,}"
        )


@torch.no_grad()
def counted(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> int:
    """Count the FLOPs of one forward pass."""
    counter = FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), counter:
        model(**inputs)
    return int(counter.get_total_flops())
