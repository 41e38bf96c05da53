"""What stands in a model where agents were removed: sub-layers without heads or neurons, and biases shared by layers.

A closed sub-layer computes nothing but its output projection's bias, which the gated model adds too. These modules
allocate no buffers that loading would leave empty, and take and give what the modules in whose place they stand do.
Closed projections keep a weight without elements under their name: transformers on its own, which knows nothing of the
structure, then refuses to load the model, where for a name that is missing it would make up random weights.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures import Projection, input_features, output_features

__all__ = ["ClosedAttention", "ClosedInput", "ClosedProjection", "SharedBiasAttention", "bias_only", "runs"]

TABLE = "relative_attention_bias"  # of T5 and its kin


class ClosedInput(nn.Module):
    """A projection into no neurons, or no heads."""

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.in_features, self.out_features = input_features(projection), 0
        weight = projection.weight.detach().narrow(int(isinstance(projection, Conv1D)), 0, 0).clone()
        self.weight = nn.Parameter(weight, requires_grad=projection.weight.requires_grad)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Give (..., 0) from (..., hidden size)."""
        return hidden_states[..., :0]


class ClosedProjection(nn.Module):
    """An output projection without inputs: its bias for every token, or zeros."""

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.in_features, self.out_features = 0, output_features(projection)
        self.bias = projection.bias
        self.register_parameter("weight", None)  # T5 looks at its type

    def forward(self, nothing: Tensor) -> Tensor:
        """Give (..., out_features) from (..., 0)."""
        row = nothing.new_zeros(self.out_features) if self.bias is None else self.bias.to(nothing.dtype)
        if not torch.is_grad_enabled():
            row = row.detach()  # a view of a parameter asks for a gradient even where there is no graph
        return row.expand(*nothing.shape[:-1], self.out_features)


class ClosedAttention(nn.Module):
    """Attention that has lost all its heads: what is left is the output projection's bias.

    Parameters
    ----------
    layer_idx
        The layer's number in a key-value cache; None for cross-attention, which keeps nothing there.
    children
        The output projection (already without inputs) and what follows it, where the original module applies them.
    inputs
        The input projections, closed, by name.
    shared_bias
        Whether a bias of the scores is handed on to later layers.
    bias
        What computes that bias, where the original module does (`bias_only`).
    """

    def __init__(
        self,
        layer_idx: int | None,
        children: Mapping[str, nn.Module],
        inputs: Mapping[str, ClosedInput],
        *,
        shared_bias: bool = False,
        bias: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.shared_bias = shared_bias
        self.path = tuple(children)
        for name, child in (*inputs.items(), *children.items()):
            self.add_module(name, child)
        self.bias = bias

    def forward(
        self,
        hidden_states: Tensor,
        *_: Any,
        position_bias: Tensor | None = None,
        past_key_values: Any = None,
        **__: Any,
    ) -> tuple[Tensor | None, ...]:
        """Give attention output, (..., tokens, hidden size), or (..., tokens, 0) where the projection is outside."""
        seen, keys = 0, hidden_states.shape[-2]
        if past_key_values is not None and self.layer_idx is not None:
            # Generation reads the number of cached tokens from the layers: keep one number per token.
            cache = getattr(past_key_values, "self_attention_cache", past_key_values)
            seen = _seen(cache, self.layer_idx)
            token = hidden_states[..., :1].unsqueeze(1)  # (batch, 1 head, tokens, 1)
            keys = cache.update(token, token, self.layer_idx)[0].shape[-2]
        output = hidden_states[..., :0]
        for name in self.path:
            output = self.get_submodule(name)(output)
        if not self.shared_bias:
            return output, None
        if position_bias is None and self.bias is not None:
            position_bias = _whole_bias(self.bias, hidden_states, keys, seen)
        return output, position_bias, None


class SharedBiasAttention(nn.Module):
    """Attention with some of its heads, in a model whose layers hand on a bias of the scores with a row for every head.

    Parameters
    ----------
    attention
        The original module, cut to its heads.
    heads
        Which heads of the whole it has left.
    inputs
        Closed input projections by name: they only say that the model is not whole.
    cross
        Whether it is cross-attention, whose bias is nothing but zeros: one row, for any number of heads, is handed on.
    """

    def __init__(
        self, attention: nn.Module, heads: Sequence[int], inputs: Mapping[str, ClosedInput], *, cross: bool
    ) -> None:
        super().__init__()
        for name, child in inputs.items():
            self.add_module(name, child)
        self.attention = attention
        self.rows = [[0, 1]] if cross else runs(heads)
        self.cross = cross
        self.layer_idx: Any = getattr(attention, "layer_idx", None)
        self.bias = bias_only(attention)
        if self.bias is not None:
            table = self.bias.get_submodule(TABLE)
            attention.set_submodule(TABLE, _ColumnsOf(table, self.rows))

    def forward(
        self,
        hidden_states: Tensor,
        *arguments: Any,
        position_bias: Tensor | None = None,
        past_key_values: Any = None,
        **keywords: Any,
    ) -> tuple[Tensor | None, ...]:
        """Give attention output, the whole model's bias, and attention weights, as the original module does."""
        mine, seen = None, 0
        if position_bias is not None:  # (1, heads of the whole, queries, keys)
            mine = _pieces(position_bias, self.rows, dim=1)
        elif self.bias is not None and past_key_values is not None:
            seen = _seen(getattr(past_key_values, "self_attention_cache", past_key_values), self.layer_idx)
        output, mine, *weights = self.attention(
            hidden_states, *arguments, position_bias=mine, past_key_values=past_key_values, **keywords
        )
        if self.cross:
            return output, mine[:, :1], *weights
        if position_bias is None and self.bias is not None:
            position_bias = _whole_bias(self.bias, hidden_states, mine.shape[-1], seen)
        return output, position_bias, *weights


class _ColumnsOf(nn.Module):
    """Some columns of a table that another module owns, and that is saved there."""

    def __init__(self, table: nn.Module, columns: list[list[int]]) -> None:
        super().__init__()
        self.owned_elsewhere = (table,)
        self.columns = columns

    def forward(self, rows: Tensor) -> Tensor:
        return _pieces(self.owned_elsewhere[0](rows), self.columns, dim=-1)


def bias_only(attention: nn.Module) -> nn.Module | None:
    """Give a module that shares nothing with an attention but its table of biases; None if it has none."""
    if not getattr(attention, "has_relative_attention_bias", False):
        return None
    shell = copy.copy(attention)
    shell.__dict__["_modules"] = {TABLE: attention.get_submodule(TABLE)}
    return shell


def runs(numbers: Sequence[int]) -> list[list[int]]:
    """Give ascending numbers as [first, last + 1] runs."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1][1] = number + 1
        else:
            found.append([number, number + 1])
    return found


def _pieces(tensor: Tensor, kept: list[list[int]], *, dim: int) -> Tensor:
    # Slices, not an index: it would have to lie on the device, and loading would leave it empty.
    return torch.cat([tensor.narrow(dim, first, stop - first) for first, stop in kept], dim)


def _seen(cache: Any, layer: int) -> Any:
    seen = cache.get_seq_length(layer)
    return seen.clone() if isinstance(seen, Tensor) else seen  # a static cache counts on in place


def _whole_bias(attention: Any, hidden_states: Tensor, keys: int, seen: Any) -> Tensor:
    """Give the bias of all heads, (1, heads, queries, keys)."""
    return attention.compute_bias(hidden_states.shape[-2], keys, device=hidden_states.device, past_seen_tokens=seen)
