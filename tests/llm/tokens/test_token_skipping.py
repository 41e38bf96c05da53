"""Skipping is what a mask would drop; causal models stay causal and generate with a cache; FLOPs are counted."""

import numpy as np
import pytest
import torch
from tests.llm.models import logits_of
from tests.llm.tokens.models import EVERY_MODEL, MODELS, VISIBLE, attached, masked_reference, prompts, whole_tokens
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from walras.llm import CouplingError
from walras.llm.architectures import sublayers_of

PADDED = {"left": (4, 1), "none": ()}
DECODERS = ("llama", "mistral", "qwen2", "qwen3")


@pytest.mark.parametrize("padded", PADDED)
@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("name", [name for name in EVERY_MODEL if name != "mistral"])  # its masks are additive
def test_skipping_equals_the_masked_computation(name: str, visible: str, padded: str) -> None:
    model, batch = EVERY_MODEL[name](), prompts(padded=PADDED[padded])
    economy = attached(model, capacity=0.4, visible=visible)
    skipped = logits_of(model, batch)
    assert (economy.flops()["places"] < 33).all()
    bought = whole_tokens(economy, batch)
    economy.detach()
    layers = {each.layer: each.module for each in sublayers_of(model)}
    reference = masked_reference(model, layers, bought, batch, visible)
    if skipped.ndim == 3:  # what stands at padding is nobody's
        real = batch["attention_mask"].bool()
        skipped, reference = skipped[real], reference[real]
    torch.testing.assert_close(skipped, reference, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("name", MODELS)
def test_whole_shares_in_training_compute_what_evaluation_does(name: str, visible: str) -> None:
    """Near temperature 0 smooth shares are whole: the soft pass, which skips nothing, gives the hard one's logits."""
    model, batch = MODELS[name](), prompts(batch=1, length=12)
    economy = attached(model, visible=visible)
    if economy.causal:
        economy.calibrate([batch])  # one sequence is one market, whose price is then the posted one
    hard = logits_of(model, batch)
    assert economy.flops()["bought"].tolist() == [0.5] * 3
    economy.set_temperature(1e-5)
    economy.set_mode("soft")
    soft = logits_of(model, batch)
    assert economy.purchases()["share"].isin((0.0, 1.0)).all()
    torch.testing.assert_close(soft, hard, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("name", DECODERS)
def test_logits_of_a_prefix_do_not_depend_on_later_tokens(name: str, visible: str) -> None:
    model, batch = EVERY_MODEL[name](), prompts(length=14)
    attached(model, visible=visible)
    whole = logits_of(model, batch)
    for length in (1, 5, 10):
        prefix = logits_of(model, {key: tensor[:, :length] for key, tensor in batch.items()})
        torch.testing.assert_close(prefix, whole[:, :length], rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("name", DECODERS)
def test_generation_with_a_cache_is_generation_without(name: str, visible: str) -> None:
    model, batch = EVERY_MODEL[name](), prompts(padded=(5,))
    economy = attached(model, visible=visible)
    asked = {**batch, "max_new_tokens": 7, "min_new_tokens": 7, "do_sample": False, "output_logits": True}
    with economy.recording() as recorded:
        cached = model.generate(**asked, return_dict_in_generate=True)
    plain = model.generate(**asked, return_dict_in_generate=True, use_cache=False)
    assert torch.equal(cached.sequences, plain.sequences)
    for mine, other in zip(cached.logits, plain.logits, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)
    table = recorded.frame()
    assert table["forward_pass"].nunique() == 7
    answers = table[(table["forward_pass"] > 0) & (table["sequence"] == 1)]
    assert answers.groupby("layer")["position"].apply(list).tolist() == [list(range(11, 17))] * 3
    assert answers[answers["layer"] == 0]["token"].tolist() == cached.sequences[1, 11:17].tolist()
    assert set(answers["bought"]) == {True, False}


@pytest.mark.parametrize("visible", VISIBLE)
def test_beams_are_reordered_with_what_they_bought(visible: str) -> None:
    model, batch = MODELS["llama"](), prompts(batch=2, length=6)
    attached(model, visible=visible)
    asked = {**batch, "max_new_tokens": 6, "num_beams": 3, "do_sample": False}
    assert torch.equal(model.generate(**asked), model.generate(**asked, use_cache=False))


def test_nobody_buys_at_a_price_above_all_bids_and_the_cache_still_grows() -> None:
    for visible in VISIBLE:
        model, batch = MODELS["llama"](), prompts()
        economy = attached(model, visible=visible)
        economy.set_prices(dict.fromkeys(economy.layers, 1e6))
        with torch.no_grad():
            output = model(**batch, use_cache=True)
        embedded = model.lm_head(model.model.norm(model.model.embed_tokens(batch["input_ids"])))
        torch.testing.assert_close(output.logits, embedded)
        assert output.past_key_values.get_seq_length() == 11
        assert not economy.purchases()["bought"].any()


def test_a_static_cache_serves_where_everyone_is_visible() -> None:
    model, batch = MODELS["llama"](), prompts()
    attached(model)
    asked = {**batch, "max_new_tokens": 5, "do_sample": False}
    static = model.generate(**asked, cache_implementation="static", disable_compile=True)
    assert torch.equal(static, model.generate(**asked))


def test_a_static_cache_cannot_tell_who_is_absent() -> None:
    model = MODELS["llama"]()
    attached(model, visible="buyers")
    with pytest.raises(CouplingError, match="use a DynamicCache, or visible='everyone'"):
        model.generate(**prompts(), max_new_tokens=5, cache_implementation="static", disable_compile=True)


@pytest.mark.parametrize("padded", PADDED)
@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("name", EVERY_MODEL)
def test_flops_in_closed_form_are_those_that_torch_counts(name: str, visible: str, padded: str) -> None:
    model, batch = EVERY_MODEL[name](), prompts(padded=PADDED[padded])
    economy = attached(model, visible=visible)
    counted = {}
    for mode in ("open", "hard"):
        economy.set_mode(mode)
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            model(**batch)
        counted[mode] = counter.get_total_flops()
    table = economy.flops()
    assert counted["open"] - counted["hard"] == table["dense_flops"].sum() - table["flops"].sum() > 0
    assert (table["bidder_flops"] == 2 * 33 * model.config.hidden_size).all()
    report = economy.report(batch)
    assert (report.model_flops, report.dense_model_flops) == (counted["hard"], counted["open"])
    assert report.layers_ratio < report.model_ratio < 1.0
    assert f"{report.model_ratio:.3f}" in str(report)


def test_posted_prices_sell_the_capacity_on_average() -> None:
    model = MODELS["llama"]()
    economy = attached(model, capacity=0.25)
    economy.calibrate([prompts(batch=40, length=30, seed=seed) for seed in range(3)])
    logits_of(model, prompts(batch=40, length=30, seed=9))
    np.testing.assert_allclose(economy.flops()["bought"], 0.25, atol=0.06)


def test_training_learns_the_prices_that_calibration_finds() -> None:
    model = MODELS["llama"]()
    economy = attached(model, layers=(0,), capacity=0.25)
    batches = [prompts(batch=20, seed=seed) for seed in range(4)]
    found = economy.calibrate(batches)[0]
    next(iter(economy.markets)).forget_price()
    model.train()
    for batch in batches:
        model(**batch)
    assert economy.prices[0] == pytest.approx(found, abs=1e-6)  # the first layer sees what it will see


def test_sequences_with_fewer_buyers_are_filled_up() -> None:
    model = MODELS["bert"]()
    economy = attached(model)
    logits_of(model, prompts(batch=2, padded=(7,)))  # 4 and 11 real tokens
    assert economy.flops()["places"].tolist() == [10, 10, 10]
    assert economy.flops()["bought"].tolist() == [7 / 15] * 3
