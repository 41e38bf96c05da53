"""What cells have in common that train the frontier's method `market`, each with something about it changed."""

from dataclasses import dataclass, fields

from walras.market.errors import InvalidInputError
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.models import EMBEDDED_TASK

__all__ = ["MarketTraining"]


@dataclass(frozen=True, kw_only=True)
class MarketTraining:
    """One task at all budgets and seeds; plain values, as scenarios hold them.

    Parameters
    ----------
    task, model, data_dir, limit, window, stride, train_tokens, budgets, seeds, steps, epochs, learning_rate
        As in `FrontierConfig`; budgets below 1.
    batch_size, logits_weight, search, bf16, compiled, dense_models
        As in `FrontierConfig`: those of the method as it stands.
    """

    task: str = EMBEDDED_TASK
    model: str = ""
    data_dir: str = ""
    limit: int = 0
    window: int = 512
    stride: int = 256
    train_tokens: int = 4_000_000
    budgets: tuple[float, ...] = (0.6, 0.4, 0.25)
    seeds: int = 3
    steps: int = 300
    epochs: float = 0.0
    learning_rate: float = 1e-3
    batch_size: int = 64
    logits_weight: float = 1.0
    search: float = 0.6
    bf16: bool = False
    compiled: bool = False
    dense_models: str = ""

    def __post_init__(self) -> None:
        if any(budget >= 1.0 for budget in self.budgets):
            raise InvalidInputError(f"budgets must be below 1, where there is something to ration; got {self.budgets}.")
        self.frontier()

    def frontier(self) -> FrontierConfig:
        """Give the configuration of the method as it stands, with the same means."""
        shared = {field.name: getattr(self, field.name) for field in fields(MarketTraining)}
        return FrontierConfig(**shared, method="market")
