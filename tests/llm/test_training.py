"""Training by the Trainer, and scoring."""

import copy

import numpy as np
import pytest
import torch
from tests.llm.models import bert
from tests.llm.tasks_at_hand import memory_task

from walras.llm.tasks import METRICS
from walras.llm.training import TrainingSettings, fine_tune, predict, score
from walras.market import InvalidInputError


def test_fine_tuning_learns_the_task() -> None:
    model, task = bert(), memory_task()
    before = score(model, task)
    fine_tune(model, task, TrainingSettings(steps=60, learning_rate=3e-3, batch_size=12))
    assert score(model, task) >= 0.9 > before


def test_the_same_seed_gives_the_same_weights() -> None:
    task = memory_task()
    models = [bert() for _ in range(3)]
    torch.manual_seed(99)  # whatever went before
    for model, seed in zip(models, (1, 1, 2), strict=True):
        fine_tune(model, task, TrainingSettings(steps=3, learning_rate=1e-3, batch_size=4, seed=seed))
    first, again, other = (model.bert.encoder.layer[1].output.dense.weight for model in models)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, bert().bert.encoder.layer[1].output.dense.weight)


def test_steps_are_told_and_counted() -> None:
    told: list[int] = []
    fine_tune(bert(), memory_task(), TrainingSettings(steps=3, batch_size=4), on_step=told.append)
    assert told == [1, 2, 3]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps must be 1 or more, got 0"),
        ({"steps": 2.5}, "steps must be 1 or more, got 2.5"),
        ({"steps": 1, "batch_size": -1}, "batch_size must be 1 or more, got -1"),
        ({"steps": 1, "learning_rate": 0.0}, "learning_rate"),
        ({"steps": 1, "learning_rate": float("nan")}, "learning_rate"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        TrainingSettings(**settings)


def test_predictions_are_those_of_the_model_in_order_of_length() -> None:
    model, task = bert().train(), memory_task(examples=150)  # more than one batch, of two lengths
    logits, labels = predict(model, task)
    assert logits.shape == (150, 3)
    assert logits.dtype == labels.dtype == np.float64
    rows = [row for length in (5, 8) for row in task.evaluation.rows if len(row["input_ids"]) == length]
    assert labels.tolist() == [row["labels"] for row in rows]
    assert model.training
    for place in (0, 100, 149):
        batch = task.collate([rows[place]])
        batch.pop("labels")
        with torch.no_grad():
            alone = copy.deepcopy(model).eval()(**batch).logits[0]
        np.testing.assert_allclose(logits[place], alone.numpy(), rtol=1e-4, atol=1e-5)
    assert score(model, task) == METRICS["accuracy"](logits, labels) == (logits.argmax(1) == labels).mean()
