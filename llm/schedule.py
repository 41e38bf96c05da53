"""The budget and the temperature of each training step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.llm.config import checked_budget
from walras.market import InvalidInputError
from walras.market.validation import positive_number

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["EconomyCallback", "ElasticBudget"]


@final
@dataclass(frozen=True)
class ElasticBudget:
    """Training that serves a whole range of budgets with one set of weights.

    The budget of a step goes round in turns: the whole model, the smallest budget, and two drawn uniformly from the
    range between. The temperature falls geometrically over the first part of training and then stays, so that agents
    end up nearly open or closed, as they are in evaluation.

    Parameters
    ----------
    lowest
        Smallest budget to train for, in (0, 1].
    temperature, final_temperature
        Scale of demand at the first step and after cooling (money per unit, above 0).
    cooling
        Fraction of training over which it falls, in (0, 1].
    seed
        Of the budgets drawn.
    """

    lowest: float = 0.4
    temperature: float = 1.0
    final_temperature: float = 0.05
    cooling: float = 0.7
    seed: int = 0

    def __post_init__(self) -> None:
        if checked_budget(self.lowest) == 0.0:
            raise InvalidInputError(f"ElasticBudget.lowest must be above 0, got {self.lowest}.")
        for name in ("temperature", "final_temperature"):
            positive_number(f"ElasticBudget.{name}", getattr(self, name))
        if not 0.0 < self.cooling <= 1.0:
            raise InvalidInputError(f"ElasticBudget.cooling must lie in (0, 1], got {self.cooling}.")

    def budget_at(self, step: int) -> float:
        """Give the budget of a step; the same for the same seed and step, so that a resumed run goes on alike."""
        turn = step % 4
        if turn == 0:
            return 1.0
        if turn == 1:
            return self.lowest
        return float(np.random.default_rng((self.seed, step)).uniform(self.lowest, 1.0))

    def temperature_at(self, progress: float) -> float:
        """Give the temperature after a fraction `progress` of training."""
        cooled = min(progress / self.cooling, 1.0)
        return float(self.temperature * (self.final_temperature / self.temperature) ** cooled)


@final
class EconomyCallback(TrainerCallback):
    """Sets budget and temperature before each step, and logs the market.

    After training the budget is as it was before, and the temperature stays where it ended.

    Attributes
    ----------
    rows
        One per logging step: step, budget, temperature, price, shadow_price (loss per fraction of the agents' FLOPs).
    """

    def __init__(self, economy: "ModelEconomy", schedule: ElasticBudget) -> None:
        self.economy = economy
        self.schedule = schedule
        self.rows: list[dict[str, float]] = []
        self._budget_before = economy.budget

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Remember the budget that evaluation uses."""
        self._budget_before = self.economy.budget

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Set the step's budget and temperature."""
        self.economy.set_temperature(self.schedule.temperature_at(state.global_step / max(state.max_steps, 1)))
        self.economy.set_budget(self.schedule.budget_at(state.global_step))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Record the market of the step where the Trainer logs, and give evaluation its own budget back."""
        if state.global_step % max(int(state.logging_steps), 1) == 0:
            clearing = self.economy.gate.clearing
            shadow_price = self.economy.gate.shadow_price
            self.rows.append(
                {
                    "step": float(state.global_step),
                    "budget": self.economy.budget,
                    "temperature": float(self.economy.gate.temperature),
                    "price": float(clearing.price) if clearing is not None else float("nan"),
                    "shadow_price": float("nan") if shadow_price is None else shadow_price,
                }
            )
        self.economy.set_budget(self._budget_before)
