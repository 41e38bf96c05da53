"""What a method of a frontier works with: dense models, data, a teacher, and the trainings that methods share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from walras.llm import Distillation, EconomyConfig
from walras.llm.baselines import Comparison
from walras.llm.ensemble import (
    GivenShares,
    HardConcreteShares,
    MarketShares,
    ModelStack,
    MovementShares,
    Shares,
    TensorExamples,
    logits_of_members,
    nats_of_members,
    served_by,
    train_together,
)
from walras.llm.ensemble.training import Teacher, positions_of
from walras.llm.tasks import Task
from walras.simulations.evidence.config import WHOLE, FrontierConfig
from walras.simulations.evidence.design import Design

__all__ = ["Cell"]

CALIBRATION_TOKENS = 2**15  # 256 examples of 128


@final
@dataclass(frozen=True)
class Cell:
    """What a method works with.

    Attributes
    ----------
    config, task, seeds
        The cell's.
    dense
        The fine-tuned dense model of each seed: where every method begins, and its teacher. Methods copy them.
    design
        How our method and the phases of a search are made.
    """

    config: FrontierConfig
    task: Task
    seeds: tuple[int, ...]
    dense: list[PreTrainedModel]
    design: Design = field(default_factory=Design)

    @property
    def economy_config(self) -> EconomyConfig:
        """How compute is rationed: heads and blocks at a cost in FLOPs at the length of the longest example."""
        return replace(self.design.economy, sequence_length=self.task.longest)

    @property
    def distillation(self) -> Distillation:
        """What methods learn from labels and from the dense model."""
        return replace(self.config.distillation, task_weight=self.design.task_weight)

    @property
    def search_steps(self) -> int:
        """Steps of the search: all of them, where nothing is left for recovery."""
        return self.comparison(1.0, 0).search_steps

    @property
    def serves_whole(self) -> bool:
        """Whether our method serves whole agents while it learns, with the gradient of the soft market."""
        return self.design.whole or self.config.method.endswith(WHOLE)

    @cached_property
    def train(self) -> TensorExamples:
        """Training examples on the device."""
        return TensorExamples(self.task.train, self.task.collate, self.dense[0].device)

    @cached_property
    def evaluation(self) -> TensorExamples:
        """Evaluation examples on the device."""
        return TensorExamples(self.task.evaluation, self.task.collate, self.dense[0].device)

    @cached_property
    def teacher(self) -> Teacher:
        """What the dense models say: looked up for tasks with one answer an example, else asked each time."""
        stack = ModelStack(self.dense)
        everyone = np.ones((stack.size, len(stack.economy.population)), dtype=bool)
        if self.train.columns["labels"].ndim > 1:
            return _asked(stack, torch.ones(everyone.shape, device=stack.model.device))
        logits = logits_of_members(stack, self.train, everyone, bf16=self.config.bf16)
        return _looked_up(torch.from_numpy(logits).to(stack.model.device))

    def comparison(self, budget: float, seed: int) -> Comparison:
        """What methods of one budget are given to look at one seed's model."""
        settings = self.config.settings(self.task, seed)
        # Longer examples say more: rankings look at as many tokens for all tasks.
        calibration = min(256, max(CALIBRATION_TOKENS // self.task.longest, 1))
        return Comparison(
            self.task,
            budget,
            settings,
            config=self.economy_config,
            search=self.config.search,
            calibration=calibration,
        )

    def observed(self, stack: ModelStack, allocation: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
        """Give what the score takes of every member: logits, or nats of language models; (members, examples, ...)."""
        bf16 = self.config.bf16
        if self.task.text is None:
            return logits_of_members(stack, self.evaluation, allocation, bf16=bf16)
        return nats_of_members(stack, self.evaluation, allocation, bf16=bf16)[..., None]

    def search_and_recover(
        self, stack: ModelStack, shares: MarketShares | HardConcreteShares | MovementShares, budgets: Sequence[float]
    ) -> NDArray[np.bool_]:
        """Learn whom each member serves, cut it, and let it recover; give whom it serves, shape (members, n)."""
        steps = self.comparison(1.0, 0).settings.steps
        search, recovery = range(self.search_steps), range(self.search_steps, steps)
        self.fit(stack, shares, len(search), None if self.design.restarts else range(steps))
        allocation = served_by(stack, shares.valuations.detach().cpu().numpy(), budgets)
        if recovery:
            self.fit(stack, GivenShares(stack, allocation), len(recovery), None if self.design.restarts else recovery)
        return allocation

    def fit(self, stack: ModelStack, shares: Shares, steps: int, rates: range | None = None) -> None:
        """Train a stack for some steps, with rates as in `train_together`."""
        train_together(
            stack,
            self.train,
            replace(self.config.settings(self.task, self.seeds[0]), steps=steps),
            seeds=self.seeds,
            shares=shares,
            teacher=self.teacher,
            distillation=self.distillation,
            rates=rates,
        )


def _looked_up(logits: Tensor) -> Teacher:
    """Logits of all training examples, shape (seeds, examples, outputs)."""

    def teacher(numbers: NDArray[np.int64], batch: dict[str, Tensor]) -> Tensor:
        index = torch.from_numpy(numbers).to(logits.device, non_blocking=True)
        of_seed = torch.arange(len(numbers), device=logits.device)[:, None]
        return logits[of_seed, index].flatten(0, 1)

    return teacher


def _asked(stack: ModelStack, everyone: Tensor) -> Teacher:
    def teacher(numbers: NDArray[np.int64], batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: column for name, column in batch.items() if name != "labels"}
        return stack.model(**inputs, **positions_of(stack.model, inputs["input_ids"])).logits

    stack.economy.gate.given = lambda: everyone
    stack.model.eval()
    return teacher
