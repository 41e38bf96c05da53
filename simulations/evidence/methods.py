"""The methods of a frontier: the dense model, ours in two ways, and every baseline, from one start by equal means.

A method's models for all seeds and budgets are members of one stack, budget by budget and in each seed by seed.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm import ElasticBudget, ModelEconomy, attach
from walras.llm.baselines import METHODS as ONE_BUDGET
from walras.llm.baselines.methods import FisherMasks, Market, Movement, Ranking, SmallDense
from walras.llm.ensemble import (
    ElasticShares,
    GivenShares,
    HardConcreteShares,
    MarketShares,
    ModelStack,
    MovementShares,
    served_by,
)
from walras.simulations.evidence.cell import Cell
from walras.simulations.evidence.config import WHOLE

__all__ = ["DENSE", "ELASTIC", "METHODS", "POST_HOC", "Smaller", "smaller_models"]

DENSE, ELASTIC, MARKET, POST_HOC = "dense", "elastic", "market", "-post-hoc"

_RANKINGS = tuple(name for name, method in ONE_BUDGET.items() if not method.searches)

METHODS: tuple[str, ...] = (
    *(DENSE, ELASTIC, *ONE_BUDGET),
    *(f"{ELASTIC}{WHOLE}", f"{MARKET}{WHOLE}"),
    *(f"{name}{POST_HOC}" for name in _RANKINGS),
)


@final
@dataclass(frozen=True)
class Smaller:
    """What a method gives for one budget and seed.

    Attributes
    ----------
    budget
        Fraction of the agents' FLOPs.
    number
        Of the seed.
    observed
        Logits of the evaluation examples, or nats of a language model, in their order, whole agents served.
    open_agents
        Which agents it has kept, shape (n,).
    trained
        Gives the whole model with the weights that it has come to, closed agents included, in evaluation mode. To be
        called before the next one is asked for.
    model
        The model, where it is not made of the dense model's agents; otherwise None.
    """

    budget: float
    number: int
    observed: NDArray[np.floating[Any]]
    open_agents: NDArray[np.bool_] | None
    trained: Callable[[], PreTrainedModel]
    model: PreTrainedModel | None = None


def smaller_models(cell: Cell) -> Iterator[Smaller]:
    """Give the models of the cell's method, one for each budget and seed.

    `dense` is trained for as many steps more as the others, and has the budget 1. `elastic` is one training under the
    market, with several budgets a step, that serves every budget. All others are methods of `walras.llm.baselines`, a
    training for each budget; with `-post-hoc` a ranking is not followed by recovery. Our methods with `-whole` serve
    whole agents while they learn, with the gradient of the soft market (straight through).
    """
    name = cell.config.method.removesuffix(WHOLE)
    if name == DENSE:
        return _dense(cell)
    if name == ELASTIC:
        return _elastic(cell)
    method = ONE_BUDGET[name.removesuffix(POST_HOC)]
    if isinstance(method, SmallDense):
        return _small_dense(cell)
    if method.searches:
        return _searched(cell)
    return _ranked(cell, method)


def _dense(cell: Cell) -> Iterator[Smaller]:
    stack = ModelStack(cell.dense, cell.economy_config)
    everyone = _everyone(stack)
    cell.fit(stack, GivenShares(stack, everyone), cell.comparison(1.0, 0).settings.steps)
    yield from _scored(cell, stack, everyone, (1.0,))


def _elastic(cell: Cell) -> Iterator[Smaller]:
    config = cell.config
    stack = ModelStack(cell.dense, cell.economy_config)
    schedule = ElasticBudget(
        lowest=min(config.budgets),
        warm_up=0.2 * config.settled,
        cooling=0.8 * config.settled,
        draws=config.draws,
        seed=cell.seeds[0],
        settled=config.settled,
    )
    shares = ElasticShares(stack, schedule, whole=cell.serves_whole)
    cell.fit(stack, shares, cell.comparison(1.0, 0).settings.steps)
    valuations = shares.valuations.detach().cpu().numpy()
    for budget in config.budgets:
        yield from _scored(cell, stack, served_by(stack, valuations, [budget] * stack.size), (budget,))


def _ranked(cell: Cell, method: object) -> Iterator[Smaller]:
    """Cut by a ranking of each dense model, and recover."""
    budgets = cell.config.budgets
    if isinstance(method, FisherMasks):
        models, allocation = _fisher(cell, method)
        stack = ModelStack(models, cell.economy_config)
    else:
        assert isinstance(method, Ranking)
        values = [
            method.valuations(_economy(cell, number), cell.comparison(1.0, seed))
            for number, seed in enumerate(cell.seeds)
        ]
        stack = ModelStack(cell.dense * len(budgets), cell.economy_config)
        allocation = served_by(stack, np.tile(values, (len(budgets), 1)), _each(budgets, len(cell.seeds)))
    if not cell.config.method.endswith(POST_HOC):
        cell.fit(stack, GivenShares(stack, allocation), cell.comparison(1.0, 0).settings.steps)
    yield from _scored(cell, stack, allocation, budgets)


def _fisher(cell: Cell, method: FisherMasks) -> tuple[list[PreTrainedModel], NDArray[np.bool_]]:
    """Every member has weights of its own: they are repaired for whom it serves."""
    models, allocation = [], []
    for budget in cell.config.budgets:
        for number, seed in enumerate(cell.seeds):
            economy = _economy(cell, number)
            allocation.append(method.serve(economy, cell.comparison(budget, seed)))
            models.append(economy.detach())
    return models, np.stack(allocation)


def _searched(cell: Cell) -> Iterator[Smaller]:
    """Learn whom to serve, cut, and recover."""
    budgets = _each(cell.config.budgets, len(cell.seeds))
    stack = ModelStack(cell.dense * len(cell.config.budgets), cell.economy_config)
    shares = _searching(cell, stack, budgets)
    allocation = cell.search_and_recover(stack, shares, budgets)
    yield from _scored(cell, stack, allocation, cell.config.budgets)


def _searching(
    cell: Cell, stack: ModelStack, budgets: Sequence[float]
) -> MarketShares | HardConcreteShares | MovementShares:
    method = ONE_BUDGET[cell.config.method.removesuffix(WHOLE)]
    if isinstance(method, Market):
        market = cell.design.market
        values = [
            market.first_valuations(_economy(cell, number), cell.comparison(1.0, seed))
            for number, seed in enumerate(cell.seeds)
        ]
        schedules = [market.schedule(budget) for budget in budgets]
        first = np.tile(values, (len(cell.config.budgets), 1))
        return MarketShares(stack, first, schedules, learned=cell.design.learned, whole=cell.serves_whole)
    if isinstance(method, Movement):
        return MovementShares(stack, [method.schedule(budget) for budget in budgets])
    return HardConcreteShares(stack, budgets, learning_rate=cell.config.learning_rate, steps=cell.search_steps)


def _small_dense(cell: Cell) -> Iterator[Smaller]:
    """Fewer layers: models of another shape for each budget, and a stack for each."""
    method = SmallDense()
    for budget in cell.config.budgets:
        models = [
            method.reduce(_economy(cell, number), cell.comparison(budget, seed))[0]
            for number, seed in enumerate(cell.seeds)
        ]
        stack = ModelStack(models, cell.economy_config)
        everyone = _everyone(stack)
        if not cell.config.method.endswith(POST_HOC):
            cell.fit(stack, GivenShares(stack, everyone), cell.comparison(budget, 0).settings.steps)
        for smaller in _scored(cell, stack, everyone, (budget,), models):
            yield replace(smaller, open_agents=None, model=models[smaller.number])


def _scored(
    cell: Cell,
    stack: ModelStack,
    allocation: NDArray[np.bool_],
    budgets: Sequence[float],
    shaped: Sequence[PreTrainedModel] | None = None,
) -> Iterator[Smaller]:
    """Score all members; `shaped` are models of their shape, one a seed, if that is not the dense models'."""
    observed = cell.observed(stack, allocation)
    seeds = len(cell.seeds)
    shapes = cell.dense if shaped is None else shaped
    for member, budget in enumerate(_each(budgets, seeds)):
        trained = partial(_written, stack, member, shapes[member % seeds])
        yield Smaller(budget, member % seeds, observed[member], allocation[member], trained)


def _written(stack: ModelStack, member: int, shape: PreTrainedModel) -> PreTrainedModel:
    return stack.write_member(member, copy.deepcopy(shape)).eval()


def _economy(cell: Cell, number: int) -> ModelEconomy:
    """An economy of a copy of one seed's dense model."""
    return attach(copy.deepcopy(cell.dense[number]), cell.economy_config)


def _everyone(stack: ModelStack) -> NDArray[np.bool_]:
    return np.ones((stack.size, len(stack.economy.population)), dtype=bool)


def _each(budgets: Sequence[float], seeds: int) -> list[float]:
    """Give the budget of each member."""
    return [budget for budget in budgets for _ in range(seeds)]
