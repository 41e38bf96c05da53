"""Where the agents of a model live: its attention and feed-forward sub-layers, described by their names."""

from walras.llm.architectures.description import Architecture, Attention, FeedForward, Stack, SublayerNames
from walras.llm.architectures.lookup import (
    ATTENTION,
    CROSS_ATTENTION,
    FFN,
    Projection,
    Sublayer,
    architecture_of,
    entry_points,
    input_features,
    named_layers,
    output_features,
    sublayers_of,
)
from walras.llm.architectures.table import ARCHITECTURES

__all__ = [
    "ARCHITECTURES",
    "ATTENTION",
    "CROSS_ATTENTION",
    "FFN",
    "Architecture",
    "Attention",
    "FeedForward",
    "Projection",
    "Stack",
    "Sublayer",
    "SublayerNames",
    "architecture_of",
    "entry_points",
    "input_features",
    "named_layers",
    "output_features",
    "sublayers_of",
]
