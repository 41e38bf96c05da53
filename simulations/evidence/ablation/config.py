"""What one cell is: one task, one variant of the method `market`, all budgets."""

from dataclasses import asdict, dataclass
from typing import final

from walras.market.errors import InvalidInputError
from walras.simulations.evidence.ablation.variants import AS_IT_IS, VARIANTS
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.models import EMBEDDED_TASK

__all__ = ["AblationConfig"]


@final
@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """One variant on one task at all budgets and seeds; plain values, as scenarios hold them.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    task, model, data_dir, limit, window, stride, train_tokens, budgets, seeds, steps, epochs, learning_rate
        As in `FrontierConfig`.
    batch_size, logits_weight, search, bf16, compiled, dense_models
        As in `FrontierConfig`: those of the method as it stands.
    """

    variant: str = AS_IT_IS
    task: str = EMBEDDED_TASK
    model: str = ""
    data_dir: str = ""
    limit: int = 0
    window: int = 512
    stride: int = 256
    train_tokens: int = 4_000_000
    budgets: tuple[float, ...] = (0.4, 0.25, 0.15)
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
        if self.variant not in VARIANTS:
            raise InvalidInputError(f"There is no variant {self.variant!r}; there are: {', '.join(VARIANTS)}.")
        if any(budget >= 1.0 for budget in self.budgets):
            raise InvalidInputError(f"budgets must be below 1, where there is something to ration; got {self.budgets}.")
        if self.logits_weight == 0.0:
            raise InvalidInputError("logits_weight must be above 0: the method as it stands learns from the teacher.")
        self.frontier()

    def frontier(self) -> FrontierConfig:
        """Give the configuration of the frontier's method `market`, as it stands, with the same means."""
        shared = {name: value for name, value in asdict(self).items() if name != "variant"}
        return FrontierConfig(**shared, method="market")
