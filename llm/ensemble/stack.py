"""Several models of one architecture as one model, whose every weight has a leading dimension of members.

A small model leaves a large device idle: the launches of its kernels take longer than their work. A stack of E members
launches as many kernels as one model and has E times the work. A batch holds equal parts, one behind the other, one for
each member; each part meets its own member's weights, and nothing passes from one to another. What has no weights
(attention, activations, dropout, residuals) is the architecture's own code, on a larger batch.
"""

import copy
from collections.abc import Sequence
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from walras.llm.config import EconomyConfig
from walras.llm.economy import attach
from walras.llm.errors import UnsupportedModelError
from walras.llm.guards import GATE_NAME
from walras.market import InvalidInputError

__all__ = ["ModelStack"]


@final
class ModelStack:
    """A stack of models, with a gate for every agent of every member.

    Parameters
    ----------
    models
        One or more whole models of one architecture and shape, on one device; they are copied.
    config
        How their agents are made, as for `attach`; no bids that depend on sequences.

    Attributes
    ----------
    model
        The stack: call it with batches of `size` equal parts.
    economy
        Attached to it, for its population, costs and hooks. Its gate's `given` sets all shares: shape (lanes, n), with
        one or more lanes for each member.
    size
        Number of members.

    Raises
    ------
    UnsupportedModelError
        A module has weights and is neither a linear map, an embedding, a layer norm nor a plain RMS norm.

    Notes
    -----
    *Cost*: `size` times the memory of one model.
    """

    def __init__(self, models: Sequence[PreTrainedModel], config: EconomyConfig | None = None) -> None:
        if not models:
            raise InvalidInputError("models is empty: a stack has one member or more.")
        _require_alike(models)
        self.size = len(models)
        self.economy = attach(copy.deepcopy(models[0]), config)
        self.model = self.economy.model
        self._names = _stack_weights(self.model, models)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Weights of the stack by the names that they have in one model, each of shape (size, ...)."""
        return {name: self.model.get_parameter(name) for name in self._names}

    @torch.no_grad()
    def write_member(self, number: int, model: PreTrainedModel) -> PreTrainedModel:
        """Copy a member's weights into a model of its class and shape, and give that."""
        for name, weight in self.parameters().items():
            model.get_parameter(name).copy_(weight[number])
        return model


def _require_alike(models: Sequence[PreTrainedModel]) -> None:
    first = {name: parameter.shape for name, parameter in models[0].named_parameters()}
    for number, model in enumerate(models):
        if type(model) is not type(models[0]) or {n: p.shape for n, p in model.named_parameters()} != first:
            raise InvalidInputError(
                f"models[{number}] is not of the class and shape of models[0], a {type(models[0]).__name__}: only "
                "models that are alike can be stacked."
            )


def _stack_weights(stack: nn.Module, models: Sequence[PreTrainedModel]) -> list[str]:
    """Replace a model's weights by those of all members, and its modules' classes by ones that know of members."""
    stacked: dict[int, nn.Parameter] = {}  # tied weights stay tied
    names = []
    for path, module in stack.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if not own or path.split(".")[0] == GATE_NAME:
            continue
        module.__class__ = _class_for(path, module)
        for leaf, parameter in own.items():
            name = f"{path}.{leaf}"
            if id(parameter) not in stacked:
                names.append(name)
                weights = torch.stack([model.get_parameter(name).detach() for model in models])
                stacked[id(parameter)] = nn.Parameter(weights)
            setattr(module, leaf, stacked[id(parameter)])
    return names


def _class_for(path: str, module: nn.Module) -> type[nn.Module]:
    for plain, ours in _CLASSES.items():
        if type(module) is plain:
            return ours
    if type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon"):
        return _StackedRMSNorm
    raise UnsupportedModelError(
        f"{path} is a {type(module).__name__}, whose weights cannot be stacked: known are "
        f"{', '.join(plain.__name__ for plain in _CLASSES)} and RMS norms as in Llama."
    )


class _StackedLinear(nn.Linear):
    """Linear maps, weights (members, out, in) and (members, out)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        return _mapped(input, self.weight, self.bias)


class _StackedConv1D(Conv1D):
    """Linear maps as GPT-2 keeps them, weights (members, in, out)."""

    def forward(self, x: Tensor) -> Tensor:
        return _mapped(x, self.weight.mT, self.bias)


def _mapped(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Give (batch, ..., in) through weights (members, out, in), at autocast's precision."""
    device = features.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    rows = features.reshape(weight.shape[0], -1, features.shape[-1])  # (members, tokens, in)
    return _Map.apply(rows, weight, bias, dtype).view(*features.shape[:-1], weight.shape[1])


class _Map(torch.autograd.Function):
    """One linear map a member, as one node: by itself autograd would lay the weights' gradients out crosswise."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        low, matrix = rows.to(dtype), weight.to(dtype)
        ctx.save_for_backward(low, matrix)
        ctx.dtypes = rows.dtype, weight.dtype, None if bias is None else bias.dtype
        if bias is None:
            return torch.bmm(low, matrix.mT)
        return torch.baddbmm(bias.to(dtype).unsqueeze(1), low, matrix.mT)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        low, matrix = ctx.saved_tensors
        of_rows, of_weight, of_bias = ctx.dtypes
        return (
            torch.bmm(gradient, matrix).to(of_rows) if ctx.needs_input_grad[0] else None,
            torch.bmm(gradient.mT, low).to(of_weight) if ctx.needs_input_grad[1] else None,
            gradient.sum(1, dtype=of_bias) if of_bias is not None and ctx.needs_input_grad[2] else None,
            None,
        )


class _StackedLayerNorm(nn.LayerNorm):
    """Layer norms, weights (members, width)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        normal = functional.layer_norm(input, self.normalized_shape, None, None, self.eps)
        parts = normal.view(self.weight.shape[0], -1, normal.shape[-1])
        return torch.addcmul(self.bias.unsqueeze(1), parts, self.weight.unsqueeze(1)).view_as(input)


class _StackedRMSNorm(nn.Module):
    """RMS norms, weights (members, width)."""

    weight: Tensor
    variance_epsilon: float

    def forward(self, hidden_states: Tensor) -> Tensor:
        wide = hidden_states.float()
        normal = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.variance_epsilon)
        parts = normal.to(hidden_states.dtype).view(self.weight.shape[0], -1, normal.shape[-1])
        return (self.weight.unsqueeze(1) * parts).view_as(hidden_states)


class _StackedEmbedding(nn.Embedding):
    """Embeddings, weights (members, numbers, width): one table with the members' below each other."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        members, numbers, width = self.weight.shape
        if input.shape[0] % members:
            raise InvalidInputError(
                f"A stack of {members} was called with a part of shape {tuple(input.shape)}: the batch must hold equal "
                "parts, one for each member, and give position_ids for each row."
            )
        first = torch.arange(members, device=input.device) * numbers
        shifted = input.view(members, -1) + first[:, None]
        return functional.embedding(shifted, self.weight.view(-1, width)).view(*input.shape, width)


_CLASSES: dict[type[nn.Module], type[Any]] = {
    nn.Linear: _StackedLinear,
    Conv1D: _StackedConv1D,
    nn.LayerNorm: _StackedLayerNorm,
    nn.Embedding: _StackedEmbedding,
}
