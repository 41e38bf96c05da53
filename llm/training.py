"""Training and scoring, by the Hugging Face `Trainer`: this module only fixes its settings."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from walras.llm.flops import evaluating
from walras.llm.tasks import Examples, Task
from walras.market import InvalidInputError
from walras.market.validation import positive_number

__all__ = ["TrainingSettings", "fine_tune", "predict", "score"]

EVALUATION_BATCH = 128


@final
@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; every method that is compared gets the same.

    Parameters
    ----------
    steps
        Optimiser steps.
    learning_rate, warm_up, weight_decay
        AdamW; the rate rises over the fraction `warm_up` of the steps and then falls linearly to 0.
    batch_size
        Examples a step.
    seed
        Of batches, dropout and new weights.
    """

    steps: int
    learning_rate: float = 5e-5
    batch_size: int = 32
    warm_up: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InvalidInputError(f"TrainingSettings.{name} must be 1 or more, got {getattr(self, name)!r}.")
        positive_number("TrainingSettings.learning_rate", self.learning_rate)


def fine_tune(
    model: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    *,
    callbacks: Sequence[TrainerCallback] = (),
    on_step: Callable[[int], None] | None = None,
) -> None:
    """Train a model in place on a task.

    Parameters
    ----------
    callbacks
        An economy's `callback()`, for one.
    on_step
        Called with the number of steps done, to show progress.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=settings.steps,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            warmup_steps=round(settings.warm_up * settings.steps),
            weight_decay=settings.weight_decay,
            lr_scheduler_type="linear",
            max_grad_norm=1.0,
            seed=settings.seed,
            logging_steps=max(settings.steps // 50, 1),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=task.train,
            data_collator=task.collate,
            callbacks=[*callbacks, *([_Progress(on_step)] if on_step else [])],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()


@torch.no_grad()
def predict(model: PreTrainedModel, task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give logits, shape (examples, outputs), and labels, shape (examples,), of a task's evaluation examples.

    In order of length, not in the task's: batches of equally long examples are hardly padded.
    """
    logits, labels = [], []
    by_length = Examples(sorted(task.evaluation.rows, key=lambda row: len(row["input_ids"])))
    with evaluating(model):
        for batch in DataLoader(by_length, batch_size=EVALUATION_BATCH, collate_fn=task.collate):
            labels.append(batch.pop("labels").double().numpy())
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            logits.append(output.logits.double().cpu().numpy())
    return np.concatenate(logits), np.concatenate(labels)


def score(model: PreTrainedModel, task: Task) -> float:
    """Give a model's score on a task's evaluation examples, by the task's metric."""
    return task.score(*predict(model, task))


@final
class _Progress(TrainerCallback):
    """Tells how many steps are done."""

    def __init__(self, on_step: Callable[[int], None]) -> None:
        self.on_step = on_step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.on_step(state.global_step)
