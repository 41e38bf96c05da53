"""What a solver of an exchange economy gives back, whatever the solver."""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified
from walras.market.errors import InvalidInputError
from walras.market.exchange.certificate import ExchangeCertificate
from walras.market.validation import FloatArray, whole_number

__all__ = ["ExchangeEquilibrium", "ExchangeStatus"]


class ExchangeStatus(Enum):
    """How the search for an equilibrium ended; each value tells the reader what to do."""

    CONVERGED = "markets clear within the tolerance"
    CYCLES = "prices return to where they were and would do so for ever: use Newton or Extragradient, or another start"
    DIVERGES = "prices move further away, or leave the range of numbers: use a smaller step, or Newton or Extragradient"
    ITERATION_LIMIT = "the iterations ran out before markets cleared: allow more, or use Newton"
    STALLED = "no step reduces excess demand: there may be no equilibrium near the start, or none at all; try others"


@final
@dataclass(frozen=True, eq=False)
class ExchangeEquilibrium(Certified):
    """Prices and an allocation, and how they were found; an equilibrium if the status says so.

    Attributes
    ----------
    prices
        Money per unit, adding up to 1, shape (m,); `prices_in` gives them in units of a good.
    allocation
        Units of each good that each consumer gets, shape (n, m).
    utilities
        Of each consumer, shape (n,).
    excess_demand
        Units consumed less what there is, of each good, shape (m,).
    path
        Prices at the start and after each iteration (at each time, for a flow), not normalised, shape (steps + 1, m).
    iterations
        Steps taken.
    period
        Iterations (for a flow: time) between two visits of the same prices if the status is `CYCLES`; else None.
    status, certificate
        How the search ended, and the residuals that prove the answer.
    """

    prices: FloatArray
    allocation: FloatArray
    utilities: FloatArray
    excess_demand: FloatArray
    path: FloatArray
    iterations: int
    period: float | None
    status: ExchangeStatus
    certificate: ExchangeCertificate

    def prices_in(self, numeraire: int) -> FloatArray:
        """Give prices in units of good `numeraire` (0 to m - 1), whose price must not be 0, shape (m,)."""
        good = whole_number("numeraire", numeraire)
        if good >= self.prices.size:
            raise InvalidInputError(f"numeraire must be below the number of goods, {self.prices.size}, got {good}.")
        if self.prices[good] == 0.0:
            raise InvalidInputError(f"numeraire must have a price above 0, and good {good} is free.")
        return np.asarray(self.prices / self.prices[good])
