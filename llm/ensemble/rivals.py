"""The gates of other methods for a stack: hard-concrete variables and movement scores of every member."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from walras.llm.baselines.hard_concrete import (
    ASCENT,
    FIRST_ALPHA,
    FIRST_QUADRATIC,
    REACHED,
    TRAVEL,
    hard_concrete,
    open_probability,
)
from walras.llm.ensemble.shares import Valued
from walras.llm.ensemble.stack import ModelStack
from walras.llm.schedule import AnnealedBudget

__all__ = ["HardConcreteShares", "MovementShares"]


@final
class HardConcreteShares(Valued):
    """Hard-concrete gates, with a Lagrangian for each member: `walras.llm.baselines.HardConcreteGates`, stacked.

    Parameters
    ----------
    budgets
        Expected cost at which each member ends, a fraction of all agents' cost.
    learning_rate, steps
        Of the training, to set the rate at which gates can close within it.
    """

    lanes = 1

    def __init__(self, stack: ModelStack, budgets: Sequence[float], *, learning_rate: float, steps: int) -> None:
        self.costs = stack.economy.gate.costs.float()
        first = self.costs.new_full((stack.size, len(self.costs)), FIRST_ALPHA)
        super().__init__(first, TRAVEL / (learning_rate * max(steps, 1)))
        self.budgets = self.costs.new_tensor(budgets)
        self.targets = torch.ones_like(self.budgets)
        self.linear, self.quadratic = torch.zeros_like(self.budgets), torch.full_like(self.budgets, FIRST_QUADRATIC)

    def begin_step(self, step: int, steps: int) -> None:
        """Move the targets."""
        self.targets = 1.0 + min(step / max(steps * REACHED, 1.0), 1.0) * (self.budgets - 1.0)

    def shares(self) -> Tensor:
        """Draw all gates."""
        eps = torch.finfo(torch.float32).eps
        return hard_concrete(self.valuations, torch.rand_like(self.raw).clamp(eps, 1.0 - eps))

    def _excess(self) -> Tensor:
        return (self.costs * open_probability(self.valuations)).sum(-1) - self.targets

    def penalty(self) -> Tensor:
        """Give the Lagrangian's term of each member."""
        excess = self._excess()
        return self.linear * excess + self.quadratic * excess.square()

    @torch.no_grad()
    def end_step(self) -> None:
        """Raise the multipliers by their gradients."""
        excess = self._excess()
        self.linear = self.linear + ASCENT * excess
        self.quadratic = self.quadratic + ASCENT * excess.square()


@final
class MovementShares(Valued):
    """Movement scores learned straight through the choice: `walras.llm.baselines.MovementScores`, stacked.

    Parameters
    ----------
    schedules
        How the budget of each member falls.
    """

    lanes = 1

    def __init__(self, stack: ModelStack, schedules: Sequence[AnnealedBudget]) -> None:
        self.gate = stack.economy.gate
        first = self.gate.costs.new_zeros((stack.size, len(self.gate.costs)), dtype=torch.float32)
        super().__init__(first, self.gate.valuation_gain)
        self.schedules = schedules
        self._levels = self.gate.costs.new_ones(stack.size)

    def begin_step(self, step: int, steps: int) -> None:
        """Set the budgets."""
        self._levels = self._levels.new_tensor([each.budgets_at(step, step / steps)[0] for each in self.schedules])

    def shares(self) -> Tensor:
        """Give 1 to agents that are served and 0 to others, with the gradient of a share for its score."""
        scores = self.valuations
        with torch.no_grad():
            sale = self.gate.marketplace(scores, self.gate.costs, level=self._levels, temperature=None)
        return sale.allocation.to(scores.dtype) + scores - scores.detach()

    def penalty(self) -> None:
        """There is none."""

    def end_step(self) -> None:
        """Do nothing."""
