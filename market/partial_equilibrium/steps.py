"""Step curves: each unit has its own value or cost, as in laboratory markets with induced values."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.side import Side
from walras.market.validation import FloatArray, finite_vector, positive_vector

__all__ = ["StepDemandCurve", "StepSupplyCurve"]


@final
@dataclass(frozen=True)
class StepDemandCurve:
    """Demand by buyers who value given quantities at given amounts a unit, in descending order of value.

    Parameters
    ----------
    values
        What a unit is worth (money), one entry per buyer or unit, in any order, shape (n,).
    quantities
        Units that each entry stands for, above 0, shape (n,) or a number for all.

    Notes
    -----
    *Ties*: a buyer is indifferent at a price equal to its value. *Cost*: O(n log n) once, then O(log n) a question.
    *Source*: Smith 1962 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.partial_equilibrium import Side, StepDemandCurve
    >>> StepDemandCurve([7.0, 9.0, 7.0]).quantities_at(7.0, Side.BUYERS)
    (1.0, 3.0)
    """

    values: ArrayLike
    quantities: ArrayLike = 1.0

    def __post_init__(self) -> None:
        values, quantities = _entries("StepDemandCurve", "values", self.values, self.quantities)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "quantities", quantities)

    @property
    def capacity(self) -> float:
        """The largest quantity on the curve (units)."""
        return self._steps.capacity

    @property
    def knots(self) -> tuple[float, ...]:
        """Quantities between 0 and the capacity at which the price may jump."""
        return self._steps.knots

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does."""
        return side is Side.BUYERS

    def price_before(self, quantity: float) -> float:
        """Value (money) of the last unit of `quantity`: the limit from below."""
        return self._steps.price_before(quantity)

    def price_after(self, quantity: float) -> float:
        """Value (money) of the first unit after `quantity`: the limit from above."""
        return self._steps.price_after(quantity)

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Units worth more than `price`, and units worth at least that."""
        return self._steps.up_to(-float(price))

    def area(self, start: float, end: float) -> float:
        """Value of the units between two quantities (money)."""
        return self._steps.area(start, end)

    @cached_property
    def _steps(self) -> "_Steps":
        return _Steps(np.asarray(self.values), np.asarray(self.quantities), sign=-1.0)


@final
@dataclass(frozen=True)
class StepSupplyCurve:
    """Supply by sellers to whom given quantities cost given amounts a unit, in ascending order of cost.

    Parameters
    ----------
    costs
        What a unit costs its seller (money), one entry per seller or unit, in any order, shape (n,). A fixed supply
        without a reservation price is `StepSupplyCurve([0.0], [quantity])`.
    quantities
        Units that each entry stands for, above 0, shape (n,) or a number for all.

    Notes
    -----
    *Ties*: a seller is indifferent at a price equal to its cost. *Cost*: O(n log n) once, then O(log n) a question.
    *Source*: Smith 1962 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.partial_equilibrium import Side, StepSupplyCurve
    >>> StepSupplyCurve([3.0, 1.0], [5.0, 2.0]).quantities_at(3.0, Side.SELLERS)
    (2.0, 7.0)
    """

    costs: ArrayLike
    quantities: ArrayLike = 1.0

    def __post_init__(self) -> None:
        costs, quantities = _entries("StepSupplyCurve", "costs", self.costs, self.quantities)
        object.__setattr__(self, "costs", costs)
        object.__setattr__(self, "quantities", quantities)

    @property
    def capacity(self) -> float:
        """The largest quantity on the curve (units)."""
        return self._steps.capacity

    @property
    def knots(self) -> tuple[float, ...]:
        """Quantities between 0 and the capacity at which the price may jump."""
        return self._steps.knots

    def may_belong_to(self, side: Side) -> bool:
        """Whether the curve slopes as that side's does."""
        return side is Side.SELLERS

    def price_before(self, quantity: float) -> float:
        """Cost (money) of the last unit of `quantity`: the limit from below."""
        return self._steps.price_before(quantity)

    def price_after(self, quantity: float) -> float:
        """Cost (money) of the first unit after `quantity`: the limit from above."""
        return self._steps.price_after(quantity)

    def quantities_at(self, price: float, side: Side) -> tuple[float, float]:
        """Units that cost less than `price`, and units that cost at most that."""
        return self._steps.up_to(float(price))

    def area(self, start: float, end: float) -> float:
        """Cost of the units between two quantities (money)."""
        return self._steps.area(start, end)

    @cached_property
    def _steps(self) -> "_Steps":
        return _Steps(np.asarray(self.costs), np.asarray(self.quantities), sign=1.0)


class _Steps:
    """Prices sorted by `sign * price`, with the quantities where each step ends."""

    def __init__(self, prices: FloatArray, quantities: FloatArray, sign: float) -> None:
        order = np.argsort(sign * prices, kind="stable")
        self.prices, self.keys = prices[order], (sign * prices)[order]
        self.ends = np.cumsum(quantities[order])
        self.areas = np.concatenate([[0.0], np.cumsum(self.prices * quantities[order])])

    @property
    def capacity(self) -> float:
        return float(self.ends[-1])

    @property
    def knots(self) -> tuple[float, ...]:
        return tuple(self.ends[:-1].tolist())

    def price_before(self, quantity: float) -> float:
        return float(self.prices[np.searchsorted(self.ends, quantity, side="left")])

    def price_after(self, quantity: float) -> float:
        return float(self.prices[np.searchsorted(self.ends, quantity, side="right")])

    def up_to(self, key: float) -> tuple[float, float]:
        """Quantities with keys below, and at most, `key`."""
        ends = np.concatenate([[0.0], self.ends])
        counts = np.searchsorted(self.keys, key, side="left"), np.searchsorted(self.keys, key, side="right")
        return float(ends[counts[0]]), float(ends[counts[1]])

    def area(self, start: float, end: float) -> float:
        return self._area_to(end) - self._area_to(start)

    def _area_to(self, quantity: float) -> float:
        step = min(int(np.searchsorted(self.ends, quantity, side="right")), self.prices.size - 1)
        begin = float(self.ends[step - 1]) if step else 0.0
        return float(self.areas[step]) + float(self.prices[step]) * (quantity - begin)


def _entries(
    owner: str, name: str, prices: ArrayLike, quantities: ArrayLike
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    checked = finite_vector(f"{owner}.{name}", prices, of="unit")
    units = positive_vector(f"{owner}.quantities", quantities, length=checked.size, of="unit")
    with np.errstate(over="ignore"):
        total = units.sum()
    if not np.isfinite(total):
        raise InvalidInputError(f"{owner}.quantities must have a finite sum; the largest is {units.max():g}.")
    return tuple(checked.tolist()), tuple(units.tolist())
