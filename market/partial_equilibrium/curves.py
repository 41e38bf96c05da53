"""Demand and supply curves given by a formula, read from quantity to price.

The inverse curve `P(q)` is the marginal value (demand, falling in q) or the marginal cost (supply, rising in q) of the
q-th unit, for q between 0 and the curve's capacity. Where it jumps, every price in the jump supports the quantity. So
each curve gives the limits of P from below and from above, and, from its own formula, the quantities that are best at
a price; the two are written apart, since certificates compare them.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.side import Side
from walras.market.validation import finite_number, positive_number

__all__ = ["ConstantElasticityCurve", "LinearCurve"]


@final
@dataclass(frozen=True)
class LinearCurve:
    """A straight inverse curve, `P(q) = intercept + slope * q`, for every quantity of 0 or more.

    Parameters
    ----------
    intercept
        Price at quantity 0 (money per unit).
    slope
        Change of the price with the quantity (money per unit, per unit): 0 or less for demand, 0 or more for supply.
        At 0 the curve is perfectly elastic.

    Examples
    --------
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> LinearCurve(intercept=1.0, slope=-0.5).price_before(1.0)
    0.5
    """

    intercept: float
    slope: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "intercept", finite_number("LinearCurve.intercept", self.intercept))
        object.__setattr__(self, "slope", finite_number("LinearCurve.slope", self.slope))

    @property
    def capacity(self) -> float:
        """The largest quantity on the curve (units)."""
        return math.inf

    @property
    def knots(self) -> tuple[float, ...]:
        """Quantities between 0 and the capacity at which the price jumps."""
        return ()

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does."""
        return self.slope <= 0.0 if side is Side.BUYERS else self.slope >= 0.0

    def price_before(self, quantity: float) -> float:
        """Price (money per unit) of the last unit of `quantity`: the limit from below."""
        return self.intercept + self.slope * quantity

    def price_after(self, quantity: float) -> float:
        """Price (money per unit) of the first unit after `quantity`: the limit from above."""
        return self.intercept + self.slope * quantity

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Least and largest quantity (units) that the side wants to trade at `price`."""
        if self.slope != 0.0:
            quantity = max((price - self.intercept) / self.slope, 0.0)
            return quantity, quantity
        if price == self.intercept:
            return 0.0, math.inf
        wants_all = price < self.intercept if side is Side.BUYERS else price > self.intercept
        return (math.inf, math.inf) if wants_all else (0.0, 0.0)

    def area(self, start: float, end: float) -> float:
        """Area under the inverse curve between two quantities (money)."""
        return (end - start) * self.price_before(start + 0.5 * (end - start))


@final
@dataclass(frozen=True)
class ConstantElasticityCurve:
    """A curve of constant elasticity, `Q(p) = quantity * (p / price)^elasticity`, through a known point.

    Parameters
    ----------
    elasticity
        Below 0 for demand, above 0 for supply.
    quantity, price
        A point of the curve (units; money per unit), above 0 both.

    Notes
    -----
    Demand with an elasticity between -1 and 0 is worth infinitely much to its buyers: their surplus is infinite, while
    deadweight losses are finite.

    Examples
    --------
    >>> from walras.market.partial_equilibrium import ConstantElasticityCurve, Side
    >>> ConstantElasticityCurve(elasticity=-2.0, quantity=8.0).quantities_at(2.0, Side.BUYERS)
    (2.0, 2.0)
    """

    elasticity: float
    quantity: float = 1.0
    price: float = 1.0

    def __post_init__(self) -> None:
        elasticity = finite_number("ConstantElasticityCurve.elasticity", self.elasticity)
        if elasticity == 0.0:
            raise InvalidInputError(
                "ConstantElasticityCurve.elasticity must not be 0, got 0.0: a fixed quantity is StepDemandCurve([choke "
                "price], [quantity]) or StepSupplyCurve([0.0], [quantity])."
            )
        object.__setattr__(self, "elasticity", elasticity)
        object.__setattr__(self, "quantity", positive_number("ConstantElasticityCurve.quantity", self.quantity))
        object.__setattr__(self, "price", positive_number("ConstantElasticityCurve.price", self.price))

    @property
    def capacity(self) -> float:
        """The largest quantity on the curve (units)."""
        return math.inf

    @property
    def knots(self) -> tuple[float, ...]:
        """Quantities between 0 and the capacity at which the price jumps."""
        return ()

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does."""
        return (self.elasticity < 0.0) == (side is Side.BUYERS)

    def price_before(self, quantity: float) -> float:
        """Price (money per unit) of the last unit of `quantity`: the limit from below."""
        return self.price * _power(quantity / self.quantity, 1.0 / self.elasticity)

    def price_after(self, quantity: float) -> float:
        """Price (money per unit) of the first unit after `quantity`: the limit from above."""
        return self.price_before(quantity)

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Least and largest quantity (units) that the side wants to trade at `price`."""
        if price <= 0.0:
            quantity = math.inf if side is Side.BUYERS else 0.0
        else:
            quantity = self.quantity * _power(price / self.price, self.elasticity)
        return quantity, quantity

    def area(self, start: float, end: float) -> float:
        """Area under the inverse curve between two quantities (money); infinite from 0 for inelastic demand."""
        if start >= end:
            return 0.0 if start == end else -self.area(end, start)
        exponent = 1.0 + 1.0 / self.elasticity
        low, high = start / self.quantity, end / self.quantity
        if low <= 0.0 and exponent <= 0.0:
            return math.inf
        if low <= 0.0:
            return self.price * self.quantity * _power(high, exponent) / exponent
        # The integral of u^(exponent - 1) from low to high; where the ends are near one another, without cancellation.
        growth = math.log1p((high - low) / low) if high < 2.0 * low else math.log(high) - math.log(low)
        if exponent == 0.0:
            integral = growth
        elif abs(exponent * growth) < 1.0:
            integral = _power(low, exponent) * math.expm1(exponent * growth) / exponent
        else:
            integral = (_power(high, exponent) - _power(low, exponent)) / exponent
        return self.price * self.quantity * integral


def _power(base: float, exponent: float) -> float:
    """Give base^exponent for a base of 0 or more; infinite where it overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        return float(np.power(np.float64(base), exponent))
