"""Instruments against pollution. Each says which price of emissions there is, or how many permits.

Every instrument is a cap whose price is bounded: with Q permits, a floor and a ceiling, the price is the one at which
firms want just Q, held between the bounds.

=====================  ==========  =======  =======  ==============================================
instrument             permits     floor    ceiling  what firms pay for emissions e at the price p
=====================  ==========  =======  =======  ==============================================
NoRegulation()         no limit    0        0        nothing
EmissionsTax(t)        no limit    t        t        t e
PermitCap(Q)           Q           0        none     p e; p (e - g) where g permits were given
PermitCollar(Q, f, c)  Q           f        c        as with a cap
=====================  ==========  =======  =======  ==============================================

Of a cap, firms may leave permits unused: the price is then 0. Under a collar the treasury sells more permits at the
ceiling, and at the floor it holds back what is not wanted (and buys back what it gave away).
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias, final

from walras.market import FixedSupply, PostedPrice, PriceCollar
from walras.market.errors import InvalidInputError
from walras.market.validation import fraction, nonnegative_number, positive_number

__all__ = ["EmissionsTax", "Instrument", "NoRegulation", "PermitCap", "PermitCollar"]


@final
@dataclass(frozen=True)
class NoRegulation:
    """Emissions are free."""

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Permits, floor and ceiling: as many as are wanted, at a price of 0."""
        return math.inf, 0.0, 0.0

    @property
    def free_permits(self) -> float:
        """Permits given away."""
        return 0.0

    def supply(self) -> PostedPrice:
        """Give the supply rule of the market for emissions."""
        return PostedPrice(0.0)


@final
@dataclass(frozen=True)
class EmissionsTax:
    """Each unit of emissions pays the same tax, as in Pigou 1920.

    Parameters
    ----------
    rate
        Money per unit of emissions, 0 or more.
    """

    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", nonnegative_number("EmissionsTax.rate", self.rate))

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Permits, floor and ceiling: as many as are wanted, at the tax."""
        return math.inf, self.rate, self.rate

    @property
    def free_permits(self) -> float:
        """Permits given away."""
        return 0.0

    def supply(self) -> PostedPrice:
        """Give the supply rule of the market for emissions."""
        return PostedPrice(self.rate)


@final
@dataclass(frozen=True)
class PermitCap:
    """A number of tradable permits, sold at one price or given away and traded.

    Parameters
    ----------
    permits
        Units of emissions that are permitted in all, above 0.
    free_share
        Fraction of the permits that is given to firms, in proportion to what they would be expected to emit without
        regulation; the rest is sold at auction. Firms buy and sell at the auction's price.

    Notes
    -----
    What is given away changes who pays, and neither the price nor what anybody emits.
    *Source*: Montgomery 1972.
    """

    permits: float
    free_share: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "permits", positive_number("PermitCap.permits", self.permits))
        object.__setattr__(self, "free_share", fraction("PermitCap.free_share", self.free_share))

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Permits, floor and ceiling: a price of 0 or more."""
        return self.permits, 0.0, math.inf

    @property
    def free_permits(self) -> float:
        """Permits given away."""
        return self.free_share * self.permits

    def supply(self) -> FixedSupply:
        """Give the supply rule of the market for emissions."""
        return FixedSupply(self.permits, free_disposal=True)


@final
@dataclass(frozen=True)
class PermitCollar:
    """Tradable permits whose price is held between a floor and a ceiling.

    Parameters
    ----------
    permits
        Units of emissions permitted while the price lies between the bounds, above 0.
    floor, ceiling
        Lowest and highest price (money per unit), 0 <= floor <= ceiling.
    free_share
        As in `PermitCap`.

    Notes
    -----
    *Source*: Roberts and Spence 1976.
    """

    permits: float
    floor: float
    ceiling: float
    free_share: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "permits", positive_number("PermitCollar.permits", self.permits))
        object.__setattr__(self, "free_share", fraction("PermitCollar.free_share", self.free_share))
        for name in ("floor", "ceiling"):
            object.__setattr__(self, name, nonnegative_number(f"PermitCollar.{name}", getattr(self, name)))
        if self.floor > self.ceiling:
            raise InvalidInputError(
                f"PermitCollar.floor must not exceed the ceiling, got floor {self.floor} and ceiling {self.ceiling}."
            )

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Permits, floor and ceiling."""
        return self.permits, self.floor, self.ceiling

    @property
    def free_permits(self) -> float:
        """Permits given away."""
        return self.free_share * self.permits

    def supply(self) -> PriceCollar:
        """Give the supply rule of the market for emissions."""
        return PriceCollar(self.permits, self.floor, self.ceiling)


Instrument: TypeAlias = NoRegulation | EmissionsTax | PermitCap | PermitCollar
