"""From prices and shares to money: payments, revenues, surplus, status and certificate."""

import math
from typing import NamedTuple

import numpy as np

from walras.market.capacity.levies import Levies
from walras.market.capacity.step import RELATIVE_TOLERANCE
from walras.market.clearing import Clearing, Status, certify
from walras.market.demand import Demand, StepDemand
from walras.market.supply import Supply
from walras.market.validation import FloatArray

__all__ = ["Offer", "settle"]


class Offer(NamedTuple):
    """What a solver found.

    Attributes
    ----------
    interval
        Lowest and highest clearing price.
    allocation
        Shares, shape (n,).
    status
        If the supply rule decided it; else it is read off the shares.
    quantity
        Units that had to be sold, if that is a fixed number.
    """

    interval: tuple[float, float]
    allocation: FloatArray
    status: Status | None
    quantity: float | None = None


def settle(
    supply: Supply, demand: Demand, valuations: FloatArray, costs: FloatArray, levies: Levies, offer: Offer
) -> Clearing:
    """Turn price and shares into money, and certify them."""
    price, allocation = _price_within(offer.interval), offer.allocation
    quantities = costs * allocation
    # At an infinite price nobody who gets nothing pays: 0 units cost 0, not 0 * inf.
    seller_receipts = np.where(quantities > 0.0, price, 0.0) * quantities
    taxes = levies.due(price, quantities)
    payments = seller_receipts * levies.steepness + levies.per_unit * quantities
    seller_revenue, tax_revenue = _total(seller_receipts), _total(taxes)
    certificate = certify(
        supply,
        demand,
        valuations,
        costs,
        levies.per_unit,
        price,
        allocation,
        payments,
        tax_revenue=tax_revenue,
        seller_revenue=seller_revenue,
        ad_valorem=levies.ad_valorem,
    )
    if math.isfinite(price):
        surplus = costs * demand.surplus(valuations - price * levies.steepness - levies.per_unit, allocation)
    else:
        surplus = np.where(quantities > 0.0, np.inf, 0.0)
    return Clearing(
        price=price,
        price_interval=offer.interval,
        allocation=allocation,
        quantities=quantities,
        payments=payments,
        tax_revenue=tax_revenue,
        seller_revenue=seller_revenue,
        surplus=surplus,
        status=_status(supply, demand, price, offer, quantities),
        certificate=certificate,
    )


def _status(supply: Supply, demand: Demand, price: float, offer: Offer, quantities: FloatArray) -> Status:
    if offer.status is not None:
        return offer.status
    if not math.isfinite(price):
        return Status.NO_FINITE_PRICE
    if isinstance(demand, StepDemand):
        if not demand.divisible:
            offered = supply.quantity_at(price) if offer.quantity is None else offer.quantity  # type: ignore[union-attr]
            unsold = offered - math.fsum(quantities)
            return Status.UNSOLD if unsold > RELATIVE_TOLERANCE * offered else Status.CLEARED
        if np.any((offer.allocation > 0.0) & (offer.allocation < 1.0)):
            return Status.RATIONED
    return Status.CLEARED


def _price_within(interval: tuple[float, float]) -> float:
    """Midpoint of an interval of clearing prices; its finite end if the other is infinite."""
    low, high = interval
    if math.isinf(low) or math.isinf(high):
        return high if math.isinf(low) else low
    return low + 0.5 * (high - low)


def _total(amounts: FloatArray) -> float:
    """Exact sum; where amounts are infinite, infinite if they are of one sign and NaN if not."""
    with np.errstate(invalid="ignore"):
        return math.fsum(amounts) if np.isfinite(amounts).all() else float(np.sum(amounts))
