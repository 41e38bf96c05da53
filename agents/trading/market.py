"""Induced values and costs, and the competitive equilibrium that they imply.

An experimenter tells each buyer what it will be paid for each unit that it buys, its *value*, and each seller what it
must pay for each unit that it sells, its *cost*. So supply and demand are known, as steps, and so is the equilibrium:
all units are traded whose value, units in descending order, is above the cost, units in ascending order. Prices between
the last that trade and the first that do not clear the market; *the* equilibrium price is the middle of that interval.

With a tax on the price at the rate t, paid by the buyer, a unit worth v is bought at prices p with `p + tax(p) <= v`:
that is demand net of tax, and the equilibrium follows as before. Surplus counts the tax, which somebody receives.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.agents.money import IntArray
from walras.agents.trading.kernel import highest_affordable
from walras.market import InvalidInputError
from walras.market.double_auctions import CallAuction
from walras.market.order_book import Side
from walras.market.validation import fraction, whole_number

__all__ = ["CompetitiveEquilibrium", "InducedMarket"]

_MOST_CENTS = 10**9  # prices up to here, and sums over a day of many trades, fit int64 with room to spare


@final
@dataclass(frozen=True)
class CompetitiveEquilibrium:
    """Where supply meets demand.

    Attributes
    ----------
    lowest_price, highest_price
        The prices at which the market clears (cents, as sellers receive them).
    quantity
        Units that are traded at them, those that gain nothing included.
    surplus
        Sum of value - cost over these units (cents), tax included.
    """

    lowest_price: float
    highest_price: float
    quantity: int
    surplus: int

    @property
    def price(self) -> float:
        """The middle of the interval of prices (cents)."""
        return 0.5 * (self.lowest_price + self.highest_price)


@final
@dataclass(frozen=True)
class InducedMarket:
    """What each unit is worth to each buyer, and costs each seller, on a day.

    Parameters
    ----------
    values
        For each buyer the value of its unit, or of its units in descending order (whole cents, 0 ... ceiling).
    costs
        For each seller the cost of its unit, or of its units in ascending order. All traders of a side have the same
        number of units; give a buyer the value 0 for a unit that it does not want.
    ceiling
        The highest price that may be quoted (cents), at most 1e9.

    Raises
    ------
    InvalidInputError
        No traders, amounts that are not whole or out of range, units in the wrong order.

    Examples
    --------
    >>> from walras.agents.trading import InducedMarket
    >>> smith = InducedMarket(values=range(325, 50, -25), costs=range(75, 350, 25), ceiling=400)
    >>> smith.equilibrium().price, smith.equilibrium().quantity, smith.equilibrium().surplus
    (200.0, 6, 750)
    >>> taxed = smith.equilibrium(tax_rate=0.25)
    >>> (taxed.lowest_price, taxed.highest_price), taxed.quantity, taxed.surplus
    ((175.0, 180.0), 5, 750)
    """

    values: Sequence[int] | Sequence[Sequence[int]]
    costs: Sequence[int] | Sequence[Sequence[int]]
    ceiling: int

    def __post_init__(self) -> None:
        ceiling = whole_number("InducedMarket.ceiling", self.ceiling, minimum=1)
        if ceiling > _MOST_CENTS:
            raise InvalidInputError(f"InducedMarket.ceiling must be at most {_MOST_CENTS:.0e} cents, got {ceiling}.")
        object.__setattr__(self, "ceiling", ceiling)
        object.__setattr__(self, "values", _units("InducedMarket.values", self.values, ceiling, falling=True))
        object.__setattr__(self, "costs", _units("InducedMarket.costs", self.costs, ceiling, falling=False))

    @property
    def buyers(self) -> int:
        """Number of buyers; they are numbered from 0, and sellers after them."""
        return len(self.values)

    @property
    def sellers(self) -> int:
        """Number of sellers."""
        return len(self.costs)

    def worths(self, side: Side, *, tax_rate: float = 0.0) -> IntArray:
        """Give values or costs (cents), shape (traders of the side, units); values net of a tax on the price."""
        worths = np.array(self.values if side is Side.BUY else self.costs, dtype=np.int64)
        if side is Side.BUY and tax_rate > 0.0:
            net = [highest_affordable(value, tax_rate) for value in worths.ravel().tolist()]
            worths = np.array(net, dtype=np.int64).reshape(worths.shape)
        return worths

    def equilibrium(self, *, tax_rate: float = 0.0) -> CompetitiveEquilibrium:
        """Give the competitive equilibrium under a tax on the price (fraction of it, in [0, 1], paid by the buyer).

        Notes
        -----
        *Ties*: units that gain nothing are traded, but those only that are worth their cost exactly.
        *Cost*: O(n log n) for n units.
        """
        rate = fraction("tax_rate", tax_rate)
        demand = self.worths(Side.BUY, tax_rate=rate).ravel()
        supply = self.worths(Side.SELL).ravel()
        clearing = CallAuction().clear(demand, supply)
        low, high = clearing.price_interval
        quantity = int(clearing.volume)
        gross = np.sort(self.worths(Side.BUY).ravel())[::-1]  # net values are in the order of gross ones
        surplus = int(gross[:quantity].sum() - np.sort(supply)[:quantity].sum())
        return CompetitiveEquilibrium(low, high, quantity, surplus)


def _units(name: str, worths: object, ceiling: int, *, falling: bool) -> tuple[tuple[int, ...], ...]:
    try:
        array = np.array(worths if hasattr(worths, "__array__") else list(worths))  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{name} must be whole cents, as many for each trader; got {worths!r}.") from error
    if array.dtype.kind not in "iu" or array.ndim not in (1, 2) or array.size == 0:
        raise InvalidInputError(f"{name} must be whole cents, one or more for each trader; got {worths!r}.")
    if array.ndim == 1:
        array = array[:, np.newaxis]  # (traders,) -> (traders, 1)
    outside = array[(array < 0) | (array > ceiling)]
    if outside.size:
        raise InvalidInputError(f"{name} must lie in 0 ... {ceiling}, the ceiling; got {outside[0]}.")
    steps = np.diff(array.astype(np.int64), axis=1)
    wrong = np.flatnonzero((steps > 0 if falling else steps < 0).any(axis=1))
    if wrong.size:
        order = "fall, or stay the same," if falling else "rise, or stay the same,"
        raise InvalidInputError(f"{name} of one trader must {order} from unit to unit; got {array[wrong[0]].tolist()}.")
    return tuple(tuple(row) for row in array.tolist())
