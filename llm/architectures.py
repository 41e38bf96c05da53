"""Where the agents live: for each architecture, the names of the layers that an economy gates and export cuts.

Names are those of transformers 5. A gate multiplies the *input* of an output projection, where the heads stand side by
side (attention) and the neurons do (feed-forward network); this is exactly the same as scaling the projection's
columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias, final

from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from walras.llm.errors import UnsupportedModelError

__all__ = ["ARCHITECTURES", "Architecture", "Layer", "Projection", "architecture_of", "layers_of"]

Projection: TypeAlias = nn.Linear | Conv1D


@final
@dataclass(frozen=True)
class Architecture:
    """The names of one `model_type`'s layers; all but `layers` are relative to a layer.

    Parameters
    ----------
    layers
        The list of layers, relative to the base model (`model.base_model`).
    attention
        The module that turns hidden states into attention output; replaced when all its heads are removed.
    attention_inputs
        Query, key and value projections, in this order; or the one projection that holds all three (`fused`).
    attention_output, ffn_output
        The output projections, whose inputs are gated.
    ffn_inputs
        The projections into the neurons (two under a gated activation).
    attention_dropout
        A dropout applied inside `attention` after its output projection, if there is one.
    """

    layers: str
    attention: str
    attention_inputs: tuple[str, ...]
    attention_output: str
    ffn_inputs: tuple[str, ...]
    ffn_output: str
    attention_dropout: str | None = None

    @property
    def fused(self) -> bool:
        """Whether query, key and value come from one projection, one behind the other."""
        return len(self.attention_inputs) == 1


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "bert": Architecture(
            layers="encoder.layer",
            attention="attention.self",
            attention_inputs=("attention.self.query", "attention.self.key", "attention.self.value"),
            attention_output="attention.output.dense",
            ffn_inputs=("intermediate.dense",),
            ffn_output="output.dense",
        ),
        "gpt2": Architecture(
            layers="h",
            attention="attn",
            attention_inputs=("attn.c_attn",),
            attention_output="attn.c_proj",
            ffn_inputs=("mlp.c_fc",),
            ffn_output="mlp.c_proj",
            attention_dropout="attn.resid_dropout",
        ),
        "llama": Architecture(
            layers="layers",
            attention="self_attn",
            attention_inputs=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            attention_output="self_attn.o_proj",
            ffn_inputs=("mlp.gate_proj", "mlp.up_proj"),
            ffn_output="mlp.down_proj",
        ),
    }
)


@final
@dataclass(frozen=True)
class Layer:
    """One layer of a model, with its parts looked up, and the sizes that agents are counted by.

    Attributes
    ----------
    hidden_size, head_dim
        Features of the residual stream, and of one head.
    key_value_heads, queries_per_group
        Groups of heads that share a key and a value, and query heads in each (1 without grouped queries).
    ffn_size
        Neurons of the feed-forward network.
    """

    module: nn.Module
    architecture: Architecture
    hidden_size: int
    head_dim: int
    key_value_heads: int
    queries_per_group: int

    @property
    def attention_output(self) -> Projection:
        """The projection whose input holds the heads side by side."""
        return _projection(self.module, self.architecture.attention_output)

    @property
    def ffn_output(self) -> Projection:
        """The projection whose input holds the neurons."""
        return _projection(self.module, self.architecture.ffn_output)

    @property
    def ffn_size(self) -> int:
        """Neurons of the feed-forward network."""
        return input_features(self.ffn_output)


def architecture_of(model: PreTrainedModel) -> Architecture:
    """Give the architecture of a transformers model.

    Raises
    ------
    UnsupportedModelError
        Not a transformers model, a `model_type` outside the table, or one with cross-attention.
    """
    if not isinstance(model, PreTrainedModel):
        raise UnsupportedModelError(f"Expected a transformers PreTrainedModel, got {type(model).__name__}.")
    model_type = model.config.model_type
    if model_type not in ARCHITECTURES:
        raise UnsupportedModelError(
            f"model_type {model_type!r} is not supported; supported: {', '.join(sorted(ARCHITECTURES))}. To add one, "
            "describe the names of its layers in an Architecture and add it to the table in walras.llm.architectures."
        )
    if getattr(model.config, "add_cross_attention", False):
        raise UnsupportedModelError(f"{type(model).__name__} has cross-attention, which has no agents yet.")
    return ARCHITECTURES[model_type]


def layers_of(model: PreTrainedModel) -> tuple[Layer, ...]:
    """Give the layers of a model that is still whole (every layer with all the heads that its config names)."""
    architecture = architecture_of(model)
    config = model.config
    query_heads = config.num_attention_heads
    key_value_heads = getattr(config, "num_key_value_heads", None) or query_heads
    layers = []
    for module in model.base_model.get_submodule(architecture.layers):
        width = input_features(_projection(module, architecture.attention_output))
        if width % query_heads:
            raise UnsupportedModelError(f"{width} attention features are not a multiple of {query_heads} heads.")
        layers.append(
            Layer(
                module=module,
                architecture=architecture,
                hidden_size=config.hidden_size,
                head_dim=width // query_heads,
                key_value_heads=key_value_heads,
                queries_per_group=query_heads // key_value_heads,
            )
        )
    return tuple(layers)


def input_features(projection: Projection) -> int:
    """Number of input features: columns of a Linear's weight, rows of a Conv1D's."""
    return projection.weight.shape[0 if isinstance(projection, Conv1D) else 1]


def _projection(layer: nn.Module, name: str) -> Projection:
    projection = layer.get_submodule(name)
    if not isinstance(projection, Projection):
        raise UnsupportedModelError(
            f"{name} is a {type(projection).__name__}, expected a torch Linear or a transformers Conv1D: quantised "
            "or wrapped layers cannot be gated and cut."
        )
    return projection
