"""How long a frontier will take: a few steps of each kind of stack are timed, and multiplied."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, final

import numpy as np
from transformers import PreTrainedModel

from walras.llm import ElasticBudget
from walras.llm.ensemble import ElasticShares, GivenShares, ModelStack, TensorExamples, train_together
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings
from walras.simulations.evidence.config import WHOLE, FrontierConfig
from walras.simulations.evidence.methods import DENSE, ELASTIC, POST_HOC

__all__ = ["Estimate", "estimate"]

_FEW, _MORE = 2, 8


@final
class Estimate(NamedTuple):
    """Seconds of one job at a time.

    Attributes
    ----------
    step, elastic_step
        A step of a stack of all seeds, whole, and with several budgets.
    stacked_step
        A step of a stack of all seeds and budgets.
    dense
        The dense models of all seeds.
    by_method
        Each method at all its budgets and seeds, without the scoring.
    """

    step: float
    elastic_step: float
    stacked_step: float
    dense: float
    by_method: dict[str, float]

    @property
    def total(self) -> float:
        """Seconds of a run."""
        return self.dense + sum(self.by_method.values())


def estimate(config: FrontierConfig, methods: Sequence[str]) -> Estimate:
    """Time a few steps of each kind of stack, and multiply by what each method has of them."""
    import torch

    model, task = config.load(0)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    settings = config.settings(task, 0)
    seeds, budgets = config.seeds, len(config.budgets)
    step = _seconds_per_step(model, task, settings, seeds)
    elastic_step = _seconds_per_step(model, task, settings, seeds, lowest=min(config.budgets), draws=config.draws)
    stacked_step = _seconds_per_step(model, task, settings, seeds * budgets)
    of_method = {DENSE: step, ELASTIC: elastic_step, f"{ELASTIC}{WHOLE}": elastic_step}
    by_method = {
        method: settings.steps * of_method.get(method, 0.0 if method.endswith(POST_HOC) else stacked_step)
        for method in methods
    }
    return Estimate(step, elastic_step, stacked_step, settings.steps * step, by_method)


def _seconds_per_step(
    model: PreTrainedModel,
    task: Task,
    settings: TrainingSettings,
    members: int,
    *,
    lowest: float | None = None,
    draws: int = 1,
) -> float:
    """Time of a step, as the difference of a longer and a shorter training, so that what happens once drops out."""
    stack = ModelStack([model] * members)
    examples = TensorExamples(task.train, task.collate, model.device)
    everyone = np.ones((members, len(stack.economy.population)), dtype=bool)

    def seconds(steps: int) -> float:
        shares = (
            GivenShares(stack, everyone)
            if lowest is None
            else ElasticShares(stack, ElasticBudget(lowest=lowest, warm_up=0.0, draws=draws))
        )
        started = time.perf_counter()
        train_together(stack, examples, replace(settings, steps=steps), seeds=range(members), shares=shares)
        stack.model.get_input_embeddings().weight[0, 0, 0].item()  # the device is done
        return time.perf_counter() - started

    seconds(_FEW)  # a device warms up, and a compiler compiles
    return max(seconds(_MORE) - seconds(_FEW), 0.0) / (_MORE - _FEW)
