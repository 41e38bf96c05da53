"""Valuations by chance and by magnitude, and ranks as normal scores."""

import numpy as np
import pytest
import torch
from scipy.stats import norm
from tests.llm.models import bert
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm import Population
from walras.llm.appraisal import magnitude_valuations, normal_scores, random_valuations
from walras.llm.architectures import sublayers_of
from walras.market import InvalidInputError

# ---------------------------------------------------------------- normal scores


def test_normal_scores_are_blom_quantiles_of_the_ranks() -> None:
    scores = normal_scores([30.0, -1e9, 7.0])
    np.testing.assert_allclose(scores, norm.ppf(np.array([2.625, 0.625, 1.625]) / 3.25))
    assert scores[2] == pytest.approx(0.0, abs=1e-12)


def test_normal_scores_keep_the_order_and_fix_the_scale() -> None:
    values = np.random.default_rng(0).lognormal(sigma=5.0, size=200)
    scores = normal_scores(values)
    assert (scores.argsort() == values.argsort()).all()
    assert scores.mean() == pytest.approx(0.0, abs=1e-9)
    assert scores.std() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(normal_scores(np.exp(values / values.max())), scores)


def test_equal_values_get_equal_scores() -> None:
    scores = normal_scores([1.0, 2.0, 1.0, 0.0])
    assert scores[0] == scores[2]
    assert (normal_scores([5.0, 5.0]) == 0.0).all()


@pytest.mark.parametrize("values", [[1.0, float("nan")], [], [float("inf")], [[1.0]]])
def test_normal_scores_want_finite_numbers(values: list) -> None:
    with pytest.raises(InvalidInputError, match="values"):
        normal_scores(values)


# ---------------------------------------------------------------- by chance


def test_random_valuations_are_reproducible() -> None:
    population = Population.of(bert(), sequence_length=8)
    first, again, other = (random_valuations(population, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (len(population),)
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


# ---------------------------------------------------------------- by magnitude

PARTS = {  # by architecture, kind: (projection, whether the agents' features are the weight's rows, parts side by side)
    ("bert", "head"): [(f"attention.self.{name}", 0, 1) for name in ("query", "key", "value")]
    + [("attention.output.dense", 1, 1)],
    ("bert", "neuron_block"): [("intermediate.dense", 0, 1), ("output.dense", 1, 1)],
    ("gpt2", "head"): [("attn.c_attn", 1, 3), ("attn.c_proj", 0, 1)],
    ("gpt2", "neuron_block"): [("mlp.c_fc", 1, 1), ("mlp.c_proj", 0, 1)],
    ("llama", "head"): [(f"self_attn.{name}_proj", 0, 1) for name in "qkv"] + [("self_attn.o_proj", 1, 1)],
    ("llama", "neuron_block"): [("mlp.gate_proj", 0, 1), ("mlp.up_proj", 0, 1), ("mlp.down_proj", 1, 1)],
}


def weights_of(model: PreTrainedModel, layer: int, kind: str, index: int) -> list[Tensor]:
    """Views of all weights of an agent, found without the library's help."""
    module = next(sublayer.module for sublayer in sublayers_of(model) if sublayer.layer == layer)
    slices = []
    for name, dimension, parts in PARTS[model.config.model_type, kind]:
        weight = module.get_submodule(name).weight.data
        for part in weight.chunk(parts, dimension):
            heads = 2 if model.config.model_type == "llama" else 4
            step = 64 if kind == "neuron_block" else part.shape[dimension] // heads
            stop = min((index + 1) * step, part.shape[dimension])
            slices.append(part.narrow(dimension, index * step, stop - index * step))
    return slices


AGENTS = [(0, "head", 0), (2, "head", 1), (1, "neuron_block", 1), (2, "neuron_block", 2)]


@pytest.mark.parametrize(("layer", "kind", "index"), AGENTS)
def test_magnitude_is_the_mean_absolute_weight(model: PreTrainedModel, layer: int, kind: str, index: int) -> None:
    population = Population.of(model, sequence_length=8)
    frame = population.frame().assign(value=magnitude_valuations(model, population))
    mine = frame[(frame["layer"] == layer) & (frame["kind"] == kind) & (frame["index"] == index)]
    weights = torch.cat([weight.flatten() for weight in weights_of(model, layer, kind, index)])
    assert float(mine["value"].iloc[0]) == pytest.approx(float(weights.abs().double().mean()), rel=1e-6)


@pytest.mark.parametrize(("layer", "kind", "index"), AGENTS)
def test_an_agent_without_weights_is_last_and_one_with_large_weights_first(
    model: PreTrainedModel, layer: int, kind: str, index: int
) -> None:
    population = Population.of(model, sequence_length=8)
    frame = population.frame()
    mine = int(np.flatnonzero((frame["layer"] == layer) & (frame["kind"] == kind) & (frame["index"] == index))[0])
    before = magnitude_valuations(model, population)
    for weight in weights_of(model, layer, kind, index):
        weight.mul_(-5.0)
    larger = magnitude_valuations(model, population)
    assert larger.argmax() == mine
    assert larger[mine] == pytest.approx(5.0 * before[mine])
    for weight in weights_of(model, layer, kind, index):
        weight.zero_()
    nothing = magnitude_valuations(model, population)
    assert nothing.argmin() == mine
    assert nothing[mine] == 0.0
    others = np.arange(len(population)) != mine
    np.testing.assert_array_equal(nothing[others], before[others])
