"""The sub-layers of a model, found by the names that its architecture lists."""

from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from walras.llm.architectures.description import Architecture, Attention, FeedForward, SublayerNames
from walras.llm.architectures.table import ARCHITECTURES
from walras.llm.errors import UnsupportedModelError

__all__ = [
    "ATTENTION",
    "CROSS_ATTENTION",
    "FFN",
    "Projection",
    "Sublayer",
    "architecture_of",
    "entry_points",
    "input_features",
    "named_layers",
    "output_features",
    "sublayers_of",
]

Projection: TypeAlias = nn.Linear | Conv1D

ATTENTION, CROSS_ATTENTION, FFN = "attention", "cross_attention", "ffn"

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@final
@dataclass(frozen=True, eq=False)
class Sublayer:
    """One attention or feed-forward network of a model, with its parts looked up.

    Attributes
    ----------
    kind
        `ATTENTION`, `CROSS_ATTENTION` or `FFN`.
    layer
        The layer's number from 0; a decoder's go on where its encoder's end.
    module
        The layer, which the names are relative to.
    names
        The names of its parts.
    query_heads
        Query heads of an attention; 0 for a feed-forward network.
    """

    kind: str
    layer: int
    module: nn.Module
    names: SublayerNames
    query_heads: int

    @property
    def output(self) -> Projection:
        """The projection whose input is gated."""
        return self._projection(self.names.output)

    @property
    def inputs(self) -> tuple[Projection, ...]:
        """The projections of the sub-layer's input: query, key and value, or into the neurons."""
        return tuple(self._projection(name) for name in self.names.inputs)

    @property
    def width(self) -> int:
        """Features that are gated: those of all heads side by side, or the neurons."""
        return input_features(self.output)

    @property
    def hidden_size(self) -> int:
        """Features of the residual stream."""
        return output_features(self.output)

    @property
    def head_dim(self) -> int:
        """Features of one head."""
        return self.width // self.query_heads

    @property
    def key_value_heads(self) -> int:
        """Groups of query heads that share a key and a value; as many as heads without grouped queries."""
        if not isinstance(self.names, Attention):
            return 0
        return self.query_heads if self.names.fused else output_features(self.inputs[1]) // self.head_dim

    @property
    def queries_per_group(self) -> int:
        """Query heads in a group; 1 without grouped queries."""
        return self.query_heads // self.key_value_heads

    @property
    def post_norm(self) -> nn.Module | None:
        """The normalisation of the sub-layer's output before it joins the residual stream, if there is one."""
        return None if self.names.post_norm is None else self.module.get_submodule(self.names.post_norm)

    def _projection(self, name: str) -> Projection:
        return _checked_projection(self.module.get_submodule(name), f"{name} of layer {self.layer}")


def architecture_of(model: PreTrainedModel) -> Architecture:
    """Give the architecture of a transformers model from the table.

    Raises
    ------
    UnsupportedModelError
        Not a transformers model, a `model_type` outside the table, or cross-attention that the table does not know.
    """
    if not isinstance(model, PreTrainedModel):
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.")
    model_type = model.config.model_type
    key = f"{model_type}-gated" if getattr(model.config, "is_gated_act", False) else model_type
    if key not in ARCHITECTURES:
        raise UnsupportedModelError(
            f"model_type {model_type!r} is not supported; supported: {', '.join(sorted(ARCHITECTURES))}. Any other is "
            "described in a few lines: name its layers in a walras.llm.Architecture and pass it as "
            "EconomyConfig(architecture=...); docs/how-to/describe-an-architecture.md has an example."
        )
    architecture = ARCHITECTURES[key]
    knows_cross = any(isinstance(n, Attention) and n.cross for stack in architecture.stacks for n in stack.sublayers)
    if getattr(model.config, "add_cross_attention", False) and not knows_cross:
        raise UnsupportedModelError(
            f"{type(model).__name__} has cross-attention, which its architecture does not name: it would go on without "
            "being rationed. Describe it in an Architecture of your own if that is what you want."
        )
    return architecture


def sublayers_of(model: PreTrainedModel, architecture: Architecture | None = None) -> tuple[Sublayer, ...]:
    """Give the sub-layers of a model that is still whole, layer by layer, in the order in which they are computed.

    Parameters
    ----------
    architecture
        By default the table's.

    Raises
    ------
    UnsupportedModelError
        A name that the model does not have, sizes that do not fit heads, or projections of another kind than torch's
        Linear and transformers' Conv1D.
    """
    if architecture is None:
        architecture = architecture_of(model)
    elif not isinstance(model, PreTrainedModel):
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.")
    found: list[Sublayer] = []
    for layer, (module, names_of_layer) in enumerate(named_layers(model, architecture)):
        for names in names_of_layer:
            heads = model.config.num_attention_heads if isinstance(names, Attention) else 0
            sublayer = Sublayer(_kind(names), layer, module, names, heads)
            _check(sublayer, model)
            found.append(sublayer)
    return tuple(found)


def entry_points(model: PreTrainedModel, architecture: Architecture) -> tuple[nn.Module, ...]:
    """Give the modules by which forward passes enter the layers, each once: the market clears before them."""
    entries: list[nn.Module] = []
    for stack in architecture.stacks:
        if _find(model.base_model, stack.layers) is None:
            continue
        name = stack.layers.rpartition(".")[0] if stack.entry is None else stack.entry
        entry = _find(model.base_model, name)
        if entry is None:
            raise UnsupportedModelError(f"There is no {name!r} in {type(model.base_model).__name__}.")
        if entry not in entries:
            entries.append(entry)
    return tuple(entries)


def input_features(projection: Projection) -> int:
    """Number of input features: columns of a Linear's weight, rows of a Conv1D's."""
    return projection.weight.shape[0 if isinstance(projection, Conv1D) else 1]


def output_features(projection: Projection) -> int:
    """Number of output features: rows of a Linear's weight, columns of a Conv1D's."""
    return projection.weight.shape[1 if isinstance(projection, Conv1D) else 0]


def named_layers(
    model: PreTrainedModel, architecture: Architecture
) -> list[tuple[nn.Module, tuple[SublayerNames, ...]]]:
    """Give each layer of a model, whole or exported, with the names of its sub-layers, in order."""
    found = []
    for stack in architecture.stacks:
        layers = _find(model.base_model, stack.layers)
        if layers is not None:  # an encoder may stand without its decoder
            found += [(module, stack.sublayers) for module in layers]
    if not found:
        raise UnsupportedModelError(
            f"{type(model).__name__} has no layers under {[stack.layers for stack in architecture.stacks]} of its base "
            f"model, a {type(model.base_model).__name__}."
        )
    return found


def _find(module: nn.Module, name: str) -> Any:
    try:
        return module.get_submodule(name)
    except AttributeError:
        return None


def _kind(names: SublayerNames) -> str:
    if isinstance(names, FeedForward):
        return FFN
    return CROSS_ATTENTION if names.cross else ATTENTION


def _check(sublayer: Sublayer, model: PreTrainedModel) -> None:
    """Raise `UnsupportedModelError` if the parts of a sub-layer are not there, or not of sizes that can be gated."""
    names, where = sublayer.names, f"layer {sublayer.layer} of {type(model).__name__}"
    optional = (names.pre_norm, names.post_norm) + (
        (names.module, names.dropout) if isinstance(names, Attention) else ()
    )
    for name in (*names.inputs, names.output, *(name for name in optional if name is not None)):
        if _find(sublayer.module, name) is None:
            raise UnsupportedModelError(
                f"There is no {name!r} in {where}, a {type(sublayer.module).__name__} with "
                f"{[child for child, _ in sublayer.module.named_children()]}."
            )
    rows = [output_features(projection) for projection in sublayer.inputs]
    width, heads = sublayer.width, sublayer.query_heads
    if isinstance(names, FeedForward):
        fits = all(row == width for row in rows) or rows == [2 * width]
        wanted = f"{width}, or one of {2 * width}"
    elif width % heads:
        raise UnsupportedModelError(f"{width} attention features are not a multiple of {heads} heads in {where}.")
    elif names.fused:
        fits, wanted = rows == [3 * width], f"{3 * width}"
    else:
        head_dim = width // heads
        groups = rows[1] // head_dim
        fits = rows[0] == width and rows[1] == rows[2] == groups * head_dim > 0 and heads % groups == 0
        wanted = f"{width} for queries, whole heads of {head_dim} for keys and values"
    if not fits:
        raise UnsupportedModelError(
            f"The input projections {names.inputs} in {where} have {rows} output features, expected {wanted}."
        )


def _checked_projection(module: nn.Module, where: str) -> Projection:
    # Other libraries' quantised layers are subclasses of Linear; their weights are packed, or tensors of other classes.
    plain = isinstance(module, Projection) and type(module).forward in (nn.Linear.forward, Conv1D.forward)
    weight = getattr(module, "weight", None)
    if not plain or type(weight) is not nn.Parameter or weight.dtype not in _FLOATS or weight.ndim != 2:
        raise UnsupportedModelError(
            f"{where} is a {type(module).__name__} with a weight of {_described(weight)}, expected a torch Linear or a "
            "transformers Conv1D with a plain weight: quantised, wrapped or distributed layers cannot be gated and "
            "cut. Load the model unquantised, and attach before wrapping it."
        )
    return module


def _described(weight: object) -> str:
    return f"{type(weight).__name__}, {weight.dtype}" if isinstance(weight, torch.Tensor) else type(weight).__name__
