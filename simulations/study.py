"""`walras study`: one mechanism, in isolation and inside a Transformer, in one report."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, ElasticBudget
from walras.llm.config import checked_budget
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings
from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand
from walras.simulations.economies import POLICIES, economy_rows
from walras.simulations.frontier import RANDOM_DRAWS, Frontier, allocation_difference, frontier_rows, train_frontier
from walras.simulations.isolation import contract_checks, isolation_rows
from walras.simulations.models import EMBEDDED_TASK, load_model_and_task
from walras.simulations.progress import StageProgress
from walras.simulations.run_folder import RunFolder
from walras.simulations.study_report import render_study

__all__ = ["StudyConfig", "run_study"]

EMBEDDED_STEPS = 300
GLUE_STEPS_ON_CPU = 200
GLUE_EPOCHS_ON_GPU = 5.0
ISOLATION_AGENTS = 144
ISOLATION_SEEDS = 20
ECONOMY_PERIODS = 200
LATENCY_REPEATS = 24


@final
@dataclass(frozen=True)
class StudyConfig:
    """What a study runs.

    Parameters
    ----------
    task, model, data_dir, limit
        As in `load_model_and_task`.
    budgets
        Fractions of the agents' FLOPs at which the trained model is scored, exported and timed.
    steps, epochs
        Length of each of the two trainings, one or the other; None takes what suits task and device.
    learning_rate, batch_size
        Of the weights; None takes what suits the task.
    seed
        Of everything that is drawn.
    """

    task: str = EMBEDDED_TASK
    model: str | None = None
    data_dir: str | None = None
    budgets: tuple[float, ...] = (1.0, 0.8, 0.6, 0.4)
    steps: int | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        if not self.budgets:
            raise InvalidInputError("budgets is empty: give at least one fraction in (0, 1].")
        for budget in self.budgets:
            if checked_budget(budget) == 0.0:
                raise InvalidInputError("budgets must be above 0, got 0.")
        if len(set(self.budgets)) < len(self.budgets):
            raise InvalidInputError(f"budgets must differ, got {self.budgets}.")
        if self.steps is not None and self.epochs is not None:
            raise InvalidInputError("Give --steps or --epochs, not both.")
        for name in ("steps", "epochs", "learning_rate", "batch_size", "limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidInputError(f"{name} must be above 0, got {value}.")

    def as_plain_values(self) -> dict[str, Any]:
        """Give the fields as values that JSON can hold."""
        return {**asdict(self), "budgets": list(self.budgets)}

    def load(self) -> tuple[PreTrainedModel, Task]:
        """Load model and task; raises as `load_model_and_task` does."""
        data_dir = Path(self.data_dir) if self.data_dir is not None else None
        return load_model_and_task(self.task, self.model, data_dir, seed=self.seed, limit=self.limit)

    def training_settings(self, task: Task) -> TrainingSettings:
        """Give the settings of both trainings."""
        embedded = self.task == EMBEDDED_TASK
        batch_size = self.batch_size or (64 if embedded else 32)
        epochs = self.epochs
        steps = self.steps
        if steps is None and epochs is None:
            if embedded:
                steps = EMBEDDED_STEPS
            elif torch.cuda.is_available():
                epochs = GLUE_EPOCHS_ON_GPU
            else:
                steps = GLUE_STEPS_ON_CPU
        if steps is None:
            assert epochs is not None
            steps = max(round(epochs * len(task.train) / batch_size), 1)
        rate = self.learning_rate or (1e-3 if embedded else 1e-4)
        return TrainingSettings(steps=steps, learning_rate=rate, batch_size=batch_size, seed=self.seed)


def run_study(
    config: StudyConfig, model: PreTrainedModel, task: Task, folder: RunFolder, progress: StageProgress
) -> Path:
    """Run a study into a folder, and give the path of its report.

    Parameters
    ----------
    config
        What to run.
    model, task
        What `config.load()` gave; the model is trained in place.
    folder, progress
        Where rows go, as soon as a stage has them (a run that is stopped keeps what it found), and who is told.
    """
    settings = config.training_settings(task)
    economy_config = EconomyConfig(
        CapacityMarket(FixedSupply(1.0), LogitDemand(1.0)), sequence_length=min(128, task.longest)
    )
    schedule = ElasticBudget(lowest=min(config.budgets), seed=config.seed)
    folder.record(
        model=config.model or "a small BERT, trained from scratch",
        metric=task.metric,
        examples={"train": len(task.train), "evaluation": len(task.evaluation)},
        sequence_length=economy_config.sequence_length,
        training=asdict(settings),
        schedule=asdict(schedule),
    )

    _study_isolation(config, folder, progress)
    frontier = _train(model, task, settings, economy_config, schedule, progress)
    folder.write_rows("training", frontier.training)
    _study_frontier(config, folder, progress, frontier, task)
    report = folder.write_text("report.html", render_study(folder))
    folder.complete()
    return report


def _study_isolation(config: StudyConfig, folder: RunFolder, progress: StageProgress) -> None:
    advance = progress.stage("the market alone", ISOLATION_SEEDS)
    budgets = np.linspace(0.05, 0.95, 19)
    rows = isolation_rows(budgets, agents=ISOLATION_AGENTS, seeds=ISOLATION_SEEDS, seed=config.seed, on_seed=advance)
    folder.write_rows("isolation", rows)
    advance = progress.stage("an economy of heads and blocks", len(POLICIES))
    folder.write_rows("economy", economy_rows(periods=ECONOMY_PERIODS, seed=config.seed, on_policy=advance))
    advance = progress.stage("explicit = compiled = theory", 1)
    folder.write_rows("checks", contract_checks(agents=ISOLATION_AGENTS, seed=config.seed))
    advance()


def _train(
    model: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    economy_config: EconomyConfig,
    schedule: ElasticBudget,
    progress: StageProgress,
) -> Frontier:
    def on_step(stage: str) -> Callable[[int], None]:
        description = {"dense": "train the dense model", "market": "train under the market"}[stage]
        return progress.stage_to(description, settings.steps)

    return train_frontier(model, task, settings, economy_config, schedule, on_step=on_step)


def _study_frontier(
    config: StudyConfig, folder: RunFolder, progress: StageProgress, frontier: Frontier, task: Task
) -> None:
    repeats = LATENCY_REPEATS if torch.cuda.is_available() or config.task == EMBEDDED_TASK else LATENCY_REPEATS // 3
    rows = frontier_rows(
        frontier,
        task,
        config.budgets,
        seed=config.seed,
        latency_repeats=repeats,
        on_row=progress.stage("score, export and count", (2 + RANDOM_DRAWS) * len(config.budgets)),
    )
    folder.write_rows("frontier", rows)
    agents = pd.concat([frontier.market.frame(budget).assign(budget=budget) for budget in config.budgets])
    folder.write_rows("agents", agents)
    folder.record(allocation_difference=allocation_difference(frontier.market, config.budgets))
