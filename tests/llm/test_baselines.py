"""Every method keeps the budget; each does what its paper says, where that can be seen on a tiny model."""

import copy
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.llm.models import bert, llama, logits_of, random_bids, tokens
from tests.llm.tasks_at_hand import memory_task
from tests.llm.zoo import ZOO
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, PreTrainedModel

from walras.llm import (
    CouplingError,
    Distillation,
    EconomizedModel,
    EconomyConfig,
    UnsupportedModelError,
    attach,
    count_flops,
)
from walras.llm.architectures import sublayers_of
from walras.llm.baselines import METHODS, Comparison, compress
from walras.llm.baselines.dense import layers_and_blocks, small_dense, uniform_valuations
from walras.llm.baselines.fisher_masks import closing_cost, rearranged, repair
from walras.llm.baselines.gradients import (
    calibration_batches,
    fisher_importance,
    given_shares,
    michel_importance,
    share_gradients,
    taylor_importance,
)
from walras.llm.baselines.hard_concrete import HardConcreteGates, hard_concrete, open_probability
from walras.llm.baselines.movement import MovementScores
from walras.llm.distillation import logits_distance
from walras.llm.recovery import recover
from walras.llm.schedule import AnnealedBudget
from walras.llm.training import TrainingSettings, fine_tune
from walras.market import InfeasibleError, InvalidInputError

CONFIG = EconomyConfig(sequence_length=8, block_width=32)
SETTINGS = TrainingSettings(steps=4, learning_rate=1e-3, batch_size=8)


# ---------------------------------------------------------------- one interface, one trainer


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_the_budget_and_leaves_the_model_alone(name: str) -> None:
    model, task = bert(), memory_task()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    comparison = Comparison(task, 0.5, SETTINGS, CONFIG, teacher=bert(), calibration=16)
    found = compress(model, METHODS[name], comparison)
    population = attach(copy.deepcopy(model), CONFIG).population
    sellable = population.costs_flops.sum()
    outside = count_flops(model, sequence_length=8) - sellable
    used = (found.flops - outside) / sellable
    # Up to one agent; a small dense model's layers are alike, so that it goes by one block of each.
    unsold = population.costs.max() * (3 if name == "small_dense" else 1)
    assert 0.5 - unsold < used <= 0.5
    assert found.flops_ratio == found.flops / count_flops(model, sequence_length=8)
    assert not found.model.training
    assert isinstance(found.model, BertForSequenceClassification)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert not any("walras_economy" in key for key in found.model.state_dict())


def test_all_methods_train_for_equally_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    for module in ("comparison", "methods"):
        monkeypatch.setattr(
            f"walras.llm.baselines.{module}.fine_tune",
            lambda model, task, settings, **how: (
                steps.append(settings.steps) or fine_tune(model, task, settings, **how)
            ),
        )
    comparison = Comparison(memory_task(), 0.5, replace(SETTINGS, steps=5), CONFIG, calibration=8, search=0.4)
    for name, expected in (("magnitude", [5]), ("market", [2, 3]), ("movement", [2, 3])):
        steps.clear()
        compress(bert(), METHODS[name], comparison)
        assert steps == expected
    steps.clear()
    compress(bert(), METHODS["taylor"], replace(comparison, retrain=False))
    assert steps == []


@pytest.mark.parametrize("settings", [{"budget": 0.0}, {"budget": 1.2}, {"search": 0.0}, {"search": 1.2}])
def test_comparisons_out_of_range_are_refused(settings: dict) -> None:
    with pytest.raises(InvalidInputError):
        Comparison(**{"task": memory_task(), "budget": 0.5, "settings": SETTINGS, **settings})
    with pytest.raises(InvalidInputError, match="examples"):
        calibration_batches(memory_task(), examples=0, seed=0)


# ---------------------------------------------------------------- gradients of shares


def test_gradients_are_those_of_each_example(model: PreTrainedModel) -> None:
    economy = attach(model.double() if model.config.model_type == "bert" else model, CONFIG)
    n = len(economy.population)
    if model.config.model_type == "bert":
        batches = calibration_batches(memory_task(examples=6), examples=6, seed=0)
    else:
        batch = tokens(batch=3, length=6)
        batches = [{**batch, "labels": batch["input_ids"]}]
    gradients = share_gradients(economy, batches)
    examples = sum(len(batch["input_ids"]) for batch in batches)
    assert gradients.shape == (examples, n)
    one = {name: tensor[1:2] for name, tensor in batches[0].items()}
    real = one["attention_mask"][0].bool()
    one = {name: tensor[:, real] if tensor.ndim == 2 else tensor for name, tensor in one.items()}
    for agent in (0, n // 2, n - 1):
        losses = []
        for step in (-1e-2, 1e-2):
            shares = torch.ones(n)
            shares[agent] += step
            with given_shares(economy, lambda shares=shares: shares), torch.no_grad():
                losses.append(float(model(**one).loss))
        # Michel et al. 2019, section 5: the derivative of the loss in the head's mask.
        assert gradients[1, agent] == pytest.approx((losses[1] - losses[0]) / 2e-2, rel=0.05, abs=1e-3)


def test_a_share_s_gradient_is_that_of_all_the_agent_s_output_weights() -> None:
    # Molchanov et al. 2019, equation 9 with a gate: sum over weights of w dL/dw.
    model = bert()
    economy = attach(model, CONFIG)
    batches = calibration_batches(memory_task(), examples=24, seed=0)
    gradients = share_gradients(economy, batches)
    economy.set_mode("open")
    model.zero_grad()
    model(**batches[0]).loss.backward()
    for site in economy.population.sites:
        weight = sublayers_of(model)[site.sublayer].output.weight
        by_feature = (weight.detach() * weight.grad).sum(0).split(site.widths)
        expected = np.array([float(part.sum()) for part in by_feature])
        np.testing.assert_allclose(gradients[:, site.agents].mean(0), expected, rtol=1e-3, atol=1e-5)


def test_importances_are_the_moments_that_papers_state() -> None:
    population = attach(bert(), CONFIG).population
    gradients = np.random.default_rng(0).standard_normal((64, len(population)))
    np.testing.assert_allclose(fisher_importance(gradients), (gradients**2).mean(0))
    halves = np.stack([gradients[:32].mean(0), gradients[32:].mean(0)])
    np.testing.assert_allclose(taylor_importance(gradients), (halves**2).mean(0))
    michel = michel_importance(gradients, population)
    for site in population.sites:
        np.testing.assert_allclose((michel[site.agents] ** 2).mean(), 1.0)
        mine = np.abs(gradients[:, site.agents]).mean(0)
        np.testing.assert_allclose(michel[site.agents] / michel[site.agents][0], mine / mine[0])


# ---------------------------------------------------------------- Kwon's masks


def test_rearrangement_finds_the_best_set_of_small_sub_layers() -> None:
    population = attach(bert(), CONFIG).population
    rng = np.random.default_rng(3)
    found, first, best = [], [], []
    for _ in range(10):
        gradients = rng.standard_normal((40, len(population))) @ rng.standard_normal((len(population),) * 2)
        served = np.ones(len(population), dtype=bool)
        for site in population.sites:  # the diagonal's choice: two of each sub-layer are closed
            order = fisher_importance(gradients)[site.agents].argsort()
            served[site.first + order[:2]] = False
        after = rearranged(gradients, served, population)
        assert all(after[site.agents].sum() == served[site.agents].sum() for site in population.sites)
        found.append(closing_cost(gradients, ~after, population))
        first.append(closing_cost(gradients, ~served, population))
        best.append(_best_cost(gradients, population))
    assert (np.array(found) <= np.array(first) + 1e-9).all()
    assert np.mean(found) < 0.8 * np.mean(first)
    assert np.mean(found) < 1.05 * np.mean(best)  # swaps one by one stop at the optimum, or near it


def _best_cost(gradients: np.ndarray, population: object) -> float:
    total = 0.0
    for site in population.sites:
        mine = gradients[:, site.agents]
        pairs = itertools.combinations(range(mine.shape[1]), 2)
        total += min((mine[:, list(pair)].sum(1) ** 2).mean() for pair in pairs)
    return total


@pytest.mark.parametrize("make", [bert, llama])
def test_repair_brings_outputs_nearer_to_the_dense_model_s(make: object) -> None:
    model = make()
    economy = attach(model, CONFIG)
    task_batches = calibration_batches(memory_task(), examples=24, seed=0)
    batches = task_batches if make is bert else [tokens(batch=4, length=9)]
    with given_shares(economy, lambda: torch.ones(len(economy.population))):
        dense = [_hidden(model, batch) for batch in batches]
    random_bids(economy)
    served = economy.hard_allocation(0.6)
    with given_shares(economy, lambda: torch.from_numpy(served).float()):
        pruned = [_hidden(model, batch) for batch in batches]
    scales = repair(economy, served, batches)
    assert ((scales != 0.0) == served).all()
    with given_shares(economy, lambda: torch.from_numpy(served).float()):
        repaired = [_hidden(model, batch) for batch in batches]
    before, after = (
        sum(float((mine - its).square().sum()) for mine, its in zip(hidden, dense, strict=True))
        for hidden in (pruned, repaired)
    )
    assert after < before
    # With nothing closed there is nothing to repair.
    weights = [p.clone() for p in model.parameters()]
    assert (repair(economy, np.ones(len(served), dtype=bool), batches) == 1.0).all()
    assert all(torch.equal(old, new) for old, new in zip(weights, model.parameters(), strict=True))


def _hidden(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    return torch.stack(states[1:])[:, batch["attention_mask"].bool()]


def test_repair_of_one_sub_layer_is_its_least_squares_solution() -> None:
    model = bert()
    economy = attach(model, CONFIG)
    batches = calibration_batches(memory_task(), examples=24, seed=0)
    site = economy.population.sites[0]  # what it reads does not depend on what is closed
    projection = sublayers_of(model)[site.sublayer].output
    seen: list[torch.Tensor] = []
    served = np.ones(len(economy.population), dtype=bool)
    served[site.first] = False
    with given_shares(economy, lambda: torch.ones(len(served))), torch.no_grad():
        hook = projection.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].flatten(0, 1)))
        for batch in batches:
            model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        hook.remove()
    real = torch.cat([batch["attention_mask"].flatten() for batch in batches]).bool()
    features, weight = torch.cat(seen)[real].double(), projection.weight.detach().double().clone()
    parts = [features[:, 12 * head : 12 * head + 12] @ weight[:, 12 * head : 12 * head + 12].T for head in range(4)]
    matrix = torch.stack([part.flatten() for part in parts[1:]], 1).numpy()
    expected = np.linalg.lstsq(matrix, sum(parts).flatten().numpy(), rcond=None)[0]
    scales = repair(economy, served, batches)
    np.testing.assert_allclose(scales[1:4], expected, rtol=0.02)
    torch.testing.assert_close(projection.weight[:, 12:24].double(), weight[:, 12:24] * scales[1])


# ---------------------------------------------------------------- learned gates


def test_hard_concrete_shares_have_the_stated_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    for alpha in (-2.0, 0.0, 3.0):
        parameter = torch.full((200_000,), alpha)
        shares = hard_concrete(parameter, torch.rand(parameter.shape, generator=generator).clamp(1e-7, 1 - 1e-7))
        # Louizos et al. 2018, equation 12.
        open_share = (shares > 0.0).double().mean()
        assert float(open_share) == pytest.approx(float(open_probability(torch.tensor(alpha))), abs=4e-3)
        assert float((shares == 1.0).double().mean()) > 0.0
        # The median has the logistic noise at 0; by symmetry P(x < 1) at alpha is P(x > 0) at -alpha.
        mirrored = float(open_probability(torch.tensor(-alpha)))
        assert float((shares < 1.0).double().mean()) == pytest.approx(mirrored, abs=4e-3)


def test_the_lagrangian_holds_the_expected_cost() -> None:
    model = bert()
    economy = attach(model, CONFIG)
    gates = HardConcreteGates(economy, 0.4, reached=0.3)
    settings = TrainingSettings(steps=80, learning_rate=1e-3, batch_size=8)
    with given_shares(economy, gates.shares):
        fine_tune(model, memory_task(), settings, penalty=gates.penalty, callbacks=[gates])
    assert gates.target == pytest.approx(0.4)
    assert gates.expected_cost().item() == pytest.approx(0.4, abs=0.05)  # "the desired sparsity" of Wang et al. 2020


def test_movement_scores_add_up_what_weights_moved_against_the_gradient() -> None:
    # Sanh et al. 2020, equation 3: S = - rate * sum over steps of dL/dS, here with sum of w dL/dw.
    model, task = bert(), memory_task(examples=8, lengths=(5,))
    economy = attach(model, CONFIG)
    economy.set_budget(0.5)
    movement = MovementScores(economy, AnnealedBudget(0.5, warm_up=0.0, reached=0.5))
    movement.budget.fill_(0.5)
    random_bids(economy, scale=1e-3)
    batch = task.collate(task.train.rows)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    gate, expected = economy.gate, economy.valuations.copy()
    with given_shares(economy, movement.shares):
        for _ in range(3):
            served = movement.shares().detach().numpy() > 0.5
            assert 0.5 - economy.population.costs.max() < economy.population.costs[served].sum() <= 0.5
            optimizer.zero_grad()
            model(**batch).loss.backward()
            for site in economy.population.sites:
                weight = sublayers_of(model)[site.sublayer].output.weight
                of_features = (weight.detach() * weight.grad).sum(0).split(site.widths)
                moved = np.array([float(part.sum()) for part in of_features])
                mine = served[site.agents]
                # Of those served; the weights of the others have no gradient, but their scores do.
                slopes = gate.raw_valuations.grad[site.agents].numpy()
                np.testing.assert_allclose(slopes[mine], moved[mine], rtol=1e-3, atol=1e-6)
                if not mine.all():
                    assert (slopes[~mine] != 0.0).all()
            expected -= gate.valuation_gain * 0.05 * gate.raw_valuations.grad.numpy()
            optimizer.step()
    np.testing.assert_allclose(economy.valuations, expected, rtol=1e-4, atol=1e-6)


# ---------------------------------------------------------------- dense models


def test_uniform_width_keeps_the_same_fraction_of_every_sub_layer(model: PreTrainedModel) -> None:
    economy = attach(model, EconomyConfig(sequence_length=8, block_width=8))
    economy.set_valuations(uniform_valuations(model, economy.population))
    for budget in (0.3, 0.6):
        served = economy.hard_allocation(budget)
        kept = [served[site.agents].mean() for site in economy.population.sites]
        sizes = [len(site.widths) for site in economy.population.sites]
        assert all(abs(mine - budget) <= 1.5 / size for mine, size in zip(kept, sizes, strict=True))


@pytest.mark.parametrize("budget", [0.25, 0.5, 1.0])
def test_a_small_dense_model_is_an_ordinary_one(budget: float, tmp_path: object) -> None:
    model = bert()
    whole = logits_of(model, tokens())
    economy = attach(model, CONFIG)
    count, blocks = layers_and_blocks(economy.population, budget)
    reduced = small_dense(economy, budget)
    assert reduced.config.num_hidden_layers == len(reduced.bert.encoder.layer) == count
    assert reduced.config.intermediate_size == 32 * blocks
    reduced.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits_of(loaded, tokens()), logits_of(reduced.eval(), tokens()))
    if budget == 1.0:
        torch.testing.assert_close(logits_of(loaded, tokens()), whole)


def test_small_dense_decoders_generate() -> None:
    reduced = small_dense(attach(llama(), CONFIG), 0.5).eval()
    assert 0 < len(reduced.model.layers) < 3
    generated = reduced.generate(**tokens(batch=1, length=5), max_new_tokens=3, do_sample=False)
    assert generated.shape[1] > 5


def test_small_dense_models_that_cannot_be_are_refused() -> None:
    with pytest.raises(InfeasibleError, match="one block of neurons"):
        layers_and_blocks(attach(bert(), CONFIG).population, 0.05)
    population = attach(bert(), EconomyConfig(sequence_length=8, agents=("attention", "ffn"))).population
    with pytest.raises(UnsupportedModelError, match="all alike"):
        layers_and_blocks(population, 0.5)
    economy = attach(ZOO["t5"](2), CONFIG)
    with pytest.raises(UnsupportedModelError, match="cross_head"):
        small_dense(economy, 0.5)
    economy.set_budget(0.5)  # it is attached as before


# ---------------------------------------------------------------- recovery


def test_recovery_nears_the_teacher_and_keeps_the_structure(tmp_path: object) -> None:
    model, task = bert(), memory_task()
    economy = attach(copy.deepcopy(model), CONFIG)
    random_bids(economy)
    exported = economy.export(0.5)
    flops = count_flops(exported, sequence_length=8)
    before = logits_distance(logits_of(exported, tokens()), logits_of(model, tokens()))
    settings = TrainingSettings(steps=30, learning_rate=3e-3, batch_size=12)
    only = Distillation(task_weight=0.0)
    recovered = recover(exported, task, settings, teacher=model, distillation=only)
    after = logits_distance(logits_of(recovered, tokens()), logits_of(model, tokens()))
    assert after < before / 2
    assert count_flops(recovered, sequence_length=8) == flops
    recovered.save_pretrained(tmp_path)
    loaded = EconomizedModel.from_pretrained(tmp_path).eval()
    torch.testing.assert_close(logits_of(loaded, tokens()), logits_of(recovered, tokens()))
    with pytest.raises(CouplingError, match="not exported"):
        recover(model, task, settings)
