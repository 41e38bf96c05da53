"""Supply rules as curves on tensors: how many units are offered at a price, how steeply, and the inverse.

The twins of `walras.market.supply`. Each curve belongs to a batch of markets: its numbers have the shape (..., 1), are
float64, and may carry gradients.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from torch import Tensor

from walras.market.supply import ElasticSupply, LinearSupply

__all__ = ["Curve", "ElasticCurve", "FixedCurve", "LinearCurve", "curve_of"]


@final
@dataclass(frozen=True, eq=False)
class FixedCurve:
    """`quantity` units at every price."""

    quantity: Tensor

    def quantity_at(self, price: Tensor) -> Tensor:
        """Units offered."""
        return self.quantity.expand(price.shape)

    def slope_at(self, price: Tensor) -> Tensor:
        """Units that a rise of the price by 1 brings."""
        return torch.zeros_like(price)

    def point(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Give a quantity inside (0, total), and its price; the price of a fixed quantity is anything."""
        return self.quantity, torch.full_like(total, torch.nan)


@final
@dataclass(frozen=True, eq=False)
class ElasticCurve:
    """`quantity * (price / reference) ** elasticity`, 0 at prices of 0 or less."""

    quantity: Tensor
    reference: float
    elasticity: float

    def quantity_at(self, price: Tensor) -> Tensor:
        """Units offered."""
        ratio = torch.where(price > 0.0, price / self.reference, 1.0)  # powers of negative numbers have no gradient
        return torch.where(price > 0.0, self.quantity * ratio.pow(self.elasticity), 0.0)

    def slope_at(self, price: Tensor) -> Tensor:
        """Units that a rise of the price by 1 brings."""
        return self.elasticity * self.quantity_at(price) / torch.where(price > 0.0, price, 1.0)

    def price_at(self, quantity: Tensor) -> Tensor:
        """Price at which so much is offered."""
        ratio = torch.where(quantity > 0.0, quantity / self.quantity, 1.0)  # a power of 0 has no second derivative
        return torch.where(quantity > 0.0, self.reference * ratio.pow(1.0 / self.elasticity), 0.0)

    def point(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Give a quantity inside (0, total), and its price."""
        known = torch.minimum(0.5 * total, self.quantity)
        return known, self.price_at(known)


@final
@dataclass(frozen=True, eq=False)
class LinearCurve:
    """Price `intercept + slope * quantity`."""

    intercept: Tensor
    slope: float

    def quantity_at(self, price: Tensor) -> Tensor:
        """Units offered."""
        beyond = price - self.intercept
        return torch.where(beyond > 0.0, beyond / self.slope, 0.0)

    def slope_at(self, price: Tensor) -> Tensor:
        """Units that a rise of the price by 1 brings."""
        return torch.where(price > self.intercept, 1.0 / self.slope, 0.0).to(price.dtype)

    def price_at(self, quantity: Tensor) -> Tensor:
        """Price at which so much is offered."""
        return self.intercept + self.slope * quantity

    def point(self, total: Tensor) -> tuple[Tensor, Tensor]:
        """Give a quantity inside (0, total), and its price."""
        return 0.5 * total, self.price_at(0.5 * total)


Curve: TypeAlias = FixedCurve | ElasticCurve | LinearCurve


def curve_of(supply: ElasticSupply | LinearSupply, level: Tensor) -> ElasticCurve | LinearCurve:
    """Give the curve of a rule with `level` (..., 1) in place of its reference quantity, or of its intercept."""
    match supply:
        case ElasticSupply(reference_price=price, elasticity=elasticity):
            return ElasticCurve(level, price, elasticity)
        case LinearSupply(slope=slope):
            return LinearCurve(level, slope)
