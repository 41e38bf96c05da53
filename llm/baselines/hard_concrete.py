"""Gates learned by L0 regularisation: hard-concrete shares, and a Lagrangian that holds the budget.

A share is drawn anew in each forward pass, `x = clip(s (zeta - gamma) + gamma, 0, 1)` with `s = sigmoid((logit u +
alpha) / beta)`, u uniform, so that it is exactly 0 or 1 with positive probability:

    P(x > 0) = sigmoid(alpha - beta log(-gamma / zeta))

The expected cost `c = sum_i w_i P(x_i > 0)` is held at a target t, which falls linearly to the budget, by adding
`l_1 (c - t) + l_2 (c - t)^2` to the loss, with multipliers that rise by gradient ascent. The second begins large: from
0, in trainings of some hundred steps, it comes too late, and the first overshoots.

Sources: Louizos et al. 2018, equations 10 to 12 (gates); Wang et al. 2020, section 4.3 (Lagrangian); Xia et al. 2022
(both, on heads and feed-forward networks), in docs/reference/bibliography.md.
"""

import math
from typing import Any, final

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.llm.economy import ModelEconomy
from walras.market.validation import positive_number

__all__ = ["HardConcreteGates", "hard_concrete", "open_probability"]

BETA, GAMMA, ZETA = 2.0 / 3.0, -0.1, 1.1
FIRST_ALPHA = 2.5  # open with probability 0.98
FIRST_QUADRATIC = 100.0
REACHED, ASCENT = 0.5, 0.1  # of training, when the target is at the budget; step of the multipliers
TRAVEL = 24.0  # how far a parameter could go at the full rate; at b = 0.1 it must go 6, at rates that rise and fall


def hard_concrete(alpha: Tensor, uniform: Tensor) -> Tensor:
    """Give shares in [0, 1] of parameters `alpha` and uniform noise in (0, 1), of one shape."""
    stretched = torch.sigmoid((torch.logit(uniform) + alpha) / BETA) * (ZETA - GAMMA) + GAMMA
    return stretched.clamp(0.0, 1.0)


def open_probability(alpha: Tensor) -> Tensor:
    """Give the probability that a share is above 0."""
    return torch.sigmoid(alpha - BETA * math.log(-GAMMA / ZETA))


@final
class HardConcreteGates(TrainerCallback):
    """The gates of an economy's agents as hard-concrete variables, whose parameters are its valuations.

    Parameters
    ----------
    budget
        Expected cost to end at, a fraction of all agents' cost.
    reached
        Fraction of training at whose end the target is at the budget.
    ascent
        Step of the multipliers.
    """

    def __init__(
        self, economy: ModelEconomy, budget: float, *, reached: float = REACHED, ascent: float = ASCENT
    ) -> None:
        self.economy = economy
        self.budget = budget
        self.reached = positive_number("reached", reached)
        self.ascent = positive_number("ascent", ascent)
        self.target = 1.0
        self.linear, self.quadratic = 0.0, FIRST_QUADRATIC

    def shares(self) -> Tensor:
        """Draw the shares of a forward pass in training; give their medians in evaluation. Shape (n,)."""
        alpha = self.economy.gate.valuations
        if not self.economy.model.training:
            return hard_concrete(alpha, torch.full_like(alpha, 0.5))
        eps = torch.finfo(alpha.dtype).eps
        return hard_concrete(alpha, torch.rand_like(alpha).clamp(eps, 1.0 - eps))

    def expected_cost(self) -> Tensor:
        """Expected cost of the agents that are open, a fraction of all agents' cost."""
        gate = self.economy.gate
        return (gate.costs.float() * open_probability(gate.valuations)).sum()

    def penalty(self) -> Tensor:
        """Term of the loss."""
        excess = self.expected_cost() - self.target
        return self.linear * excess + self.quadratic * excess.square()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open nearly all gates, and set their rate so that they can close within the training."""
        gate = self.economy.gate
        gate.valuation_gain = TRAVEL / (args.learning_rate * max(state.max_steps, 1))
        if state.global_step == 0:
            gate.set_valuations(torch.full_like(gate.raw_valuations, FIRST_ALPHA))

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Move the target."""
        way = min(state.global_step / max(state.max_steps * self.reached, 1.0), 1.0)
        self.target = 1.0 + way * (self.budget - 1.0)

    @torch.no_grad()
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Raise the multipliers by their gradients."""
        excess = float(self.expected_cost()) - self.target
        self.linear += self.ascent * excess
        self.quadratic += self.ascent * excess**2
