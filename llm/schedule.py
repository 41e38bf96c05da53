"""The budgets and the temperature of each training step."""

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np

from walras.llm.config import checked_budget
from walras.market import InvalidInputError
from walras.market.validation import positive_number

__all__ = ["AnnealedBudget", "BudgetSchedule", "ElasticBudget", "turn_of"]


class BudgetSchedule(Protocol):
    """What a training asks of a schedule; all fractions are of the training's steps."""

    @property
    def warm_up(self) -> float:
        """Fraction of training in which everyone is served, in [0, 1)."""

    @property
    def settled(self) -> float:
        """Fraction of training from which bids stay, and whole agents are served; 1 for never."""

    def budgets_at(self, step: int, progress: float) -> tuple[float, ...]:
        """Give the budgets of a step, the largest first; the same for the same step, so that runs can be resumed."""

    def temperature_at(self, progress: float) -> float:
        """Give the scale of demand (money per unit) after a fraction `progress` of training."""


@final
@dataclass(frozen=True)
class ElasticBudget:
    """Training that serves a whole range of budgets with one set of weights.

    First everyone is served, and each agent's marginal contribution to the loss is observed: per unit of cost, it makes
    the agent's first valuation (as a normal score). Then every step has the whole model, the smallest budget, and
    budgets drawn uniformly from the range between (the sandwich rule); valuations and weights learn together. The
    temperature falls geometrically and then stays, so that agents end up nearly open or closed. Where it pays to be
    served in part, agents come to bid alike, and many are half open at any temperature: from `settled` on, valuations
    stay, whole agents are served as in evaluation, and weights get used to that.

    Parameters
    ----------
    lowest
        Smallest budget to train for, in (0, 1].
    warm_up
        Fraction of training in which everyone is served, in [0, 1); at 0 valuations start as they are.
    temperature, final_temperature
        Scale of demand after the warm-up and after cooling (money per unit, above 0).
    cooling
        Fraction of training at whose end the final temperature is reached, in (warm_up, 1].
    settled
        Fraction of training from which valuations stay and whole agents are served, in [cooling, 1]; 1 for never.
    draws
        Budgets drawn in each step, 0 or more.
    seed
        Of the budgets drawn.

    Notes
    -----
    *Source*: the sandwich rule, Yu and Huang 2019 (docs/reference/bibliography.md).
    """

    lowest: float = 0.4
    warm_up: float = 0.2
    temperature: float = 0.5
    final_temperature: float = 0.02
    cooling: float = 0.8
    draws: int = 1
    seed: int = 0
    settled: float = 1.0

    def __post_init__(self) -> None:
        _check("ElasticBudget", "lowest", self.lowest, self.temperature, self.final_temperature)
        _check_order("ElasticBudget", self.warm_up, self.cooling, self.settled)
        if not isinstance(self.draws, int) or self.draws < 0:
            raise InvalidInputError(f"ElasticBudget.draws must be a whole number of 0 or more, got {self.draws!r}.")

    def budgets_at(self, step: int, progress: float) -> tuple[float, ...]:
        """Give the whole, the smallest, and the budgets drawn; the same for the same seed and step."""
        drawn = np.random.default_rng((self.seed, step)).uniform(self.lowest, 1.0, self.draws)
        return (1.0, self.lowest, *drawn.tolist())

    def temperature_at(self, progress: float) -> float:
        """Give the temperature after a fraction `progress` of training."""
        return _cooled(progress, self.warm_up, self.cooling, self.temperature, self.final_temperature)


@final
@dataclass(frozen=True)
class AnnealedBudget:
    """Training for one budget, which supply approaches from above.

    After a warm-up in which everyone is served (see `ElasticBudget`), the budget falls from the whole to the target,
    and stays: `target + (1 - target) (1 - u)^3` after a fraction u of the way.

    Parameters
    ----------
    target
        The budget to train for, in (0, 1].
    warm_up, temperature, final_temperature, cooling, settled
        As in `ElasticBudget`; `settled` not before `reached`.
    reached
        Fraction of training at whose end the budget is at the target, in [warm_up, 1]; at `warm_up` it never falls, but
        is there at once.

    Notes
    -----
    *Source*: the cubic path, Zhu and Gupta 2018 (docs/reference/bibliography.md).
    """

    target: float
    warm_up: float = 0.1
    temperature: float = 0.5
    final_temperature: float = 0.02
    cooling: float = 0.8
    reached: float = 0.6
    settled: float = 1.0

    def __post_init__(self) -> None:
        _check("AnnealedBudget", "target", self.target, self.temperature, self.final_temperature)
        _check_order("AnnealedBudget", self.warm_up, self.cooling, self.settled)
        if not self.warm_up <= self.reached <= self.settled:
            raise InvalidInputError(
                f"AnnealedBudget needs warm_up <= reached <= settled, got {self.warm_up}, {self.reached} and "
                f"{self.settled}."
            )

    def budgets_at(self, step: int, progress: float) -> tuple[float, ...]:
        """Give the one budget of a step."""
        if progress >= self.reached:
            return (self.target,)
        if progress <= self.warm_up:
            return (1.0,)
        way = (progress - self.warm_up) / (self.reached - self.warm_up)
        return (self.target + (1.0 - self.target) * (1.0 - way) ** 3,)

    def temperature_at(self, progress: float) -> float:
        """Give the temperature after a fraction `progress` of training."""
        return _cooled(progress, self.warm_up, self.cooling, self.temperature, self.final_temperature)


def turn_of(budgets: tuple[float, ...], step: int) -> float:
    """Pick the one budget of a step that can have no more: every other turn is the first's, the others share the rest.

    So the whole model and the smallest have the turns 0, 1, 2 in `whole, smallest, whole, drawn, whole, smallest, ...`.
    """
    if step % 2 == 0 or len(budgets) == 1:
        return budgets[0]
    return budgets[1 + step // 2 % (len(budgets) - 1)]


def _cooled(progress: float, begin: float, end: float, first: float, last: float) -> float:
    """Fall geometrically between two fractions of training."""
    way = min(max(progress - begin, 0.0) / (end - begin), 1.0)
    return float(first * (last / first) ** way)


def _check(owner: str, name: str, budget: float, first: float, last: float) -> None:
    if checked_budget(budget) == 0.0:
        raise InvalidInputError(f"{owner}.{name} must be above 0, got {budget}.")
    positive_number(f"{owner}.temperature", first)
    positive_number(f"{owner}.final_temperature", last)


def _check_order(owner: str, warm_up: float, cooling: float, settled: float) -> None:
    if not 0.0 <= warm_up < cooling <= settled <= 1.0:
        raise InvalidInputError(
            f"{owner} needs 0 <= warm_up < cooling <= settled <= 1, got {warm_up}, {cooling} and {settled}."
        )
