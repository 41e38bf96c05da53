"""The hooks by which a gate acts on its model.

They are objects, not closures: a copy or pickle of the model takes its own gate along.
"""

from typing import Any

import torch
from torch import Tensor, nn

from walras.llm.architectures import Projection
from walras.llm.bidders import pooled_embeddings
from walras.llm.folding import Folding
from walras.llm.gate import MarketGate

__all__ = ["AddLevy", "ClearMarket", "RestoreWeight", "ScaleFeatures", "ScaleOutput"]


class ClearMarket:
    """Clears the market before a forward pass.

    Parameters
    ----------
    projection
        The first that is gated.
    folding
        Where gates can be folded into weights.
    """

    def __init__(self, gate: MarketGate, projection: Projection, folding: Folding | None = None) -> None:
        self.gate = gate
        self.projection = projection
        self.folding = folding

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Clear for the pass that is about to begin."""
        needs_sequences = self.gate.bidder is not None and self.gate.given is None and self.gate.mode != "open"
        weight = self.projection.weight
        device = weight.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        clearing = self.gate.clear(pooled_embeddings(module, arguments, named) if needs_sequences else None)
        # Now and not at the first gate: a layer that is checkpointed computes its part twice, and must find it alike.
        if self._folds(clearing.allocation):
            self.gate.outcome.weights = self.folding.gated(clearing.allocation, dtype)  # type: ignore[union-attr]
        if self.gate.outcome.weights is None:
            self.gate.factors(0, dtype)

    def _folds(self, shares: Tensor) -> bool:
        if self.folding is None or shares.ndim > 1 or not shares.requires_grad or torch.compiler.is_compiling():
            return False
        if self.gate.folds is not None:
            return self.gate.folds
        # On a CPU it is the work that counts, which may be less for features. With data in parallel, gradients of
        # weights are sent while the backward pass goes on, and those of scaled weights come at its end.
        parallel = torch.distributed.is_available() and torch.distributed.is_initialized()
        return shares.is_cuda and not parallel


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
    """Scales each agent's features by its share, or has the module read them by a weight that is scaled."""

    def __init__(self, gate: MarketGate, site: int) -> None:
        self.gate = gate
        self.site = site

    def __call__(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Give the module's arguments, with scaled features unless its weight is scaled."""
        features, *rest = arguments  # (..., features of the site)
        weights = self.gate.outcome.weights
        if weights is not None and weights[self.site].dtype == features.dtype:
            module.__dict__["weight"] = weights[self.site]  # comes before the parameter of this name
            return arguments
        gates = self.gate.factors(self.site, features.dtype)  # (features,) or (lanes, features); of one agent (..., 1)
        if gates.ndim == 1:
            return (features * gates, *rest)
        # One part of the batch per lane: (lanes * part, ..., features) -> (lanes, part, ..., features)
        parts = features.unflatten(0, (gates.shape[0], -1))
        gates = gates.view(gates.shape[0], *(1,) * (features.ndim - 1), -1)
        return ((parts * gates).flatten(0, 1), *rest)


class RestoreWeight:
    """Takes a scaled weight away again after the module's forward pass."""

    def __init__(self, gate: MarketGate) -> None:
        self.gate = gate

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        """Bring the parameter to light again."""
        if self.gate.outcome.weights is not None:
            module.__dict__.pop("weight", None)


class ScaleOutput:
    """Scales a module's output by the share of its site's one agent."""

    def __init__(self, scale: ScaleFeatures) -> None:
        self.scale = scale

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        """Give the scaled output."""
        return self.scale(module, (output,))[0]
