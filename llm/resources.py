"""What is scarce: FLOPs, parameters, bytes of key-value cache, or measured seconds; how much of it each agent uses.

A budget is a fraction of what all agents use of the scarce resource when they are all served. An agent that uses none
of it (a neuron block keeps nothing in a key-value cache) is not for sale, and always served.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, final, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from walras.llm.errors import UnsupportedModelError
from walras.llm.population import Population
from walras.llm.site_latency import SiteLatency
from walras.llm.structure import shrink, structure_of
from walras.market import InvalidInputError
from walras.market.validation import finite_vector

__all__ = [
    "RESOURCES",
    "Flops",
    "KeyValueCache",
    "MeasuredLatency",
    "Parameters",
    "Resource",
    "amounts_of",
]


@runtime_checkable
class Resource(Protocol):
    """Something that agents use: a name, a unit, and how much of it each agent of a model uses."""

    @property
    def name(self) -> str:
        """Short, for columns of tables."""
        ...

    @property
    def unit(self) -> str:
        """What `amounts` counts."""
        ...

    def amounts(self, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
        """Give what each agent uses when fully served, 0 or more, shape (n,)."""
        ...


@final
@dataclass(frozen=True)
class Flops:
    """Floating-point operations for one sequence, at the population's sequence length."""

    name: str = field(default="flops", init=False)
    unit: str = field(default="FLOPs a sequence", init=False)

    def amounts(self, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
        """Give the closed form of `walras.llm.population`, shape (n,)."""
        return population.costs_flops.astype(np.float64)


@final
@dataclass(frozen=True)
class Parameters:
    """Weights and biases that `export` removes with an agent.

    A sub-layer that loses its last agent may lose its norm as well: that is not counted.
    """

    name: str = field(default="parameters", init=False)
    unit: str = field(default="parameters", init=False)

    def amounts(self, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
        """Cut one agent of each kind and size from a copy without weights, and count what is gone; shape (n,)."""
        whole = _parameters(_without_weights(model))
        known: dict[tuple[object, ...], float] = {}
        amounts = np.empty(len(population))
        for site in population.sites:
            for agent, (width, flops) in enumerate(zip(site.widths, site.costs, strict=True), start=site.first):
                alike = (site.kind, width, flops)
                if alike not in known:
                    remaining = np.arange(len(population)) != agent
                    smaller = shrink(_without_weights(model), structure_of(population, remaining))
                    known[alike] = float(whole - _parameters(smaller))
                amounts[agent] = known[alike]
        return amounts


@final
@dataclass(frozen=True)
class KeyValueCache:
    """Bytes of key and value that generation keeps for one sequence, at the population's sequence length.

    Only heads have any. Windows of local attention, which would bound it, are not counted.
    """

    name: str = field(default="kv_cache", init=False)
    unit: str = field(default="bytes a sequence", init=False)

    def amounts(self, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
        """Give 2 * tokens * head size * bytes of a number, for each head (key-value group); shape (n,).

        Raises
        ------
        UnsupportedModelError
            The model's attention is not causal: it keeps no cache.
        """
        if not is_causal(model):
            raise UnsupportedModelError(
                f"{type(model).__name__} has no causal attention, and keeps no key-value cache: choose another "
                "resource."
            )
        config = model.config
        queries = config.num_attention_heads // (
            getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        )
        number = model.dtype.itemsize
        of_site = (
            [
                2 * population.sequence_length * (width // queries) * number if site.is_attention else 0
                for width in site.widths
            ]
            for site in population.sites
        )
        return np.array([amount for amounts in of_site for amount in amounts], dtype=np.float64)


@final
@dataclass(frozen=True)
class MeasuredLatency:
    """Seconds by which a forward pass is shorter without an agent, measured on the model's device.

    Parameters
    ----------
    batch_size, repeats
        Of the measurement, at the population's sequence length without padding.
    table
        Seconds from an earlier measurement (`SiteLatency.measure`); None measures when the economy is attached.

    Notes
    -----
    Removing agents shortens a pass in steps (whole tiles of a matrix product), not in proportion: a table gives the
    mean over half of a site. Measure the exported model before you rely on it.
    """

    batch_size: int = 8
    repeats: int = 10
    table: SiteLatency | None = None
    name: str = field(default="latency", init=False)
    unit: str = field(default="seconds a batch", init=False)

    def amounts(self, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
        """Give the seconds of each agent, shape (n,); they are measured if there is no table."""
        table = self.table or SiteLatency.measure(model, population, batch_size=self.batch_size, repeats=self.repeats)
        return table.seconds(population)


RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {"flops": Flops(), "parameters": Parameters(), "kv_cache": KeyValueCache(), "latency": MeasuredLatency()}
)


def amounts_of(resource: Resource, model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
    """Give what each agent uses of a resource, shape (n,), checked.

    Raises
    ------
    InvalidInputError
        Amounts that are not finite, negative, or all 0.
    """
    amounts = finite_vector(f"{resource!r}.amounts", resource.amounts(model, population), length=len(population))
    if (amounts < 0.0).any() or not (amounts > 0.0).any():
        raise InvalidInputError(
            f"{resource!r}.amounts must be 0 or more, and above 0 for some agent; the smallest is {amounts.min()}, the "
            f"largest {amounts.max()}."
        )
    return amounts


def is_causal(model: nn.Module) -> bool:
    """Whether a token's attention stops at the token itself, in some layer."""
    return any(bool(getattr(module, "is_causal", False)) for module in model.modules())


def _without_weights(model: PreTrainedModel) -> PreTrainedModel:
    with torch.device("meta"):
        return type(model)(model.config.__class__.from_dict(model.config.to_dict()))


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
