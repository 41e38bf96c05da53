"""Movement scores: who is served is learned by a gradient that passes straight through the choice.

In each forward pass the agents with the highest scores are served, whole, within a budget that falls from the whole
to the target. The gradient of the loss in an agent's share, served or not, is taken as that of its score:

    dL/dS_i := dL/dx_i = sum over the agent's output weights of w dL/dw

so that the score rises as the weights move away from zero, and falls as they shrink.

Sources: Sanh et al. 2020, equations 2 to 4; Lagunas et al. 2021 (structures), in docs/reference/bibliography.md.
"""

from typing import Any, final

import torch
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.llm.economy import ModelEconomy
from walras.llm.schedule import AnnealedBudget

__all__ = ["MovementScores"]


@final
class MovementScores(TrainerCallback):
    """The scores of an economy's agents, kept as its valuations.

    Parameters
    ----------
    schedule
        How the budget falls (its temperatures have no use here).
    """

    def __init__(self, economy: ModelEconomy, schedule: AnnealedBudget) -> None:
        self.economy = economy
        self.schedule = schedule
        self.budget = economy.gate.budget.new_tensor(1.0)

    def shares(self) -> Tensor:
        """Give 1 to agents that are served and 0 to others, with the gradient of a share for its score; shape (n,)."""
        gate = self.economy.gate
        served = gate.serve(self.budget).allocation.to(gate.raw_valuations.dtype)
        scores = gate.valuations
        return served + scores - scores.detach()

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Begin with scores of 0."""
        if state.global_step == 0:
            self.economy.gate.set_valuations(torch.zeros_like(self.economy.gate.raw_valuations))

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Set the step's budget."""
        progress = state.global_step / max(state.max_steps, 1)
        self.budget = self.economy.gate.budget.new_tensor(self.schedule.budgets_at(state.global_step, progress)[0])
