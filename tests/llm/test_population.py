"""Who the agents are and what they cost."""

import numpy as np
import pytest
from tests.llm.models import bert, gpt2, llama
from tests.llm.zoo import ZOO
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, Population
from walras.market import InvalidInputError

T = 10


def population_of(model: PreTrainedModel, **sizes: int) -> Population:
    return Population.of(model, **{"sequence_length": T, **sizes})


# By hand: hidden size 48, heads of 12, T = 10, a multiply-add is two.
# One BERT head: query, key, value and output 4 * 2 * 10 * 48 * 12; scores and mixing 2 * 2 * 10^2 * 12.
BERT_HEAD = 46_080 + 4_800
# One Llama group of two query heads: query and output 2 * 2 * 10 * 48 * 24, key and value 2 * 2 * 10 * 48 * 12,
# scores and mixing 2 * 2 * 10^2 * 24.
LLAMA_GROUP = 46_080 + 23_040 + 9_600
# One neuron: 2 * 10 * 48 for each of two projections, or of three under a gated activation.
NEURON, GATED_NEURON = 1_920, 2_880


@pytest.mark.parametrize(
    ("make", "heads", "neuron"),
    [(bert, [BERT_HEAD] * 4, NEURON), (gpt2, [BERT_HEAD] * 4, NEURON), (llama, [LLAMA_GROUP] * 2, GATED_NEURON)],
    ids=["bert", "gpt2", "llama"],
)
def test_costs_are_those_counted_by_hand(make: object, heads: list[int], neuron: int) -> None:
    population = population_of(make())
    layer = [*heads, 64 * neuron, 64 * neuron, 32 * neuron]
    assert population.costs_flops.tolist() == layer * 3
    assert len(population) == 3 * len(layer)


def test_cost_shares_add_up_to_one(model: PreTrainedModel) -> None:
    for length in (1, 7, 32):
        population = population_of(model, sequence_length=length)
        assert population.costs.sum() == pytest.approx(1.0, abs=1e-12)
        assert (population.costs > 0.0).all()
        np.testing.assert_allclose(population.costs * population.costs_flops.sum(), population.costs_flops)


@pytest.mark.parametrize(
    ("block_width", "widths"),
    [(64, [64, 64, 32]), (80, [80, 80]), (160, [160]), (1000, [160]), (159, [159, 1]), (1, [1] * 160)],
)
def test_the_last_block_takes_what_is_left(model: PreTrainedModel, block_width: int, widths: list[int]) -> None:
    population = population_of(model, block_width=block_width)
    blocks = population.frame().query("kind == 'neuron_block' and layer == 1")
    assert blocks["width"].tolist() == widths
    assert blocks["index"].tolist() == list(range(len(widths)))


def test_the_frame_has_a_row_per_agent_layer_by_layer(model: PreTrainedModel) -> None:
    population = population_of(model)
    frame = population.frame()
    assert list(frame.columns) == ["kind", "layer", "index", "width", "cost_flops", "cost"]
    assert len(frame) == len(population)
    assert frame["layer"].is_monotonic_increasing
    np.testing.assert_array_equal(frame["cost_flops"], population.costs_flops)
    np.testing.assert_array_equal(frame["cost"], population.costs)
    for _, layer in frame.groupby("layer"):
        kinds = layer["kind"].tolist()
        assert kinds == sorted(kinds)  # heads, then blocks
        assert layer.loc[layer["kind"] == "head", "width"].sum() == 48
        assert layer.loc[layer["kind"] == "neuron_block", "width"].sum() == 160


def test_sites_cover_the_population_in_order(model: PreTrainedModel) -> None:
    population = population_of(model)
    agents = [agent for site in population.sites for agent in range(site.agents.start, site.agents.stop)]
    assert agents == list(range(len(population)))
    blocks = population.sites[1]
    np.testing.assert_array_equal(blocks.kept_features(np.array([True, False, True])), [*range(64), *range(128, 160)])


@pytest.mark.parametrize(
    ("agents", "kinds"),
    [
        (("attention", "ffn"), ["attention", "ffn"]),
        (["head", "ffn"], ["head", "ffn"]),
        (("neuron_block", "attention"), ["attention", "neuron_block"]),
        ("head", ["head"]),
        (("ffn",), ["ffn"]),
    ],
)
def test_agents_are_as_fine_as_they_are_asked_for(model: PreTrainedModel, agents: object, kinds: list[str]) -> None:
    fine, chosen = population_of(model), population_of(model, agents=agents)
    assert list(dict.fromkeys(chosen.frame()["kind"])) == kinds
    # A whole sub-layer costs and owns what its heads or blocks do together.
    part = {"head": "attention", "attention": "attention", "neuron_block": "ffn", "ffn": "ffn"}
    totals = [
        population.frame().assign(kind=lambda frame: frame["kind"].map(part)).groupby(["layer", "kind"])
        for population in (fine, chosen)
    ]
    expected, got = (groups[["cost_flops", "width"]].sum() for groups in totals)
    assert got.equals(expected.loc[got.index])
    assert [site.sublayer % 2 for site in chosen.sites] == [part[site.kind] == "ffn" for site in chosen.sites]
    assert chosen.costs.sum() == pytest.approx(1.0, abs=1e-12)


def test_cross_attention_reads_as_many_tokens_from_the_encoder() -> None:
    # By hand: hidden size 32, 4 heads of 12, T = 10; query, key, value and output 4 * 2 * 10 * 32 * 12, scores and
    # mixing 2 * 2 * 10^2 * 12. T5's heads side by side are 48 wide, more than its hidden size.
    frame = population_of(ZOO["t5"]()).frame()
    assert set(frame.loc[frame["kind"].isin(["head", "cross_head"]), "cost_flops"]) == {30_720 + 4_800}
    assert frame.groupby("layer")["kind"].agg(lambda kinds: len(set(kinds))).tolist() == [2, 2, 3, 3]


@pytest.mark.parametrize(
    "agents", [(), ("head", "attention"), ("neuron_block", "ffn"), ("token",), ("head", "head"), "all"]
)
def test_kinds_of_agents_are_checked(agents: object) -> None:
    with pytest.raises(InvalidInputError, match="agents names 'head' or 'attention'"):
        EconomyConfig(agents=agents)
    with pytest.raises(InvalidInputError, match="agents names 'head' or 'attention'"):
        population_of(bert(), agents=agents)


@pytest.mark.parametrize("name", ["sequence_length", "block_width"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "64", None])
def test_sizes_must_be_whole_numbers_of_one_or_more(name: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} must be a whole number.*{value!r}"):
        population_of(bert(), **{name: value})


def test_the_config_default_costs_attention_at_a_length() -> None:
    assert EconomyConfig().sequence_length is None
    assert EconomyConfig().block_width == 64
