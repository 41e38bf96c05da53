"""One trainer for all ways to make a model smaller: equal budget, steps, data and distillation."""

import copy
from dataclasses import dataclass, field, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm.config import EconomyConfig, checked_budget
from walras.llm.distillation import Distillation
from walras.llm.economy import ModelEconomy, attach
from walras.llm.flops import count_flops
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings, fine_tune
from walras.market import InvalidInputError
from walras.market.validation import finite_number

__all__ = ["Comparison", "Compressed", "Method", "compress"]


@final
@dataclass(frozen=True)
class Comparison:
    """What every method is given.

    Parameters
    ----------
    task
        Examples and score.
    budget
        Fraction of the agents' FLOPs that the smaller model may use, in (0, 1].
    settings
        Training: its steps are those of all phases together.
    config
        The population of agents: its granularity, and the length at which FLOPs are counted.
    teacher
        From whom every phase learns; None learns from labels alone.
    distillation
        What is learned.
    search
        Fraction of the steps that methods which learn whom to serve use for that, in (0, 1]; the rest is recovery.
        Methods that only rank use all steps for recovery.
    calibration
        Training examples that rankings look at.
    retrain
        Whether there is a recovery phase; without it the rankings are post-hoc pruning.
    """

    task: Task
    budget: float
    settings: TrainingSettings
    config: EconomyConfig = field(default_factory=EconomyConfig)
    teacher: PreTrainedModel | None = None
    distillation: Distillation = field(default_factory=Distillation)
    search: float = 0.5
    calibration: int = 256
    retrain: bool = True

    def __post_init__(self) -> None:
        if checked_budget(self.budget) == 0.0:
            raise InvalidInputError("Comparison.budget must be above 0, got 0.")
        if not 0.0 < finite_number("Comparison.search", self.search) <= 1.0:
            raise InvalidInputError(f"Comparison.search is a fraction in (0, 1], got {self.search}.")

    @property
    def search_steps(self) -> int:
        """Steps of the search, at least one; at most all but one, if not all are wanted."""
        most = self.settings.steps - (1 if self.search < 1.0 else 0)
        return min(max(round(self.search * self.settings.steps), 1), max(most, 1))

    def search_settings(self) -> TrainingSettings:
        """Settings of the search."""
        return replace(self.settings, steps=self.search_steps)


class Method(Protocol):
    """A way to make a model smaller."""

    @property
    def name(self) -> str:
        """As in tables and on the command line."""

    @property
    def searches(self) -> bool:
        """Whether `reduce` trains for `Comparison.search_steps` steps."""

    def reduce(
        self, economy: ModelEconomy, comparison: Comparison
    ) -> tuple[PreTrainedModel, NDArray[np.float64] | None]:
        """Give the smaller model before recovery, and the valuations by which agents were served, if any were.

        `economy` is attached to a copy of the model, which may be changed.
        """


@final
@dataclass(frozen=True)
class Compressed:
    """A smaller model and how it came about.

    Attributes
    ----------
    model
        In evaluation mode.
    valuations
        By which the market served agents, shape (n,); None where there were no agents (a small dense model).
    flops, flops_ratio
        Of the whole model for one sequence, counted; and as a fraction of the model that it came from.
    """

    method: str
    model: PreTrainedModel
    valuations: NDArray[np.float64] | None
    flops: int
    flops_ratio: float


def compress(model: PreTrainedModel, method: Method, comparison: Comparison) -> Compressed:
    """Make a copy of a model smaller by a method, and let it recover; the model stays as it is.

    Parameters
    ----------
    model
        Whole; as a rule fine-tuned on the task already.
    method
        One of `METHODS`, or of your own.
    """
    economy = attach(copy.deepcopy(model), comparison.config)
    length = economy.population.sequence_length
    reduced, valuations = method.reduce(economy, comparison)
    steps = comparison.settings.steps - (comparison.search_steps if method.searches else 0)
    if comparison.retrain and steps > 0:
        fine_tune(
            reduced,
            comparison.task,
            replace(comparison.settings, steps=steps),
            teacher=comparison.teacher,
            distillation=_fitting(comparison, reduced),
        )
    reduced.eval()
    flops = count_flops(reduced, sequence_length=length)
    return Compressed(method.name, reduced, valuations, flops, flops / count_flops(model, sequence_length=length))


def _fitting(comparison: Comparison, model: PreTrainedModel) -> Distillation:
    """Leave out the teacher's layers where the student has others: it learns from logits alone."""
    teacher = comparison.teacher
    if teacher is not None and teacher.config.num_hidden_layers != model.config.num_hidden_layers:
        return replace(comparison.distillation, layers_weight=0.0)
    return comparison.distillation
