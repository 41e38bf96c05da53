"""The contract of every architecture, and of one that a user describes: from attach to export and generation."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.llm.models import logits_of, random_bids
from tests.llm.zoo import GENERATORS, PHI, ZOO, batch_of, gpt_neox, phi
from torch import nn
from transformers import PreTrainedModel, T5EncoderModel

from walras.llm import (
    Architecture,
    Attention,
    EconomizedModel,
    EconomyConfig,
    FeedForward,
    ModelEconomy,
    Stack,
    UnsupportedModelError,
    attach,
    count_flops,
)
from walras.llm.architectures import ARCHITECTURES, architecture_of, sublayers_of
from walras.market import InvalidInputError

LENGTH = 9
EVERY = [*ZOO, "phi"]
# Tracing a graph takes seconds: the others' are traced in thorough runs only.
TRACED = ("bert", "gpt2", "llama", "modernbert", "t5")
AGENTS = {"fine": ("head", "neuron_block"), "whole": ("attention", "ffn")}


def model_of(name: str, layers: int = 2) -> PreTrainedModel:
    return phi(layers) if name == "phi" else ZOO[name](layers)


def economy_of(model: PreTrainedModel, agents: str = "fine") -> ModelEconomy:
    described = PHI if model.config.model_type == "phi" else None
    config = EconomyConfig(sequence_length=LENGTH, block_width=16, agents=AGENTS[agents], architecture=described)
    economy = attach(model, config)
    random_bids(economy)
    return economy


def close(economy: ModelEconomy, sublayers: set[int]) -> None:
    """Set bids and a budget by which some sub-layers lose all their agents, and each of the others its last one."""
    closed = np.zeros(len(economy.population), dtype=bool)
    for site in economy.population.sites:
        if site.sublayer in sublayers:
            closed[site.agents] = True
        elif not site.is_whole:
            closed[site.agents.stop - 1] = True
    economy.set_valuations(np.where(closed, -1.0, 1.0) + 0.1 * np.random.default_rng(3).random(len(closed)))
    economy.set_budget(float(economy.population.costs[~closed].sum()) + 1e-9)
    assert (economy.hard_allocation() == ~closed).all()


def closings(economy: ModelEconomy) -> Iterator[set[int]]:
    """Each layer's attention, then each layer's feed-forward network, then everything."""
    numbers = {site.sublayer for site in economy.population.sites}
    attentions = {site.sublayer for site in economy.population.sites if site.is_attention}
    first = min(attentions)
    yield {first}
    yield attentions - {first}
    yield numbers - attentions
    yield numbers


def assert_equal(exported: PreTrainedModel, gated: PreTrainedModel) -> None:
    for padded in (0, 3):
        batch = batch_of(gated, padded=padded)
        mine, expected = logits_of(exported, batch), logits_of(gated, batch)
        if expected.shape[:2] == batch["input_ids"].shape:  # what is said at padding means nothing
            real = batch["attention_mask"].bool()
            mine, expected = mine[real], expected[real]
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-4)


def test_the_zoo_holds_every_architecture_of_the_table() -> None:
    assert set(ZOO) == set(ARCHITECTURES)
    for name, make in ZOO.items():
        assert architecture_of(make()) is ARCHITECTURES[name]


@pytest.mark.parametrize("name", EVERY)
def test_open_gates_equal_the_base_smaller_budgets_do_not_and_detach_restores(name: str) -> None:
    model = model_of(name)
    batch = batch_of(model, padded=3)
    base, before = logits_of(model, batch), {key: tensor.clone() for key, tensor in model.state_dict().items()}
    economy = economy_of(model)
    for mode in ("soft", "hard"):
        economy.set_mode(mode)
        economy.set_budget(1.0)
        assert torch.equal(logits_of(model, batch), base)
        # A stale market would serve everyone still.
        economy.set_budget(0.5)
        assert (logits_of(model, batch) - base).abs().max() > 1e-2
    economy.detach()
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    assert len(before) == len(model.state_dict())
    assert torch.equal(logits_of(model, batch), base)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("agents", AGENTS)
@pytest.mark.parametrize("name", EVERY)
def test_budgets_are_exact_and_gradients_reach_every_agent(name: str, agents: str) -> None:
    model = model_of(name).train()
    economy = economy_of(model, agents)
    random_bids(economy, scale=0.1)
    costs = economy.population.costs
    for budget in (0.2, 0.55, 0.9):
        economy.set_budget(budget)
        logits = model(**batch_of(model)).logits
        shares = economy.gate.clearing.allocation.detach().double().numpy()
        assert float(costs @ shares) == pytest.approx(budget, abs=1e-4)
        served = economy.hard_allocation()
        assert budget - costs.max() < costs[served].sum() <= budget + 1e-12
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    (logits * weights).sum().backward()
    gradient = economy.gate.raw_valuations.grad
    assert torch.isfinite(gradient).all()
    # Not by rounding alone: each is a fair part of the largest.
    assert (gradient.abs() > 1e-5 * gradient.abs().max()).all()


@pytest.mark.parametrize("agents", AGENTS)
@pytest.mark.parametrize("name", EVERY)
def test_export_equals_the_gated_model_and_costs_equal_its_flops(name: str, agents: str, tmp_path: Path) -> None:
    model = model_of(name)
    whole = count_flops(model, sequence_length=LENGTH)
    economy = economy_of(model, agents)
    economy.set_budget(0.55)
    flops = economy.population.costs_flops
    for closed in (None, *closings(economy)):
        if closed is not None:
            close(economy, closed)
        exported = economy.export()
        assert type(exported) is type(model)
        assert_equal(exported, model)
        assert count_flops(exported, sequence_length=LENGTH) == whole - int(flops[~economy.hard_allocation()].sum())
        if closed is not None and len(closed) in (1, len(economy.population.sites)):
            exported.save_pretrained(tmp_path / str(len(closed)))
            loaded = EconomizedModel.from_pretrained(tmp_path / str(len(closed)))
            state = exported.state_dict()
            assert list(loaded.state_dict()) == list(state)
            assert all(torch.equal(tensor, state[key]) for key, tensor in loaded.state_dict().items())
            assert_equal(loaded, model)


@pytest.mark.parametrize("name", [*GENERATORS, "phi"])
def test_generation_with_a_cache_equals_the_gated_models_and_that_without(name: str) -> None:
    model = model_of(name)
    economy = economy_of(model)
    inputs = batch_of(model, padded=3)
    inputs.pop("decoder_input_ids", None)

    def generated(of: PreTrainedModel, *, cached: bool) -> torch.Tensor:
        output = of.generate(
            **inputs,
            max_new_tokens=5,
            min_new_tokens=5,
            do_sample=False,
            use_cache=cached,
            return_dict_in_generate=True,
            output_logits=True,
        )
        return torch.stack(output.logits)

    closed = next(closings(economy))
    for sublayers in (set(), closed, {site.sublayer for site in economy.population.sites if site.is_attention}):
        close(economy, sublayers)
        expected = generated(model, cached=True)
        exported = economy.export()
        for cached in (True, False):
            torch.testing.assert_close(generated(exported, cached=cached), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch about its own tracer
@pytest.mark.parametrize(
    "name", [name if name in TRACED else pytest.param(name, marks=pytest.mark.thorough) for name in EVERY]
)
def test_there_is_no_graph_break_in_evaluation_nor_in_training(name: str) -> None:
    torch._dynamo.reset()
    model = model_of(name, layers=1)
    economy = economy_of(model)
    economy.set_budget(0.5)
    batch = batch_of(model)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(logits_of(compiled, batch), logits_of(model, batch))
    model.train()
    gradients = []
    for run in (compiled, model):
        model.zero_grad()
        run(**batch).logits.square().mean().backward()
        gradients.append(economy.gate.raw_valuations.grad.clone())
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)
    assert gradients[0].abs().max() > 0.0
    exported = economy.export()
    torch.testing.assert_close(
        logits_of(torch.compile(exported, backend="eager", fullgraph=True), batch), logits_of(exported, batch)
    )


@pytest.mark.filterwarnings("ignore::FutureWarning")  # transformers renames the method
@pytest.mark.parametrize("name", ["bert", "t5"])
def test_checkpointed_layers_compute_the_same_gradients(name: str) -> None:
    gradients = []
    for checkpointed in (False, True):
        model = model_of(name).train()
        model.config.use_cache = False
        economy = economy_of(model)
        economy.set_budget(0.5)
        if checkpointed:
            model.gradient_checkpointing_enable()
        model(**batch_of(model)).logits.square().mean().backward()
        gradients.append(economy.gate.raw_valuations.grad)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-8)


def test_a_static_cache_serves_layers_that_lost_all_heads() -> None:
    model = ZOO["llama"]()
    economy = economy_of(model)
    close(economy, next(closings(economy)))
    settings = {"max_new_tokens": 4, "do_sample": False, **batch_of(model, padded=3)}
    exported = economy.export().generate(cache_implementation="static", disable_compile=True, **settings)
    assert torch.equal(exported, model.generate(**settings))


def test_an_encoder_without_its_decoder_has_the_encoders_agents() -> None:
    whole = ZOO["t5"]()
    encoder = T5EncoderModel(whole.config).eval()
    economy = economy_of(encoder)
    kinds = {site.kind for site in economy.population.sites}
    assert kinds == {"head", "neuron_block"}
    assert {site.layer for site in economy.population.sites} == {0, 1}
    assert {site.kind for site in economy_of(whole).population.sites} == {"head", "cross_head", "neuron_block"}


def test_generation_uses_the_budget_of_now_in_the_encoder_too() -> None:
    model = ZOO["t5"]()
    economy = economy_of(model)
    inputs = {key: value for key, value in batch_of(model).items() if key != "decoder_input_ids"}
    model.generate(**inputs, max_new_tokens=2, do_sample=False)
    economy.set_budget(0.3)
    with torch.no_grad():
        encoded = model.encoder(**inputs).last_hidden_state
        torch.testing.assert_close(economy.export().encoder(**inputs).last_hidden_state, encoded)


# ---------------------------------------------------------------- what users describe


def test_descriptions_survive_as_plain_values() -> None:
    for architecture in [*ARCHITECTURES.values(), PHI]:
        assert Architecture.from_dict(architecture.as_dict()) == architecture
    for nonsense in ({}, {"stacks": [{"layers": "h", "sublayers": [{"kind": "Mlp"}]}]}, {"stacks": 3}):
        with pytest.raises(InvalidInputError, match="description of an architecture"):
            Architecture.from_dict(nonsense)


def test_what_is_described_wrongly_is_refused_with_what_there_is() -> None:
    (stack,) = PHI.stacks
    attention, feed_forward = stack.sublayers
    cases = {
        r"no layers under \['h'\]": Stack("h", stack.sublayers),
        r"no 'self_attn.o' in layer 0 of PhiForCausalLM, a PhiDecoderLayer with .*'mlp'": Stack(
            "layers", (Attention("self_attn", attention.inputs, "self_attn.o"), feed_forward)
        ),
        r"\[32, 40, 16\] output features, expected 32 for queries": Stack(
            "layers", (Attention("self_attn", ("self_attn.q_proj", "mlp.fc1", "self_attn.v_proj"), "self_attn.dense"),)
        ),
        r"\[32\] output features, expected 40": Stack("layers", (FeedForward(("self_attn.q_proj",), "mlp.fc2"),)),
        r"no 'model' in": Stack("layers", stack.sublayers, entry="model"),
        r"is a LayerNorm": Stack("layers", (FeedForward(("input_layernorm",), "mlp.fc2"),)),
    }
    for message, wrong in cases.items():
        with pytest.raises(UnsupportedModelError, match=message):
            attach(phi(), EconomyConfig(architecture=Architecture((wrong,))))
    with pytest.raises(UnsupportedModelError, match="'gpt_neox' is not supported"):
        attach(gpt_neox())


@pytest.mark.parametrize(
    "make",
    [
        lambda: Attention("a", ("q", "k"), "o"),
        lambda: Attention("a", "qkv", "o"),
        lambda: FeedForward((), "o"),
        lambda: Stack("h", (nn.Linear(1, 1),)),
        lambda: Architecture(()),
        lambda: Architecture((PHI,)),
        lambda: EconomyConfig(architecture="phi"),
    ],
)
def test_descriptions_are_checked(make: object) -> None:
    with pytest.raises(InvalidInputError):
        make()


def test_a_described_sublayer_knows_its_sizes() -> None:
    attention, feed_forward = sublayers_of(phi(), PHI)[:2]
    assert (attention.key_value_heads, attention.queries_per_group, attention.head_dim) == (2, 2, 8)
    assert (attention.hidden_size, feed_forward.width, feed_forward.layer) == (32, 40, 0)
