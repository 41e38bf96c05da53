"""What one cell of a frontier is: one task, one method, all budgets."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from transformers import PreTrainedModel

from walras.llm import Distillation
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings
from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, nonnegative_number, positive_number, whole_number
from walras.simulations.evidence.task_training import TaskTraining
from walras.simulations.models import load_model_and_task

__all__ = ["BUDGETS", "OURS", "WHOLE", "FrontierConfig"]

WHOLE = "-whole"
OURS = ("elastic", "market", f"elastic{WHOLE}", f"market{WHOLE}")
BUDGETS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.25, 0.15, 0.1)


@final
@dataclass(frozen=True, kw_only=True)
class FrontierConfig(TaskTraining):
    """One method on one task at all budgets and seeds; plain values, as scenarios hold them.

    All seeds and budgets of a method are trained side by side, a stack (`walras.llm.ensemble`). Every method begins
    with the same dense models, one a seed, fine-tuned for `steps`, and has as many steps of its own, with the same
    data, settings and teacher (the dense model). Fields that are not below are those of `TaskTraining`.

    Parameters
    ----------
    method
        One of `METHODS`.
    budgets
        Fractions of the agents' FLOPs, each in (0, 1], all different.
    baseline_budgets
        Those of every method but `OURS`; by default the same.
    draws
        Budgets that an elastic step draws, beside the whole and the smallest.
    settled
        Fraction of its steps, in (0, 1], from which elastic training serves whole agents (see `ElasticBudget`); its
        warm-up and its cooling take a fifth and four fifths of those before. 1: it never does.
    attention
        Whether the attention of every model is measured too (`walras.llm.analysis.attention_measures`).
    attention_sentences
        Evaluation examples on which it is, drawn by seed, the same for all methods and budgets.
    """

    method: str = "elastic"
    budgets: tuple[float, ...] = BUDGETS
    baseline_budgets: tuple[float, ...] = ()
    draws: int = 1
    settled: float = 0.5
    attention: bool = False
    attention_sentences: int = 200

    def __post_init__(self) -> None:
        from walras.simulations.evidence.methods import METHODS  # they take a configuration

        if self.method not in METHODS:
            raise InvalidInputError(f"There is no method {self.method!r}; there are: {', '.join(METHODS)}.")
        if not self.budgets:
            raise InvalidInputError("budgets must be one or more different fractions, got ().")
        for name in ("budgets", "baseline_budgets"):
            budgets = getattr(self, name)
            if len(set(budgets)) < len(budgets):
                raise InvalidInputError(f"{name} must be different fractions, got {budgets}.")
            for budget in budgets:
                positive_number(name, fraction(name, budget))
        whole_number("steps", self.steps)
        whole_number("train_tokens", self.train_tokens)
        if whole_number("seeds", self.seeds) < 1:
            raise InvalidInputError("seeds must be 1 or more, got 0.")
        whole_number("attention_sentences", self.attention_sentences, minimum=1)
        nonnegative_number("epochs", self.epochs)
        if (self.steps == 0) == (self.epochs == 0.0):
            raise InvalidInputError(f"Give steps or epochs, not both or none; got {self.steps} and {self.epochs}.")
        positive_number("search", fraction("search", self.search))
        positive_number("settled", fraction("settled", self.settled))

    def load(self, seed: int, *, task: Task | None = None) -> tuple[PreTrainedModel, Task]:
        """Load the pretrained model with a new head, and the task (or take `task`, loaded before).

        Raises as `load_model_and_task` does.
        """
        data_dir = Path(self.data_dir) if self.data_dir else None
        return load_model_and_task(
            self.task,
            self.model or None,
            data_dir,
            seed=seed,
            limit=self.limit or None,
            loaded=task,
            wikitext={
                "window": self.window,
                "stride": self.stride,
                "train_tokens": self.train_tokens or None,
                "cache": Path(self.dense_models) if self.dense_models else None,
            },
        )

    def settings(self, task: Task, seed: int) -> TrainingSettings:
        """Give the settings of the dense model's training, and of each method's."""
        steps = self.steps or round(self.epochs * len(task.train) / self.batch_size)
        return TrainingSettings(
            steps=max(steps, 1),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            by_length=True,
            bf16=self.bf16,
            compiled=self.compiled,
            seed=seed,
        )

    @property
    def budgets_of_method(self) -> tuple[float, ...]:
        """The budgets at which the method is trained."""
        return self.budgets if self.method in OURS else self.baseline_budgets or self.budgets

    @property
    def distillation(self) -> Distillation:
        """What every method learns from the dense model."""
        return Distillation(logits_weight=self.logits_weight)
