"""Gates folded into weights: what scaled features give, forward and backward, and no more kernels than without."""

import copy
from collections import Counter
from typing import Any

import pytest
import torch
from tests.llm.models import MODELS, bert, loss_of, random_bids, randomised, tokens
from tests.llm.tasks_at_hand import memory_task
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertForSequenceClassification, PreTrainedModel

from walras.llm import AnnealedBudget, EconomyConfig, ModelEconomy, attach
from walras.llm.training import TrainingSettings, fine_tune
from walras.market.operators import capacity

EVEN = EconomyConfig(budget=0.5, block_width=32)  # five blocks of neurons a layer


def economy_of(model: PreTrainedModel, config: EconomyConfig = EVEN, *, folds: bool | None = True) -> ModelEconomy:
    economy = attach(model.train(), config)
    random_bids(economy)
    economy.gate.folds = folds
    return economy


def is_folded(economy: ModelEconomy) -> bool:
    return economy.gate.outcome.weights is not None


def gradients(economy: ModelEconomy) -> dict[str, Any]:
    loss = loss_of(economy.model)
    loss.backward()
    found = {name: p.grad.clone() for name, p in economy.model.named_parameters() if p.grad is not None}
    return {**found, "loss": loss.detach(), "shadow price": economy.gate.shadow_price}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("mode", ["soft", "open"])
def test_folded_gates_are_scaled_features(name: str, mode: str) -> None:
    results = []
    for folds in (False, True):
        economy = economy_of(MODELS[name]().double(), folds=folds)
        economy.set_mode(mode)
        results.append(gradients(economy) | {"contributions": economy.gate.marginal_contributions})
        assert is_folded(economy) is folds
    assert results[0]["walras_economy.raw_valuations"].abs().max() > 0.0 or mode == "open"
    # Shares, and so their gradients, are float32.
    torch.testing.assert_close(results[1], results[0], rtol=1e-5, atol=1e-8)


def test_weights_are_parameters_again_after_each_pass() -> None:
    economy = economy_of(bert())
    names = [name for name, _ in economy.model.named_parameters()]

    def fail(*_: object) -> None:
        raise KeyError("in the middle of a projection")

    output = economy.model.bert.encoder.layer[1].output.dense
    loss_of(economy.model)
    handle = output.register_forward_hook(fail)
    with pytest.raises(KeyError):
        loss_of(economy.model)
    handle.remove()
    assert is_folded(economy)
    assert [name for name, _ in economy.model.named_parameters()] == names
    assert all(
        isinstance(module.weight, torch.nn.Parameter) for module in economy.model.modules() if "weight" in dir(module)
    )
    copied = copy.deepcopy(economy.model)
    torch.testing.assert_close(loss_of(copied), loss_of(economy.model))
    dense = economy.detach()
    assert not any(module._forward_hooks_always_called for module in dense.modules())


def test_checkpointed_layers_find_the_same_weights() -> None:
    plain, checkpointed = economy_of(bert()), economy_of(bert())
    model = checkpointed.model
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable()
    torch.testing.assert_close(gradients(checkpointed), gradients(plain))
    assert is_folded(checkpointed)


def test_a_training_with_folded_gates_is_the_same() -> None:
    """Clipped and accumulated gradients too, which change in place what is a view of all weights' gradients."""
    results = []
    for folds in (False, True):
        economy = economy_of(bert(), folds=folds)
        folded: list[bool] = []
        fine_tune(
            economy.model,
            memory_task(),
            TrainingSettings(steps=6, learning_rate=1e-3, batch_size=3, accumulation=2),
            market=economy.callback(AnnealedBudget(0.5, warm_up=0.2)),
            on_step=lambda _, economy=economy, folded=folded: folded.append(is_folded(economy)),
        )
        assert folded == [folds] * 6
        # A bias of keys has no gradient but rounding, which Adam makes a step of.
        results.append({name: p for name, p in economy.model.named_parameters() if "key.bias" not in name})
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-4)


def test_costs_that_are_loaded_are_those_of_soft_markets_too() -> None:
    economy = economy_of(bert())
    state = economy.model.state_dict()
    costs = state["walras_economy.costs"]
    costs = costs * torch.linspace(0.5, 1.5, len(costs), dtype=torch.float64)
    economy.model.load_state_dict(state | {"walras_economy.costs": costs / costs.sum()})
    loss_of(economy.model)
    clearing = economy.gate.clearing
    assert float(clearing.allocation.detach().double() @ (costs / costs.sum())) == pytest.approx(0.5, abs=1e-5)


def test_folding_waits_for_where_it_is_possible() -> None:
    assert not is_folded(_passed(economy_of(bert(), folds=None)))  # on a CPU features are scaled
    assert not is_folded(_passed(economy_of(bert(), EconomyConfig(budget=0.5))))  # the last blocks are smaller
    assert not is_folded(_passed(economy_of(bert(), EconomyConfig(budget=0.5, agents=("attention", "ffn")))))
    frozen = economy_of(bert())
    frozen.model.bert.encoder.layer[0].output.dense.weight.requires_grad_(False)
    assert not is_folded(_passed(frozen))
    lanes = economy_of(bert())
    lanes.gate.lanes = torch.tensor([0.3, 0.5, 0.8], dtype=torch.float64, requires_grad=True)
    assert not is_folded(_passed(lanes))
    lanes.gate.lanes = lanes.gate.lanes[:1].detach().requires_grad_()
    assert is_folded(_passed(lanes))
    assert not is_folded(_passed(economy_of(bert()), training=False))


def _passed(economy: ModelEconomy, *, training: bool = True) -> ModelEconomy:
    economy.model.train(training)
    loss_of(economy.model)
    return economy


class Kernels(TorchDispatchMode):
    """Counts operations that work on data: what they give is no view of what they take."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        is_view = any(argument.alias_info and not argument.alias_info.is_write for argument in func._schema.returns)
        self.count[func._schema.name] += not is_view and "empty" not in func._schema.name
        return func(*args, **(kwargs or {}))


@pytest.fixture
def without_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clear in one kernel, as on a GPU."""

    def forward(values: torch.Tensor, *others: Any) -> tuple[torch.Tensor, ...]:
        return torch.full_like(values, 0.5), torch.zeros(others[3].shape), torch.full(others[3].shape, 0.5)

    def backward(upstream: torch.Tensor, *_: Any, **__: Any) -> tuple[Any, ...]:
        return upstream, None, torch.zeros(1), None

    monkeypatch.setattr(capacity, "fits", lambda *_: True)
    monkeypatch.setattr(capacity, "fused_forward", forward)
    monkeypatch.setattr(capacity, "fused_backward", backward)


def narrow_bert(layers: int) -> PreTrainedModel:
    config = BertConfig(
        vocab_size=40,
        hidden_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=160,
        num_labels=3,
    )
    return randomised(BertForSequenceClassification(config)).train()


def kernels_of(model: PreTrainedModel) -> int:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss_of(model).backward()  # gradients are there: their accumulation is counted in any case
    with Kernels() as kernels:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(model)
        loss.backward()
    return kernels.count.total()


@pytest.mark.usefixtures("without_solver")
@pytest.mark.parametrize(("folds", "most_a_layer"), [(True, -4), (False, 8)], ids=["weights", "features"])
def test_kernels_of_a_gated_layer_under_mixed_precision(folds: bool, most_a_layer: int) -> None:
    more = {}
    for layers in (2, 5):
        economy = economy_of(narrow_bert(layers), folds=folds)
        more[layers] = kernels_of(economy.model) - kernels_of(narrow_bert(layers))
    assert more[5] - more[2] <= 3 * most_a_layer  # two weights are not rounded, nor two gradients widened
    assert more[2] - 2 * (more[5] - more[2]) / 3 <= 45  # the market, and all that is done once a step


@pytest.mark.parametrize("lanes", [None, (0.4,), (1.0, 0.3, 0.6)], ids=str)
def test_the_market_in_one_step_is_the_operators(lanes: tuple[float, ...] | None) -> None:
    results = []
    for in_one_step in (False, True):
        economy = economy_of(bert().double(), EconomyConfig(budget=0.5), folds=False)
        gate = economy.gate
        gate._is_capped = in_one_step
        if lanes is not None:
            gate.lanes = torch.tensor(lanes, dtype=torch.float64, requires_grad=True)
        clearing = gate.clear()
        weights = torch.randn(clearing.allocation.shape, generator=torch.Generator().manual_seed(3))
        value = (weights * clearing.allocation).sin().sum() + clearing.quantity_sold.square().sum()
        if lanes is None or 1.0 not in lanes:  # the price of everything is infinite
            value = value + clearing.price.sum()
        inputs = (gate.raw_valuations, gate.outcome.supply)
        first = torch.autograd.grad(value, inputs, create_graph=True)
        second = torch.autograd.grad(first[0].square().sum(), inputs)
        results.append((*clearing, gate.prices, *first, *second))
    for mine, expected in zip(*results, strict=True):
        assert mine.dtype == expected.dtype or mine.ndim == 0
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5, check_dtype=False)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_a_step_folds_of_itself_and_never_waits_for_the_device() -> None:
    results = []
    for folds in (None, False):
        economy = economy_of(narrow_bert(3).cuda(), folds=folds)
        market = economy.callback()
        ids = tokens()["input_ids"].cuda()  # transformers would look into a mask
        labels = torch.tensor([0, 1, 2]).cuda()
        economy.model.eval()  # no dropout
        economy.set_mode("soft")
        for turn in range(3):  # kernels are compiled in the first
            economy.model.zero_grad()
            torch.cuda.set_sync_debug_mode("error" if turn else "default")
            try:
                economy.set_temperature(0.5)
                market.open_lanes((0.6,))
                with torch.autocast("cuda", dtype=torch.bfloat16):
                    loss = economy.model(input_ids=ids, labels=labels).loss
                loss.backward()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        assert is_folded(economy) is (folds is None)
        results.append((loss.detach(), economy.gate.raw_valuations.grad, economy.gate.lanes.grad))
    (loss, to_bids, to_budget), (loss_of_features, to_bids_of_features, to_budget_of_features) = results
    torch.testing.assert_close(loss, loss_of_features, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(to_budget, to_budget_of_features, rtol=5e-2, atol=2e-2)
    together = torch.nn.functional.cosine_similarity(to_bids, to_bids_of_features, dim=0)
    assert together > 0.98
