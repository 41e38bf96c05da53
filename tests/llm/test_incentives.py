"""What agents owe is a term of the loss: the paper's lambda, taxes, a tax on concentration, and their rebate."""

import numpy as np
import pytest
import torch
from tests.llm.models import bert, random_bids, tokens
from tests.llm.tasks_at_hand import memory_task
from torch import Tensor

from walras.llm import ConcentrationTax, EconomyConfig, ElasticBudget, ModelEconomy, SequenceBids, attach
from walras.llm.training import TrainingSettings, fine_tune
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand, PerUnitTax, PostedPrice
from walras.market.supply import PriceCollar, Supply
from walras.market.taxation import BracketTax

DEMAND = LogitDemand(0.3)
PROGRESSIVE = ConcentrationTax(BracketTax([1.0, 1.2], [0.0, 0.5, 2.0]))


def economy_of(supply: Supply, *, rate: object = 0.0, **options: object) -> ModelEconomy:
    economy = attach(bert().train(), EconomyConfig(CapacityMarket(supply, DEMAND, PerUnitTax(rate)), **options))
    random_bids(economy)
    return economy


def output_of(economy: ModelEconomy, **options: object) -> object:
    return economy.model(**tokens(), labels=torch.tensor([0, 1, 2]), **options)


def task_loss_of(economy: ModelEconomy) -> Tensor:
    return torch.nn.functional.cross_entropy(output_of(economy).logits, torch.tensor([0, 1, 2]))


def gradient_of(economy: ModelEconomy, loss: Tensor) -> np.ndarray:
    (gradient,) = torch.autograd.grad(loss, economy.gate.raw_valuations)
    return gradient.numpy()


def use_of(economy: ModelEconomy) -> Tensor:
    return economy.gate.costs.float() * economy.gate.clearing.allocation


def test_a_posted_price_is_the_papers_lambda() -> None:
    economy = economy_of(PostedPrice(0.2))
    output = output_of(economy)
    used = use_of(economy).sum()
    task = torch.nn.functional.cross_entropy(output.logits, torch.tensor([0, 1, 2]))
    assert output.loss.item() == pytest.approx((task + 0.2 * used).item(), abs=1e-6)
    expected = gradient_of(economy, output.loss)
    task = task_loss_of(economy)
    np.testing.assert_allclose(expected, gradient_of(economy, task + 0.2 * use_of(economy).sum()), atol=1e-7)
    assert np.abs(expected - gradient_of(economy, task_loss_of(economy))).max() > 1e-4


@pytest.mark.parametrize("supply", [FixedSupply(0.5), PriceCollar(0.5, -1.0, 1.0)], ids=str)
def test_under_a_cap_that_binds_the_loss_is_the_tasks(supply: Supply) -> None:
    economy = economy_of(supply)
    output, expected = output_of(economy), task_loss_of(economy)
    assert output.loss.item() == pytest.approx(expected.item(), abs=1e-5)
    np.testing.assert_allclose(gradient_of(economy, output.loss), gradient_of(economy, expected), atol=1e-6)


def test_at_a_collars_bound_the_bound_is_paid() -> None:
    economy = economy_of(PriceCollar(0.5, 0.6, 1.0))
    output = output_of(economy)
    assert economy.price == pytest.approx(0.6)
    used = use_of(economy).sum()
    assert used.item() < 0.5
    expected = gradient_of(economy, task_loss_of(economy) + 0.6 * use_of(economy).sum())
    np.testing.assert_allclose(gradient_of(economy, output.loss), expected, atol=1e-6)


def test_a_uniform_tax_under_a_cap_changes_no_incentive_and_one_on_some_does() -> None:
    untaxed = gradient_of(economy := economy_of(FixedSupply(0.5)), output_of(economy).loss)
    uniform = economy_of(FixedSupply(0.5), rate=0.7)
    output = output_of(uniform)
    np.testing.assert_allclose(gradient_of(uniform, output.loss), untaxed, atol=1e-6)
    assert output.loss.item() == pytest.approx(task_loss_of(uniform).item() + 0.7 * 0.5, abs=1e-5)
    some = economy_of(FixedSupply(0.5), rate=tuple([0.7] * 4 + [0.0] * 17))
    assert np.abs(gradient_of(some, output_of(some).loss) - untaxed).max() > 1e-3


def test_a_rebate_keeps_the_loss_and_its_gradient() -> None:
    owed, rebated = economy_of(PostedPrice(0.2)), economy_of(PostedPrice(0.2), rebate=True)
    paid, free = output_of(owed), output_of(rebated)
    assert free.loss.item() == pytest.approx(task_loss_of(rebated).item(), abs=1e-6)
    assert paid.loss.item() > free.loss.item() + 0.01
    np.testing.assert_allclose(gradient_of(owed, paid.loss), gradient_of(rebated, free.loss), atol=1e-7)
    with pytest.raises(InvalidInputError, match="nothing to give back"):
        EconomyConfig(rebate=True)


@pytest.mark.parametrize("by", ["layer", "site"])
def test_the_tax_on_concentration_is_the_schedules(by: str) -> None:
    tax = ConcentrationTax(PROGRESSIVE.schedule, by=by)
    economy = economy_of(FixedSupply(0.5), concentration=tax)
    output = output_of(economy)
    use, frame = use_of(economy).detach().double().numpy(), economy.population.frame()
    groups = [frame["layer"]] if by == "layer" else [frame["layer"], frame["kind"]]
    table = frame.assign(use=use).groupby(groups, sort=False)[["use", "cost"]].sum()
    relative = (table["use"] / use.sum() / table["cost"]).to_numpy()
    expected = float((table["cost"].to_numpy() * tax.schedule.tax_due(relative)).sum())
    assert expected > 0.01
    assert output.loss.item() - task_loss_of(economy).item() == pytest.approx(expected, abs=1e-5)


def test_a_tax_on_concentration_moves_no_allocation_at_given_valuations() -> None:
    taxed, free = (economy_of(FixedSupply(0.5), concentration=tax) for tax in (PROGRESSIVE, None))
    for mode in ("soft", "hard"):
        outputs = []
        for economy in (taxed, free):
            economy.set_mode(mode)
            outputs.append(output_of(economy))
        torch.testing.assert_close(use_of(taxed), use_of(free), rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(outputs[0].logits, outputs[1].logits, rtol=1e-4, atol=1e-5)
    assert not np.allclose(
        *(gradient_of(economy, economy.set_mode("soft") or output_of(economy).loss) for economy in (taxed, free)),
        atol=1e-5,
    )


def test_agents_learn_to_spread_under_a_tax_on_concentration() -> None:
    def spread_after(tax: ConcentrationTax | None) -> float:
        economy = economy_of(FixedSupply(0.5), concentration=tax)
        values = np.where(economy.population.frame()["layer"] == 0, 0.5, -0.5)
        economy.set_valuations(values + np.linspace(0.0, 0.1, len(values)))
        optimizer = torch.optim.Adam([economy.gate.raw_valuations], lr=1e-3)
        for _ in range(12):
            optimizer.zero_grad()
            output_of(economy).loss.backward()
            optimizer.step()
        output_of(economy)
        by_layer = use_of(economy).detach().numpy().reshape(3, -1).sum(1)
        return float(by_layer.max() / by_layer.sum())

    assert spread_after(PROGRESSIVE) < spread_after(None) - 0.02


def test_the_levy_is_added_once_in_training_where_there_is_a_loss() -> None:
    economy = economy_of(PostedPrice(0.2))
    as_tuple = output_of(economy, return_dict=False)
    assert as_tuple[0].item() == pytest.approx(output_of(economy).loss.item(), abs=1e-6)
    assert economy.levy() is None  # it is in the loss already
    economy.model(**tokens())
    assert economy.levy().item() == pytest.approx(0.2 * use_of(economy).sum().item(), abs=1e-6)
    # Two of six labels of an accumulated batch bear a third of it.
    part = economy.model(**tokens(batch=2), labels=torch.tensor([0, 1]), num_items_in_batch=6)
    task = torch.nn.functional.cross_entropy(part.logits, torch.tensor([0, 1]))
    assert (part.loss - task).item() == pytest.approx(0.2 * use_of(economy).sum().item() / 3, abs=1e-6)
    with torch.no_grad():
        assert output_of(economy).loss.item() == pytest.approx(task_loss_of(economy).item(), abs=1e-6)
    economy.model.eval()
    assert output_of(economy).loss.item() == pytest.approx(task_loss_of(economy).item(), abs=1e-6)
    economy.model.train()
    exported = economy.export(0.5).train()
    assert not any(module._forward_hooks for module in exported.modules())
    economy.detach()
    assert output_of(economy).loss.item() == pytest.approx(task_loss_of(economy).item(), abs=1e-6)


def test_taxes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="do not fall"):
        ConcentrationTax(BracketTax([1.0], [0.5, 0.1]))
    with pytest.raises(InvalidInputError, match="'layer', 'site'"):
        ConcentrationTax(PROGRESSIVE.schedule, by="model")
    with pytest.raises(InvalidInputError, match="BracketTax"):
        ConcentrationTax(0.5)
    with pytest.raises(InvalidInputError, match="ConcentrationTax"):
        EconomyConfig(concentration=0.5)
    with pytest.raises(InvalidInputError, match="rate"):  # as many rates as agents
        economy_of(FixedSupply(0.5), rate=(0.1, 0.2))


@pytest.mark.parametrize("plain", [False, True], ids=["ours", "transformers"])
def test_both_trainers_levy_once_and_a_dear_price_closes_agents(plain: bool) -> None:
    def used_after(price: float) -> float:
        economy = attach(bert(), EconomyConfig(CapacityMarket(PostedPrice(price), LogitDemand(0.5))))
        callback = economy.callback(ElasticBudget(warm_up=0.0, temperature=0.5, final_temperature=0.5))
        settings = TrainingSettings(steps=5, learning_rate=1e-3, batch_size=8)
        by = {"callbacks": [callback]} if plain else {"market": callback}
        fine_tune(economy.model, memory_task(), settings, **by)
        assert callback.rows
        economy.model.train()
        output_of(economy)
        return use_of(economy).sum().item()

    assert used_after(1.0) < used_after(0.0) - 0.05


def test_bids_by_sequence_are_trained_with_budgets_side_by_side() -> None:
    economy = attach(bert(), EconomyConfig(bids=SequenceBids(width=4)))
    callback = economy.callback(ElasticBudget(lowest=0.3, warm_up=0.4))
    fine_tune(
        economy.model, memory_task(), TrainingSettings(steps=5, learning_rate=1e-3, batch_size=8), market=callback
    )
    assert economy.gate.bidder.bids.weight.abs().max() > 0.0
    assert np.isfinite([row["shadow_price"] for row in callback.rows]).all()
    assert np.isnan([row["gap"] for row in callback.rows]).all()
    economy.fix_valuations([tokens()])
    assert economy.export(0.5) is not None
