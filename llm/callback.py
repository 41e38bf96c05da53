"""The Trainer callback that runs the market of a training."""

from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.llm.appraisal import normal_scores
from walras.llm.schedule import BudgetSchedule, turn_of

if TYPE_CHECKING:
    from walras.llm.economy import ModelEconomy

__all__ = ["EconomyCallback"]

STATE_KEY = "walras_economy"


@final
class EconomyCallback(TrainerCallback):
    """Runs the market of a training: warm-up and first valuations, then budgets and temperature of each step; logs it.

    In an ordinary `Trainer` a step has one budget, and the schedule's budgets take turns. In an `EconomyTrainer` a step
    has all of them. Once bids are settled, steps serve whole agents, and only the model's weights learn. Evaluation
    during training, and everything after it, sees the economy's own budget; the temperature stays where it ended.

    All that a checkpoint must hold is in it (valuations and temperature with the weights, the rest in the Trainer's
    state), so that `trainer.train(resume_from_checkpoint=...)` goes on as if nothing had happened. With data in
    parallel, contributions are those of all processes together, so that each has the same prices.

    Attributes
    ----------
    budgets
        Of the present step; empty in the warm-up, between steps, and under a posted price.
    rows
        One per logging step and budget after the warm-up: step, budget, temperature, price, shadow_price (by how much a
        unit of budget, a fraction of the agents' FLOPs, would lower the loss), sold (fraction of the agents' FLOPs that
        were used), gap (fraction of them that whole agents at the same budget would use otherwise). Where whole agents
        are served, settled or straight through, `sold` is what they use, at most the budget, and `gap` is 0; prices
        are still those of the soft market straight through.
    """

    def __init__(self, economy: "ModelEconomy", schedule: BudgetSchedule) -> None:
        self.economy = economy
        self.schedule = schedule
        self.takes_turns = True
        self.budgets: tuple[float, ...] = ()
        self.rows: list[dict[str, float]] = []
        self._contributions: NDArray[np.float64] | None = None
        self._settled: list[Tensor] | None = None
        self._rows_of_step: list[dict[str, float]] = []
        self._records = False

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Start afresh, or where the checkpoint that is resumed was written."""
        earlier = state.stateful_callbacks.get(STATE_KEY) if state.global_step > 0 else None
        self.rows = list(earlier["rows"]) if earlier else []
        summed = earlier["contributions"] if earlier else None
        self._contributions = None if summed is None else np.array(summed, dtype=np.float64)
        self._keep_state(state)

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Set the step's mode, budgets and temperature; at the end of the warm-up, the first valuations."""
        gate = self.economy.gate
        progress = state.global_step / max(state.max_steps, 1)
        self.budgets, self._rows_of_step = (), []
        self._records = (state.global_step + 1) % max(int(state.logging_steps), 1) == 0
        if progress < self.schedule.warm_up:
            self.economy.set_mode("open")
            gate.observed = torch.ones_like(gate.raw_valuations, requires_grad=True)
            return
        if self._contributions is not None:
            costs = gate.costs.clamp(min=torch.finfo(torch.float64).tiny).cpu().numpy()
            self.economy.set_valuations(normal_scores(self._contributions / costs))
            self._contributions = None
        self.economy.set_temperature(self.schedule.temperature_at(progress))
        if progress >= self.schedule.settled:
            self.economy.set_mode("hard")
            # Gradients of 0 do not keep an optimiser still: momentum and decay would go on moving bids.
            self._settled = [parameter.detach().clone() for parameter in gate.parameters()]
        if gate.marketplace.posts_a_price:  # a price is posted, and quantities follow
            return
        budgets = self.schedule.budgets_at(state.global_step, progress)
        self.budgets = (turn_of(budgets, state.global_step),) if self.takes_turns else budgets
        self.open_lanes(self.budgets)

    def open_lanes(self, budgets: tuple[float, ...]) -> None:
        """Let the next forward passes clear at these budgets, side by side."""
        # Filled on the device: a copy to it would have the host wait until all its work is done.
        costs = self.economy.gate.costs
        lanes = [torch.full((1,), budget, dtype=torch.float64, device=costs.device) for budget in budgets]
        self.economy.gate.lanes = (lanes[0] if len(lanes) == 1 else torch.cat(lanes)).requires_grad_()

    def after_pass(self) -> None:
        """Note the market of a forward and backward pass, if the step is one that is logged."""
        if self._records:
            self._rows_of_step += self._rows_of_pass()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Observe or record the step's market, and give evaluation its own mode and budget back."""
        gate = self.economy.gate
        if gate.mode == "open":
            self._observe()
            gate.observed = None
            self.economy.set_mode(None)
        elif self._records:
            rows = self._rows_of_step or self._rows_of_pass()
            self.rows += [{"step": float(state.global_step), **row} for row in rows]
        if self._settled is not None:
            self._put_back(self._settled)
            self._settled = None
            self.economy.set_mode(None)
        gate.lanes, self.budgets = None, ()
        self._keep_state(state)

    def latest(self) -> dict[str, float]:
        """Give the last recorded step's smallest budget as numbers for the Trainer's log."""
        if not self.rows:
            return {}
        last = min((row for row in self.rows if row["step"] == self.rows[-1]["step"]), key=lambda row: row["budget"])
        return {f"economy_{name}": value for name, value in last.items() if name != "step"}

    def _keep_state(self, state: TrainerState) -> None:
        # Not an ExportableState: the Trainer would make a new callback, without its economy, when it resumes.
        contributions = None if self._contributions is None else self._contributions.tolist()
        state.stateful_callbacks[STATE_KEY] = {"contributions": contributions, "rows": self.rows}

    @torch.no_grad()
    def _put_back(self, bids: list[Tensor]) -> None:
        for parameter, before in zip(self.economy.gate.parameters(), bids, strict=True):
            parameter.copy_(before)

    def _observe(self) -> None:
        gate = self.economy.gate
        if gate.observed is None or gate.observed.grad is None:
            return
        gradient = gate.observed.grad
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(gradient)
        earlier = 0.0 if self._contributions is None else self._contributions
        self._contributions = earlier + gradient.abs().double().cpu().numpy()

    @torch.no_grad()
    def _rows_of_pass(self) -> list[dict[str, float]]:
        gate = self.economy.gate
        if gate.clearing is None:
            return []
        lanes = gate.budget[None] if gate.lanes is None else gate.lanes.detach()
        count = len(lanes)
        agents = gate.clearing.allocation.shape[-1]
        each = gate.clearing.allocation.detach().reshape(count, -1, agents).double().cpu().numpy()  # of each sequence
        shares = each.mean(1)
        prices, sold = (_by_lane(tensor, count) for tensor in (gate.clearing.price, gate.clearing.quantity_sold))
        # The loss is the mean over the step's budgets: a budget's own loss has as many times its derivative.
        gradient = None if gate.lanes is None else gate.lanes.grad
        shadow = [float("nan")] * count if gradient is None else (-gradient * max(len(self.budgets), 1)).tolist()
        costs = gate.costs.double().cpu().numpy()
        rows = []
        for lane, budget in enumerate(lanes.tolist()):
            # A posted price has no budget, and bids that depend on sequences no one allocation.
            is_one = not gate.marketplace.posts_a_price and gate.bidder is None
            if gate.is_straight_through:  # whole agents were served, at bids that may have moved since
                gap = float((np.abs(each[lane] - each[lane].round()) @ costs).mean())
            elif is_one:
                whole = self.economy.hard_allocation(min(budget, 1.0))
                gap = float((costs * np.abs(shares[lane] - whole)).sum())
            else:
                gap = float("nan")
            rows.append(
                {
                    "budget": budget,
                    "temperature": float(gate.temperature),
                    "price": prices[lane],
                    "shadow_price": shadow[lane],
                    "sold": sold[lane],
                    "gap": gap,
                }
            )
        return rows


def _by_lane(tensor: Tensor, lanes: int) -> list[float]:
    return [float(value) for value in tensor.detach().reshape(lanes, -1).mean(1)]
