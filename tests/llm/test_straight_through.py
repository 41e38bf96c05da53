"""Straight through: whole agents in the forward pass of training, the soft market's gradient in the backward pass."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.llm.models import bert, llama, logits_of, loss_of, random_bids, tokens
from tests.llm.tasks_at_hand import memory_task
from tests.llm.test_resume import PowerCut
from torch import Tensor
from transformers import Trainer, TrainingArguments

from walras.llm import (
    ConcentrationTax,
    EconomizedModel,
    EconomyConfig,
    ElasticBudget,
    ModelEconomy,
    SequenceBids,
    WealthDynamics,
    attach,
)
from walras.llm.training import TrainingSettings, fine_tune
from walras.llm.wealth import Purse
from walras.market import (
    CapacityMarket,
    FixedSupply,
    InvalidInputError,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
)
from walras.market.taxation import BracketTax

LOGIT, LINEAR = LogitDemand(0.3), LinearDemand(2.0)
BUDGETS = (1.0, 0.3, 0.65)
PROGRESSIVE = ConcentrationTax(BracketTax([1.0, 1.2], [0.0, 0.5, 2.0]))
UNEVEN = PerUnitTax(np.linspace(0.0, 1.0, 21))


def capped(demand: LogitDemand | LinearDemand = LOGIT, tax: PerUnitTax | None = None) -> dict[str, Any]:
    return {"mechanism": CapacityMarket(FixedSupply(0.5), demand, tax or PerUnitTax())}


ECONOMIES: dict[str, dict[str, Any]] = {
    "logit": capped(),
    "linear": capped(LINEAR),
    "layers": {**capped(), "scope": "layer"},
    "layers-linear": {**capped(LINEAR), "scope": "layer"},
    "collar": {"mechanism": CapacityMarket(PriceCollar(0.5, -0.5, 0.3), LOGIT)},
    "posted": {"mechanism": CapacityMarket(PostedPrice(0.2), LOGIT)},
    "tax": capped(tax=UNEVEN),
    "progressive": {**capped(), "concentration": PROGRESSIVE, "rebate": True},
    "wealth": {**capped(), "wealth": WealthDynamics(endowment=0.5, pace=0.5)},
    "limits": {**capped(), "limits": {"parameters": 0.55, "kv_cache": 0.4}},
    "bidder": {**capped(), "bids": SequenceBids(width=5)},
    "bidder-layers": {**capped(LINEAR), "bids": SequenceBids(width=5), "scope": "layer"},
}


def economy_of(options: dict[str, Any], *, straight: bool = True) -> ModelEconomy:
    model = llama() if "limits" in options else bert()
    torch.manual_seed(3)  # of the bidder
    economy = attach(model.train(), EconomyConfig(**options, straight_through=straight))
    random_bids(economy)
    if economy.gate.bidder is not None:
        torch.nn.init.normal_(economy.gate.bidder.bids.weight, std=0.02)
    return economy


def lanes_of(economy: ModelEconomy) -> Tensor | None:
    """Several budgets side by side, for which a batch of three has a sequence each; none under a posted price."""
    if economy.config.posts_a_price:
        return None
    return torch.tensor(BUDGETS, dtype=torch.float64, requires_grad=True)


def gradients_of(economy: ModelEconomy, objective: Tensor) -> list[Tensor]:
    """Of an objective, in all parameters of the gate and in the budgets."""
    gate = economy.gate
    level = gate.outcome.supply
    wanted = [*gate.parameters(), *([] if level is None else [level])]
    return list(torch.autograd.grad(objective, wanted, retain_graph=True))


@pytest.mark.parametrize("lanes", [False, True])
@pytest.mark.parametrize("name", ECONOMIES)
def test_forward_is_the_hard_gate_and_backward_the_soft_market(
    name: str, monkeypatch: pytest.MonkeyPatch, *, lanes: bool
) -> None:
    monkeypatch.setattr(Purse, "settle", lambda *_: None)  # each backward pass would leave other bids to the next
    economy = economy_of(ECONOMIES[name])
    gate = economy.gate
    gate.lanes = lanes_of(economy) if lanes else None
    economy.set_mode("hard")
    hard = logits_of(economy.model, tokens())
    served, sold = gate.clearing.allocation, gate.clearing.quantity_sold
    assert ((served == 0.0) | (served == 1.0)).all()

    economy.set_mode(None)
    loss = loss_of(economy.model)
    found = gate.clearing
    assert torch.equal(found.allocation.detach().double(), served.double())
    torch.testing.assert_close(found.quantity_sold.detach().double(), sold.double())
    assert torch.equal(logits_of(economy.model, tokens()), hard)
    loss = loss_of(economy.model)
    (upstream,) = torch.autograd.grad(loss, gate.clearing.allocation, retain_graph=True)
    straight, levy, price, prices = gradients_of(economy, loss), gate.levy, gate.clearing.price, gate.prices

    economy.set_mode("soft")
    loss_of(economy.model)
    shares = gate.clearing.allocation
    assert ((shares > 0.01) & (shares < 0.99)).any()
    soft = gradients_of(economy, (shares * upstream.to(shares)).sum())
    assert all((gradient != 0.0).any() for gradient in soft)
    for mine, expected in zip(straight, soft, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))
    # Prices, and what agents owe, are the soft market's.
    assert torch.equal(gate.clearing.price, price)
    assert torch.equal(gate.prices, prices)
    assert (levy is None) == (gate.levy is None) == (not gate.is_priced)
    if levy is not None:
        assert torch.equal(levy, gate.levy)


def test_the_gradient_is_not_that_of_training_on_soft_shares() -> None:
    economy = economy_of(ECONOMIES["logit"])
    straight = gradients_of(economy, loss_of(economy.model))
    economy.set_mode("soft")
    soft = gradients_of(economy, loss_of(economy.model))
    assert all(
        (mine - other).abs().max() > 1e-3 * other.abs().max() for mine, other in zip(straight, soft, strict=True)
    )


GATE = economy_of(ECONOMIES["logit"]).gate


@settings(max_examples=40, deadline=None)
@given(
    # Coarse, so that agents tie.
    bids=st.lists(st.integers(-6, 6), min_size=21, max_size=21),
    budgets=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=3),
    temperature=st.sampled_from([0.02, 0.5, 3.0]),
)
def test_at_any_bids_and_budgets(bids: list[int], budgets: list[float], temperature: float) -> None:
    gate = copy.deepcopy(GATE)
    gate.set_valuations(torch.tensor(bids) / 4.0)
    gate.temperature.fill_(temperature)
    found = []
    for mode in (None, "soft"):
        gate.mode, gate.lanes = mode, torch.tensor(budgets, dtype=torch.float64).requires_grad_()
        shares = gate.clear().allocation
        upstream = torch.linspace(-1.0, 2.0, shares.numel()).view_as(shares)
        found.append(torch.autograd.grad((shares * upstream).sum(), [gate.raw_valuations, gate.lanes]))
        if mode is None:
            rows = shares.detach().view(len(budgets), -1)
            assert all(torch.equal(r, gate.serve(b).allocation.float()) for r, b in zip(rows, gate.lanes, strict=True))
            used = rows.double() @ gate.costs
            assert (used <= gate.lanes * (1.0 + 1e-9)).all()
    assert all(map(torch.equal, *found))


def test_it_is_for_training_alone() -> None:
    economy, plain = (economy_of(ECONOMIES["logit"], straight=straight) for straight in (True, False))
    gate = economy.gate
    for training, mode in ((False, None), (False, "soft"), (False, "hard"), (True, "soft"), (True, "open")):
        for each in (economy, plain):
            each.model.train(training)
            each.set_mode(mode)
        assert not gate.is_straight_through
        assert torch.equal(logits_of(economy.model, tokens()), logits_of(plain.model, tokens()))
    economy.set_mode(None)
    assert gate.is_straight_through
    gate.given = lambda: torch.full((21,), 0.5)
    assert (gate.clear().allocation == 0.5).all()


def test_folded_weights_have_the_same_gradients() -> None:
    economy, gradients = economy_of({**capped(), "block_width": 80}), []
    for folds in (False, True):
        economy.gate.folds = folds
        economy.model.zero_grad()
        loss_of(economy.model).backward()
        assert (economy.gate.outcome.weights is not None) == folds
        gradients.append({name: p.grad for name, p in economy.model.named_parameters() if p.grad is not None})
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


# torch's compiler makes instances of autograd functions, against which torch itself warns.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_it_compiles_without_a_break() -> None:
    economy = economy_of(capped(LINEAR))  # on a CPU the solver is compiled too, and linear demand's is the shorter one
    model = economy.model
    model.bert.encoder.layer = model.bert.encoder.layer[:1]
    model.config.num_hidden_layers = 1
    gradients = []
    for run in (torch.compile(model, backend="aot_eager", fullgraph=True), model):
        model.zero_grad()
        economy.gate.lanes = lanes_of(economy)
        run(**tokens(), labels=torch.zeros(3, dtype=torch.long)).loss.backward()
        named = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        gradients.append({**named, "budgets": economy.gate.lanes.grad})
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_agents_pay_and_earn_by_their_soft_shares() -> None:
    economy = economy_of(ECONOMIES["wealth"])
    expected = copy.deepcopy(economy.gate.purse)
    loss = loss_of(economy.model)
    served = economy.gate.clearing.allocation
    served.retain_grad()
    economy.set_mode("soft")
    soft, price, _ = economy.gate.clear()
    before = economy.wealth
    loss.backward()
    expected.settle(soft, served.grad, price.expand(21), economy.gate.costs)
    np.testing.assert_allclose(economy.wealth, expected.wealth.numpy(), rtol=1e-6)
    assert np.abs(economy.wealth - before).max() > 1e-3


# ---------------------------------------------------------------- trainings

SCHEDULE = ElasticBudget(lowest=0.3, warm_up=0.25, temperature=0.5, final_temperature=0.1, cooling=0.75, seed=3)


def trained(
    options: dict[str, Any], *, folder: Path | None = None, cut_at: int | None = None
) -> tuple[ModelEconomy, list[dict[str, float]]]:
    economy = economy_of(options)
    market, callbacks = economy.callback(SCHEDULE), [] if cut_at is None else [PowerCut(cut_at)]
    settings = TrainingSettings(steps=8, learning_rate=1e-3, batch_size=3, accumulation=2)
    fine_tune(economy.model, memory_task(), settings, market=market, callbacks=callbacks, folder=folder, save_every=3)
    return economy, market.rows


@pytest.mark.parametrize("name", ["logit", "wealth", "bidder", "posted"])
def test_a_training_has_no_gap(name: str) -> None:
    _, rows = trained(ECONOMIES[name])
    assert len({row["step"] for row in rows}) == 6
    assert {row["gap"] for row in rows} == {0.0}
    if name != "posted":
        assert all(row["sold"] <= row["budget"] + 1e-6 for row in rows)
        assert any(row["sold"] < row["budget"] - 1e-3 for row in rows)  # whole agents do not fill it
        assert any(row["shadow_price"] != 0.0 for row in rows)


def test_the_ordinary_trainer_has_no_gap_and_bids_learn(tmp_path: Path) -> None:
    task, economy = memory_task(), economy_of(ECONOMIES["logit"])
    market, before = economy.callback(ElasticBudget(lowest=0.3, warm_up=0.0)), economy.valuations
    arguments = TrainingArguments(
        str(tmp_path),
        max_steps=4,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    Trainer(economy.model, arguments, train_dataset=task.train, data_collator=task.collate, callbacks=[market]).train()
    assert [row["gap"] for row in market.rows] == [0.0] * 4  # although bids have moved since the forward pass
    assert np.abs(economy.valuations - before).max() > 0.1


def test_a_killed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole, rows = trained(ECONOMIES["logit"])
    with pytest.raises(KeyboardInterrupt):
        trained(ECONOMIES["logit"], folder=tmp_path, cut_at=5)
    resumed, rows_resumed = trained(ECONOMIES["logit"], folder=tmp_path)
    assert rows_resumed == rows
    other = resumed.model.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in whole.model.state_dict().items())


def test_a_trained_model_is_exported_saved_and_loaded(tmp_path: Path) -> None:
    economy, _ = trained(ECONOMIES["logit"])
    economy.set_budget(0.4)
    in_training = logits_of(economy.model.train(), tokens())
    model = economy.model.eval()
    served = logits_of(model, tokens())
    assert torch.equal(in_training, served)  # what it trained on is what it computes
    economy.export().save_pretrained(tmp_path)
    torch.testing.assert_close(
        logits_of(EconomizedModel.from_pretrained(tmp_path), tokens()), served, rtol=1e-4, atol=1e-4
    )
    # The state is that of any economy: the rule is the config's.
    for straight in (True, False):
        again = economy_of(ECONOMIES["logit"], straight=straight)
        again.model.load_state_dict(model.state_dict())
        assert torch.equal(logits_of(again.model.eval(), tokens()), served)
        assert torch.equal(logits_of(again.model.train(), tokens()), served) == straight


def test_it_is_a_choice_of_two() -> None:
    assert not EconomyConfig().straight_through
    with pytest.raises(InvalidInputError, match=r"EconomyConfig\.straight_through"):
        EconomyConfig(straight_through="yes")
