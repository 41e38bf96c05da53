"""Demand and supply curves given by a function of the user's."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.side import Side
from walras.market.validation import finite_number, positive_number

__all__ = ["DirectCurve", "InverseCurve", "integral"]

# Functions are checked for direction at this many points; certificates catch what lies between them.
_SAMPLES = 65


@final
@dataclass(frozen=True)
class InverseCurve:
    """A curve given as price of quantity: the marginal value or cost of the q-th unit.

    Parameters
    ----------
    function
        Takes a quantity (units) from 0 to `capacity`, gives a finite price (money per unit); continuous, and falling
        throughout (demand) or rising throughout (supply).
    capacity
        The largest quantity (units), above 0.

    Examples
    --------
    >>> from walras.market.partial_equilibrium import InverseCurve
    >>> InverseCurve(lambda quantity: 10.0 - quantity**2, capacity=3.0).area(0.0, 3.0)
    21.0
    """

    function: Callable[[float], float]
    capacity: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", _callable("InverseCurve.function", self.function))
        object.__setattr__(self, "capacity", positive_number("InverseCurve.capacity", self.capacity))

    @property
    def knots(self) -> tuple[float, ...]:
        """Quantities between 0 and the capacity at which the price jumps."""
        return ()

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does, at a sample of quantities."""
        prices = [self.price_before(quantity) for quantity in np.linspace(0.0, self.capacity, _SAMPLES)]
        return _slopes_as(side, prices)

    def price_before(self, quantity: float) -> float:
        """Price (money per unit) of the last unit of `quantity`: the limit from below."""
        return finite_number("The price from InverseCurve.function", self.function(float(quantity)))

    def price_after(self, quantity: float) -> float:
        """Price (money per unit) of the first unit after `quantity`: the limit from above."""
        return self.price_before(quantity)

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Least and largest quantity (units) that the side wants to trade at `price`."""
        falling = 1.0 if side is Side.BUYERS else -1.0
        quantity = _root(lambda at: falling * (self.price_before(at) - price), 0.0, self.capacity)
        return quantity, quantity

    def area(self, start: float, end: float) -> float:
        """Area under the inverse curve between two quantities (money), by adaptive quadrature."""
        return integral(self.price_before, start, end)


@final
@dataclass(frozen=True)
class DirectCurve:
    """A curve given as quantity of price.

    Parameters
    ----------
    function
        Takes a price (money per unit) from `lowest_price` to `highest_price`, gives a finite quantity of 0 or more
        (units); continuous, and falling throughout (demand) or rising throughout (supply).
    lowest_price, highest_price
        The range of prices, the first below the second. Buyers buy nothing above it and no more below it than at its
        lower end; sellers sell nothing below it and no more above it than at its upper end.

    Examples
    --------
    >>> from walras.market.partial_equilibrium import DirectCurve
    >>> DirectCurve(lambda price: 8.0 - price, lowest_price=0.0, highest_price=8.0).price_before(3.0)
    5.0
    """

    function: Callable[[float], float]
    lowest_price: float
    highest_price: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "function", _callable("DirectCurve.function", self.function))
        lowest = finite_number("DirectCurve.lowest_price", self.lowest_price)
        highest = finite_number("DirectCurve.highest_price", self.highest_price)
        if highest <= lowest:
            raise InvalidInputError(
                f"DirectCurve.highest_price must be above lowest_price, {lowest:g}; got {highest:g}."
            )
        object.__setattr__(self, "lowest_price", lowest)
        object.__setattr__(self, "highest_price", highest)
        ends = self.quantity_at(lowest), self.quantity_at(highest)
        if ends[0] == ends[1]:
            raise InvalidInputError(
                f"DirectCurve.function must give two different quantities at its ends, got {ends[0]:g} at both: a "
                "fixed quantity is StepDemandCurve([choke price], [quantity]) or StepSupplyCurve([0.0], "
                "[quantity])."
            )

    @property
    def capacity(self) -> float:
        """The largest quantity on the curve (units)."""
        return max(self.quantity_at(self.lowest_price), self.quantity_at(self.highest_price))

    @property
    def knots(self) -> tuple[float, ...]:
        """Where the function begins, if it does not begin at 0: up to there the price is constant."""
        least = min(self.quantity_at(self.lowest_price), self.quantity_at(self.highest_price))
        return (least,) if 0.0 < least < self.capacity else ()

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does, at a sample of prices."""
        prices = np.linspace(self.lowest_price, self.highest_price, _SAMPLES)
        return _slopes_as(side, [self.quantity_at(price) for price in prices])

    def quantity_at(self, price: float) -> float:
        """Quantity (units) that the function gives at a price within its range."""
        quantity = finite_number("The quantity from DirectCurve.function", self.function(float(price)))
        if quantity < 0.0:
            raise InvalidInputError(f"DirectCurve.function must give 0 or more, got {quantity} at the price {price:g}.")
        return quantity

    def price_before(self, quantity: float) -> float:
        """Price (money per unit) of the last unit of `quantity`: the limit from below."""
        direction = 1.0 if self._falls else -1.0
        return _root(lambda at: direction * (self.quantity_at(at) - quantity), self.lowest_price, self.highest_price)

    def price_after(self, quantity: float) -> float:
        """Price (money per unit) of the first unit after `quantity`: the limit from above."""
        return self.price_before(quantity)

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Least and largest quantity (units) that the side wants to trade at `price`."""
        dear, cheap = price > self.highest_price, price < self.lowest_price
        if dear or cheap:
            quantity = self.capacity if cheap == (side is Side.BUYERS) else 0.0
            return quantity, quantity
        quantity = self.quantity_at(price)
        choke = self.highest_price if side is Side.BUYERS else self.lowest_price
        return (0.0 if price == choke else quantity), quantity

    def area(self, start: float, end: float) -> float:
        """Area under the inverse curve between two quantities (money), by parts: `[p q] - integral of q dp`."""
        least = self.knots[0] if self.knots else 0.0
        choke = self.price_before(least)
        flat = choke * (min(end, least) - min(start, least))
        start, end = max(start, least), max(end, least)
        first, last = self.price_before(start), self.price_before(end)
        return flat + last * end - first * start - integral(self.quantity_at, first, last)

    @property
    def _falls(self) -> bool:
        return self.quantity_at(self.lowest_price) > self.quantity_at(self.highest_price)


def _callable(name: str, function: object) -> Callable[[float], float]:
    if not callable(function):
        raise InvalidInputError(f"{name} must be a function of one number, got {function!r}.")
    return function


def _slopes_as(side: Side, samples: list[float]) -> bool:
    differences = np.diff(samples)
    return bool(np.all(differences <= 0.0) if side is Side.BUYERS else np.all(differences >= 0.0))


def _root(falling: Callable[[float], float], low: float, high: float) -> float:
    """Give where a falling function is 0 between two numbers, or the end nearest to it."""
    from scipy.optimize import brentq  # here, since it alone takes as long to import as all of walras.market may

    if falling(low) <= 0.0:
        return low
    if falling(high) >= 0.0:
        return high
    return float(brentq(falling, low, high, xtol=1e-300, rtol=4 * np.finfo(np.float64).eps, maxiter=500))


def integral(function: Callable[[float], float], start: float, end: float) -> float:
    """Give the integral of a function, by adaptive quadrature to about 1e-12 of itself."""
    from scipy.integrate import quad  # here, since it takes long to import

    if start == end:
        return 0.0
    scale = abs(function(0.5 * (start + end)) * (end - start))
    # With full_output quad reports difficulties instead of warning of them; certificates would show an error.
    return float(quad(function, start, end, epsabs=1e-14 * scale, epsrel=1e-12, limit=200, full_output=1)[0])
