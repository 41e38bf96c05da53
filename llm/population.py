"""The agents of a model: every head (or key-value group) and every block of neurons, with what it costs.

The cost of an agent is the FLOPs that disappear when it is removed, at a stated sequence length T, for one sequence
(multiply-adds count as two, as `torch.utils.flop_counter` does). With d the hidden size, h the head size and g the
query heads of a group:

    head group   query, output  2 * 2 T d (g h)    key, value  2 * 2 T d h    scores, mixing  2 * 2 T^2 (g h)
    block of b   each projection  2 T d b          (two projections; three under a gated activation)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm.architectures import Layer, layers_of
from walras.market.errors import InvalidInputError

__all__ = ["HEAD", "NEURON_BLOCK", "Population", "Site"]

HEAD, NEURON_BLOCK = "head", "neuron_block"


@final
@dataclass(frozen=True)
class Site:
    """The agents that share one output projection.

    Attributes
    ----------
    kind, layer
        `HEAD` or `NEURON_BLOCK`, and the layer's number from 0.
    first
        Number of the site's first agent in the model's population.
    widths
        Input features of the output projection that each agent owns, in order.
    costs
        FLOPs of each agent, for one sequence.
    """

    kind: str
    layer: int
    first: int
    widths: tuple[int, ...]
    costs: tuple[int, ...]

    @property
    def agents(self) -> slice:
        """Where the site's agents stand in the population."""
        return slice(self.first, self.first + len(self.widths))

    def kept_features(self, open_agents: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Give the input features that belong to open agents (shape (agents of the site,)), ascending."""
        return np.flatnonzero(np.repeat(open_agents, self.widths))


@final
@dataclass(frozen=True)
class Population:
    """All agents of a model, site by site: layer by layer, heads before neuron blocks."""

    sites: tuple[Site, ...]
    sequence_length: int
    block_width: int

    @classmethod
    def of(cls, model: PreTrainedModel, *, sequence_length: int, block_width: int = 64) -> "Population":
        """Count the agents of a whole model.

        Parameters
        ----------
        sequence_length
            Tokens at which attention is costed.
        block_width
            Neurons in a block; the last block of a layer takes what is left.
        """
        for name, value in (("sequence_length", sequence_length), ("block_width", block_width)):
            if not isinstance(value, int) or value < 1:
                raise InvalidInputError(f"{name} must be a whole number of 1 or more, got {value!r}.")
        sites: list[Site] = []
        first = 0
        for number, layer in enumerate(layers_of(model)):
            for site in _sites(number, layer, first, sequence_length, block_width):
                sites.append(site)
                first = site.agents.stop
        return cls(tuple(sites), sequence_length, block_width)

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


def _sites(number: int, layer: Layer, first: int, tokens: int, block_width: int) -> Iterator[Site]:
    group_width = layer.queries_per_group * layer.head_dim
    projections = 2 * tokens * layer.hidden_size * (2 * group_width + 2 * layer.head_dim)
    attention = 2 * 2 * tokens**2 * group_width
    groups = layer.key_value_heads
    yield Site(HEAD, number, first, (group_width,) * groups, (projections + attention,) * groups)

    full, rest = divmod(layer.ffn_size, block_width)
    widths = (block_width,) * full + ((rest,) if rest else ())
    flops_per_neuron = 2 * tokens * layer.hidden_size * (len(layer.architecture.ffn_inputs) + 1)
    yield Site(NEURON_BLOCK, number, first + groups, widths, tuple(flops_per_neuron * width for width in widths))
