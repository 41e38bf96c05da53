"""What one cell is: one task, one mechanism, all budgets, trained and in isolation."""

from dataclasses import dataclass
from typing import final

from walras.market.errors import InvalidInputError
from walras.market.validation import positive_number, whole_number
from walras.simulations.evidence.market_training import MarketTraining
from walras.simulations.evidence.mechanisms.rules import MECHANISMS

__all__ = ["MechanismsConfig"]


@final
@dataclass(frozen=True, kw_only=True)
class MechanismsConfig(MarketTraining):
    """One mechanism on one task at all budgets and seeds; plain values, as scenarios hold them.

    Fields that are not below are those of `TaskTraining`; `budgets` are below 1.

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
    """

    mechanism: str = "cap"
    collar: float = 0.02
    tax_rate: float = 0.5
    periods: int = 8

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise InvalidInputError(f"There is no mechanism {self.mechanism!r}; there are: {', '.join(MECHANISMS)}.")
        if not 0.0 < positive_number("collar", self.collar) < 1.0:
            raise InvalidInputError(f"collar must lie between 0 and 1, got {self.collar}.")
        positive_number("tax_rate", self.tax_rate)
        whole_number("periods", self.periods, minimum=1)
        super().__post_init__()
