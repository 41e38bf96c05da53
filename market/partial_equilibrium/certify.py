"""The certificate of an outcome: from curves, prices and quantities, without the solver."""

import math

import numpy as np

from walras.market.partial_equilibrium.outcome import OutcomeCertificate
from walras.market.partial_equilibrium.side import Side
from walras.market.partial_equilibrium.support import Curve, Wedge, supporting_prices

__all__ = ["certify_outcome", "off_the_curve"]

_TINY = float(np.finfo(np.float64).tiny)


def certify_outcome(
    demand: Curve,
    supply: Curve,
    wedge: Wedge | None,
    *,
    quantity: float,
    consumer_price: float,
    producer_price: float,
    quantity_demanded: float,
    quantity_supplied: float,
    consumer_surplus: float,
    producer_surplus: float,
    tax_revenue: float,
    quota_rent: float,
    deadweight_loss: float,
    free_quantity: float,
    lost_by_lot: float,
) -> OutcomeCertificate:
    """Compute the residuals of an outcome; amounts that are infinite are not compared.

    Parameters
    ----------
    demand, supply
        The curves.
    wedge
        The tax; None under a quota, whose holders keep whatever gap the curves leave.
    quantity, consumer_price, producer_price, quantity_demanded, quantity_supplied, consumer_surplus, producer_surplus,
    tax_revenue, quota_rent, deadweight_loss, free_quantity
        As in `MarketOutcome`.
    lost_by_lot
        What is lost because units are not traded by those who gain most (money).
    """
    money = max(abs(consumer_price), abs(producer_price), _TINY)
    gap = 0.0 if wedge is None else abs(consumer_price - wedge.consumer_price(producer_price))
    spending, receipts = consumer_price * quantity, producer_price * quantity
    turnover = max(abs(spending) + abs(receipts) + abs(tax_revenue) + abs(quota_rent), _TINY)
    value, cost = demand.area(0.0, quantity), supply.area(0.0, quantity)
    gains = consumer_surplus + producer_surplus + tax_revenue + quota_rent
    free_value, free_cost = demand.area(0.0, free_quantity), supply.area(0.0, free_quantity)
    return OutcomeCertificate(
        demand=off_the_curve(demand, Side.BUYERS, consumer_price, quantity, quantity_demanded, money),
        supply=off_the_curve(supply, Side.SELLERS, producer_price, quantity, quantity_supplied, money),
        wedge=gap / money,
        budget_balance=abs(spending - receipts - tax_revenue - quota_rent) / turnover,
        surplus=_difference([gains, lost_by_lot], [value, -cost], abs(value) + abs(cost) + turnover),
        deadweight_loss=_difference(
            [gains, deadweight_loss], [free_value, -free_cost], abs(free_value) + abs(free_cost) + turnover
        ),
    )


def off_the_curve(curve: Curve, side: Side, price: float, quantity: float, wanted: float, money: float) -> float:
    """Give how far price and the quantity wanted are from a curve, or how much more is traded than wanted.

    The distance is the smaller of that in price, as a fraction of `money`, and that in quantity, as a fraction of
    itself: on a steep curve a rounded quantity, on a flat one a rounded price makes a large difference to the other.
    """
    in_price = math.inf
    if math.isfinite(wanted):
        low, high = supporting_prices(curve, min(wanted, curve.capacity), side)
        in_price = max(low - price, price - high, 0.0) / max(money, min(abs(low), abs(high)))
    least, most = curve.quantities_at(price, side)
    in_quantity = max(least - wanted, wanted - most, 0.0) / max(abs(wanted), _TINY) if wanted != least else 0.0
    excess = max(quantity - wanted, 0.0) / max(quantity, _TINY)
    return max(min(in_price, in_quantity), excess)


def _difference(left: list[float], right: list[float], scale: float) -> float:
    if not math.isfinite(scale) or not all(map(math.isfinite, (*left, *right))):
        return 0.0
    return abs(math.fsum(left) - math.fsum(right)) / max(scale, _TINY)
