"""Supply rules: how much of the resource is sold, and at what price.

A fixed supply is a *quantity instrument* (a cap: the market finds the price); a posted price is a *price instrument*
(agents choose the quantity). Posting the price at which a cap clears reproduces the cap's allocation, up to agents that
are exactly indifferent.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

from walras.market.errors import InvalidInputError
from walras.market.validation import finite_number

__all__ = ["FixedSupply", "PostedPrice", "Supply"]


@final
@dataclass(frozen=True)
class FixedSupply:
    """Exactly `quantity` units are sold, at whatever price clears them (a negative one if need be).

    Parameters
    ----------
    quantity
        Units of the resource, >= 0, in the unit of the agents' costs.
    """

    quantity: float

    def __post_init__(self) -> None:
        quantity = finite_number("FixedSupply.quantity", self.quantity)
        if quantity < 0.0:
            raise InvalidInputError(f"FixedSupply.quantity must be 0 or more, got {quantity}.")
        object.__setattr__(self, "quantity", quantity)


@final
@dataclass(frozen=True)
class PostedPrice:
    """As many units as are asked for are sold at `price` (money per unit of the resource, before tax)."""

    price: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "price", finite_number("PostedPrice.price", self.price))


Supply: TypeAlias = FixedSupply | PostedPrice
