"""Supply rules: how much of the resource is sold, and at what price.

Each rule is a curve in the plane of price (money per unit, received by the seller) and quantity (units sold); the
market clears where the agents' falling demand meets it.

===================================  ==========================================================================
rule                                 the curve
===================================  ==========================================================================
FixedSupply(B)                       upright at B: a cap, sold to the last unit at any price, negative ones too
FixedSupply(B, free_disposal=True)   level at price 0 up to B, then upright: what nobody wants for nothing is left
PostedPrice(p)                       level at p: agents choose the quantity
PriceCollar(B, floor, ceiling)       level at the floor up to B, upright at B, level at the ceiling beyond it
ElasticSupply(B, p, e)               S(price) = B (price / p)^e: e = 0 would be upright at B, e = infinity level at p
LinearSupply(c, b)                   price = c + b Q: the marginal cost of the unit number Q
===================================  ==========================================================================

An upright part is a *quantity instrument* (the market finds the price), a level part a *price instrument* (agents find
the quantity). Posting the price at which a cap clears reproduces the cap's allocation, up to agents that are exactly
indifferent.

Source: prices and quantities as instruments, Weitzman 1974; both at once, Roberts and Spence 1976
(docs/reference/bibliography.md).
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias, final

from walras.market.errors import InvalidInputError
from walras.market.validation import boolean, finite_number, nonnegative_number, positive_number

__all__ = ["ElasticSupply", "FixedSupply", "LinearSupply", "PostedPrice", "PriceCollar", "Supply"]

_LARGEST_EXPONENT = 709.0  # exp of more than 709.78 overflows


@final
@dataclass(frozen=True)
class FixedSupply:
    """Exactly `quantity` units are sold, at whatever price clears them (a negative one if need be).

    Parameters
    ----------
    quantity
        Units of the resource, >= 0, in the unit of the agents' costs.
    free_disposal
        If True (by keyword), the price is never below 0, and units that nobody wants for nothing are left unsold: at
        a price above 0 all is sold. The quantity may then be more than agents can use.
    """

    quantity: float
    free_disposal: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", nonnegative_number("FixedSupply.quantity", self.quantity))
        object.__setattr__(self, "free_disposal", boolean("FixedSupply.free_disposal", self.free_disposal))

    def __repr__(self) -> str:
        """As it would be typed."""
        return f"FixedSupply(quantity={self.quantity}{', free_disposal=True' if self.free_disposal else ''})"


@final
@dataclass(frozen=True)
class PostedPrice:
    """As many units as are asked for are sold at `price` (money per unit of the resource, before tax)."""

    price: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "price", finite_number("PostedPrice.price", self.price))


@final
@dataclass(frozen=True)
class PriceCollar:
    """A cap whose price is held between a floor and a ceiling.

    Between the two, exactly `quantity` units are sold. At the floor less is sold: the seller keeps what is not wanted
    at that price. At the ceiling more is sold: the seller serves whoever pays it.

    Parameters
    ----------
    quantity
        Units of the resource, >= 0, in the unit of the agents' costs. It may be more than agents can use.
    floor, ceiling
        Lowest and highest price (money per unit, before tax), floor <= ceiling. `-math.inf` and `math.inf` mean that
        there is none. With a floor of 0 and no ceiling this is `FixedSupply(quantity, free_disposal=True)`; with
        neither, `FixedSupply(quantity)`.

    Notes
    -----
    *Ties*: agents that are exactly indifferent at the floor or the ceiling are served as far as the quantity reaches.
    *Source*: Roberts and Spence 1976.
    """

    quantity: float
    floor: float
    ceiling: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantity", nonnegative_number("PriceCollar.quantity", self.quantity))
        object.__setattr__(self, "floor", _bound("PriceCollar.floor", self.floor, absent=-math.inf))
        object.__setattr__(self, "ceiling", _bound("PriceCollar.ceiling", self.ceiling, absent=math.inf))
        if self.floor > self.ceiling:
            raise InvalidInputError(
                f"PriceCollar.floor must not exceed the ceiling, got floor {self.floor} and ceiling {self.ceiling}."
            )


@final
@dataclass(frozen=True)
class ElasticSupply:
    """Supply of constant elasticity: `reference_quantity * (price / reference_price) ** elasticity`, 0 at prices <= 0.

    One per cent more price brings `elasticity` per cent more units. As the elasticity falls to 0 the rule tends to
    `FixedSupply(reference_quantity, free_disposal=True)`, and as it grows to `PostedPrice(reference_price)`.

    Parameters
    ----------
    reference_quantity, reference_price
        A point of the curve: units, and money per unit before tax, both above 0.
    elasticity
        Above 0.
    """

    reference_quantity: float
    reference_price: float
    elasticity: float

    def __post_init__(self) -> None:
        for name in ("reference_quantity", "reference_price", "elasticity"):
            object.__setattr__(self, name, positive_number(f"ElasticSupply.{name}", getattr(self, name)))

    def quantity_at(self, price: float) -> float:
        """Units that the seller sells at `price` (money per unit); infinite where float64 ends."""
        if price <= 0.0:
            return 0.0
        return _scaled_power(self.reference_quantity, price, self.reference_price, self.elasticity)

    def price_at(self, quantity: float) -> float:
        """Price (money per unit) at which the seller sells `quantity` units; infinite where float64 ends."""
        if quantity <= 0.0:
            return 0.0
        return _scaled_power(self.reference_price, quantity, self.reference_quantity, 1.0 / self.elasticity)


@final
@dataclass(frozen=True)
class LinearSupply:
    """Supply along a straight marginal cost: the price is `intercept + slope * quantity`.

    The seller's first unit costs it `intercept`, each further one `slope` more. A slope of 0 would be
    `PostedPrice(intercept)`.

    Parameters
    ----------
    intercept
        Price of the first unit (money per unit, before tax), of either sign.
    slope
        Rise of the price with each unit sold (money per unit, per unit), above 0.
    """

    intercept: float
    slope: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "intercept", finite_number("LinearSupply.intercept", self.intercept))
        object.__setattr__(self, "slope", positive_number("LinearSupply.slope", self.slope))

    def quantity_at(self, price: float) -> float:
        """Units that the seller sells at `price` (money per unit)."""
        return max(0.0, (price - self.intercept) / self.slope)

    def price_at(self, quantity: float) -> float:
        """Price (money per unit) at which the seller sells `quantity` units."""
        return self.intercept + self.slope * quantity


Supply: TypeAlias = FixedSupply | PostedPrice | PriceCollar | ElasticSupply | LinearSupply


def _bound(name: str, value: float, *, absent: float) -> float:
    """Give a price bound as a float; the infinity that means "none" is taken too."""
    if isinstance(value, float) and value == absent:
        return absent
    return finite_number(name, value)


def _scaled_power(amount: float, value: float, reference: float, exponent: float) -> float:
    """`amount * (value / reference) ** exponent`, 0 or infinite where float64 ends."""
    logarithm = exponent * (math.log(value) - math.log(reference))
    if abs(logarithm) < _LARGEST_EXPONENT:
        ratio = value / reference
        if 0.0 < ratio < math.inf:
            return float(amount * ratio**exponent)
        return amount * math.exp(logarithm)
    total = logarithm + math.log(amount)
    return math.inf if total > _LARGEST_EXPONENT else math.exp(total)
