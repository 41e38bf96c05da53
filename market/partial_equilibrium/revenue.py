"""The Laffer curve's peak: the most that a tax on one good can bring."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.partial_equilibrium.support import Curve

__all__ = ["RevenueCertificate", "RevenuePeak", "RevenuePeakStatus", "revenue_peak"]

_POINTS = 257
_SMALLEST_FRACTION = 1e-12


class RevenuePeakStatus(Enum):
    """Whether there is a largest revenue; each value tells the reader what it means."""

    FOUND = "no tax brings more revenue"
    NOTHING_TO_TAX = "nothing is traded without a tax, and no tax brings revenue"
    UNBOUNDED = "demand is inelastic: revenue rises without end as the tax does; the numbers are those of a huge tax"


@final
@dataclass(frozen=True)
class RevenueCertificate(Residuals):
    """Residuals of a peak, as fractions of the revenue.

    Attributes
    ----------
    accounts
        Revenue against rate times quantity.
    optimality
        By how much revenue is larger at some quantity of a finer grid.
    """

    accounts: float
    optimality: float


@final
@dataclass(frozen=True, eq=False)
class RevenuePeak(Certified):
    """The tax that brings the most revenue.

    Attributes
    ----------
    revenue, quantity
        Money collected, and units still traded.
    per_unit_rate
        The tax per unit (money), as `PerUnitTax` takes it.
    ad_valorem_rate
        The same tax as a fraction of the producer price, as `AdValoremTax` takes it; infinite if that price is 0.
    consumer_price, producer_price
        Money per unit.
    status, certificate
        Whether there is a peak, and the residuals that prove it.
    """

    revenue: float
    quantity: float
    per_unit_rate: float
    ad_valorem_rate: float
    consumer_price: float
    producer_price: float
    status: RevenuePeakStatus
    certificate: RevenueCertificate


def revenue_peak(demand: Curve, supply: Curve, free_quantity: float) -> RevenuePeak:
    """Give the largest revenue that any tax collects, over the quantities below the free equilibrium's.

    Parameters
    ----------
    demand, supply
        The curves.
    free_quantity
        The largest quantity that clears without a tax (units).
    """

    def collected(quantity: float) -> float:
        return quantity * (demand.price_before(quantity) - supply.price_before(quantity))

    if free_quantity == 0.0:
        value, cost = demand.price_after(0.0), supply.price_after(0.0)
        nothing = RevenuePeakStatus.NOTHING_TO_TAX
        return RevenuePeak(0.0, 0.0, 0.0, 0.0, value, cost, nothing, RevenueCertificate(0.0, 0.0))
    knots = [knot for knot in (*demand.knots, *supply.knots) if 0.0 < knot < free_quantity]
    fractions = np.concatenate([np.geomspace(_SMALLEST_FRACTION, 1e-2, 64), np.linspace(1e-2, 1.0, _POINTS)])
    points = np.unique([*(free_quantity * fractions), *knots, free_quantity])
    revenues = np.array([collected(quantity) for quantity in points])
    best = points.size - 1 - int(np.argmax(revenues[::-1]))
    quantity = float(points[best])
    if 0 < best < points.size - 1:
        refined = _refined(collected, float(points[best - 1]), float(points[best + 1]))
        quantity = refined if collected(refined) > revenues[best] else quantity
    consumer_price, producer_price = demand.price_before(quantity), supply.price_before(quantity)
    rate, revenue = consumer_price - producer_price, collected(quantity)
    return RevenuePeak(
        revenue=revenue,
        quantity=quantity,
        per_unit_rate=rate,
        ad_valorem_rate=rate / producer_price if producer_price != 0.0 else math.inf,
        consumer_price=consumer_price,
        producer_price=producer_price,
        status=RevenuePeakStatus.UNBOUNDED if best == 0 else RevenuePeakStatus.FOUND,
        certificate=certify_peak(demand, supply, free_quantity, revenue, quantity, rate),
    )


def certify_peak(
    demand: Curve, supply: Curve, free_quantity: float, revenue: float, quantity: float, rate: float
) -> RevenueCertificate:
    """Compute the residuals of a peak: against its own accounts, and against revenue on a finer grid."""
    grid = free_quantity * np.linspace(0.0, 1.0, 1_000)[1:]
    best = max(at * (demand.price_before(at) - supply.price_before(at)) for at in grid)
    return RevenueCertificate(
        accounts=abs(revenue - rate * quantity) / (abs(revenue) or 1.0),
        optimality=max(best - revenue, 0.0) / (abs(revenue) or 1.0),
    )


def _refined(collected: Callable[[float], float], low: float, high: float) -> float:
    """Give where revenue is largest between two quantities, if it rises and then falls there."""
    from scipy.optimize import (
        minimize_scalar,
    )  # here, since it alone takes as long to import as all of walras.market may

    found = minimize_scalar(
        lambda quantity: -collected(quantity), bounds=(low, high), method="bounded", options={"xatol": 1e-12 * high}
    )
    return float(found.x)
