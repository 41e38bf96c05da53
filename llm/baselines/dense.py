"""Dense models of less compute: uniformly narrower, or of fewer layers."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedModel

from walras.llm.appraisal import magnitude_valuations
from walras.llm.economy import ModelEconomy
from walras.llm.errors import UnsupportedModelError
from walras.llm.population import HEAD, NEURON_BLOCK, Population
from walras.llm.structure import shrink, structure_of
from walras.market import InfeasibleError

__all__ = ["layers_and_blocks", "small_dense", "uniform_valuations"]


def uniform_valuations(model: PreTrainedModel, population: Population) -> NDArray[np.float64]:
    """Give valuations by which every sub-layer keeps about the same fraction of its agents, shape (n,).

    Within a sub-layer the order is that of magnitudes.
    """
    magnitudes = magnitude_valuations(model, population)
    values = np.empty(len(population))
    for site in population.sites:
        count = len(site.widths)
        ranks = magnitudes[site.agents].argsort().argsort()  # from 0, the smallest
        values[site.agents] = (ranks + 0.5) / count
    # Equal places in sub-layers of equal size would tie: earlier sub-layers first, by less than any gap of places.
    return values - 1e-6 * np.arange(len(population)) / len(population)


def layers_and_blocks(population: Population, budget: float) -> tuple[int, int]:
    """Give how many layers, and neuron blocks in each, a dense model of a budget has.

    As few layers as have room for the budget, with all their heads, and as many blocks as the rest of it buys.

    Raises
    ------
    InfeasibleError
        The budget does not buy the heads and one block of a single layer.
    """
    sites = population.sites
    kinds = {site.kind for site in sites}
    layers = len({site.layer for site in sites})
    if kinds != {HEAD, NEURON_BLOCK} or len(sites) != 2 * layers or len({site.costs for site in sites}) != 2:
        raise UnsupportedModelError(
            "A small dense model is made of layers that are all alike, with heads and neuron blocks as agents; "
            f"this population has sub-layers {sorted(kinds)}."
        )
    heads, ffn = (next(site.costs for site in sites if site.kind == kind) for kind in (HEAD, NEURON_BLOCK))
    available = budget * float(population.costs_flops.sum())
    for count in range(min(math.ceil(budget * layers - 1e-9), layers), 0, -1):
        of_layer = available / count - sum(heads)
        # A last block that is smaller is not counted apart: it comes with the whole network.
        blocks = len(ffn) if of_layer >= sum(ffn) * (1.0 - 1e-12) else int(of_layer // max(ffn))
        if blocks >= 1:
            return count, blocks
    raise InfeasibleError(
        f"A budget of {budget} does not buy a layer with all its heads and one block of neurons: "
        f"that costs {(sum(heads) + max(ffn)) / population.costs_flops.sum():.3f}."
    )


def small_dense(economy: ModelEconomy, budget: float) -> PreTrainedModel:
    """Cut an economy's model, in place, to a dense one of fewer layers within a budget, and give it.

    The layers are evenly spaced ones of the whole model, with their weights; where the budget does not buy whole
    networks, each keeps the same number of neuron blocks, those of the largest weights. The result is an ordinary model
    of its class, which transformers loads. The economy is detached.

    Notes
    -----
    *Source*: a student made of a teacher's layers, Sanh et al. 2019 (docs/reference/bibliography.md).
    """
    population = economy.population
    count, blocks = layers_and_blocks(population, budget)
    networks = [site for site in population.sites if site.kind == NEURON_BLOCK]
    magnitudes = magnitude_valuations(economy.model, population)
    served = np.ones(len(population), dtype=bool)
    for site in networks:
        served[site.agents] = magnitudes[site.agents].argsort().argsort() >= len(site.widths) - blocks
    model = economy.detach()
    if not served.all():
        shrink(model, structure_of(population, served))
        del model.config.walras
    (stack,) = population.architecture.stacks
    parent, _, name = stack.layers.rpartition(".")
    whole = model.base_model.get_submodule(stack.layers)
    kept = np.linspace(0, len(whole) - 1, count).round().astype(int)  # the first and the last among them
    setattr(model.base_model.get_submodule(parent), name, nn.ModuleList([whole[int(number)] for number in kept]))
    _tell_config(model, kept, networks[0].kept_features(served[networks[0].agents]).size)
    return model


def _tell_config(model: PreTrainedModel, kept: NDArray[np.int64], neurons: int) -> None:
    config = model.config
    config.num_hidden_layers = len(kept)
    for name in ("n_inner", "intermediate_size", "ffn_dim", "hidden_dim"):
        if hasattr(config, name):
            setattr(config, name, neurons)
            break
    kinds = getattr(config, "layer_types", None)
    if kinds:
        config.layer_types = [kinds[number] for number in kept]
    number_of = {int(old): new for new, old in enumerate(kept)}
    for module in model.modules():
        if isinstance(getattr(module, "layer_idx", None), int):
            module.layer_idx = number_of.get(module.layer_idx, module.layer_idx)
