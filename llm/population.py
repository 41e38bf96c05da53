"""The agents of a model: heads (or key-value groups), blocks of neurons, or whole sub-layers, with what each costs.

The cost of an agent is the FLOPs that disappear when it is removed, at a stated sequence length T, for one sequence
(multiply-adds count as two, as `torch.utils.flop_counter` does; a decoder beside an encoder reads T tokens as well).
With d the hidden size, h the head size and g the query heads of a group:

    head group   query, output  2 * 2 T d (g h)    key, value  2 * 2 T d h    scores, mixing  2 * 2 T^2 (g h)
    block of b   each projection  2 T d b          (two projections; three under a gated activation)
    sub-layer    all its groups, or all its neurons
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm.architectures import (
    ATTENTION,
    CROSS_ATTENTION,
    FFN,
    Architecture,
    Sublayer,
    architecture_of,
    input_features,
    output_features,
    sublayers_of,
)
from walras.market.errors import InvalidInputError

__all__ = ["AGENTS", "CROSS_HEAD", "HEAD", "NEURON_BLOCK", "Population", "Site", "checked_agents"]

HEAD, CROSS_HEAD, NEURON_BLOCK = "head", "cross_head", "neuron_block"

# What may be for sale: attention by the head or whole, feed-forward networks by the block or whole.
AGENTS = (HEAD, ATTENTION, NEURON_BLOCK, FFN)


@final
@dataclass(frozen=True)
class Site:
    """The agents that share one output projection.

    Attributes
    ----------
    kind
        `HEAD`, `NEURON_BLOCK`, or `ATTENTION` or `FFN` where the whole sub-layer is one agent; `CROSS_HEAD` or
        `CROSS_ATTENTION` where keys and values come from the encoder.
    layer
        The layer's number from 0; a decoder's go on where its encoder's end.
    sublayer
        Number of the sub-layer among all of the model's (`walras.llm.architectures.sublayers_of`).
    first
        Number of the site's first agent in the model's population.
    widths
        Input features of the output projection that each agent owns, in order.
    costs
        FLOPs of each agent, for one sequence.
    """

    kind: str
    layer: int
    sublayer: int
    first: int
    widths: tuple[int, ...]
    costs: tuple[int, ...]

    @property
    def agents(self) -> slice:
        """Where the site's agents stand in the population."""
        return slice(self.first, self.first + len(self.widths))

    @property
    def is_attention(self) -> bool:
        """Whether the agents are heads, or a whole attention."""
        return self.kind in (HEAD, CROSS_HEAD, ATTENTION, CROSS_ATTENTION)

    @property
    def is_whole(self) -> bool:
        """Whether the whole sub-layer is one agent."""
        return self.kind in (ATTENTION, CROSS_ATTENTION, FFN)

    def kept_features(self, open_agents: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the input features that belong to open agents (shape (agents of the site,)), ascending."""
        return np.flatnonzero(np.repeat(open_agents, self.widths))


@final
@dataclass(frozen=True)
class Population:
    """All agents of a model, site by site: layer by layer, attention before the feed-forward network."""

    sites: tuple[Site, ...]
    sequence_length: int
    block_width: int
    architecture: Architecture

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        *,
        sequence_length: int,
        block_width: int = 64,
        agents: Sequence[str] = (HEAD, NEURON_BLOCK),
        architecture: Architecture | None = None,
    ) -> "Population":
        """Count the agents of a whole model.

        Parameters
        ----------
        sequence_length
            Tokens at which attention is costed.
        block_width
            Neurons in a block; the last block of a layer takes what is left.
        agents
            Who takes part: `"head"` or `"attention"` (whole sub-layers), `"neuron_block"` or `"ffn"`, or one of the two
            alone; what is not named is always served and costs nothing.
        architecture
            By default the table's.
        """
        for name, value in (("sequence_length", sequence_length), ("block_width", block_width)):
            if not isinstance(value, int) or value < 1:
                raise InvalidInputError(f"{name} must be a whole number of 1 or more, got {value!r}.")
        chosen = checked_agents(agents)
        architecture = architecture or architecture_of(model)
        sites: list[Site] = []
        first = 0
        for number, sublayer in enumerate(sublayers_of(model, architecture)):
            unit = _unit(sublayer.kind, chosen)
            if unit is None:
                continue
            widths, costs = _agents(sublayer, unit, sequence_length, block_width)
            sites.append(Site(unit, sublayer.layer, number, first, widths, costs))
            first += len(widths)
        return cls(tuple(sites), sequence_length, block_width, architecture)

    def __len__(self) -> int:
        return self.sites[-1].agents.stop

    @property
    def costs_flops(self) -> NDArray[np.int64]:
        """FLOPs of each agent for one sequence, shape (n,)."""
        return np.array([cost for site in self.sites for cost in site.costs], dtype=np.int64)

    @property
    def costs(self) -> NDArray[np.float64]:
        """Share of each agent in the FLOPs of all agents, shape (n,); they add up to 1."""
        flops = self.costs_flops
        return flops / flops.sum()

    def frame(self) -> pd.DataFrame:
        """Give a row per agent: kind, layer, index (within its site), width, cost_flops, cost (share of all)."""
        rows = [
            (site.kind, site.layer, index, width, cost)
            for site in self.sites
            for index, (width, cost) in enumerate(zip(site.widths, site.costs, strict=True))
        ]
        frame = pd.DataFrame(rows, columns=["kind", "layer", "index", "width", "cost_flops"])
        return frame.assign(cost=self.costs)


def checked_agents(agents: Sequence[str]) -> tuple[str, ...]:
    """Give the kinds of agents that take part, or raise `InvalidInputError`: one of attention, one of FFN at most."""
    kinds = (agents,) if isinstance(agents, str) else tuple(agents)
    unknown = [kind for kind in kinds if kind not in AGENTS]
    both = {HEAD, ATTENTION} <= set(kinds) or {NEURON_BLOCK, FFN} <= set(kinds)
    if not kinds or unknown or both or len(set(kinds)) < len(kinds):
        raise InvalidInputError(
            "agents names 'head' or 'attention', 'neuron_block' or 'ffn', or one of each pair, without repetition; "
            f"got {agents!r}."
        )
    return kinds


def _unit(kind: str, agents: tuple[str, ...]) -> str | None:
    """Give the kind of a sub-layer's agents; None if it has none."""
    if kind == FFN:
        return next((unit for unit in (NEURON_BLOCK, FFN) if unit in agents), None)
    if HEAD in agents:
        return CROSS_HEAD if kind == CROSS_ATTENTION else HEAD
    return kind if ATTENTION in agents else None


def _agents(sublayer: Sublayer, unit: str, tokens: int, block_width: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Give widths and costs (FLOPs) of a sub-layer's agents."""
    if sublayer.kind == FFN:
        per_neuron = _projection_flops(sublayer, tokens) // sublayer.width
        widths = (sublayer.width,) if unit == FFN else tuple(_blocks(sublayer.width, block_width))
        return widths, tuple(per_neuron * width for width in widths)
    groups = sublayer.key_value_heads
    flops = _projection_flops(sublayer, tokens) + 2 * 2 * tokens**2 * sublayer.width
    if unit in (HEAD, CROSS_HEAD):
        return (sublayer.width // groups,) * groups, (flops // groups,) * groups  # exact: all groups are alike
    return (sublayer.width,), (flops,)


def _projection_flops(sublayer: Sublayer, tokens: int) -> int:
    projections = (*sublayer.inputs, sublayer.output)
    return sum(2 * tokens * input_features(each) * output_features(each) for each in projections)


def _blocks(size: int, width: int) -> Iterator[int]:
    for first in range(0, size, width):
        yield min(width, size - first)
