"""What one cell is: one task, one variant of the method `market`, all budgets."""

from dataclasses import dataclass
from typing import final

from walras.market.errors import InvalidInputError
from walras.simulations.evidence.ablation.variants import AS_IT_IS, VARIANTS
from walras.simulations.evidence.market_training import MarketTraining

__all__ = ["AblationConfig"]


@final
@dataclass(frozen=True, kw_only=True)
class AblationConfig(MarketTraining):
    """One variant on one task at all budgets and seeds; plain values, as scenarios hold them.

    Fields that are not below are those of `TaskTraining`; `budgets` are below 1.

    Parameters
    ----------
    variant
        One of `VARIANTS`.
    """

    variant: str = AS_IT_IS
    budgets: tuple[float, ...] = (0.4, 0.25, 0.15)

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise InvalidInputError(f"There is no variant {self.variant!r}; there are: {', '.join(VARIANTS)}.")
        if self.logits_weight == 0.0:
            raise InvalidInputError("logits_weight must be above 0: the method as it stands learns from the teacher.")
        super().__post_init__()
