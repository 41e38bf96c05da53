"""Elastic steps and distillation in a Trainer: gradients, accumulation, precision, compilation."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.llm.models import bert, gpt2, llama, logits_of, random_bids, tokens
from tests.llm.tasks_at_hand import memory_task
from transformers import PreTrainedModel, TrainerCallback

from walras.llm import CouplingError, Distillation, EconomyConfig, EconomyTrainer, ElasticBudget, ModelEconomy, attach
from walras.llm.distillation import hidden_states_distance, logits_distance
from walras.llm.tasks import Examples, Task
from walras.llm.tasks.buckets import LengthBuckets
from walras.llm.training import TrainingSettings, fine_tune
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LinearDemand, LogitDemand, PostedPrice

SCHEDULE = ElasticBudget(lowest=0.3, warm_up=0.0, draws=1, seed=5)
BOTH = Distillation(logits_weight=0.7, layers_weight=0.3, task_weight=0.5, temperature=2.0)


class Gradients(TrainerCallback):
    """Keeps the gradients of the first step, before they are clipped."""

    def __init__(self, model: PreTrainedModel) -> None:
        self.model = model
        self.first: dict[str, torch.Tensor] = {}

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        if not self.first:
            named = self.model.named_parameters()
            self.first = {name: p.grad.clone() for name, p in named if p.grad is not None}


class Unclipped(TrainerCallback):
    """Lets gradients be as large as they are."""

    def on_train_begin(self, args: Any, *_: object, **__: object) -> None:
        args.max_grad_norm = 1e9


def language_task() -> Task:
    """Next tokens, for decoders."""
    rows = [{**row, "labels": row["input_ids"]} for row in memory_task(lengths=(6,)).train.rows]

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = torch.tensor([row["input_ids"] for row in batch])
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids.clone()}

    return Task(
        "next", Examples(rows), Examples(rows), 3, "accuracy", collate, lambda numbers: [str(n) for n in numbers]
    )


def first_gradients(model: PreTrainedModel, task: Task, *, steps: int = 1, **how: Any) -> dict[str, torch.Tensor]:
    """Train and give the first step's gradients; `how` goes to settings and to `fine_tune`."""
    names = TrainingSettings.__dataclass_fields__
    settings = {name: how.pop(name) for name in list(how) if name in names}
    keeper = Gradients(model)
    settings = {"batch_size": 4, "learning_rate": 1e-3, **settings}
    fine_tune(model, task, TrainingSettings(steps=steps, **settings), callbacks=[keeper, Unclipped()], **how)
    return keeper.first


def economy_of(make: Any, config: EconomyConfig | None = None) -> ModelEconomy:
    economy = attach(make(), config or EconomyConfig(budget=0.6))
    random_bids(economy)
    return economy


def assert_same(first: dict[str, torch.Tensor], other: dict[str, torch.Tensor], tolerance: float = 1e-3) -> None:
    assert first.keys() == other.keys()
    for name, gradient in first.items():
        # Some gradients are zero in exact arithmetic (a key's bias moves all of a query's scores alike).
        size = max(float(gradient.abs().max()), 1e-3)
        torch.testing.assert_close(gradient, other[name], rtol=tolerance, atol=tolerance * size)


# ---------------------------------------------------------------- elastic steps


def test_the_gradient_of_a_step_is_that_of_all_its_budgets() -> None:
    economy = economy_of(bert)
    task = memory_task(examples=4, lengths=(5,))
    found = first_gradients(economy.model, task, market=economy.callback(SCHEDULE), distillation=BOTH)

    by_hand = economy_of(bert)
    model, batch = by_hand.model.train(), task.collate(task.train.rows)
    by_hand.set_temperature(SCHEDULE.temperature)
    outputs = []
    for budget in SCHEDULE.budgets_at(0, 0.0):
        by_hand.set_budget(budget)
        outputs.append(model(**batch, output_hidden_states=True))
    teacher, *students = outputs
    loss = sum(0.5 * output.loss for output in outputs)
    for student in students:
        loss = loss + 0.7 * logits_distance(student.logits, teacher.logits.detach())
        loss = loss + 0.3 * hidden_states_distance(student.hidden_states, teacher.hidden_states)
    (loss / 3).backward()
    assert_same({name: p.grad for name, p in model.named_parameters() if p.grad is not None}, found)


@pytest.mark.parametrize("make", [bert, gpt2, llama])
def test_budgets_side_by_side_and_one_after_the_other_are_the_same(make: Any) -> None:
    task = memory_task() if make is bert else language_task()
    gradients = []
    for side_by_side in (True, False):
        economy = economy_of(make)
        callback = economy.callback(SCHEDULE)
        gradients.append(
            first_gradients(economy.model, task, market=callback, distillation=BOTH, side_by_side=side_by_side, steps=2)
        )
        assert [row["budget"] for row in callback.rows[:3]] == list(SCHEDULE.budgets_at(0, 0.0))
        assert [row["sold"] for row in callback.rows[:3]] == pytest.approx(SCHEDULE.budgets_at(0, 0.0), abs=1e-4)
    assert_same(*gradients)


@pytest.mark.parametrize("make", [bert, llama])
@pytest.mark.parametrize("taught", [False, True])
def test_accumulated_batches_are_one_large_batch(make: Any, *, taught: bool) -> None:
    task = memory_task(lengths=(6,)) if make is bert else language_task()
    gradients = []
    for batch, accumulation in ((8, 1), (2, 4)):
        economy = economy_of(make)
        how = {"teacher": make()} if taught else {"market": economy.callback(SCHEDULE)}
        gradients.append(first_gradients(economy.model, task, batch_size=batch, accumulation=accumulation, **how))
    assert_same(*gradients)


def test_shadow_prices_are_differences_of_the_losses() -> None:
    economy = economy_of(bert)
    task = memory_task(examples=4, lengths=(5,))
    callback = economy.callback(SCHEDULE)
    first_gradients(economy.model, task, market=callback, distillation=Distillation(logits_weight=0.0))
    model, batch = economy_of(bert), task.collate(task.train.rows)
    model.set_temperature(SCHEDULE.temperature)
    model.set_mode("soft")
    for row in callback.rows[1:]:
        losses = []
        for step in (-1e-2, 1e-2):
            model.set_budget(row["budget"] + step)
            losses.append(model.model(**batch).loss.item())
        assert row["shadow_price"] == pytest.approx((losses[0] - losses[1]) / 2e-2, rel=0.05, abs=1e-3)


# ---------------------------------------------------------------- teachers


def test_a_teacher_is_imitated_without_labels() -> None:
    torch.manual_seed(0)
    teacher, student, task = bert(), bert(), memory_task()
    with torch.no_grad():
        for parameter in student.bert.encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    before = logits_distance(logits_of(student, tokens()), logits_of(teacher, tokens()))
    weights = [p.clone() for p in teacher.parameters()]
    settings = TrainingSettings(steps=40, learning_rate=2e-3, batch_size=12)
    only = Distillation(task_weight=0.0, layers_weight=1.0)
    fine_tune(student, task, settings, teacher=teacher, distillation=only)
    after = logits_distance(logits_of(student, tokens()), logits_of(teacher, tokens()))
    assert after < before / 2
    assert all(torch.equal(old, new) for old, new in zip(weights, teacher.parameters(), strict=True))


def test_with_a_teacher_every_budget_learns_from_it() -> None:
    teacher, economy = bert(), economy_of(bert)
    task = memory_task(examples=4, lengths=(5,))
    only = Distillation(task_weight=0.0)
    with torch.no_grad():
        economy.model.classifier.bias.add_(1.0)
    found = first_gradients(economy.model, task, market=economy.callback(SCHEDULE), distillation=only, teacher=teacher)
    assert float(found["classifier.bias"].abs().max()) > 0.0
    economy.model.zero_grad()
    model, batch = economy_of(bert), task.collate(task.train.rows)
    with torch.no_grad():
        model.model.classifier.bias.add_(1.0)
    model.set_temperature(SCHEDULE.temperature)
    model.set_mode("soft")
    loss = torch.zeros(())
    for budget in SCHEDULE.budgets_at(0, 0.0):
        model.set_budget(budget)
        loss = loss + logits_distance(model.model(**batch).logits, logits_of(teacher, batch)) / 3
    (expected,) = torch.autograd.grad(loss, model.model.classifier.bias)
    torch.testing.assert_close(found["classifier.bias"], expected, rtol=1e-3, atol=1e-4)


def test_what_agents_owe_and_a_penalty_are_part_of_the_loss() -> None:
    task = memory_task(examples=4, lengths=(5,))
    mechanisms = [CapacityMarket(PostedPrice(price), LogitDemand(1.0)) for price in (0.0, 2.0)]
    plain, owing = (economy_of(bert, EconomyConfig(mechanism)) for mechanism in mechanisms)
    gradients = [first_gradients(economy.model, task, market=economy.callback(SCHEDULE)) for economy in (plain, owing)]
    # A posted price lowers every bid's worth: its gradient pushes valuations down beyond what the task does.
    name = "walras_economy.raw_valuations"
    assert not torch.allclose(gradients[0][name], gradients[1][name], atol=1e-6)
    model = bert()
    first_gradients(model, task, penalty=lambda: 0.0 * model.classifier.bias.sum())
    found = first_gradients(
        bert_with_penalty := bert(), task, penalty=lambda: 3.0 * bert_with_penalty.classifier.bias.sum()
    )
    usual = first_gradients(bert(), task)
    torch.testing.assert_close(found["classifier.bias"], usual["classifier.bias"] + 3.0)


def test_the_market_is_in_the_trainer_s_log() -> None:
    economy, logged = economy_of(bert), []

    class Reader(TrainerCallback):
        def on_log(self, args: Any, state: Any, *_: object, logs: dict[str, float], **__: object) -> None:
            logged.append(logs)

    callback = economy.callback(SCHEDULE)
    settings = TrainingSettings(steps=2, batch_size=4, learning_rate=1e-3)
    fine_tune(economy.model, memory_task(), settings, market=callback, callbacks=[Reader()])
    last = callback.rows[-2]
    assert last["budget"] == SCHEDULE.lowest
    assert logged[1]["economy_price"] == last["price"]
    assert logged[1]["economy_gap"] == last["gap"]
    assert "loss" in logged[1]


def test_a_market_of_another_model_is_refused() -> None:
    economy = economy_of(bert)
    with pytest.raises(CouplingError, match="another model"):
        EconomyTrainer(bert(), market=economy.callback())


# ---------------------------------------------------------------- precision, compilation, batches


def test_elastic_steps_in_bfloat16_keep_the_budget() -> None:
    economy = economy_of(bert)
    callback = economy.callback(SCHEDULE)
    settings = TrainingSettings(steps=4, learning_rate=1e-3, batch_size=4, bf16=True)
    fine_tune(economy.model, memory_task(), settings, market=callback, teacher=bert(), distillation=BOTH)
    assert len(callback.rows) == 12
    assert [row["sold"] for row in callback.rows] == pytest.approx([row["budget"] for row in callback.rows], abs=1e-4)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in economy.model.parameters())


# torch's compiler makes instances of autograd functions, against which torch itself warns.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
def test_elastic_steps_compile_without_a_break() -> None:
    model, batch = bert().train(), tokens()
    model.bert.encoder.layer = model.bert.encoder.layer[:1]  # compiling takes seconds a layer
    model.config.num_hidden_layers = 1
    # On a CPU the solver is compiled too, and linear demand's is the shorter one.
    economy = attach(model, EconomyConfig(CapacityMarket(FixedSupply(0.6), LinearDemand(1.0))))
    random_bids(economy)
    callback = economy.callback(SCHEDULE)
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    labels = torch.zeros(6, dtype=torch.long)
    twice = {name: tensor.repeat(2, 1) for name, tensor in batch.items()}
    gradients = []
    for run in (compiled, model):
        model.zero_grad()
        callback.open_lanes((1.0, 0.4))
        run(**twice, labels=labels).loss.backward()
        named = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        gradients.append({**named, "budgets": economy.gate.lanes.grad.clone()})
    assert_same(*gradients)
    economy.gate.lanes = None
    economy.set_mode("open")
    economy.gate.observed = torch.ones(len(economy.population), requires_grad=True)
    compiled(**twice, labels=labels).loss.backward()
    assert (economy.gate.marginal_contributions > 0.0).any()


def test_buckets_give_every_example_once_in_batches_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 203)
    buckets = LengthBuckets(lengths.tolist(), 8, pool=10, seed=1)
    order = list(buckets)
    assert len(buckets) == 203
    assert sorted(order) == list(range(203))
    batches = lengths[order[:200]].reshape(25, 8)
    assert 8 * batches.max(1).sum() < 1.15 * batches.sum()  # at random 1.8
    assert not (np.diff(batches.mean(1)) >= 0.0).all()  # short and long ones in turns
    assert list(buckets) == order
    buckets.set_epoch(1)
    assert list(buckets) != order
    with pytest.raises(InvalidInputError, match=r"LengthBuckets\.batch_size"):
        LengthBuckets(lengths.tolist(), 0)


@pytest.mark.parametrize("by_length", [False, True])
def test_batches_by_length_have_little_padding(*, by_length: bool) -> None:
    task = memory_task(examples=64, lengths=(4, 16))
    padding: list[float] = []
    seen: list[list[int]] = []

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = task.collate(rows)
        padding.append(1.0 - batch["attention_mask"].float().mean().item())
        seen.append([row["input_ids"][1] for row in rows])
        return batch

    watched = Task("memory", task.train, task.evaluation, 3, "accuracy", collate, task.words)
    fine_tune(bert(), watched, TrainingSettings(steps=16, batch_size=8, by_length=by_length))
    assert (np.mean(padding) < 0.1) == by_length
    first, second = (np.sort(np.concatenate(epoch)) for epoch in (seen[:8], seen[8:]))
    np.testing.assert_array_equal(first, second)
    assert seen[:8] != seen[8:]
