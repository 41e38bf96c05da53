"""What a Trainer does to a market of tokens: capacity shrinks, then demand hardens, step by step."""

import math
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from walras.market import InvalidInputError
from walras.market.validation import finite_number, positive_number

if TYPE_CHECKING:
    from walras.llm.tokens.economy import TokenEconomy

__all__ = ["TokenCallback"]


class TokenCallback(TrainerCallback):
    """Anneals capacity and temperature over a training.

    Over the first part of the steps capacities fall linearly from 1, the dense model, to those at which the economy was
    attached. Over the whole training the temperature falls geometrically, so that the shares that the model is trained
    on come close to whole tokens.

    Parameters
    ----------
    economy
        Of `attach_tokens`.
    warm_up
        Part of the steps over which capacity falls, in [0, 1].
    lowest_temperature
        Temperature of the last step, as a fraction of the first one's; above 0.
    """

    def __init__(self, economy: "TokenEconomy", *, warm_up: float = 0.3, lowest_temperature: float = 0.1) -> None:
        if not 0.0 <= finite_number("warm_up", warm_up) <= 1.0:
            raise InvalidInputError(f"warm_up must lie in [0, 1], got {warm_up}.")
        self.economy = economy
        self.warm_up = warm_up
        self.lowest_temperature = positive_number("lowest_temperature", lowest_temperature)
        self.capacities = tuple(economy.capacities.values())
        self.temperature = economy.temperature

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set capacity and temperature of the step; those of a resumed training follow from its step."""
        done = state.global_step / max(state.max_steps - 1, 1)
        part = 1.0 if done >= self.warm_up else done / self.warm_up
        self.economy.set_capacity(tuple(1.0 + part * (capacity - 1.0) for capacity in self.capacities))
        self.economy.set_temperature(self.temperature * math.exp(done * math.log(self.lowest_temperature)))
