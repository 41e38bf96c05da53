"""The linear equilibrium of bilateral trade, for value and cost that are independent and uniform on one interval.

Measured from the lower end, in units of the interval's length, let the seller ask `s = A + c / (2 - k)` and the buyer
bid `b = D + v / (1 + k)`. Against a uniform ask from A upwards the buyer's best bid solves

    (v - b) - k (b - A) = 0,    so    b = (v + k A) / (1 + k);

against a uniform bid up to B the seller's best ask solves

    (1 - k) (B - s) - (s - c) = 0,    so    s = (c + (1 - k) B) / (2 - k).

With B = (1 + k A) / (1 + k) this gives A = (1 - k) / 2 and D = k (1 - k) / (2 (1 + k)). They trade if

    v >= (1 - k) / 2 + c (1 + k) / (2 - k),

a triangle of area (1 + k) (2 - k) / 8, on which the gains `v - c` are 1/2 in the mean.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_number, finite_vector, fraction

__all__ = ["LinearEquilibrium"]


@final
@dataclass(frozen=True)
class LinearEquilibrium:
    """Bids and asks that are best answers to one another in the k-double auction of one buyer and one seller.

    Parameters
    ----------
    k
        Where the price lies between ask and bid: 0 at the ask, 1 at the bid.
    low, high
        Value and cost are independent and uniform on [low, high] (money).

    Examples
    --------
    >>> from walras.market.double_auctions import LinearEquilibrium
    >>> equilibrium = LinearEquilibrium()
    >>> equilibrium.probability_of_trade, equilibrium.expected_gains  # 9/32 and 9/64
    (0.28125, 0.140625)

    Notes
    -----
    *Source*: Chatterjee and Samuelson 1983, for k = 1/2; the other k by the same argument.
    """

    k: float = 0.5
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", fraction("LinearEquilibrium.k", self.k))
        for name in ("low", "high"):
            object.__setattr__(self, name, finite_number(f"LinearEquilibrium.{name}", getattr(self, name)))
        if not 0.0 < self.high - self.low < np.inf:
            raise InvalidInputError(
                f"LinearEquilibrium.high must be above low by a finite amount, got low {self.low}, high {self.high}."
            )

    def bid(self, values: ArrayLike) -> FloatArray:
        """Give the buyer's bid at each value (money, in [low, high]), shape (n,).

        Raises
        ------
        InvalidInputError
            If a value lies outside [low, high].
        """
        shares = self._shares("values", values)
        return self.low + (self.high - self.low) * (self.k * self._lowest_ask + shares) / (1.0 + self.k)

    def ask(self, costs: ArrayLike) -> FloatArray:
        """Give the seller's ask at each cost (money, in [low, high]), shape (n,).

        Raises
        ------
        InvalidInputError
            If a cost lies outside [low, high].
        """
        shares = self._shares("costs", costs)
        return self.low + (self.high - self.low) * (self._lowest_ask + shares / (2.0 - self.k))

    @property
    def probability_of_trade(self) -> float:
        """Probability that the two trade."""
        return (1.0 + self.k) * (2.0 - self.k) / 8.0

    @property
    def expected_gains(self) -> float:
        """Expected gains from trade (money), whether or not there is trade."""
        return 0.5 * self.probability_of_trade * (self.high - self.low)

    @property
    def first_best_gains(self) -> float:
        """Expected gains if they traded whenever the value is above the cost (money)."""
        return (self.high - self.low) / 6.0

    @property
    def _lowest_ask(self) -> float:
        """The ask at the lowest cost, as a share of the interval."""
        return (1.0 - self.k) / 2.0

    def _shares(self, name: str, amounts: ArrayLike) -> FloatArray:
        vector = finite_vector(name, amounts)
        outside = np.flatnonzero((vector < self.low) | (vector > self.high))
        if outside.size:
            raise InvalidInputError(
                f"{name} must lie in [{self.low:g}, {self.high:g}]: entry {outside[0]} is {vector[outside[0]]:g} "
                f"({outside.size} bad in all)."
            )
        return (vector - self.low) / (self.high - self.low)
