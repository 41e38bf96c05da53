"""Cutting a model down to the agents that were served, and loading it again.

Open agents keep their rows and columns; closed ones lose them. What is left of each layer is written into the model's
config, so that a saved model can be rebuilt with the right shapes before its weights are loaded.
"""

from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures import Layer, Projection, input_features, layers_of
from walras.llm.errors import DataError
from walras.llm.population import HEAD, Population

__all__ = ["EconomizedModel", "shrink", "structure_of"]


def structure_of(population: Population, open_agents: NDArray[np.bool_]) -> dict[str, Any]:
    """Describe what is kept of each layer, as plain numbers that a config can hold.

    Returns
    -------
    dict
        `heads`: for each layer the numbers of the heads (key-value groups) kept; `neurons`: for each layer the neurons
        kept, as a list of [first, last + 1] runs.
    """
    heads: list[list[int]] = []
    neurons: list[list[list[int]]] = []
    for site in population.sites:
        kept = open_agents[site.agents]
        if site.kind == HEAD:
            heads.append(np.flatnonzero(kept).tolist())
        else:
            neurons.append(_runs(site.kept_features(kept)))
    return {"heads": heads, "neurons": neurons}


def shrink(model: PreTrainedModel, structure: dict[str, Any]) -> PreTrainedModel:
    """Remove, in place, all heads and neurons of a whole model that `structure` does not keep.

    A layer that loses all its heads (or neurons) keeps its output projection's bias, as the gated model does.
    """
    layers = layers_of(model)
    for layer, heads, runs in zip(layers, structure["heads"], structure["neurons"], strict=True):
        if len(heads) < layer.key_value_heads:
            _keep_heads(layer, heads)
        neurons = [neuron for first, stop in runs for neuron in range(first, stop)]
        if len(neurons) < layer.ffn_size:
            _keep_neurons(layer, neurons)
    model.config.walras = {"base_class": type(model).__name__, **structure}
    return model


class EconomizedModel:
    """Loads models that an economy exported."""

    @staticmethod
    def from_pretrained(folder: str, **kwargs: Any) -> PreTrainedModel:
        """Load an exported model, in its own transformers class.

        Parameters
        ----------
        folder
            Where `save_pretrained` wrote it (or a hub name).
        **kwargs
            Passed on to transformers' `from_pretrained`.

        Raises
        ------
        DataError
            No model there, or not one that walras exported.
        """
        try:
            config = AutoConfig.from_pretrained(folder)
        except (OSError, ValueError) as error:
            raise DataError(f"No model could be read from {str(folder)!r}: {error}") from error
        structure = getattr(config, "walras", None)
        if not structure:
            raise DataError(
                f"{str(folder)!r} is not an exported model (no 'walras' in its config): load it with transformers."
            )
        base = getattr(transformers, structure["base_class"], None)
        if not (isinstance(base, type) and issubclass(base, PreTrainedModel)):
            raise DataError(f"{str(folder)!r} was exported from {structure['base_class']!r}, unknown to transformers.")
        model = _shrinking(base).from_pretrained(folder, config=config, **kwargs)
        model.__class__ = base  # the shapes are set; what remains is an ordinary model of its class
        return model


def _shrinking(base: type[PreTrainedModel]) -> type[PreTrainedModel]:
    """Give a subclass that cuts itself to its config's structure before weights are loaded."""

    class Shrinking(base):
        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            super().__init__(config, *args, **kwargs)
            structure = dict(config.walras)
            shrink(self, structure)
            self.config.walras = structure  # keeps the base class's name, not this one's

    return Shrinking


def _runs(features: NDArray[np.int64]) -> list[list[int]]:
    """Give ascending numbers as [first, last + 1] runs."""
    if features.size == 0:
        return []
    breaks = np.flatnonzero(np.diff(features) > 1) + 1
    return [[int(run[0]), int(run[-1]) + 1] for run in np.split(features, breaks)]


def _keep_heads(layer: Layer, groups: list[int]) -> None:
    """Cut a layer's attention to some of its key-value groups."""
    names = layer.architecture
    query = _spread(groups, layer.queries_per_group * layer.head_dim)
    key_value = _spread(groups, layer.head_dim)
    output = cut(layer.attention_output, query, dimension="inputs")
    if names.fused:
        fused = layer.module.get_submodule(names.attention_inputs[0])
        part = input_features(layer.attention_output)  # query, key and value stand one behind the other, equally wide
        kept = [part * number + feature for number in range(3) for feature in query]
        layer.module.set_submodule(names.attention_inputs[0], cut(fused, kept, dimension="outputs"))
    else:
        for name, kept in zip(names.attention_inputs, (query, key_value, key_value), strict=True):
            projection = layer.module.get_submodule(name)
            layer.module.set_submodule(name, cut(projection, kept, dimension="outputs"))
    attention = layer.module.get_submodule(names.attention)
    # What the modules remember of their sizes: GPT-2 splits by split_size, the others only report the numbers.
    for name, size in (
        ("num_attention_heads", len(groups) * layer.queries_per_group),
        ("num_heads", len(groups) * layer.queries_per_group),
        ("all_head_size", len(query)),
        ("split_size", len(query)),
    ):
        if hasattr(attention, name):
            setattr(attention, name, size)
    if not groups:
        layer.module.set_submodule(names.attention, _closed_attention(layer, output))
    if groups or not _inside(names.attention_output, names.attention):
        layer.module.set_submodule(names.attention_output, output)


def _keep_neurons(layer: Layer, neurons: list[int]) -> None:
    """Cut a layer's feed-forward network to some of its neurons."""
    names = layer.architecture
    for name in names.ffn_inputs:
        projection = layer.module.get_submodule(name)
        layer.module.set_submodule(name, cut(projection, neurons, dimension="outputs"))
    layer.module.set_submodule(names.ffn_output, cut(layer.ffn_output, neurons, dimension="inputs"))


def _closed_attention(layer: Layer, output: nn.Module) -> "ClosedAttention":
    names = layer.architecture
    if not _inside(names.attention_output, names.attention):
        return ClosedAttention(_number(layer))
    children = {_last(names.attention_output): output}
    if names.attention_dropout:
        children[_last(names.attention_dropout)] = layer.module.get_submodule(names.attention_dropout)
    return ClosedAttention(_number(layer), children)


def _number(layer: Layer) -> int | None:
    return getattr(layer.module.get_submodule(layer.architecture.attention), "layer_idx", None)


class ClosedAttention(nn.Module):
    """Attention that has lost all its heads: what is left is the output projection's bias.

    Parameters
    ----------
    layer_idx
        The layer's number in a key-value cache.
    children
        The output projection (already without inputs) and what follows it, where the original module applies them.
    """

    def __init__(self, layer_idx: int | None, children: dict[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        for name, child in (children or {}).items():
            self.add_module(name, child)

    def forward(self, hidden_states: Tensor, *_: Any, past_key_values: Any = None, **__: Any) -> tuple[Tensor, None]:
        """Give attention output, (..., tokens, hidden size), or (..., tokens, 0) where the projection is outside."""
        if past_key_values is not None and self.layer_idx is not None:
            # Generation reads the number of cached tokens from the layers: keep one number per token.
            token = hidden_states[..., :1].unsqueeze(1)  # (batch, 1 head, tokens, 1)
            past_key_values.update(token, token, self.layer_idx)
        output = hidden_states[..., :0]
        for child in self.children():
            output = child(output)
        return output, None


class ClosedProjection(nn.Module):
    """An output projection without inputs: its bias for every token, or zeros."""

    def __init__(self, projection: Projection) -> None:
        super().__init__()
        self.out_features = projection.weight.shape[1 if isinstance(projection, Conv1D) else 0]
        self.bias = projection.bias

    def forward(self, nothing: Tensor) -> Tensor:
        """Give (..., tokens, out_features) from (..., tokens, 0)."""
        zeros = nothing.new_zeros((*nothing.shape[:-1], self.out_features))
        return zeros if self.bias is None else zeros + self.bias.to(nothing.dtype)


def cut(projection: Projection, kept: list[int], *, dimension: str) -> nn.Module:
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
    # Made with one feature and told its size: initialising a weight without elements would warn.
    with torch.device("meta"):
        if isinstance(projection, Conv1D):
            smaller = Conv1D(1, 1)
            smaller.nx, smaller.nf = shape
            return smaller
        linear = nn.Linear(1, 1, bias=has_bias)
        linear.out_features, linear.in_features = shape
        return linear


def _spread(groups: list[int], width: int) -> list[int]:
    return [group * width + feature for group in groups for feature in range(width)]


def _inside(name: str, parent: str) -> bool:
    return name.startswith(parent + ".")


def _last(name: str) -> str:
    return name.rpartition(".")[2]
