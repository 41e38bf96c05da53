"""What a market of tokens promises: it changes the model, is taken away without a trace, and sells its capacity."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.llm.models import logits_of, loss_of
from tests.llm.tokens.models import EVERY_MODEL, MODELS, VISIBLE, attached, prompts
from transformers import PreTrainedModel, TrainerState

from walras.llm import EconomyConfig, GatedModelWarning, attach
from walras.llm.analysis import token_table, tokens_by
from walras.llm.tokens import TokenCallback, attach_tokens
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand

CAPACITIES = (0.0, 0.2, 1 / 3, 0.5, 0.9)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return MODELS[request.param]()


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_market_changes_the_output(model: PreTrainedModel, mode: str) -> None:
    base = logits_of(model, prompts())
    attached(model).set_mode(mode)
    assert (logits_of(model, prompts()) - base).abs().max() > 1e-2


@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("mode", ["soft", "hard", "open"])
def test_full_capacity_equals_the_base_bit_for_bit(model: PreTrainedModel, mode: str, visible: str) -> None:
    batch = prompts(padded=(4,))
    base = logits_of(model, batch)
    economy = attached(model, capacity=1.0, visible=visible)
    economy.set_mode(mode)
    assert torch.equal(logits_of(model, batch), base)
    assert (economy.purchases()["share"] == 1.0).all()


def test_open_mode_serves_everyone_at_any_capacity(model: PreTrainedModel) -> None:
    base = logits_of(model, prompts())
    economy = attached(model, capacity=0.2)
    economy.set_mode("open")
    assert torch.equal(logits_of(model, prompts()), base)


@pytest.mark.parametrize("name", EVERY_MODEL)
def test_detached_equals_the_base_bit_for_bit(name: str) -> None:
    model, batch = EVERY_MODEL[name](), prompts(padded=(4,))
    base, before = logits_of(model, batch), copy.deepcopy(model.state_dict())
    economy = attached(model)
    assert not torch.equal(logits_of(model, batch), base)
    assert economy.detach() is model
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert torch.equal(logits_of(model, batch), base)
    assert not model.base_model._forward_pre_hooks
    assert "save_pretrained" not in model.__dict__
    assert not any("forward" in module.__dict__ for module in model.modules())


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_capacity_is_never_exceeded_in_any_sequence_and_padding_never_buys(capacity: float) -> None:
    model, batch = MODELS["bert"](), prompts(batch=4, padded=(6, 3, 10))
    economy = attached(model, capacity=capacity)
    real = batch["attention_mask"].sum(-1).numpy()
    logits_of(model, batch)
    table = economy.purchases()
    assert len(table) == 3 * real.sum()  # padding has no rows: it does not bid
    sold = table.groupby(["layer", "sequence"])["bought"].sum().unstack().to_numpy()
    assert (sold == np.floor(capacity * real + 1e-9)).all()
    economy.set_mode("soft")
    logits_of(model, batch)
    used = economy.purchases().groupby(["layer", "sequence"])["share"].sum().unstack().to_numpy()
    np.testing.assert_allclose(used, np.broadcast_to(capacity * real, used.shape), atol=1e-4)


def test_each_layer_has_its_own_capacity() -> None:
    model = MODELS["bert"]()
    economy = attached(model, layers=(0, 2), capacity=(0.25, 0.75))
    logits_of(model, prompts(length=12))
    assert economy.flops().set_index("layer")["bought"].to_dict() == {0: 0.25, 2: 0.75}
    economy.set_capacity(0.5)
    logits_of(model, prompts(length=12))
    assert economy.flops()["bought"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("demand", [LogitDemand(0.25), LinearDemand(1.0)])
@pytest.mark.parametrize("visible", VISIBLE)
@pytest.mark.parametrize("straight_through", [False, True])
def test_gradients_reach_every_bidder(
    model: PreTrainedModel, demand: LogitDemand | LinearDemand, visible: str, straight_through: bool
) -> None:
    mechanism = CapacityMarket(FixedSupply(0.5), demand)
    economy = attached(model, mechanism=mechanism, visible=visible, straight_through=straight_through)
    model.train()
    loss_of(model).backward()
    for market in economy.markets:
        assert market.weight.grad is not None
        assert market.weight.grad.abs().max() > 1e-6
    whole = economy.purchases()["share"].isin((0.0, 1.0)).all()
    assert whole == straight_through


@pytest.mark.parametrize("which", ["bidder", "layer before it"])
def test_gradients_are_those_of_the_loss(which: str) -> None:
    model = MODELS["bert"]().double()
    economy = attached(model, layers=(1,))
    model.train()
    bidder, before = next(iter(economy.markets)).weight, model.bert.encoder.layer[0].output.dense.weight
    weight = bidder if which == "bidder" else before
    loss_of(model).backward()
    gradient = weight.grad.clone()
    direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(2), dtype=weight.dtype)
    losses = []
    for step in (1e-3, -1e-3):
        with torch.no_grad():
            weight += step * direction
            losses.append(loss_of(model).item())
            weight -= step * direction
    assert abs(float((gradient * direction).sum())) > 1e-3
    # The market clears in float32.
    assert (losses[0] - losses[1]) / 2e-3 == pytest.approx(float((gradient * direction).sum()), rel=1e-2)


def test_spare_capacity_is_not_sold_to_tokens_that_are_worth_less_than_nothing() -> None:
    model = MODELS["bert"]()
    economy = attached(
        model, capacity=0.9, mechanism=CapacityMarket(FixedSupply(0.9, free_disposal=True), LogitDemand(0.25))
    )
    logits_of(model, prompts())
    table = economy.purchases()
    assert (table.loc[table["bought"], "valuation"] >= 0.0).all()
    assert table["bought"].sum() < np.floor(0.9 * 11) * 3 * 3


def test_a_token_that_bids_more_never_gets_less() -> None:
    model = MODELS["bert"]()
    economy = attached(model)
    for mode in ("soft", "hard"):
        economy.set_mode(mode)
        logits_of(model, prompts())
        for _, group in economy.purchases().groupby(["layer", "sequence"]):
            assert group.sort_values("valuation")["share"].is_monotonic_increasing


def test_copies_have_markets_of_their_own(model: PreTrainedModel) -> None:
    economy = attached(model)
    twin = copy.deepcopy(model)
    rationed = logits_of(model, prompts())
    assert torch.equal(logits_of(twin, prompts()), rationed)
    economy.detach()
    assert torch.equal(logits_of(twin, prompts()), rationed)


def test_state_carries_bidders_and_prices(model: PreTrainedModel) -> None:
    economy = attached(model, seed=1)
    rationed, state = logits_of(model, prompts()), copy.deepcopy(economy.markets.state_dict())
    economy.detach()
    other = attach_tokens(model, economy.config)
    other.markets.load_state_dict(state)
    assert torch.equal(logits_of(model, prompts()), rationed)


def test_heads_and_tokens_can_be_rationed_together() -> None:
    model = MODELS["bert"]()
    attached(model)
    alone = logits_of(model, prompts())
    heads = attach(model, EconomyConfig(budget=0.6))
    assert not torch.equal(logits_of(model, prompts()), alone)
    heads.detach()
    assert torch.equal(logits_of(model, prompts()), alone)


def test_what_tokens_bought_stands_beside_what_they_are_worth() -> None:
    model, batch = MODELS["llama"](), prompts(padded=(4,))
    economy = attached(model, layers=(0, 2))
    logits_of(model, batch)
    shares, purchases = economy.shares(), economy.purchases()
    economy.set_mode("open")
    table = token_table(attach(model, EconomyConfig()), batch, budget=1.0, bought=shares)
    assert len(table) == batch["attention_mask"].sum()
    expected = purchases.groupby(["sequence", "position"])["share"].mean().to_numpy()
    np.testing.assert_allclose(table["compute"], expected)
    assert {0.0, 1.0} <= set(table["compute"])
    assert np.isfinite(tokens_by(table, "surprisal", "compute").attrs["spearman"])


def test_saving_a_model_with_a_market_warns(model: PreTrainedModel, tmp_path: Path) -> None:
    attached(model)
    with pytest.warns(GatedModelWarning, match="market of tokens"):
        model.save_pretrained(tmp_path)


def test_bf16_keeps_the_price_exact() -> None:
    model = MODELS["llama"]()
    economy = attached(model)
    prices = economy.prices
    model.bfloat16()
    assert economy.prices == prices
    assert logits_of(model, prompts()).isfinite().all()


def test_a_checkpointed_layer_has_the_same_gradients() -> None:
    gradients = []
    for checkpointed in (False, True):
        model = MODELS["bert"]()
        economy = attached(model)
        model.train()
        if checkpointed:
            # The older name is deprecated, the newer one unknown to the first releases of transformers 5.
            name = "activation_checkpointing_enable"
            enable = getattr(model, name, None) or model.gradient_checkpointing_enable
            enable({"use_reentrant": False})
        loss_of(model).backward()
        gradients.append(torch.cat([market.weight.grad for market in economy.markets]))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_autocast_trains(model: PreTrainedModel) -> None:
    economy = attached(model, visible="buyers")
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss_of(model).backward()
    assert all(market.weight.grad.isfinite().all() for market in economy.markets)
    model.eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert logits_of(model, prompts()).isfinite().all()


def test_the_callback_anneals_capacity_and_temperature() -> None:
    economy = attached(MODELS["bert"](), capacity=0.2)
    callback = TokenCallback(economy, warm_up=0.5, lowest_temperature=0.1)
    seen = []
    for step in (0, 5, 10, 20):
        state = TrainerState(global_step=step, max_steps=21)
        callback.on_step_begin(None, state, None)  # type: ignore[arg-type]
        seen.append((economy.capacities[1], economy.temperature))
    np.testing.assert_allclose(seen, [(1.0, 0.25), (0.6, 0.25 * 0.1**0.25), (0.2, 0.25 * 0.1**0.5), (0.2, 0.025)])
    for rules in ({"warm_up": 2.0}, {"lowest_temperature": 0.0}):
        with pytest.raises(InvalidInputError, match=next(iter(rules))):
            TokenCallback(economy, **rules)


def test_a_causal_model_trains_on_one_price_for_all_sequences() -> None:
    """A price of each sequence would tell its first tokens about the last ones."""
    model, batch = MODELS["llama"](), prompts(batch=4, padded=(6, 3))
    economy = attached(model, capacity=0.3)
    model.train()
    logits_of(model, batch)
    table = economy.purchases()
    assert (table.groupby("layer")["price"].nunique() == 1).all()
    by_layer = table.groupby("layer")["share"]
    np.testing.assert_allclose(by_layer.sum(), 0.3 * batch["attention_mask"].sum().item(), atol=1e-4)
    assert table.groupby(["layer", "sequence"])["share"].mean().groupby("layer").std().min() > 1e-3


def test_bidders_have_gradients_where_everyone_is_served() -> None:
    """Data parallel training waits for each gradient."""
    model = MODELS["bert"]()
    economy = attached(model, capacity=1.0)
    model.train()
    loss_of(model).backward()
    assert all((market.weight.grad == 0.0).all() for market in economy.markets)
