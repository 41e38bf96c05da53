"""Ways to cut a model's compute, without training.

Heads are closed by the market that closes them everywhere else: it serves whole heads in descending order of a
ranking, up to the budget. A temperature divides all scores before the softmax; it saves nothing by itself, and stands
for attention that has to be concentrated. Tokens that are dropped are seen by nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedModel

from walras.llm.architectures import Attention, sublayers_of
from walras.llm.economy import ModelEconomy
from walras.llm.errors import UnsupportedModelError
from walras.llm.scarcity.texts import TextBatch
from walras.market import InvalidInputError
from walras.market.validation import positive_number, whole_number

__all__ = ["CUTS", "Cut", "closing_heads", "dropped_tokens", "shuffled_layers", "tempered"]

LEAST, MOST, BY_LOT, TEMPERATURE, TOKENS = (
    "least important heads",
    "most important heads",
    "random heads",
    "temperature",
    "random tokens",
)
CUTS = (LEAST, MOST, BY_LOT, TEMPERATURE, TOKENS)


@final
@dataclass(frozen=True)
class Cut:
    """One way to cut compute, at one level.

    Parameters
    ----------
    kind
        One of `CUTS`.
    level
        Fraction of the heads that is closed, or of the ordinary tokens that is dropped, in (0, 1); or the temperature,
        above 0 and not 1 (below 1, attention is sharper).
    draw
        Number of the draw, for what is drawn.
    """

    kind: str
    level: float
    draw: int = 0

    def __post_init__(self) -> None:
        if self.kind not in CUTS:
            raise InvalidInputError(f"Cut.kind must be one of {', '.join(CUTS)}; got {self.kind!r}.")
        positive_number("Cut.level", self.level)
        whole_number("Cut.draw", self.draw)
        if self.kind == TEMPERATURE and self.level == 1.0:
            raise InvalidInputError("A temperature of 1 cuts nothing: give another level.")
        if self.kind != TEMPERATURE and not self.level < 1.0:
            raise InvalidInputError(f"Cut.level of {self.kind} is a fraction below 1, got {self.level}.")

    @property
    def closes_heads(self) -> bool:
        """Whether heads are closed."""
        return self.kind in (LEAST, MOST, BY_LOT)


@contextmanager
def closing_heads(
    economy: ModelEconomy, cut: Cut, importance: NDArray[np.float64], rng: Generator
) -> Iterator[NDArray[np.bool_]]:
    """Close heads by their rank, by the economy's own market; gives which are open, shape (n,).

    Parameters
    ----------
    economy
        Of heads alone, that cost the same.
    importance
        Of each head, shape (n,).
    """
    ranking = {LEAST: importance, MOST: -importance, BY_LOT: rng.permutation(len(importance)).astype(float)}[cut.kind]
    economy.set_valuations(ranking)
    economy.set_budget(1.0 - cut.level)
    economy.set_mode("hard")
    try:
        yield economy.hard_allocation()
    finally:
        economy.set_mode("open")


@contextmanager
def tempered(model: PreTrainedModel, temperature: float) -> Iterator[None]:
    """Divide the scores of every attention by a temperature.

    Raises
    ------
    UnsupportedModelError
        If a layer's attention does not keep its scale where it can be changed.
    """
    modules = _attention_modules(model)
    scales = [float(module.scaling) for module in modules]
    try:
        for module, scale in zip(modules, scales, strict=True):
            module.scaling = scale / temperature
        yield
    finally:
        for module, scale in zip(modules, scales, strict=True):
            module.scaling = scale


def dropped_tokens(batch: TextBatch, fraction: float, rng: Generator, *, never: Tensor | None = None) -> Tensor:
    """Draw what is left when a fraction of each text's ordinary tokens goes, shape (batch, longest).

    Parameters
    ----------
    never
        Ordinary tokens that must stay, shape (batch, longest); the fraction is of the others.
    """
    left = batch.real.clone()
    may_go = batch.ordinary if never is None else batch.ordinary & ~never
    for row, candidates in enumerate(may_go.cpu()):
        places = np.flatnonzero(candidates.numpy())
        gone = rng.permutation(places)[: round(fraction * len(places))]
        left[row, torch.from_numpy(gone)] = False
    return left


@contextmanager
def shuffled_layers(model: PreTrainedModel, economy: ModelEconomy, rng: Generator) -> Iterator[NDArray[np.int64]]:
    """Put a model's layers in an order by lot: the same weights, which no longer compute anything sensible.

    Gives, for each place, the number of the layer that stands there.
    """
    stacks = economy.population.architecture.stacks
    if len(stacks) != 1:
        raise UnsupportedModelError("Layers are shuffled in models of one stack; this architecture has more.")
    layers = model.base_model.get_submodule(stacks[0].layers)
    if not isinstance(layers, nn.ModuleList):
        raise UnsupportedModelError(f"{stacks[0].layers} is a {type(layers).__name__}, not a list of layers.")
    before = list(layers)
    order = rng.permutation(len(before))
    try:
        for place, number in enumerate(order.tolist()):
            layers[place] = before[number]
        yield order
    finally:
        for place, layer in enumerate(before):
            layers[place] = layer


def _attention_modules(model: PreTrainedModel) -> list[Any]:
    found: list[Any] = []
    for sublayer in sublayers_of(model):
        if isinstance(sublayer.names, Attention):
            module = sublayer.module.get_submodule(sublayer.names.module)
            if not isinstance(getattr(module, "scaling", None), float):
                raise UnsupportedModelError(
                    f"{type(module).__name__} keeps no scale of its scores (`scaling`): its temperature cannot be set. "
                    "Leave the temperature out."
                )
            found.append(module)
    return found
