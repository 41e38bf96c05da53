"""Bad input: what a market of tokens refuses, and what it says."""

import pytest
import torch
from tests.llm.models import gpt2, logits_of
from tests.llm.tokens.models import MODELS, attached, prompts
from transformers import BertConfig, BertModel

from walras.llm import CouplingError, UnsupportedModelError
from walras.llm.tokens import SUPPORTED, TokenConfig, attach_tokens
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"capacity": 1.5}, "capacity is a fraction"),
        ({"capacity": float("nan")}, "capacity must be finite"),
        ({"capacity": (0.5, 0.5)}, "name the layers"),
        ({"layers": (0, 1), "capacity": (0.5, 0.5, 0.5)}, "3 numbers"),
        ({"layers": ()}, "tuple of numbers"),
        ({"layers": (2, 1)}, "ascending"),
        ({"layers": (-1,)}, "layers"),
        ({"layers": "01"}, "tuple of numbers"),
        ({"visible": "nobody"}, "must be one of"),
        ({"price_momentum": 1.0}, "price_momentum"),
        ({"straight_through": 1}, "straight_through"),
        ({"mechanism": None}, "must be a CapacityMarket"),
        ({"mechanism": CapacityMarket(PostedPrice(1.0), LogitDemand(1.0))}, "FixedSupply"),
        ({"mechanism": CapacityMarket(FixedSupply(1.0), StepDemand())}, "smooth demand"),
        ({"mechanism": CapacityMarket(FixedSupply(1.0), LogitDemand(1.0), PerUnitTax(0.1))}, "no tax"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rules: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        TokenConfig(**rules)


def test_a_layer_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"0\.\.2"):
        attach_tokens(MODELS["bert"](), TokenConfig(layers=(1, 3)))


def test_another_architecture_is_refused_with_a_list() -> None:
    with pytest.raises(
        UnsupportedModelError, match=f"'gpt2' has no market of tokens; supported: {', '.join(SUPPORTED)}"
    ):
        attach_tokens(gpt2())
    with pytest.raises(UnsupportedModelError, match="PreTrainedModel, got Linear"):
        attach_tokens(torch.nn.Linear(2, 2))  # type: ignore[arg-type]


def test_models_without_weights_or_with_cross_attention_are_refused() -> None:
    small = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    with torch.device("meta"):
        hollow = BertModel(BertConfig(**small))
    with pytest.raises(UnsupportedModelError, match="meta device"):
        attach_tokens(hollow)
    crossed = BertModel(BertConfig(**small, is_decoder=True, add_cross_attention=True))
    with pytest.raises(UnsupportedModelError, match="cross-attention"):
        attach_tokens(crossed)


def test_attaching_twice_is_refused_and_leaves_the_first_at_work() -> None:
    model = MODELS["bert"]()
    attached(model)
    before = logits_of(model, prompts())
    for again in (model, model.base_model):
        with pytest.raises(CouplingError, match="market"):
            attach_tokens(again)
    assert torch.equal(logits_of(model, prompts()), before)


def test_a_detached_economy_refuses_and_the_model_can_be_attached_again() -> None:
    model = MODELS["llama"]()
    economy = attached(model)
    economy.detach()
    for refused in (
        economy.detach,
        economy.purchases,
        economy.flops,
        lambda: economy.set_capacity(0.5),
        lambda: economy.set_temperature(0.5),
        lambda: economy.set_mode(None),
        lambda: economy.set_prices({0: 1.0}),
        lambda: economy.calibrate([prompts()]),
        lambda: economy.report(prompts()),
    ):
        with pytest.raises(CouplingError, match="detached"):
            refused()
    attached(model)


def test_a_causal_model_without_prices_says_how_to_find_them() -> None:
    model = MODELS["llama"]()
    economy = attach_tokens(model)
    with pytest.raises(CouplingError, match="calibrate"):
        logits_of(model, prompts())
    with pytest.raises(InvalidInputError, match="batches is empty"):
        economy.calibrate([])
    economy.calibrate([prompts()])
    logits_of(model, prompts())
    economy.set_capacity(0.25)  # the old price sells another quantity
    with pytest.raises(CouplingError, match="calibrate"):
        logits_of(model, prompts())


def test_calls_that_make_no_sense_are_refused() -> None:
    economy = attached(MODELS["bert"](), layers=(1,))
    with pytest.raises(CouplingError, match="run a forward pass first"):
        economy.purchases()
    with pytest.raises(InvalidInputError, match="mode must be"):
        economy.set_mode("shut")
    with pytest.raises(InvalidInputError, match="temperature"):
        economy.set_temperature(0.0)
    with pytest.raises(InvalidInputError, match="Layer 0 has no market"):
        economy.set_prices({0: 1.0})
    with pytest.raises(InvalidInputError, match="2 numbers for 1 layers"):
        economy.set_capacity((0.5, 0.5))
    with economy.recording() as recorded, pytest.raises(CouplingError, match="inside"):
        recorded.frame()


def test_a_layer_outside_of_its_model_is_refused() -> None:
    model = MODELS["bert"]()
    attached(model)
    with pytest.raises(CouplingError, match="outside of its model"):
        model.bert.encoder.layer[0](torch.zeros(1, 4, 48))


def test_masks_that_do_not_tell_padding_are_refused() -> None:
    model = MODELS["bert"]()
    attached(model)
    batch = prompts()
    with pytest.raises(InvalidInputError, match="attention_mask must have shape"):
        model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"][:, :5])


def test_a_hidden_state_that_is_no_number_is_not_hidden_by_skipping() -> None:
    model = MODELS["bert"]()
    attached(model)
    embeddings = torch.randn(2, 6, 48, generator=torch.Generator().manual_seed(0))
    embeddings[0, 2, 0] = float("nan")
    logits = logits_of(model, {"inputs_embeds": embeddings})
    assert logits[0].isnan().all()
    assert logits[1].isfinite().all()


def test_embeddings_odd_lengths_and_empty_sequences_work() -> None:
    model = MODELS["bert"]()
    economy = attached(model)
    batch = prompts(batch=2, length=1)
    logits_of(model, batch)  # half a token: nobody buys
    assert not economy.purchases()["bought"].any()
    batch = prompts(batch=2, length=5)
    batch["attention_mask"][0] = 0
    assert logits_of(model, batch)[1].isfinite().all()
    assert set(economy.purchases()["sequence"]) == {1}
