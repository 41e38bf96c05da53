"""What one cell is: one task, one mechanism, all budgets, trained and in isolation."""

from dataclasses import asdict, dataclass
from typing import final

from walras.market.errors import InvalidInputError
from walras.market.validation import positive_number, whole_number
from walras.simulations.evidence.config import FrontierConfig
from walras.simulations.evidence.mechanisms.rules import MECHANISMS
from walras.simulations.models import EMBEDDED_TASK

__all__ = ["MechanismsConfig"]


@final
@dataclass(frozen=True, kw_only=True)
class MechanismsConfig:
    """One mechanism on one task at all budgets and seeds; plain values, as scenarios hold them.

    Parameters
    ----------
    mechanism
        One of `MECHANISMS`.
    collar
        How much more and less than the budget agents would have bought at the bounds of the collar, as a fraction of
        all compute, above 0 and below 1.
    tax_rate
        Of the progressive tax: the marginal rate on a layer's use between one and one and a half times its part; beyond
        that, twice as much. Money per unit: of the loss in training; in isolation, of what a unit of the whole model's
        compute is worth in the mean.
    periods
        Of the isolated economy, 1 or more: calibration examples are dealt to so many markets.
    task, model, data_dir, limit, window, stride, train_tokens, budgets, seeds, steps, epochs, learning_rate
        As in `FrontierConfig`.
    batch_size, logits_weight, search, bf16, compiled, dense_models
        As in `FrontierConfig`.
    """

    mechanism: str = "cap"
    collar: float = 0.02
    tax_rate: float = 0.5
    periods: int = 8
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
        if self.mechanism not in MECHANISMS:
            raise InvalidInputError(f"There is no mechanism {self.mechanism!r}; there are: {', '.join(MECHANISMS)}.")
        if not 0.0 < positive_number("collar", self.collar) < 1.0:
            raise InvalidInputError(f"collar must lie between 0 and 1, got {self.collar}.")
        positive_number("tax_rate", self.tax_rate)
        whole_number("periods", self.periods, minimum=1)
        if any(budget >= 1.0 for budget in self.budgets):
            raise InvalidInputError(f"budgets must be below 1, where there is something to ration; got {self.budgets}.")
        self.frontier()

    def frontier(self) -> FrontierConfig:
        """Give the configuration of the frontier's method `market`, which is the cap, with the same means."""
        own = ("mechanism", "collar", "tax_rate", "periods")
        shared = {name: value for name, value in asdict(self).items() if name not in own}
        return FrontierConfig(**shared, method="market")
