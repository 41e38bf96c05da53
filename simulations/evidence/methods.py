"""The methods of a frontier: the dense model, ours in two ways, and every baseline, from one start by equal means."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm import EconomyConfig, ElasticBudget, attach
from walras.llm.baselines import METHODS as ONE_BUDGET
from walras.llm.baselines import Comparison, compress
from walras.llm.tasks import Task
from walras.llm.training import fine_tune
from walras.simulations.evidence.config import FrontierConfig

__all__ = ["DENSE", "ELASTIC", "METHODS", "POST_HOC", "Cell", "Smaller", "smaller_models"]

DENSE, ELASTIC, POST_HOC = "dense", "elastic", "-post-hoc"

_RANKINGS = tuple(name for name, method in ONE_BUDGET.items() if not method.searches)

METHODS: tuple[str, ...] = (DENSE, ELASTIC, *ONE_BUDGET, *(f"{name}{POST_HOC}" for name in _RANKINGS))


@final
@dataclass(frozen=True)
class Cell:
    """What a method works with.

    Attributes
    ----------
    config, task, seed
        The cell's.
    dense
        The fine-tuned dense model: where every method begins, and its teacher. Methods copy it.
    """

    config: FrontierConfig
    task: Task
    seed: int
    dense: PreTrainedModel

    @property
    def economy_config(self) -> EconomyConfig:
        """How compute is rationed: heads and blocks at a cost in FLOPs at the length of the longest example."""
        return EconomyConfig(sequence_length=min(128, self.task.longest))


@final
@dataclass(frozen=True)
class Smaller:
    """What a method gives for one budget.

    Attributes
    ----------
    budget
        Fraction of the agents' FLOPs.
    model
        The physically smaller model, in evaluation mode.
    open_agents
        Which agents it has kept, shape (n,); None where it is not made of the dense model's agents.
    """

    budget: float
    model: PreTrainedModel
    open_agents: NDArray[np.bool_] | None


def smaller_models(cell: Cell) -> Iterator[Smaller]:
    """Give the models of the cell's method, one for each budget.

    `dense` is trained for as many steps more as the others, and has the budget 1. `elastic` is one training under the
    market, with several budgets a step, that serves every budget. All others are methods of `walras.llm.baselines`, a
    training for each budget; with `-post-hoc` a ranking is not followed by recovery.
    """
    if cell.config.method == DENSE:
        return _dense(cell)
    return _elastic(cell) if cell.config.method == ELASTIC else _one_by_one(cell)


def _dense(cell: Cell) -> Iterator[Smaller]:
    model = copy.deepcopy(cell.dense)
    settings = cell.config.settings(cell.task, cell.seed)
    fine_tune(model, cell.task, settings, teacher=cell.dense, distillation=cell.config.distillation)
    yield Smaller(1.0, model.eval(), None)


def _elastic(cell: Cell) -> Iterator[Smaller]:
    economy = attach(copy.deepcopy(cell.dense), cell.economy_config)
    schedule = ElasticBudget(lowest=min(cell.config.budgets), draws=cell.config.draws, seed=cell.seed)
    fine_tune(
        economy.model,
        cell.task,
        cell.config.settings(cell.task, cell.seed),
        market=economy.callback(schedule),
        teacher=cell.dense,
        distillation=cell.config.distillation,
    )
    for budget in cell.config.budgets:
        yield Smaller(budget, economy.export(budget), economy.hard_allocation(budget))


def _one_by_one(cell: Cell) -> Iterator[Smaller]:
    name = cell.config.method.removesuffix(POST_HOC)
    economy = attach(copy.deepcopy(cell.dense), cell.economy_config)
    for budget in cell.config.budgets:
        comparison = Comparison(
            cell.task,
            budget,
            cell.config.settings(cell.task, cell.seed),
            config=cell.economy_config,
            teacher=cell.dense,
            distillation=cell.config.distillation,
            search=cell.config.search,
            retrain=name == cell.config.method,
        )
        found = compress(cell.dense, ONE_BUDGET[name], comparison)
        served = None
        if found.valuations is not None:
            economy.set_valuations(found.valuations)
            served = economy.hard_allocation(budget)
        yield Smaller(budget, found.model, served)
