"""What cells have in common that train the frontier's method `market`, each with something about it changed."""

from dataclasses import dataclass, fields

from walras.market.errors import InvalidInputError
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.task_training import TaskTraining

__all__ = ["MarketTraining"]


@dataclass(frozen=True, kw_only=True)
class MarketTraining(TaskTraining):
    """The method `market` on one task at all budgets and seeds.

    Parameters
    ----------
    budgets
        Fractions of the agents' FLOPs, each in (0, 1), all different.
    """

    budgets: tuple[float, ...] = (0.6, 0.4, 0.25)

    def __post_init__(self) -> None:
        if any(budget >= 1.0 for budget in self.budgets):
            raise InvalidInputError(f"budgets must be below 1, where there is something to ration; got {self.budgets}.")
        self.frontier()

    def frontier(self) -> FrontierConfig:
        """Give the configuration of the method as it stands, with the same means."""
        shared = {field.name: getattr(self, field.name) for field in fields(MarketTraining)}
        return FrontierConfig(**shared, method="market")
