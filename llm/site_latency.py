"""How many seconds one head, or one block of neurons, of each site takes on the device at hand."""

import copy
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm.latency import measure_latency
from walras.llm.population import Population, Site
from walras.llm.structure import shrink, structure_of
from walras.market import InvalidInputError
from walras.market.validation import positive_number

__all__ = ["SiteLatency"]

# Seconds that could not be told from 0 count as this fraction of the pass: an agent that uses nothing is not for sale.
_LEAST = 1e-6


@final
@dataclass(frozen=True)
class SiteLatency:
    """Seconds per agent, for each site of a population.

    Parameters
    ----------
    per_agent
        Seconds by which a pass is shorter without one of the site's agents, in the order of the population's sites.
    whole
        Seconds of a pass with all agents.
    conditions
        Where and how it was measured, in words.
    """

    per_agent: tuple[float, ...]
    whole: float
    conditions: str = ""

    def __post_init__(self) -> None:
        positive_number("SiteLatency.whole", self.whole)
        for seconds in self.per_agent:
            positive_number("SiteLatency.per_agent", seconds)

    @classmethod
    def measure(
        cls, model: PreTrainedModel, population: Population, *, batch_size: int = 8, repeats: int = 10
    ) -> "SiteLatency":
        """Measure a whole model on its device, at the population's sequence length, without padding.

        Sites of one shape are measured together: half of their agents are removed, in all layers at once, and the time
        saved is divided by their number. The models take turns, so that a change in the machine's speed meets them all.

        Notes
        -----
        *Cost*: `(repeats + 2) * (shapes + 1)` passes, and as many copies of the model in memory.
        """
        shapes = list(dict.fromkeys(_shape(site) for site in population.sites))
        models, removed = [model], []
        for shape in shapes:
            remaining = np.ones(len(population), dtype=bool)
            for site in population.sites:
                if _shape(site) == shape:
                    agents = np.arange(len(population))[site.agents]
                    remaining[agents[: max(len(agents) // 2, 1)]] = False
            removed.append(int((~remaining).sum()))
            models.append(shrink(copy.deepcopy(model), structure_of(population, remaining)))
        passes = measure_latency(
            models, batch_size=batch_size, sequence_length=population.sequence_length, repeats=repeats
        )
        whole = passes[0].median
        saved = {
            shape: max((whole - smaller.median) / agents, _LEAST * whole)
            for shape, smaller, agents in zip(shapes, passes[1:], removed, strict=True)
        }
        conditions = f"{model.device}, {model.dtype}, batch {batch_size} x {population.sequence_length} tokens"
        return cls(tuple(saved[_shape(site)] for site in population.sites), whole, conditions)

    def seconds(self, population: Population) -> NDArray[np.float64]:
        """Give the seconds of each agent, shape (n,); an agent of another width than its neighbours, in proportion."""
        if len(self.per_agent) != len(population.sites):
            raise InvalidInputError(
                f"SiteLatency has {len(self.per_agent)} sites, the population {len(population.sites)}: it was measured "
                "on another model."
            )
        parts = [
            seconds * np.array(site.widths) / max(site.widths)
            for seconds, site in zip(self.per_agent, population.sites, strict=True)
        ]
        return np.concatenate(parts)

    def frame(self, population: Population) -> pd.DataFrame:
        """Give a row per site: kind, layer, agents, milliseconds of one agent."""
        rows = [
            (site.kind, site.layer, len(site.widths), 1e3 * seconds)
            for seconds, site in zip(self.per_agent, population.sites, strict=True)
        ]
        return pd.DataFrame(rows, columns=["kind", "layer", "agents", "milliseconds"])


def _shape(site: Site) -> tuple[object, ...]:
    return site.kind, site.widths, site.costs
