"""A stack computes what its members compute, and trains each of them as if it were alone."""

import copy
import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2ForSequenceClassification, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from walras.llm import AnnealedBudget, Distillation, EconomyConfig, ElasticBudget, WealthDynamics, attach
from walras.llm.baselines.gradients import given_shares
from walras.llm.baselines.hard_concrete import HardConcreteGates
from walras.llm.baselines.movement import MovementScores
from walras.llm.distillation import logits_distance
from walras.llm.ensemble import (
    ElasticShares,
    GivenShares,
    HardConcreteShares,
    MarketShares,
    ModelStack,
    MovementShares,
    TensorExamples,
    aligned_batches,
    logits_of_members,
    served_by,
    train_together,
    training,
)
from walras.llm.ensemble.training import _learning_rates
from walras.llm.errors import UnsupportedModelError
from walras.llm.tasks import Examples, Task, make_roles_task, small_bert
from walras.llm.tasks.language import stacked
from walras.llm.training import TrainingSettings, fine_tune, predict
from walras.market import InvalidInputError


def llama(seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    shape = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    return LlamaForCausalLM(LlamaConfig(vocab_size=20, num_key_value_heads=2, tie_word_embeddings=True, **shape))


def gpt2(seed: int) -> PreTrainedModel:
    torch.manual_seed(seed)
    return GPT2ForSequenceClassification(GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=4, pad_token_id=0))


def bert(seed: int) -> PreTrainedModel:
    return small_bert(seed=seed)


@pytest.fixture(scope="module")
def task() -> Task:
    whole = make_roles_task(seed=0)
    return replace(whole, train=whole.train.head(64), evaluation=whole.evaluation.head(32))


def weights_of(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in model.named_parameters() if "walras" not in name}


@pytest.mark.parametrize("make", [bert, gpt2, llama])
def test_each_part_of_a_batch_meets_its_own_member_and_gates(make: Callable[[int], PreTrainedModel]) -> None:
    models = [make(seed).eval() for seed in range(3)]
    stack = ModelStack(models)
    stack.model.eval()
    rng = np.random.default_rng(0)
    shares = torch.from_numpy(rng.uniform(size=(3, len(stack.economy.population)))).float()
    tokens = torch.from_numpy(rng.integers(1, 16, (6, 5)))
    positions = {} if make is llama else {"position_ids": torch.arange(5).expand(6, -1).contiguous()}
    with given_shares(stack.economy, lambda: shares):
        together = stack.model(input_ids=tokens, **positions).logits
    for number, model in enumerate(models):
        economy = attach(model)
        with given_shares(economy, lambda number=number: shares[number]):
            alone = model(input_ids=tokens[2 * number : 2 * number + 2]).logits
        torch.testing.assert_close(together[2 * number : 2 * number + 2], alone, atol=1e-5, rtol=1e-4)


WHOLE = TrainingSettings(steps=5, learning_rate=1e-3, batch_size=64, seed=3)  # one batch: all of the task's 64


def taught_by(teacher: PreTrainedModel, examples: TensorExamples) -> Callable[..., torch.Tensor]:
    stack = ModelStack([teacher])
    logits = logits_of_members(stack, examples, np.ones((1, len(stack.economy.population)), dtype=bool))
    return lambda numbers, _: torch.from_numpy(logits[0, numbers[0]])


def assert_equal_weights(stack: ModelStack, alone: PreTrainedModel) -> None:
    for name, weight in weights_of(stack.write_member(0, bert(9))).items():
        torch.testing.assert_close(weight, weights_of(alone)[name], atol=1e-4, rtol=1e-3, msg=name)


def test_a_stack_of_one_trains_as_the_trainer_does(task: Task) -> None:
    teacher, alone = bert(5), bert(0)
    stack = ModelStack([alone])
    served = np.random.default_rng(0).uniform(size=(1, len(stack.economy.population))) < 0.6
    examples = TensorExamples(task.train, task.collate)
    shares = GivenShares(stack, served)
    train_together(stack, examples, WHOLE, seeds=[3], shares=shares, teacher=taught_by(teacher, examples))
    economy = attach(alone)
    with given_shares(economy, lambda: torch.from_numpy(served[0]).float()):
        fine_tune(alone, task, WHOLE, teacher=teacher)
    assert_equal_weights(stack, alone)


def test_movement_scores_are_those_of_the_trainer(task: Task) -> None:
    alone = bert(0)
    stack, schedule = ModelStack([alone]), AnnealedBudget(0.4, warm_up=0.1, reached=0.8)
    shares = MovementShares(stack, [schedule])
    train_together(stack, TensorExamples(task.train, task.collate), WHOLE, seeds=[3], shares=shares)
    economy = attach(alone)
    scores = MovementScores(economy, schedule)
    with given_shares(economy, scores.shares):
        fine_tune(alone, task, WHOLE, callbacks=[scores])
    np.testing.assert_allclose(shares.valuations[0].detach(), economy.valuations, atol=1e-2)
    assert_equal_weights(stack, alone)


def test_hard_concrete_gates_are_those_of_the_trainer(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand_like", lambda tensor: torch.full_like(tensor, 0.4))
    alone = bert(0)
    stack = ModelStack([alone])
    shares = HardConcreteShares(stack, [0.3], learning_rate=WHOLE.learning_rate, steps=WHOLE.steps)
    train_together(stack, TensorExamples(task.train, task.collate), WHOLE, seeds=[3], shares=shares)
    economy = attach(alone)
    gates = HardConcreteGates(economy, 0.3)
    with given_shares(economy, gates.shares):
        fine_tune(alone, task, WHOLE, penalty=gates.penalty, callbacks=[gates])
    np.testing.assert_allclose(shares.valuations[0].detach(), economy.valuations, atol=1e-2)
    assert float(shares.linear) == pytest.approx(gates.linear, abs=1e-3)
    assert float(shares.quadratic) == pytest.approx(gates.quadratic, abs=1e-3)
    assert_equal_weights(stack, alone)


def run(models: list[PreTrainedModel], seeds: list[int], budgets: list[float], task: Task, **others: int) -> ModelStack:
    stack = ModelStack(models)
    valuations = np.random.default_rng(0).standard_normal((1, len(stack.economy.population))).repeat(stack.size, 0)
    schedules = [AnnealedBudget(budget, warm_up=0.0) for budget in budgets]
    shares = MarketShares(stack, valuations, schedules)
    settings = TrainingSettings(steps=4, learning_rate=1e-3, batch_size=8)
    train_together(stack, TensorExamples(task.train, task.collate), settings, seeds=seeds, shares=shares, **others)
    stack.learned = shares.valuations.detach()
    return stack


def test_members_do_not_meet(task: Task) -> None:
    models = [bert(seed) for seed in range(2)]
    together = run([*models, *models], [4, 5], [0.5, 0.5, 0.3, 0.3], task)
    for number, (model, seed, budget) in enumerate([(0, 4, 0.5), (1, 5, 0.5), (0, 4, 0.3), (1, 5, 0.3)]):
        alone = run([models[model]], [seed], [budget], task)
        torch.testing.assert_close(together.learned[number], alone.learned[0], atol=1e-4, rtol=1e-3)
        theirs, mine = (s.write_member(n, bert(9)) for s, n in ((together, number), (alone, 0)))
        for name, weight in weights_of(theirs).items():
            torch.testing.assert_close(weight, weights_of(mine)[name], atol=1e-4, rtol=1e-3, msg=name)


@pytest.mark.parametrize("task_weight", [0.0, 0.5])
def test_every_token_of_a_member_learns_from_the_teacher_of_its_seed(
    task_weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = ModelStack([llama(seed) for seed in range(4)])
    rng = np.random.default_rng(0)
    tokens = rng.integers(20, size=(6, 5))
    rows = [{"input_ids": row, "labels": np.where(row > 4, row, -100)} for row in tokens]
    taught = torch.from_numpy(rng.standard_normal((2, 6, 5, 20))).float()  # seeds first
    shares = ElasticShares(stack, ElasticBudget(lowest=0.3, warm_up=0.0, draws=1), rng.standard_normal((4, 6)))
    asked, losses = [], []

    def teacher(numbers: np.ndarray, _: dict[str, torch.Tensor]) -> torch.Tensor:
        asked.append(numbers)
        return torch.cat([taught[seed, numbers[seed]] for seed in range(2)])

    seen = []
    stack.model.register_forward_hook(lambda _, __, told, outputs: seen.append((told, outputs)), with_kwargs=True)
    loss = training._loss
    monkeypatch.setattr(training, "_loss", lambda *given: (losses.append(loss(*given)), losses[-1])[1])
    settings, examples = TrainingSettings(steps=1, batch_size=3), TensorExamples(Examples(rows), stacked)
    distillation = Distillation(task_weight=task_weight)
    train_together(stack, examples, settings, seeds=[0, 1], shares=shares, teacher=teacher, distillation=distillation)

    ((told, outputs),) = seen
    copies = [(member % 2, asked[0][member % 2]) for member in range(4) for _ in range(shares.lanes)]
    labels = torch.cat([examples.columns["labels"][numbers] for _, numbers in copies])
    of_teachers = torch.cat([taught[seed, numbers] for seed, numbers in copies])
    expected = 4 * logits_distance(outputs.logits, of_teachers, mask=labels != -100)
    assert shares.lanes == 3
    assert ("labels" in told) == (task_weight > 0.0)  # a loss that weighs nothing is not computed
    if task_weight > 0.0:
        expected = expected + 4 * task_weight * outputs.loss
    torch.testing.assert_close(losses[0], expected)


def test_a_step_in_parts_is_the_same_step(task: Task) -> None:
    whole, parts = (run([bert(0)], [1], [0.5], task, most_tokens=most) for most in (2**16, 40))
    torch.testing.assert_close(whole.learned, parts.learned, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("settled", [1.0, 0.85])
def test_elastic_lanes_are_the_elastic_training_of_the_trainer(task: Task, settled: float) -> None:
    schedule = ElasticBudget(lowest=0.3, warm_up=0.5, cooling=0.8, draws=1, seed=2, settled=settled)
    model, teacher = bert(0), bert(5)
    stack = ModelStack([model])
    shares, examples = ElasticShares(stack, schedule), TensorExamples(task.train, task.collate)
    train_together(stack, examples, WHOLE, seeds=[3], shares=shares, teacher=taught_by(teacher, examples))
    economy = attach(model)
    fine_tune(model, task, WHOLE, market=economy.callback(schedule), teacher=teacher)
    np.testing.assert_allclose(shares.valuations[0].detach(), economy.valuations, atol=1e-2)
    assert shares.lanes == 3
    assert_equal_weights(stack, model)


def test_hard_logits_are_those_of_the_exported_model(task: Task) -> None:
    model = bert(0)
    economy = attach(copy.deepcopy(model))
    economy.set_valuations(np.random.default_rng(0).standard_normal(len(economy.population)))
    stack = ModelStack([model, bert(1)])
    allocation = np.stack([economy.hard_allocation(0.4), economy.hard_allocation(1.0)])
    logits = logits_of_members(stack, TensorExamples(task.evaluation, task.collate), allocation, most_tokens=100)
    exported, labels = predict(economy.export(0.4), task)
    order = np.argsort([len(row["input_ids"]) for row in task.evaluation.rows], kind="stable")
    np.testing.assert_allclose(logits[0][order], exported, atol=1e-4)
    assert task.score(logits[0].astype(float), np.array([row["labels"] for row in task.evaluation.rows])) == task.score(
        exported, labels
    )


def test_batches_of_several_seeds_are_aligned_and_go_through_everything() -> None:
    lengths = np.random.default_rng(0).integers(5, 60, 200)
    batches = aligned_batches(lengths, 8, [1, 2])
    epoch = np.stack([next(batches) for _ in range(25)])  # (batches, seeds, batch)
    for seed in range(2):
        assert sorted(epoch[:, seed].ravel()) == list(range(200))
    assert not (epoch[:, 0] == epoch[:, 1]).all()
    longest = lengths[epoch].max(2)
    assert np.abs(longest[:, 0] - longest[:, 1]).max() <= 6
    second = np.stack([next(batches) for _ in range(25)])
    assert not (epoch == second).all()


def test_a_stack_that_is_done_with_frees_its_memory(task: Task) -> None:
    stack = ModelStack([bert(0)])
    examples = TensorExamples(task.train, task.collate)
    shares = GivenShares(stack, np.ones((1, len(stack.economy.population)), dtype=bool))
    train_together(stack, examples, TrainingSettings(steps=1, batch_size=4), seeds=[0], shares=shares)
    weight = weakref.ref(stack.model.get_parameter("classifier.weight"))
    del stack, shares
    gc.collect()
    assert weight() is None


def test_whole_agents_have_the_gradient_of_the_soft_market() -> None:
    stack = ModelStack([bert(0), bert(1)])
    ordinary = ModelStack([bert(0), bert(1)], EconomyConfig(straight_through=True))
    size, agents = stack.size, len(stack.economy.population)
    valuations = np.random.default_rng(0).standard_normal((size, agents))
    weights = torch.randn(size, agents, generator=torch.Generator().manual_seed(0))
    schedules = [AnnealedBudget(budget, warm_up=0.0, reached=0.0) for budget in (0.3, 0.6)]
    gradients = []
    for one, whole in ((stack, False), (stack, True), (ordinary, False)):
        shares = MarketShares(one, valuations, schedules, whole=whole)
        shares.begin_step(0, 4)
        found = shares.shares()
        (found * weights).sum().backward()
        gradients.append(shares.raw.grad)
        served = np.array_equal(found.detach(), served_by(stack, valuations, [0.3, 0.6]))
        assert served == (whole or one is ordinary)
    assert (gradients[0] != 0.0).any()
    assert torch.equal(gradients[0], gradients[1])
    assert torch.equal(gradients[0], gradients[2])


def test_settled_shares_begin_their_next_training_afresh() -> None:
    stack = ModelStack([bert(0)])
    valuations = np.random.default_rng(0).standard_normal((1, len(stack.economy.population)))
    shares = ElasticShares(stack, ElasticBudget(lowest=0.3, warm_up=0.0, cooling=0.4, settled=0.5), valuations)
    half_open = []
    for step in (0, 3, 0):
        shares.begin_step(step, 4)
        found = shares.shares().detach()
        half_open.append(bool(((found > 0.01) & (found < 0.99)).any()))
    assert half_open == [True, False, True]


def rates_of(steps: range) -> list[float]:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=1.0)
    rates, found = _learning_rates(optimiser, TrainingSettings(steps=len(steps), warm_up=0.2), steps), []
    for _ in steps:
        found.append(optimiser.param_groups[0]["lr"])
        weight.grad = torch.ones(1)
        optimiser.step()
        rates.step()
    return found


def test_a_part_of_a_training_has_the_rates_of_its_steps() -> None:
    whole = rates_of(range(10))
    assert whole[:3] == [0.0, 0.5, 1.0]
    assert rates_of(range(4, 10)) == whole[4:]


def test_what_cannot_be_stacked_is_told(task: Task) -> None:
    with pytest.raises(InvalidInputError, match="models is empty"):
        ModelStack([])
    with pytest.raises(InvalidInputError, match=r"models\[1\] is not of the class and shape"):
        ModelStack([bert(0), llama(0)])
    odd = bert(0)
    odd.classifier = torch.nn.Bilinear(2, 2, 2)
    with pytest.raises(UnsupportedModelError, match="classifier is a Bilinear"):
        ModelStack([odd])
    stack = ModelStack([bert(0), bert(1)])
    with pytest.raises(InvalidInputError, match=r"of shape \(2, "):
        GivenShares(stack, np.ones((1, 3), dtype=bool))
    served = GivenShares(stack, np.ones((2, len(stack.economy.population)), dtype=bool))
    examples = TensorExamples(task.train, task.collate)
    with pytest.raises(InvalidInputError, match="3 seeds do not divide 2 members"):
        train_together(stack, examples, TrainingSettings(steps=1), seeds=[0, 1, 2], shares=served)
    with pytest.raises(InvalidInputError, match="of 4 steps or more"):
        train_together(stack, examples, TrainingSettings(steps=4), seeds=[0], shares=served, rates=range(4, 7))
    with pytest.raises(InvalidInputError, match="logits alone"):
        train_together(
            stack,
            examples,
            TrainingSettings(steps=1),
            seeds=[0],
            shares=served,
            distillation=Distillation(layers_weight=1.0),
        )
    with pytest.raises(InvalidInputError, match="warm_up=0"):
        MarketShares(stack, np.zeros((2, len(stack.economy.population))), [AnnealedBudget(0.5)] * 2)
    rich = ModelStack([bert(0)], EconomyConfig(wealth=WealthDynamics()))
    with pytest.raises(InvalidInputError, match="no wealth"):
        ElasticShares(rich, ElasticBudget())
