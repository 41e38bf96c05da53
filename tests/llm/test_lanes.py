"""Several budgets, or shares from elsewhere, side by side in one forward pass."""

import copy

import pytest
import torch
from tests.llm.models import bert, loss_of, random_bids, tokens
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, attach

BUDGETS = (1.0, 0.3, 0.65)


def repeated(batch: dict[str, torch.Tensor], times: int) -> dict[str, torch.Tensor]:
    return {name: tensor.repeat(times, 1) for name, tensor in batch.items()}


def test_each_lane_is_the_model_at_its_budget(model: PreTrainedModel) -> None:
    economy = attach(model, EconomyConfig(budget=0.5))
    random_bids(economy)
    economy.set_mode("soft")
    economy.gate.lanes = torch.tensor(BUDGETS, dtype=torch.float64)
    together = model(**repeated(tokens(), len(BUDGETS))).logits.chunk(len(BUDGETS))
    sold = economy.gate.clearing.quantity_sold
    torch.testing.assert_close(sold.double(), economy.gate.lanes, atol=1e-4, rtol=0)
    economy.gate.lanes = None
    for logits, budget in zip(together, BUDGETS, strict=True):
        economy.set_budget(budget)
        torch.testing.assert_close(logits, model(**tokens()).logits, atol=1e-5, rtol=1e-4)


def test_whole_agents_ignore_lanes() -> None:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.5))
    random_bids(economy)
    alone = model(**tokens()).logits
    economy.gate.lanes = torch.tensor(BUDGETS)
    torch.testing.assert_close(model(**tokens()).logits, alone)
    assert copy.deepcopy(economy.gate).lanes is None


def test_given_shares_take_the_place_of_the_market(model: PreTrainedModel) -> None:
    economy = attach(model, EconomyConfig(budget=0.5))
    random_bids(economy)
    hard = model(**tokens()).logits
    served = torch.from_numpy(economy.hard_allocation()).float()
    economy.gate.given = lambda: served
    torch.testing.assert_close(model(**tokens()).logits, hard)
    rows = torch.stack([torch.ones_like(served), served, torch.zeros_like(served)])  # one sequence each
    economy.gate.given = lambda: rows
    mixed = model(**tokens()).logits
    torch.testing.assert_close(mixed[1], hard[1])
    economy.gate.given = None
    economy.set_budget(1.0)
    torch.testing.assert_close(mixed[0], model(**tokens()).logits[0])
    assert not torch.allclose(mixed[2], model(**tokens()).logits[2], atol=1e-2)


def test_open_gates_leave_no_parameter_without_a_gradient() -> None:
    model = bert()
    economy = attach(model)
    economy.set_mode("open")
    loss_of(model).backward()
    assert economy.gate.marginal_contributions is not None
    assert (economy.gate.marginal_contributions > 0.0).any()
    assert (economy.gate.raw_valuations.grad == 0.0).all()


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_only_open_gates_observe_contributions(mode: str) -> None:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.5))
    economy.set_mode(mode)
    loss_of(model).backward()
    assert economy.gate.marginal_contributions is None
