"""How many seconds one head, or one block of neurons, of each site takes on the device at hand."""

import copy
from collections.abc import Callable
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
from walras.market.validation import nonnegative_number, positive_number

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
    entry
        Seconds by which a pass is shorter still once the last of a site's agents is gone, 0 or more, in the same order:
        launches, and work of the residual stream's width. Empty for none.
    """

    per_agent: tuple[float, ...]
    whole: float
    conditions: str = ""
    entry: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        positive_number("SiteLatency.whole", self.whole)
        for seconds in self.per_agent:
            positive_number("SiteLatency.per_agent", seconds)
        for seconds in self.entry:
            nonnegative_number("SiteLatency.entry", seconds)
        if self.entry and len(self.entry) != len(self.per_agent):
            raise InvalidInputError(
                f"SiteLatency.entry has {len(self.entry)} sites, per_agent {len(self.per_agent)}: give one number each."
            )

    @classmethod
    def measure(
        cls,
        model: PreTrainedModel,
        population: Population,
        *,
        batch_size: int = 8,
        repeats: int = 10,
        graphed: bool = False,
        prepare: Callable[[PreTrainedModel], PreTrainedModel] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> "SiteLatency":
        """Measure a whole model on its device, at the population's sequence length, without padding.

        Sites of one shape are measured together: half of their agents are removed, in all layers at once, and the time
        saved is divided by their number; then all are removed, and what is saved beyond the agents' own time is the
        sites' entry. The models take turns, so that a change in the machine's speed meets them all.

        Parameters
        ----------
        graphed
            Replay the pass as a CUDA graph: without the host's launches, which hide what small models save on a GPU,
            and without attention masks (`walras.llm.unpadded`), with which attention would take most of the time.
        prepare
            What is done to a model before it is put to use, such as `walras.llm.streamline`.
        clock
            Gives seconds; by default `time.perf_counter`. On a CPU that others use too, `time.process_time`.

        Notes
        -----
        *Cost*: `(repeats + 2) * (2 * shapes + 1)` passes, and as many copies of the model in memory.
        """
        shapes = list(dict.fromkeys(_shape(site) for site in population.sites))
        prepare = prepare or _as_it_is
        models = [prepare(copy.deepcopy(model)) if prepare is not _as_it_is else model]
        removals = []  # (shape, who is left), first half of a shape's agents, then none
        for shape in shapes:
            removals += [(shape, _remaining(population, shape, kept)) for kept in (0.5, 0.0)]
            if np.array_equal(removals[-1][1], removals[-2][1]):  # one agent a site: its time is the site's
                removals.pop()
        models += [
            prepare(shrink(copy.deepcopy(model), structure_of(population, remaining))) for _, remaining in removals
        ]
        passes = measure_latency(
            models,
            batch_size=batch_size,
            sequence_length=population.sequence_length,
            repeats=repeats,
            graphed=graphed,
            clock=clock,
        )
        whole = passes[0].median
        saved: dict[tuple[object, ...], float] = {}
        entry = dict.fromkeys(shapes, 0.0)
        for (shape, remaining), smaller in zip(removals, passes[1:], strict=True):
            removed = int((~remaining).sum())
            if shape not in saved:
                saved[shape] = max((whole - smaller.median) / removed, _LEAST * whole)
            else:
                sites = sum(_shape(site) == shape for site in population.sites)
                entry[shape] = max(whole - smaller.median - removed * saved[shape], 0.0) / sites
        conditions = f"{model.device}, {model.dtype}, batch {batch_size} x {population.sequence_length} tokens"
        return cls(
            tuple(saved[_shape(site)] for site in population.sites),
            whole,
            conditions + (", as a CUDA graph, unmasked" if graphed else ""),
            tuple(entry[_shape(site)] for site in population.sites),
        )

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

    def entry_seconds(self, population: Population) -> NDArray[np.float64]:
        """Give the seconds of each site that is open, beside its agents' own, shape (sites,)."""
        entry = np.array(self.entry or (0.0,) * len(self.per_agent))
        if len(entry) != len(population.sites):
            raise InvalidInputError(
                f"SiteLatency has {len(entry)} sites, the population {len(population.sites)}: it was measured on "
                "another model."
            )
        return entry

    def frame(self, population: Population) -> pd.DataFrame:
        """Give a row per site: kind, layer, agents, milliseconds of one agent, and of the open site beside them."""
        entry = 1e3 * self.entry_seconds(population)
        rows = [
            (site.kind, site.layer, len(site.widths), 1e3 * seconds, opened)
            for seconds, opened, site in zip(self.per_agent, entry, population.sites, strict=True)
        ]
        return pd.DataFrame(rows, columns=["kind", "layer", "agents", "milliseconds", "entry_milliseconds"])


def _as_it_is(model: PreTrainedModel) -> PreTrainedModel:
    return model


def _remaining(population: Population, shape: tuple[object, ...], kept: float) -> NDArray[np.bool_]:
    """Who is left if sites of a shape keep a part of their agents, rounded up, but not all."""
    remaining = np.ones(len(population), dtype=bool)
    for site in population.sites:
        if _shape(site) == shape:
            agents = np.arange(len(population))[site.agents]
            remaining[agents[: max(int(len(agents) * (1.0 - kept)), 1)]] = False
    return remaining


def _shape(site: Site) -> tuple[object, ...]:
    return site.kind, site.widths, site.costs
