"""Training and scoring, by the Hugging Face `Trainer`: this module only fixes its settings."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import (
    PreTrainedModel,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from walras.llm.callback import EconomyCallback
from walras.llm.distillation import Distillation
from walras.llm.flops import evaluating
from walras.llm.tasks import Examples, Task
from walras.llm.tasks.buckets import LengthBuckets
from walras.llm.trainer import EconomyTrainer
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
        Examples in a forward pass.
    accumulation
        Forward passes a step.
    seed
        Of batches, dropout and new weights.
    by_length
        Whether batches are drawn among examples of about the same length, which saves padding.
    bf16
        Whether matrix products are in bfloat16 (autocast; weights stay as they are).
    compiled
        Whether the model is compiled by `torch.compile`.
    side_by_side
        Whether the budgets of a step share one forward pass (see `EconomyTrainer`).
    """

    steps: int
    learning_rate: float = 5e-5
    batch_size: int = 32
    accumulation: int = 1
    warm_up: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0
    by_length: bool = False
    bf16: bool = False
    compiled: bool = False
    side_by_side: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulation"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InvalidInputError(f"TrainingSettings.{name} must be 1 or more, got {getattr(self, name)!r}.")
        positive_number("TrainingSettings.learning_rate", self.learning_rate)


def fine_tune(
    model: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    *,
    market: EconomyCallback | None = None,
    teacher: PreTrainedModel | None = None,
    distillation: Distillation | None = None,
    penalty: Callable[[], Tensor] | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    on_step: Callable[[int], None] | None = None,
    folder: Path | None = None,
    save_every: int = 200,
) -> None:
    """Train a model in place on a task.

    Parameters
    ----------
    market, teacher, distillation, penalty
        As for `EconomyTrainer`.
    callbacks
        More callbacks of the Trainer; an economy's `callback()` among them trains one budget a step, in turns.
    on_step
        Called with the number of steps done, to show progress.
    folder
        Where to keep a checkpoint every `save_every` steps; a training that finds one there goes on from it. None
        keeps none.
    """
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory()) if folder is None else str(folder)
        trainer = EconomyTrainer(
            model,
            _arguments(settings, where, save_every if folder else None),
            market=market,
            teacher=teacher,
            distillation=distillation,
            penalty=penalty,
            side_by_side=settings.side_by_side,
            sampler=_buckets(task, settings) if settings.by_length else None,
            train_dataset=task.train,
            data_collator=task.collate,
            callbacks=[*callbacks, *([_Progress(on_step)] if on_step else [])],
        )
        trainer.remove_callback(PrinterCallback)
        last = get_last_checkpoint(where) if folder is not None and folder.is_dir() else None
        trainer.train(resume_from_checkpoint=last)


def _buckets(task: Task, settings: TrainingSettings) -> LengthBuckets:
    lengths = [len(row["input_ids"]) for row in task.train.rows]
    return LengthBuckets(lengths, settings.batch_size, seed=settings.seed)


def _arguments(settings: TrainingSettings, folder: str, save_every: int | None) -> TrainingArguments:
    return TrainingArguments(
        output_dir=folder,
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warm_up * settings.steps),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        max_grad_norm=1.0,
        seed=settings.seed,
        bf16=settings.bf16,
        use_cpu=settings.bf16 and not torch.cuda.is_available(),  # otherwise it asks for a GPU
        torch_compile=settings.compiled,
        logging_steps=max(settings.steps // 50, 1),
        save_strategy="steps" if save_every else "no",
        save_steps=save_every or 500,
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )


@torch.no_grad()
def predict(model: PreTrainedModel, task: Task) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give what a task's score takes of its evaluation examples (see `Task.observed`), as a rule logits and labels.

    In order of length, not in the task's: batches of equally long examples are hardly padded.
    """
    observed, labels = [], []
    by_length = Examples(sorted(task.evaluation.rows, key=lambda row: len(row["input_ids"])))
    with evaluating(model):
        for batch in DataLoader(by_length, batch_size=task.evaluation_batch, collate_fn=task.collate):
            asked = batch.pop("labels")
            output = model(**{name: tensor.to(model.device) for name, tensor in batch.items()})
            of_batch, its_labels = task.observed(output.logits, asked)
            observed.append(of_batch)
            labels.append(its_labels)
    return np.concatenate(observed), np.concatenate(labels)


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
