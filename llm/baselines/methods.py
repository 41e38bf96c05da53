"""The methods: the market and what it is compared with, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from walras.llm.appraisal import magnitude_valuations, normal_scores, random_valuations
from walras.llm.baselines.comparison import Comparison, Method
from walras.llm.baselines.dense import small_dense, uniform_valuations
from walras.llm.baselines.fisher_masks import rearranged, repair
from walras.llm.baselines.gradients import (
    calibration_batches,
    fisher_importance,
    given_shares,
    michel_importance,
    share_gradients,
    taylor_importance,
)
from walras.llm.baselines.hard_concrete import HardConcreteGates
from walras.llm.baselines.movement import MovementScores
from walras.llm.economy import ModelEconomy
from walras.llm.schedule import AnnealedBudget
from walras.llm.training import fine_tune
from walras.market import InvalidInputError

__all__ = ["METHODS"]

_STARTS = ("contribution per cost", "contribution", "equal", "lot")

Importance = Callable[[ModelEconomy, Comparison], NDArray[np.float64]]


@final
@dataclass(frozen=True)
class Ranking:
    """Serve agents by a ranking of the model as it is, without training."""

    name: str
    valuations: Importance
    searches: bool = False

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, NDArray[np.float64]]:
        """Give the model without the agents that the ranking does not serve."""
        return _exported(economy, comparison, self.valuations(economy, comparison))


@final
@dataclass(frozen=True)
class FisherMasks:
    """Kwon's masks: search by the Fisher information's diagonal, rearrangement, repair by least squares."""

    name: str = "fisher"
    searches: bool = False

    def serve(self, economy: ModelEconomy, comparison: Comparison) -> NDArray[np.bool_]:
        """Give whom the masks serve, shape (n,), and leave their sub-layers repaired in the economy's model."""
        batches = _batches(comparison)
        gradients = share_gradients(economy, batches)
        economy.set_valuations(_per_cost(economy, fisher_importance(gradients)))
        served = rearranged(gradients, economy.hard_allocation(comparison.budget), economy.population)
        repair(economy, served, batches)
        return served

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, NDArray[np.float64]]:
        """Give the model with the repaired sub-layers of the agents that are served."""
        served = self.serve(economy, comparison)
        # As bids: those who were chosen first.
        return _exported(economy, comparison, economy.valuations + np.where(served, 1e3, 0.0))


@final
@dataclass(frozen=True)
class HardConcrete:
    """Hard-concrete gates under L0 regularisation, with a Lagrangian for the budget."""

    name: str = "l0"
    searches: bool = True

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, NDArray[np.float64]]:
        """Give the model of the agents whose gates are most open."""
        gates = HardConcreteGates(economy, comparison.budget)
        with given_shares(economy, gates.shares):
            fine_tune(
                economy.model,
                comparison.task,
                comparison.search_settings(),
                teacher=comparison.teacher,
                distillation=comparison.distillation,
                penalty=gates.penalty,
                callbacks=[gates],
            )
        return _exported(economy, comparison, economy.valuations)


@final
@dataclass(frozen=True)
class Movement:
    """Movement scores, learned straight through the choice of whom to serve."""

    name: str = "movement"
    searches: bool = True

    def schedule(self, budget: float) -> AnnealedBudget:
        """Give the way to a budget."""
        return AnnealedBudget(budget, warm_up=0.1, reached=0.8)

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, NDArray[np.float64]]:
        """Give the model of the agents with the highest scores."""
        scores = MovementScores(economy, self.schedule(comparison.budget))
        with given_shares(economy, scores.shares):
            fine_tune(
                economy.model,
                comparison.task,
                comparison.search_settings(),
                teacher=comparison.teacher,
                distillation=comparison.distillation,
                callbacks=[scores],
            )
        return _exported(economy, comparison, economy.valuations)


@final
@dataclass(frozen=True)
class SmallDense:
    """A dense model of fewer layers, which learns from the same teacher."""

    name: str = "small_dense"
    searches: bool = False

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, None]:
        """Give evenly spaced layers of the model."""
        return small_dense(economy, comparison.budget), None


@final
@dataclass(frozen=True)
class Market:
    """Ours, for one budget: valuations learned under smooth demand while supply falls to it.

    Parameters
    ----------
    temperature, final_temperature
        Of demand, at the search's beginning and end.
    reached
        Fraction of the search at whose end the budget is at its target, in [0, 1]; 0 begins there.
    start
        What makes the first valuations: "contribution per cost", the mean absolute first-order change of the loss for a
        unit of compute; "contribution", the same of the whole agent, blind to costs; "equal"; or "lot", drawn by seed.
    """

    name: str = "market"
    searches: bool = True
    temperature: float = 0.5
    final_temperature: float = 0.02
    reached: float = 0.6
    start: str = "contribution per cost"

    def __post_init__(self) -> None:
        if self.start not in _STARTS:
            raise InvalidInputError(f"Market.start must be one of {', '.join(_STARTS)}; got {self.start!r}.")

    def first_valuations(self, economy: ModelEconomy, comparison: Comparison) -> NDArray[np.float64]:
        """Give the valuations with which the search begins, shape (n,): normal scores, or 0 where all are equal."""
        if self.start == "equal":
            return np.zeros(len(economy.population))
        if self.start == "lot":
            lots = random_valuations(economy.population, np.random.default_rng(comparison.settings.seed))
            return normal_scores(lots)
        contributions = np.abs(share_gradients(economy, _batches(comparison))).mean(0)
        return normal_scores(contributions if self.start == "contribution" else _per_cost(economy, contributions))

    def schedule(self, budget: float) -> AnnealedBudget:
        """Give the way to a budget."""
        return AnnealedBudget(
            budget,
            warm_up=0.0,
            reached=self.reached,
            cooling=0.9,
            temperature=self.temperature,
            final_temperature=self.final_temperature,
        )

    def reduce(self, economy: ModelEconomy, comparison: Comparison) -> tuple[PreTrainedModel, NDArray[np.float64]]:
        """Give the model of the agents that the market serves."""
        economy.set_valuations(self.first_valuations(economy, comparison))
        fine_tune(
            economy.model,
            comparison.task,
            comparison.search_settings(),
            market=economy.callback(self.schedule(comparison.budget)),
            teacher=comparison.teacher,
            distillation=comparison.distillation,
        )
        return economy.export(comparison.budget), economy.valuations


def _exported(
    economy: ModelEconomy, comparison: Comparison, valuations: NDArray[np.float64]
) -> tuple[PreTrainedModel, NDArray[np.float64]]:
    economy.set_valuations(normal_scores(valuations))  # only the order counts
    return economy.export(comparison.budget), economy.valuations


def _batches(comparison: Comparison) -> list[dict[str, torch.Tensor]]:
    return calibration_batches(comparison.task, examples=comparison.calibration, seed=comparison.settings.seed)


def _per_cost(economy: ModelEconomy, importance: NDArray[np.float64]) -> NDArray[np.float64]:
    costs = economy.gate.costs.cpu().numpy()
    return importance / np.maximum(costs, np.finfo(np.float64).tiny)


def _by_gradients(importance: Callable[[ModelEconomy, NDArray[np.float64]], NDArray[np.float64]]) -> Importance:
    def valuations(economy: ModelEconomy, comparison: Comparison) -> NDArray[np.float64]:
        return _per_cost(economy, importance(economy, share_gradients(economy, _batches(comparison))))

    return valuations


_ALL: tuple[Method, ...] = (
    Market(),
    Ranking("random", lambda e, c: random_valuations(e.population, np.random.default_rng(c.settings.seed))),
    Ranking("magnitude", lambda e, c: magnitude_valuations(e.model, e.population)),
    Ranking("michel", _by_gradients(lambda e, g: michel_importance(g, e.population))),
    Ranking("taylor", _by_gradients(lambda e, g: taylor_importance(g))),
    FisherMasks(),
    HardConcrete(),
    Movement(),
    Ranking("uniform", lambda e, c: uniform_valuations(e.model, e.population)),
    SmallDense(),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
