"""Cutting the sub-layers of a model down to some of their heads and neurons."""

from collections.abc import Sequence

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures import Attention, Projection, Sublayer, output_features
from walras.llm.closed import ClosedAttention, ClosedInput, ClosedProjection, SharedBiasAttention, bias_only

__all__ = ["cut", "keep_heads", "keep_neurons"]

# What attention modules remember of their sizes: some reshape or split by them, others only report them.
_HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads")
_WIDTHS = ("all_head_size", "split_size", "inner_dim")


def keep_heads(sublayer: Sublayer, groups: Sequence[int]) -> None:
    """Cut an attention, in place, to some of its heads (key-value groups); with none, its output's bias is left."""
    names = sublayer.names
    assert isinstance(names, Attention)
    query = _spread(groups, sublayer.queries_per_group * sublayer.head_dim)
    key_value = _spread(groups, sublayer.head_dim)
    heads = [head for head in range(sublayer.query_heads) if head // sublayer.queries_per_group in set(groups)]
    width, layer = sublayer.width, sublayer.module
    attention = layer.get_submodule(names.module)
    inside = f"{names.module}."
    closed_inputs = {
        name.removeprefix(inside): ClosedInput(projection)
        for name, projection in zip(names.inputs, sublayer.inputs, strict=True)
        if name.startswith(inside)
    }
    layer.set_submodule(names.output, cut(sublayer.output, query, dimension="inputs"))
    if not groups:
        _close(sublayer, attention, closed_inputs)
        return
    if names.fused:
        kept = [width * part + feature for part in range(3) for feature in query]
        layer.set_submodule(names.inputs[0], cut(sublayer.inputs[0], kept, dimension="outputs"))
    else:
        for name, projection, kept in zip(names.inputs, sublayer.inputs, (query, key_value, key_value), strict=True):
            layer.set_submodule(name, cut(projection, kept, dimension="outputs"))
    for attributes, size in ((_HEAD_COUNTS, len(heads)), (_WIDTHS, len(query))):
        for attribute in attributes:
            if hasattr(attention, attribute):
                setattr(attention, attribute, size)
    if names.shared_bias:
        layer.set_submodule(names.module, SharedBiasAttention(attention, heads, closed_inputs, cross=names.cross))


def keep_neurons(sublayer: Sublayer, neurons: Sequence[int]) -> None:
    """Cut a feed-forward network, in place, to some of its neurons; with none, its output's bias is left."""
    names, width = sublayer.names, sublayer.width
    for name, projection in zip(names.inputs, sublayer.inputs, strict=True):
        parts = output_features(projection) // width  # two under a fused gated activation
        kept = [width * part + neuron for part in range(parts) for neuron in neurons]
        smaller = cut(projection, kept, dimension="outputs") if neurons else ClosedInput(projection)
        sublayer.module.set_submodule(name, smaller)
    sublayer.module.set_submodule(names.output, cut(sublayer.output, neurons, dimension="inputs"))
    if not neurons:
        _drop_norm(sublayer)


def _close(sublayer: Sublayer, attention: nn.Module, inputs: dict[str, ClosedInput]) -> None:
    """Put `ClosedAttention` in the place of an attention whose output projection is closed already."""
    names, layer = sublayer.names, sublayer.module
    assert isinstance(names, Attention)
    inside = [name for name in (names.output, names.dropout) if name and name.startswith(names.module + ".")]
    children = {name.removeprefix(names.module + "."): layer.get_submodule(name) for name in inside}
    closed = ClosedAttention(
        None if names.cross else getattr(attention, "layer_idx", None),
        children,
        inputs,
        shared_bias=names.shared_bias,
        bias=bias_only(attention) if names.shared_bias else None,
    )
    layer.set_submodule(names.module, closed.train(attention.training))
    _drop_norm(sublayer)


def _drop_norm(sublayer: Sublayer) -> None:
    """Take away the normalisation that nothing reads any more."""
    if sublayer.names.pre_norm is not None:
        sublayer.module.set_submodule(sublayer.names.pre_norm, nn.Identity())


def cut(projection: Projection, kept: Sequence[int], *, dimension: str) -> nn.Module:
    """Give a projection with only some of its `"inputs"` or `"outputs"`; device, type and trainability are kept."""
    outputs = dimension == "outputs"
    if not outputs and not kept:
        return ClosedProjection(projection)
    transposed = isinstance(projection, Conv1D)
    weight = projection.weight
    index = torch.tensor(kept, dtype=torch.long, device=weight.device)
    weight = weight.detach().index_select(int(outputs == transposed), index)
    bias = projection.bias
    if bias is not None and outputs:
        bias = bias.detach().index_select(0, index)
    smaller = _empty_like(projection, weight.shape, has_bias=bias is not None)
    smaller.weight = nn.Parameter(weight, requires_grad=projection.weight.requires_grad)
    if bias is not None:
        smaller.bias = nn.Parameter(bias.detach().clone(), requires_grad=projection.bias.requires_grad)
    return smaller.train(projection.training)


def _empty_like(projection: Projection, shape: torch.Size, *, has_bias: bool) -> Projection:
    """Give a projection of the same kind, to be given weights of another shape."""
    # Made with one feature and told its size: initialising weights that are replaced would take time.
    with torch.device("meta"):
        if isinstance(projection, Conv1D):
            smaller = Conv1D(1, 1)
            smaller.nx, smaller.nf = shape
            return smaller
        linear = nn.Linear(1, 1, bias=has_bias)
        linear.out_features, linear.in_features = shape
        return linear


def _spread(groups: Sequence[int], width: int) -> list[int]:
    return [group * width + feature for group in groups for feature in range(width)]
