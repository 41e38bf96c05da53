"""From a quantity and two prices to who gains what."""

import math

from walras.market.errors import InfeasibleError
from walras.market.partial_equilibrium.certify import certify_outcome
from walras.market.partial_equilibrium.outcome import MarketOutcome, MarketStatus
from walras.market.partial_equilibrium.support import Curve, Interval, Wedge

__all__ = ["settle"]


def settle(
    demand: Curve,
    supply: Curve,
    *,
    status: MarketStatus,
    quantity_interval: Interval,
    consumer_price: float,
    producer_price: float,
    consumer_interval: Interval,
    producer_interval: Interval,
    tag_price: float,
    free_price: float,
    free_quantity: float,
    wedge: Wedge | None,
    demanded: float | None = None,
    supplied: float | None = None,
    by_lot: bool = False,
) -> MarketOutcome:
    """Give the outcome of trading the largest quantity of an interval at two prices.

    Parameters
    ----------
    wedge
        The tax; None if the gap between the prices is the rent of a quota's holders.
    demanded, supplied
        Units wanted by each side; None: what is traded.
    by_lot
        Whether the units traded are drawn by lot from those wanted, or are those that gain most.
    """
    quantity = quantity_interval[1]
    demanded = quantity if demanded is None else demanded
    supplied = quantity if supplied is None else supplied
    consumer_surplus = _surplus(demand.area(0.0, quantity), consumer_price * quantity)
    producer_surplus = _surplus(producer_price * quantity, supply.area(0.0, quantity))
    lost_by_lot = 0.0
    if by_lot:
        from_buyers = _lost_by_lot(demand, quantity, demanded)
        from_sellers = -_lost_by_lot(supply, quantity, supplied)
        if math.isfinite(from_buyers):  # else infinitely much is left, and infinitely much lost
            consumer_surplus -= from_buyers
        producer_surplus -= from_sellers
        lost_by_lot = from_buyers + from_sellers
    collected = (consumer_price - producer_price) * quantity
    tax_revenue, quota_rent = (0.0, collected) if wedge is None else (collected, 0.0)
    deadweight_loss = lost_by_lot + (demand.area(quantity, free_quantity) - supply.area(quantity, free_quantity))
    certificate = certify_outcome(
        demand,
        supply,
        wedge,
        quantity=quantity,
        consumer_price=consumer_price,
        producer_price=producer_price,
        quantity_demanded=demanded,
        quantity_supplied=supplied,
        consumer_surplus=consumer_surplus,
        producer_surplus=producer_surplus,
        tax_revenue=tax_revenue,
        quota_rent=quota_rent,
        deadweight_loss=deadweight_loss,
        free_quantity=free_quantity,
        lost_by_lot=lost_by_lot,
    )
    return MarketOutcome(
        quantity=quantity,
        quantity_interval=quantity_interval,
        consumer_price=consumer_price,
        producer_price=producer_price,
        consumer_price_interval=consumer_interval,
        producer_price_interval=producer_interval,
        tag_price=tag_price,
        quantity_demanded=demanded,
        quantity_supplied=supplied,
        consumer_surplus=consumer_surplus,
        producer_surplus=producer_surplus,
        tax_revenue=tax_revenue,
        quota_rent=quota_rent,
        deadweight_loss=deadweight_loss,
        free_price=free_price,
        free_quantity=free_quantity,
        status=status,
        certificate=certificate,
    )


def _surplus(gained: float, given: float) -> float:
    return gained if math.isinf(gained) else gained - given


def _lost_by_lot(curve: Curve, traded: float, wanted: float) -> float:
    """Area under the first `traded` units less that of as many drawn from the first `wanted` (money)."""
    if math.isinf(wanted):
        raise InfeasibleError(
            "Rationing by lot needs a finite quantity to draw from: at the control price it is infinite."
        )
    if traded >= wanted:
        return 0.0
    chance = traded / wanted
    return (1.0 - chance) * curve.area(0.0, traded) - chance * curve.area(traded, wanted)
