"""What an attached economy promises, for every architecture: gates, budgets, detaching, copies and state."""

import copy
import io

import numpy as np
import pytest
import torch
from tests.llm.models import MODELS, bert, logits_of, loss_of, random_bids, tokens
from torch import nn
from transformers import PreTrainedModel

from walras.llm import CouplingError, EconomyConfig, ModelEconomy, attach
from walras.llm.architectures import sublayers_of
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand

BUDGETS = [0.05, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.99, 1.0]
DEMANDS = [LogitDemand(1.0), LogitDemand(0.02), LinearDemand(0.5)]


def economy_of(model: PreTrainedModel, demand: LogitDemand | LinearDemand = DEMANDS[0]) -> ModelEconomy:
    return attach(model, EconomyConfig(CapacityMarket(FixedSupply(1.0), demand)))


def assert_same_state(model: nn.Module, before: dict[str, torch.Tensor]) -> None:
    after = model.state_dict()
    assert list(after) == list(before)
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor), name


def copied_state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


# ---------------------------------------------------------------- attach and detach


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_smaller_budget_changes_the_output(model: PreTrainedModel, mode: str) -> None:
    batch = tokens()
    base = logits_of(model, batch)
    economy = economy_of(model)
    economy.set_mode(mode)
    economy.set_budget(0.6)
    assert (logits_of(model, batch) - base).abs().max() > 1e-2


@pytest.mark.parametrize("mode", ["soft", "hard", "open", None])
def test_open_gates_equal_the_base_bit_for_bit(model: PreTrainedModel, mode: str | None) -> None:
    batch = tokens(padded=4)
    base = logits_of(model, batch)
    economy = economy_of(model)
    random_bids(economy)
    economy.set_mode(mode)
    assert torch.equal(logits_of(model, batch), base)


def test_open_mode_serves_everyone_at_any_budget(model: PreTrainedModel) -> None:
    batch = tokens()
    base = logits_of(model, batch)
    economy = economy_of(model)
    economy.set_budget(0.1)
    economy.set_mode("open")
    assert torch.equal(logits_of(model, batch), base)


def test_detached_equals_the_base_bit_for_bit(model: PreTrainedModel) -> None:
    batch = tokens(padded=4)
    base, before = logits_of(model, batch), copied_state(model)
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.3)
    logits_of(model, batch)
    assert economy.detach() is model
    assert_same_state(model, before)
    assert torch.equal(logits_of(model, batch), base)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_detached_economy_refuses_and_the_model_can_be_attached_again(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    economy.detach()
    for refused in (
        economy.detach,
        economy.export,
        economy.callback,
        lambda: economy.set_budget(0.5),
        lambda: economy.set_temperature(0.5),
        lambda: economy.set_valuations(economy.valuations),
    ):
        with pytest.raises(CouplingError, match="detached"):
            refused()
    base = logits_of(model, tokens())
    again = economy_of(model)
    again.set_budget(0.5)
    assert not torch.equal(logits_of(model, tokens()), base)


def test_attaching_twice_is_refused_and_leaves_the_first_at_work(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    economy.set_budget(0.5)
    before = logits_of(model, tokens())
    with pytest.raises(CouplingError, match="already"):
        economy_of(model)
    assert torch.equal(logits_of(model, tokens()), before)


def test_the_mode_follows_the_model_unless_it_is_set(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.5)

    def is_whole() -> bool:
        logits_of(model, tokens())
        shares = economy.gate.clearing.allocation
        return bool(((shares == 0.0) | (shares == 1.0)).all())

    assert is_whole()
    model.train()
    assert not is_whole()
    economy.set_mode("hard")
    assert is_whole()
    model.eval()
    economy.set_mode("soft")
    assert not is_whole()
    with pytest.raises(InvalidInputError, match="'warm'"):
        economy.set_mode("warm")


# ---------------------------------------------------------------- the gate is a scale of the projection's columns


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_gates_equal_scaled_projections(model: PreTrainedModel, mode: str) -> None:
    batch = tokens(padded=3)
    scaled = copy.deepcopy(model)
    economy = economy_of(model)
    random_bids(economy)
    economy.set_mode(mode)
    economy.set_budget(0.5)
    gated = logits_of(model, batch)

    shares = economy.gate.clearing.allocation.tolist()
    frame = economy.population.frame().assign(share=shares)
    kinds = {"attention": "head", "ffn": "neuron_block"}
    for sublayer in sublayers_of(scaled):
        mine = frame[(frame["layer"] == sublayer.layer) & (frame["kind"] == kinds[sublayer.kind])]
        scale = torch.tensor(np.repeat(mine["share"].to_numpy(), mine["width"]), dtype=torch.float32)
        columns = scale if isinstance(sublayer.output, nn.Linear) else scale[:, None]  # Conv1D: (inputs, outputs)
        sublayer.output.weight.data *= columns
    torch.testing.assert_close(gated, logits_of(scaled, batch), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- budgets


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "autocast"])
@pytest.mark.parametrize("demand", DEMANDS, ids=str)
def test_a_soft_forward_uses_exactly_the_budget(
    model: PreTrainedModel, demand: LogitDemand | LinearDemand, autocast: bool
) -> None:
    economy = economy_of(model.train(), demand)
    random_bids(economy)
    for budget in BUDGETS:
        economy.set_budget(budget)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss_of(model)
        shares = economy.gate.clearing.allocation.detach().double().numpy()
        assert ((shares >= 0.0) & (shares <= 1.0)).all()
        assert float(economy.population.costs @ shares) == pytest.approx(budget, abs=1e-4)


def test_a_hard_allocation_never_exceeds_the_budget_nor_leaves_room_for_the_next(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    bids, costs = random_bids(economy), economy.population.costs
    order = np.argsort(-bids, kind="stable")
    earlier = np.zeros(len(costs), dtype=bool)
    # Budgets that agents fill exactly are among them.
    for budget in np.unique(np.clip([0.0, *BUDGETS, *np.linspace(0, 1, 41), *costs[order].cumsum()], 0.0, 1.0)):
        served = economy.hard_allocation(budget)
        used = costs[served].sum()
        assert used <= budget * (1.0 + 1e-9)
        waiting = [agent for agent in order if not served[agent]]
        assert [agent for agent in order if served[agent]] == order[: served.sum()].tolist()
        assert not waiting or costs[waiting[0]] > budget - used
        assert (served >= earlier).all()  # nested
        earlier = served
    assert not economy.hard_allocation(0.0).any()
    assert economy.hard_allocation(1.0).all()


def test_evaluation_serves_the_hard_allocation(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    random_bids(economy)
    for budget in (0.0, 0.3, 0.8):
        economy.set_budget(budget)
        assert economy.budget == budget
        logits_of(model, tokens())
        served = economy.hard_allocation()
        assert (economy.gate.clearing.allocation.numpy() == served).all()
        frame = economy.frame()
        assert (frame["served"].to_numpy() == served).all()
        np.testing.assert_array_equal(frame["valuation"], economy.valuations)
    assert economy.frame(1.0)["served"].all()


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("demand", [DEMANDS[0], DEMANDS[2]], ids=str)
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "autocast"])
def test_gradients_reach_every_valuation(
    model: PreTrainedModel, demand: LogitDemand | LinearDemand, autocast: bool
) -> None:
    economy = economy_of(model.train(), demand)
    random_bids(economy, scale=0.01)
    economy.set_budget(0.5)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = loss_of(model)
    loss.backward()
    gradient = economy.gate.raw_valuations.grad
    assert torch.isfinite(gradient).all()
    assert (gradient != 0.0).all()


def soft_loss(economy: ModelEconomy) -> float:
    with torch.no_grad():
        return float(loss_of(economy.model))


@pytest.mark.parametrize("demand", [DEMANDS[0], LinearDemand(4.0)], ids=str)
def test_the_shadow_price_is_the_slope_of_the_loss_in_the_budget(
    model: PreTrainedModel, demand: LogitDemand | LinearDemand
) -> None:
    economy = economy_of(model.double().train(), demand)
    random_bids(economy)
    assert economy.gate.shadow_price is None
    step = 0.001
    for budget in (0.3, 0.6, 0.85):
        economy.set_budget(budget)
        loss_of(model).backward()
        shadow_price = economy.gate.shadow_price
        losses = []
        for moved in (budget - step, budget + step):
            economy.set_budget(moved)
            losses.append(soft_loss(economy))
        assert shadow_price == pytest.approx((losses[0] - losses[1]) / (2.0 * step), rel=5e-3)


def test_the_gradient_of_a_valuation_is_the_slope_of_the_loss_in_it(model: PreTrainedModel) -> None:
    economy = economy_of(model.double().train())
    bids = random_bids(economy)
    economy.set_budget(0.5)
    loss_of(model).backward()
    gradient = economy.gate.raw_valuations.grad.numpy()
    scale = float(np.abs(gradient).max())
    step = 0.01
    for agent in range(len(bids)):
        losses = []
        for sign in (-1.0, 1.0):
            economy.set_valuations(bids + sign * step * (np.arange(len(bids)) == agent))
            losses.append(soft_loss(economy))
        assert gradient[agent] == pytest.approx((losses[1] - losses[0]) / (2.0 * step), abs=2e-3 * scale)


def test_marginal_contributions_are_slopes_of_the_loss_in_the_shares(model: PreTrainedModel) -> None:
    economy = economy_of(model.double().train())
    economy.set_mode("open")
    assert economy.gate.marginal_contributions is None
    loss_of(model).backward()
    contributions = economy.gate.marginal_contributions.numpy()
    economy.detach()
    attention = next(sublayer for sublayer in sublayers_of(model) if sublayer.layer == 1)
    weight = attention.output.weight
    width = attention.head_dim * attention.queries_per_group
    columns = weight[:, :width] if isinstance(attention.output, nn.Linear) else weight[:width]
    whole, step, losses = columns.detach().clone(), 3e-3, []
    for sign in (-1.0, 1.0):
        with torch.no_grad():
            columns.copy_(whole * (1.0 + sign * step))
            losses.append(float(loss_of(model)))
    first = next(site.first for site in economy.population.sites if site.layer == 1)
    assert contributions[first] == pytest.approx(abs(losses[1] - losses[0]) / (2.0 * step), rel=1e-2)


def test_training_moves_weights_and_valuations_together(model: PreTrainedModel) -> None:
    economy = economy_of(model.train())
    economy.set_budget(0.5)
    before = copied_state(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert "walras_economy.raw_valuations" in moved
    assert {"walras_economy.costs", "walras_economy.budget", "walras_economy.temperature"}.isdisjoint(moved)
    # Adam moves each parameter by about its rate, and valuations by the gain times that.
    assert np.abs(economy.valuations).max() == pytest.approx(5 * 1e-3 * 100.0, rel=0.2)


# ---------------------------------------------------------------- copies, types, saving


def test_a_copy_has_a_market_of_its_own(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.5)
    batch = tokens()
    gated = logits_of(model, batch)
    loss_of(model.train())  # tensors of a graph are left behind
    twin = copy.deepcopy(model).eval()
    assert torch.equal(logits_of(twin, batch), gated)
    economy.set_budget(0.1)
    assert torch.equal(logits_of(twin, batch), gated)
    economy.detach()
    assert torch.equal(logits_of(twin, batch), gated)


def test_an_attached_model_can_be_pickled(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.5)
    gated = logits_of(model, tokens())
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    economy.detach()
    assert torch.equal(logits_of(torch.load(buffer, weights_only=False), tokens()), gated)


def test_the_state_dict_holds_the_economy(model: PreTrainedModel) -> None:
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.4)
    economy.set_temperature(0.25)
    state = copied_state(model)

    other = type(model)(model.config).eval()
    restored = economy_of(other)
    other.load_state_dict(state)
    np.testing.assert_array_equal(restored.valuations, economy.valuations)
    assert restored.budget == 0.4
    assert float(restored.gate.temperature) == 0.25
    for mode in ("soft", "hard"):
        economy.set_mode(mode)
        restored.set_mode(mode)
        assert torch.equal(logits_of(other, tokens()), logits_of(model, tokens()))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_bfloat16_model_clears_its_market_exactly(model: PreTrainedModel, when: str) -> None:
    if when == "before":
        model.bfloat16()
    economy = economy_of(model)
    random_bids(economy)
    if when == "after":
        model.bfloat16()
    for budget in (0.3, 1.0):
        economy.set_budget(budget)
        economy.set_mode("soft")
        logits = logits_of(model, tokens())
        assert logits.dtype == torch.bfloat16
        assert torch.isfinite(logits).all()
        shares = economy.gate.clearing.allocation.double().numpy()
        assert float(economy.population.costs @ shares) == pytest.approx(budget, abs=1e-3)
        economy.set_mode("hard")
        logits_of(model, tokens())
        served = economy.hard_allocation()
        assert economy.population.costs[served].sum() <= budget + 1e-9
    assert served.all()


@pytest.mark.parametrize("architecture", MODELS)
def test_sequence_length_defaults_to_what_the_model_can_read(architecture: str) -> None:
    assert attach(MODELS[architecture]()).population.sequence_length == 32
    chosen = attach(MODELS[architecture](), EconomyConfig(sequence_length=7, block_width=40))
    assert chosen.population.sequence_length == 7
    assert chosen.population.block_width == 40


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch about its own tracer
def test_compiled_equals_eager() -> None:
    model = bert()
    economy = economy_of(model)
    random_bids(economy)
    economy.set_budget(0.5)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    for mode in ("soft", "hard"):
        economy.set_mode(mode)
        for budget in (0.5, 0.3):
            economy.set_budget(budget)
            torch.testing.assert_close(logits_of(compiled, tokens()), logits_of(model, tokens()))
