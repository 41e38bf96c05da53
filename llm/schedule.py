"""The budget and the temperature of each training step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.llm.appraisal import normal_scores
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

    First everyone is served, and each agent's marginal contribution to the loss is observed: per unit of cost, it makes
    the agent's first valuation (as a normal score). Then the budget goes round in turns: a step with the whole model,
    one with the smallest budget, one with the whole model, one with a budget drawn uniformly from the range between;
    valuations and weights learn together. The temperature falls geometrically and then stays, so that agents end up
    nearly open or closed, as in evaluation.

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
    seed
        Of the budgets drawn.
    """

    lowest: float = 0.4
    warm_up: float = 0.2
    temperature: float = 0.5
    final_temperature: float = 0.02
    cooling: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if checked_budget(self.lowest) == 0.0:
            raise InvalidInputError(f"ElasticBudget.lowest must be above 0, got {self.lowest}.")
        for name in ("temperature", "final_temperature"):
            positive_number(f"ElasticBudget.{name}", getattr(self, name))
        if not 0.0 <= self.warm_up < self.cooling <= 1.0:
            raise InvalidInputError(
                f"ElasticBudget needs 0 <= warm_up < cooling <= 1, got {self.warm_up} and {self.cooling}."
            )

    def budget_at(self, step: int) -> float:
        """Give the budget of a step; the same for the same seed and step, so that a resumed run goes on alike."""
        if step % 2 == 0:
            return 1.0
        if step % 4 == 1:
            return self.lowest
        return float(np.random.default_rng((self.seed, step)).uniform(self.lowest, 1.0))

    def temperature_at(self, progress: float) -> float:
        """Give the temperature after a fraction `progress` of training."""
        cooled = min(max(progress - self.warm_up, 0.0) / (self.cooling - self.warm_up), 1.0)
        return float(self.temperature * (self.final_temperature / self.temperature) ** cooled)


@final
class EconomyCallback(TrainerCallback):
    """Runs the market of a training: warm-up and first valuations, then budget and temperature of each step; logs it.

    Evaluation during training, and everything after it, sees the budget that was set before; the temperature stays
    where it ended.

    Attributes
    ----------
    rows
        One per logging step after the warm-up: step, budget, temperature, price, shadow_price (by how much a unit of
        budget, a fraction of the agents' FLOPs, would lower the loss).
    """

    def __init__(self, economy: "ModelEconomy", schedule: ElasticBudget) -> None:
        self.economy = economy
        self.schedule = schedule
        self.rows: list[dict[str, float]] = []
        self._budget_outside = economy.budget
        self._contributions: NDArray[np.float64] | None = None

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Remember the budget that evaluation uses."""
        self._budget_outside = self.economy.budget
        self._contributions = None

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Set the step's mode, budget and temperature; at the end of the warm-up, the first valuations."""
        progress = state.global_step / max(state.max_steps, 1)
        if progress < self.schedule.warm_up:
            self.economy.set_mode("open")
            return
        if self._contributions is not None:
            self.economy.set_valuations(normal_scores(self._contributions / self.economy.population.costs))
            self._contributions = None
        self.economy.set_temperature(self.schedule.temperature_at(progress))
        self.economy.set_budget(self.schedule.budget_at(state.global_step))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Observe or record the step's market, and give evaluation its own mode and budget back."""
        if self.economy.gate.mode == "open":
            self._observe()
            self.economy.set_mode(None)
            return
        if state.global_step % max(int(state.logging_steps), 1) == 0:
            self._record(state.global_step)
        self.economy.set_budget(self._budget_outside)

    def _observe(self) -> None:
        observed = self.economy.gate.marginal_contributions
        if observed is not None:
            earlier = 0.0 if self._contributions is None else self._contributions
            self._contributions = earlier + observed.double().cpu().numpy()

    def _record(self, step: int) -> None:
        gate = self.economy.gate
        if gate.clearing is not None:
            self.rows.append(
                {
                    "step": float(step),
                    "budget": self.economy.budget,
                    "temperature": float(gate.temperature),
                    "price": float(gate.clearing.price.detach()),
                    "shadow_price": float("nan") if gate.shadow_price is None else gate.shadow_price,
                }
            )
