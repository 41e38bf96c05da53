"""How long a frontier will take: a few steps are timed, and multiplied."""

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, final

from transformers import PreTrainedModel

from walras.llm import ElasticBudget, attach
from walras.llm.tasks import Task
from walras.llm.training import TrainingSettings, fine_tune
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.methods import DENSE, ELASTIC, POST_HOC

__all__ = ["Estimate", "estimate"]

_FEW, _MORE = 2, 8


@final
class Estimate(NamedTuple):
    """Seconds of one job at a time.

    Attributes
    ----------
    step, elastic_step
        A step with a teacher, and one with several budgets.
    dense
        The dense model of one seed.
    by_method
        One seed of each method, at all its budgets, without the scoring.
    """

    step: float
    elastic_step: float
    dense: float
    by_method: dict[str, float]

    def total(self, seeds: int) -> float:
        """Seconds of a run over some seeds."""
        return seeds * (self.dense + sum(self.by_method.values()))


def estimate(config: FrontierConfig, methods: Sequence[str]) -> Estimate:
    """Time a few steps of a plain and of an elastic training, and multiply by what each method has of them."""
    model, task = config.load(0)
    settings = config.settings(task, 0)
    step = _seconds_per_step(config, model, task, settings, elastic=False)
    elastic_step = _seconds_per_step(config, model, task, settings, elastic=True)
    budgets = len(config.budgets)
    of_method = {DENSE: step, ELASTIC: elastic_step}  # the others have a training for each budget, or none
    by_method = {
        method: settings.steps * of_method.get(method, 0.0 if method.endswith(POST_HOC) else budgets * step)
        for method in methods
    }
    return Estimate(step, elastic_step, settings.steps * step, by_method)


def _seconds_per_step(
    config: FrontierConfig, model: PreTrainedModel, task: Task, settings: TrainingSettings, *, elastic: bool
) -> float:
    """Time of a step, as the difference of a longer and a shorter training, so that what happens once drops out."""

    def seconds(steps: int) -> float:
        student = copy.deepcopy(model)
        market = None
        if elastic:
            schedule = ElasticBudget(lowest=min(config.budgets), warm_up=0.0, draws=config.draws)
            market = attach(student).callback(schedule)
        started = time.perf_counter()
        fine_tune(
            student,
            task,
            replace(settings, steps=steps),
            market=market,
            teacher=model,
            distillation=config.distillation,
        )
        return time.perf_counter() - started

    seconds(_FEW)  # a device warms up, and a compiler compiles
    return max(seconds(_MORE) - seconds(_FEW), 0.0) / (_MORE - _FEW)
