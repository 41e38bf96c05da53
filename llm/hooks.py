"""The hooks by which a gate acts on its model.

They are objects, not closures: a copy or pickle of the model takes its own gate along.
"""

from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.architectures import Projection
from walras.llm.bidders import pooled_embeddings
from walras.llm.gate import MarketGate

__all__ = ["AddLevy", "ClearMarket", "ScaleFeatures", "ScaleOutput"]


class ClearMarket:
    """Clears the market before a forward pass."""

    def __init__(self, gate: MarketGate, projection: Projection) -> None:
        self.gate = gate
        self.projection = projection

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Clear for the pass that is about to begin."""
        needs_sequences = self.gate.bidder is not None and self.gate.given is None and self.gate.mode != "open"
        weight = self.projection.weight
        device = weight.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        self.gate.clear(pooled_embeddings(module, arguments, named) if needs_sequences else None, dtype)
        # Now and not at the first gate: a layer that is checkpointed computes its part twice, and must find it alike.
        self.gate.factors(0, dtype)


class AddLevy:
    """Adds what agents owe to the loss that a model gives in training."""

    def __init__(self, gate: MarketGate) -> None:
        self.gate = gate

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
        """Give the output with the levy in its loss."""
        levy, labels = self.gate.levy, named.get("labels")
        if levy is None or not module.training or labels is None or not self.gate.levies_itself:
            return output
        self.gate.outcome.levy = None  # nobody else may add it again
        # A loss that is a part of an accumulated batch's bears that part of the levy.
        of_batch = named.get("num_items_in_batch")
        part = 1.0 if of_batch is None else (labels != -100).sum() / of_batch
        if isinstance(output, tuple):
            return (output[0] + part * levy, *output[1:])
        output.loss = output.loss + part * levy
        return output


class ScaleFeatures:
    """Scales each agent's features by its share."""

    def __init__(self, gate: MarketGate, site: int) -> None:
        self.gate = gate
        self.site = site

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Give the module's arguments with scaled features."""
        features, *rest = arguments  # (..., features of the site)
        gates = self.gate.factors(self.site, features.dtype)  # (features,) or (lanes, features); of one agent (..., 1)
        if gates.ndim == 1:
            return (features * gates, *rest)
        # One part of the batch per lane: (lanes * part, ..., features) -> (lanes, part, ..., features)
        parts = features.unflatten(0, (gates.shape[0], -1))
        gates = gates.view(gates.shape[0], *(1,) * (features.ndim - 1), -1)
        return ((parts * gates).flatten(0, 1), *rest)


class ScaleOutput:
    """Scales a module's output by the share of its site's one agent."""

    def __init__(self, scale: ScaleFeatures) -> None:
        self.scale = scale

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        """Give the scaled output."""
        return self.scale(module, (output,))[0]
