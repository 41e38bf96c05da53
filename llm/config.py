"""How a model's compute is to be rationed."""

from dataclasses import dataclass, field, replace
from typing import final

from walras.market import CapacityMarket, FixedSupply, InvalidInputError, LogitDemand, StepDemand
from walras.market.validation import finite_number, positive_number

__all__ = ["EconomyConfig", "checked_budget"]


@final
@dataclass(frozen=True)
class EconomyConfig:
    """How a model's compute is to be rationed.

    Parameters
    ----------
    mechanism
        A capacity market with smooth demand (logit or linear) and fixed supply. Costs are shares of the agents' FLOPs,
        so its quantity is the budget, a fraction of them.
    budget
        In place of the mechanism's quantity, in [0, 1].
    block_width
        Neurons in one block.
    sequence_length
        Tokens at which attention is costed; None takes 128, or the model's maximum if that is less.
    valuation_gain
        By how much valuations learn faster than weights (see `MarketGate`).
    """

    mechanism: CapacityMarket = field(default_factory=lambda: CapacityMarket(FixedSupply(1.0), LogitDemand(1.0)))
    budget: float | None = None
    block_width: int = 64
    sequence_length: int | None = None
    valuation_gain: float = 100.0

    def __post_init__(self) -> None:
        if not isinstance(self.mechanism, CapacityMarket):
            raise InvalidInputError(f"EconomyConfig.mechanism must be a CapacityMarket, got {self.mechanism!r}.")
        if not isinstance(self.mechanism.supply, FixedSupply):
            raise InvalidInputError(
                "EconomyConfig.mechanism must have a FixedSupply, since a budget is a quantity; "
                f"got {self.mechanism.supply!r}."
            )
        if isinstance(self.mechanism.demand, StepDemand):
            raise InvalidInputError(
                "EconomyConfig.mechanism must have smooth demand (LogitDemand or LinearDemand): step demand has no "
                "gradient to learn from. In evaluation whole agents are served anyway."
            )
        positive_number("EconomyConfig.valuation_gain", self.valuation_gain)
        budget = checked_budget(self.mechanism.supply.quantity if self.budget is None else self.budget)
        object.__setattr__(self, "budget", budget)
        object.__setattr__(self, "mechanism", replace(self.mechanism, supply=FixedSupply(budget)))


def checked_budget(budget: float) -> float:
    """Give `budget`, a fraction in [0, 1], or raise `InvalidInputError`."""
    number = finite_number("budget", budget)
    if not 0.0 <= number <= 1.0:
        raise InvalidInputError(f"budget is a fraction of the FLOPs that agents can use, in [0, 1]; got {number}.")
    return number
