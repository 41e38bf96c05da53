"""The exported model: equal to the gated one, counted to the FLOP, saved and loaded, an ordinary model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.llm.models import DECODERS, MODELS, bids_that_close, logits_of, loss_of, random_bids, tokens
from tests.llm.zoo import ZOO
from transformers import PreTrainedModel

from walras.llm import CouplingError, EconomizedModel, EconomyConfig, ModelEconomy, attach, count_flops
from walras.llm.architectures import sublayers_of
from walras.llm.closed import ClosedAttention

LENGTH = 12
BUDGETS = [0.0, 0.2, 0.5, 0.8, 1.0]
CLOSED = [(0, "head"), (0, None), (1, "neuron_block"), (2, "head")]


def economy_of(model: PreTrainedModel) -> ModelEconomy:
    economy = attach(model, EconomyConfig(sequence_length=LENGTH))
    random_bids(economy)
    return economy


def assert_equal_to_the_gated(economy: ModelEconomy, exported: PreTrainedModel) -> None:
    for padded in (0, 4):
        batch = tokens(padded=padded)
        real = batch["attention_mask"].bool()
        gated, mine = logits_of(economy.model, batch), logits_of(exported, batch)
        if gated.ndim == 3:  # what a decoder says at padding means nothing
            gated, mine = gated[real], mine[real]
        torch.testing.assert_close(mine, gated, rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- logits


@pytest.mark.parametrize("budget", BUDGETS)
def test_logits_equal_the_hard_gated_models(model: PreTrainedModel, budget: float) -> None:
    economy = economy_of(model)
    economy.set_budget(budget)
    exported = economy.export()
    assert type(exported) is type(model)
    assert not exported.training
    assert_equal_to_the_gated(economy, exported)


@pytest.mark.parametrize(("layer", "kind"), CLOSED)
def test_layers_that_lose_all_equal_the_hard_gated_models(model: PreTrainedModel, layer: int, kind: str | None) -> None:
    economy = economy_of(model)
    economy.set_budget(bids_that_close(economy, layer=layer, kind=kind))
    frame = economy.frame()
    closed = (frame["layer"] == layer) & ((frame["kind"] == kind) if kind else True)
    assert (frame["served"] == ~closed).all()
    assert_equal_to_the_gated(economy, economy.export())


def test_the_budget_can_be_given_to_export(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    exported = economy.export(0.4)
    assert economy.budget == 1.0
    economy.set_budget(0.4)
    assert_equal_to_the_gated(economy, exported)


def test_padding_does_not_reach_the_exported_models_answer(model: PreTrainedModel) -> None:
    exported = economy_of(model).export(0.5)
    batch = tokens(padded=4)
    if exported.config.model_type == "bert":  # it reads its class off token 0
        batch = {name: tensor.flip(1) for name, tensor in batch.items()}
    real = batch["attention_mask"].bool()
    other = {**batch, "input_ids": torch.where(real, batch["input_ids"], 7)}
    mine, others = logits_of(exported, batch), logits_of(exported, other)
    if mine.ndim == 3:
        mine, others = mine[real], others[real]
    torch.testing.assert_close(mine, others, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- FLOPs and size


@pytest.mark.parametrize("budget", BUDGETS)
def test_costs_equal_the_counted_flops_to_the_integer(model: PreTrainedModel, budget: float) -> None:
    whole = count_flops(model, sequence_length=LENGTH)
    economy = economy_of(model)
    closed = ~economy.hard_allocation(budget)
    saved = int(economy.population.costs_flops[closed].sum())
    assert (saved > 0) == (budget < 1.0)
    assert count_flops(economy.export(budget), sequence_length=LENGTH) == whole - saved


@pytest.mark.parametrize(("layer", "kind"), CLOSED)
def test_costs_equal_the_counted_flops_of_a_closed_layer(model: PreTrainedModel, layer: int, kind: str | None) -> None:
    whole = count_flops(model, sequence_length=LENGTH)
    economy = economy_of(model)
    budget = bids_that_close(economy, layer=layer, kind=kind)
    saved = int(economy.population.costs_flops[~economy.hard_allocation(budget)].sum())
    assert count_flops(economy.export(budget), sequence_length=LENGTH) == whole - saved


def test_closed_agents_take_their_parameters_along(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    sizes = [sum(parameter.numel() for parameter in economy.export(budget).parameters()) for budget in BUDGETS]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == len(BUDGETS)
    assert sizes[-1] == sum(parameter.numel() for parameter in model.parameters()) - len(economy.population)


# ---------------------------------------------------------------- the original, and training on


def test_export_leaves_the_original_as_it_was(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    economy.set_budget(0.5)
    batch = tokens()
    gated, before = logits_of(model, batch), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    exported = economy.export(0.3)
    with torch.no_grad():
        for parameter in exported.parameters():
            parameter.fill_(7.0)
    assert torch.equal(logits_of(model, batch), gated)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not hasattr(model.config, "walras")


def test_an_exported_model_carries_no_economy(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    exported = economy.export(0.4)
    assert not any("walras" in name for name in exported.state_dict())
    assert not any(module._forward_pre_hooks for module in exported.modules())
    before = logits_of(exported, tokens())
    economy.set_budget(0.0)
    assert torch.equal(logits_of(exported, tokens()), before)
    with pytest.raises(CouplingError, match="exported by walras"):
        attach(exported)


@pytest.mark.parametrize("budget", [0.0, 0.5])
def test_an_exported_model_trains(model: PreTrainedModel, budget: float) -> None:
    exported = economy_of(model).export(budget).train()
    optimizer = torch.optim.SGD(exported.parameters(), lr=1e-2)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = loss_of(exported)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None or torch.isfinite(parameter.grad).all() for parameter in exported.parameters())


def test_frozen_weights_stay_frozen(model: PreTrainedModel) -> None:
    first = sublayers_of(model)[1].output
    first.weight.requires_grad_(False)
    exported = economy_of(model).export(0.5)
    frozen = {name for name, parameter in exported.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


# ---------------------------------------------------------------- saved and loaded


@pytest.mark.parametrize("budget", BUDGETS)
def test_saved_and_loaded_it_is_the_same(model: PreTrainedModel, budget: float, tmp_path: Path) -> None:
    exported = economy_of(model).export(budget)
    exported.save_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(str(tmp_path))
    assert type(loaded) is type(model)
    assert not loaded.training
    state = loaded.state_dict()
    assert list(state) == list(exported.state_dict())
    assert all(torch.equal(tensor, state[name]) for name, tensor in exported.state_dict().items())
    for padded in (0, 4):  # weights that lie elsewhere in memory may be multiplied in another order
        torch.testing.assert_close(
            logits_of(loaded, tokens(padded=padded)), logits_of(exported, tokens(padded=padded)), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize(("layer", "kind"), CLOSED)
def test_saved_and_loaded_closed_layers_stay_closed(
    model: PreTrainedModel, layer: int, kind: str | None, tmp_path: Path
) -> None:
    economy = economy_of(model)
    exported = economy.export(bids_that_close(economy, layer=layer, kind=kind))
    exported.save_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(str(tmp_path))
    torch.testing.assert_close(logits_of(loaded, tokens()), logits_of(exported, tokens()), rtol=1e-5, atol=1e-5)


def test_a_loaded_model_can_be_saved_again_and_loaded_in_another_type(model: PreTrainedModel, tmp_path: Path) -> None:
    exported = economy_of(model).export(0.4)
    exported.save_pretrained(tmp_path / "once")
    EconomizedModel.from_pretrained(str(tmp_path / "once")).save_pretrained(tmp_path / "twice")
    again = EconomizedModel.from_pretrained(str(tmp_path / "twice"))
    torch.testing.assert_close(logits_of(again, tokens()), logits_of(exported, tokens()), rtol=1e-5, atol=1e-5)
    low = EconomizedModel.from_pretrained(str(tmp_path / "twice"), dtype=torch.bfloat16)
    assert low.dtype == torch.bfloat16


# ---------------------------------------------------------------- other programs


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch about its own exporter
@pytest.mark.parametrize("closed", [None, 1])
def test_torch_export_captures_an_exported_model(model: PreTrainedModel, closed: int | None) -> None:
    model.config.use_cache = False
    economy = economy_of(model)
    exported = economy.export(0.5 if closed is None else bids_that_close(economy, layer=closed))
    batch = tokens()
    program = torch.export.export(exported, (), kwargs=batch, strict=False)
    with torch.no_grad():
        captured = program.module()(**batch)
    torch.testing.assert_close(captured["logits"], logits_of(exported, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torch_export_captures_an_encoder_with_its_decoder_called_without_a_cache() -> None:
    exported = economy_of(ZOO["t5"](3)).export(0.5)
    ids = tokens()["input_ids"]
    batch = {"input_ids": ids, "decoder_input_ids": ids[:, :5], "use_cache": False}
    program = torch.export.export(exported, (), kwargs=batch, strict=False)
    with torch.no_grad():
        captured = program.module()(**batch)
    torch.testing.assert_close(captured["logits"], logits_of(exported, batch), rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_onnx_export_writes_a_program_that_answers_alike(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra walras[onnx]")
    pytest.importorskip("onnxscript", reason="needs the extra walras[onnx]")
    exported = economy_of(MODELS["bert"]()).export(0.5)
    batch = tokens()
    file = tmp_path / "model.onnx"
    torch.onnx.export(exported, (), file, kwargs=batch, input_names=list(batch), dynamo=True, verbose=False)
    session = onnxruntime.InferenceSession(str(file))
    names = [entry.name for entry in session.get_inputs()]
    (answer, *_) = session.run(None, {name: batch[name].numpy() for name in names})
    np.testing.assert_allclose(answer, logits_of(exported, batch).numpy(), rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------- generation


def generated(model: PreTrainedModel, *, cached: bool, padded: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token numbers, and the logits that they were chosen by."""
    output = model.generate(
        **tokens(length=6, padded=padded),
        max_new_tokens=8,
        min_new_tokens=8,
        do_sample=False,
        use_cache=cached,
        return_dict_in_generate=True,
        output_logits=True,
    )
    return output.sequences, torch.stack(output.logits)


@pytest.mark.parametrize("padded", [0, 3])
@pytest.mark.parametrize("closing", [None, *CLOSED], ids=str)
def test_generation_with_and_without_a_cache_is_that_of_the_gated_model(
    decoder: PreTrainedModel, closing: tuple[int, str | None] | None, padded: int
) -> None:
    economy = economy_of(decoder)
    economy.set_budget(0.5 if closing is None else bids_that_close(economy, layer=closing[0], kind=closing[1]))
    expected, logits = generated(decoder, cached=True, padded=padded)
    exported = economy.export()
    for cached in (True, False):
        mine, my_logits = generated(exported, cached=cached, padded=padded)
        assert torch.equal(mine, expected)
        torch.testing.assert_close(my_logits, logits, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", DECODERS)
def test_generation_without_any_agent(architecture: str) -> None:
    exported = economy_of(MODELS[architecture]()).export(0.0)
    assert sum(isinstance(module, ClosedAttention) for module in exported.modules()) == 3
    cached, plain = (generated(exported, cached=cached, padded=0)[1] for cached in (True, False))
    torch.testing.assert_close(cached, plain, rtol=1e-4, atol=1e-4)


def test_a_loaded_model_generates(decoder: PreTrainedModel, tmp_path: Path) -> None:
    economy = economy_of(decoder)
    exported = economy.export(bids_that_close(economy, layer=0))
    exported.save_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(str(tmp_path))
    assert torch.equal(generated(loaded, cached=True, padded=2)[0], generated(exported, cached=False, padded=2)[0])


def test_the_closed_set_is_what_the_config_says(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    structure = economy.export(0.5).config.walras
    frame = economy.frame(0.5)
    assert structure["base_class"] == type(model).__name__
    assert structure["sublayers"] == list(range(6))
    for number, kept in enumerate(structure["kept"]):
        layer, kind = number // 2, ("head", "neuron_block")[number % 2]
        mine = frame[(frame["layer"] == layer) & (frame["kind"] == kind)]
        features = [feature for first, stop in kept for feature in range(first, stop)]
        np.testing.assert_array_equal(features, np.flatnonzero(np.repeat(mine["served"], mine["width"])))
    assert np.array_equal(frame["served"], economy.hard_allocation(0.5))
