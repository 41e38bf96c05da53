"""Which prices support a quantity, on each side of a market and on both with a tax between them."""

import math
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.curves import ConstantElasticityCurve, LinearCurve
from walras.market.partial_equilibrium.functions import DirectCurve, InverseCurve
from walras.market.partial_equilibrium.side import Side
from walras.market.partial_equilibrium.steps import StepDemandCurve, StepSupplyCurve
from walras.market.taxation.ad_valorem import AdValoremTax
from walras.market.taxation.per_unit import PerUnitTax

__all__ = [
    "Curve",
    "GoodsTax",
    "Interval",
    "Wedge",
    "checked_curve",
    "common_prices",
    "one_price",
    "supporting_prices",
    "wedge_of",
]

Curve: TypeAlias = (
    LinearCurve | ConstantElasticityCurve | StepDemandCurve | StepSupplyCurve | DirectCurve | InverseCurve
)
GoodsTax: TypeAlias = PerUnitTax | AdValoremTax
Interval: TypeAlias = tuple[float, float]


@final
@dataclass(frozen=True)
class Wedge:
    """What stands between the prices: the consumer price is `producer price * (1 + ad_valorem) + per_unit`."""

    per_unit: float = 0.0
    ad_valorem: float = 0.0

    def consumer_price(self, producer_price: float) -> float:
        """Give what buyers pay when sellers receive `producer_price`."""
        return producer_price * (1.0 + self.ad_valorem) + self.per_unit

    def producer_price(self, consumer_price: float) -> float:
        """Give what sellers receive when buyers pay `consumer_price`."""
        return (consumer_price - self.per_unit) / (1.0 + self.ad_valorem)


def wedge_of(tax: object) -> Wedge:
    """Give the wedge of a tax with one rate, or of none."""
    match tax:
        case None:
            return Wedge()
        case PerUnitTax(rate=float(rate)):
            return Wedge(per_unit=rate)
        case AdValoremTax(rate=float(rate)):
            return Wedge(ad_valorem=rate)
        case PerUnitTax() | AdValoremTax():
            raise InvalidInputError(f"tax must have one rate, since the good has one price; got {tax!r}.")
    raise InvalidInputError(f"tax must be a PerUnitTax, an AdValoremTax or None, got {tax!r}.")


def checked_curve(name: str, curve: object, side: Side) -> Curve:
    """Give `curve` if it is one and slopes as the side's does, or raise `InvalidInputError`."""
    if not isinstance(curve, Curve):
        kinds = ", ".join(kind.__name__ for kind in Curve.__args__)
        raise InvalidInputError(f"{name} must be one of {kinds}; got {curve!r}.")
    if not curve.may_belong_to(side):
        raise InvalidInputError(f"{name} must be a curve for {side.name} ({side.value}); got {curve!r}.")
    return curve


def supporting_prices(curve: Curve, quantity: float, side: Side) -> Interval:
    """Give the lowest and the highest price at which the side wants to trade exactly `quantity`.

    No price is too high to buy nothing, and none too low to buy all; for sellers the other way round.
    """
    before = curve.price_before(quantity) if quantity > 0.0 else None
    after = curve.price_after(quantity) if quantity < curve.capacity else None
    if side is Side.BUYERS:
        return -math.inf if after is None else after, math.inf if before is None else before
    return -math.inf if before is None else before, math.inf if after is None else after


def common_prices(demand: Curve, supply: Curve, quantity: float, wedge: Wedge) -> Interval:
    """Give the lowest and the highest producer price that supports an equilibrium quantity on both sides."""
    values = supporting_prices(demand, quantity, Side.BUYERS)
    costs = supporting_prices(supply, quantity, Side.SELLERS)
    net = wedge.producer_price(values[0]), wedge.producer_price(values[1])
    low, high = max(costs[0], net[0]), min(costs[1], net[1])
    if low <= high:
        return low, high
    # The quantity is rounded, so the two curves miss one another by a little: the flatter one misses by less.
    nearby = quantity * (1.0 - 2.0**-20)
    moves_of_demand = abs(wedge.producer_price(demand.price_before(nearby)) - net[1])
    moves_of_supply = abs(supply.price_before(nearby) - costs[0])
    price = costs[0] if moves_of_supply <= moves_of_demand else net[1]
    return price, price


def one_price(interval: Interval) -> float:
    """Give the midpoint of an interval, or its finite end."""
    low, high = interval
    if math.isinf(low):
        return high
    return low if math.isinf(high) else float(np.clip(low + 0.5 * (high - low), low, high))
