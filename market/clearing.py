"""The result of clearing a market: one immutable type, always the same, with its certificate.

The certificate is computed from the answer alone, by code that shares nothing with the solver (`certify` receives
prices and shares, and asks the demand rule which margins would support them).
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.demand import Demand, StepDemand
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar, Supply
from walras.market.validation import FloatArray

__all__ = ["Certificate", "Clearing", "Status", "certify"]


_TINY = float(np.finfo(np.float64).tiny)


class Status(Enum):
    """How the market cleared; each value tells the reader what it means for them."""

    CLEARED = "supply is sold in full at the price; no agent is rationed"
    RATIONED = "supply is sold in full; agents exactly at the margin share what is left (they are indifferent)"
    UNSOLD = "whole agents only: less than the cost of the next agent is left unsold; use a divisible demand to sell it"
    POSTED = "the price was posted; the quantity is what agents chose"
    AT_FLOOR = "the price is held at the floor, where less than the quantity is wanted; the rest is left unsold"
    AT_CEILING = "the price is held at the ceiling, where more than the quantity is wanted; more is sold"
    DISPOSED = "agents want less than the supply even for nothing: the price is 0, and the rest is disposed of"
    NO_FINITE_PRICE = (
        "nothing or everything is sold, which smooth demand reaches only at an infinite price: payments are limits"
    )


@final
@dataclass(frozen=True)
class Certificate(Residuals):
    """Residuals of an answer: each is 0 for an exact one, and a fraction of the size of what it compares.

    Attributes
    ----------
    conservation
        How far price and units sold are from the supply rule's curve: in units, as a fraction of the supply, where the
        curve is upright; in money, as a fraction of the prices, where it is level; the lesser of the two where it
        rises. With indivisible agents, what is left unsold counts beyond the cost of the next agent only.
    feasibility
        How far shares leave [0, 1]; with indivisible agents, how far they are from 0 or 1.
    complementary_slackness
        How far a margin `v_i - q_i` is from those that make agent i's share a best response.
    budget_balance
        Payments against the seller's revenue plus tax revenue, and each agent's against price and tax for its units.
    individual_rationality
        The largest loss of an agent against staying out.
    """

    conservation: float
    feasibility: float
    complementary_slackness: float
    budget_balance: float
    individual_rationality: float


@final
@dataclass(frozen=True, eq=False)
class Clearing(Certified):
    """A cleared market of n agents.

    Attributes
    ----------
    price
        Money per unit of the resource that the seller receives. Where an interval of prices clears, its midpoint, or
        its finite end.
    price_interval
        Lowest and highest clearing price; equal when the price is unique.
    allocation
        Share of its full use that each agent gets, shape (n,), in [0, 1].
    quantities
        Units of the resource that each agent gets, shape (n,).
    payments
        Money that each agent pays, tax included, shape (n,).
    tax_revenue, seller_revenue
        Money to the treasury and to the seller; together they equal the payments.
    surplus
        Each agent's gain from trade in money, tax paid, shape (n,).
    status, certificate
        How it cleared, and the residuals that prove it.
    """

    price: float
    price_interval: tuple[float, float]
    allocation: FloatArray
    quantities: FloatArray
    payments: FloatArray
    tax_revenue: float
    seller_revenue: float
    surplus: FloatArray
    status: Status
    certificate: Certificate

    @property
    def quantity_sold(self) -> float:
        """Units of the resource sold in all."""
        return math.fsum(self.quantities)


def certify(
    supply: Supply,
    demand: Demand,
    valuations: FloatArray,
    costs: FloatArray,
    per_unit: FloatArray,
    price: float,
    allocation: FloatArray,
    payments: FloatArray,
    *,
    tax_revenue: float,
    seller_revenue: float,
    ad_valorem: FloatArray | float = 0.0,
) -> Certificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    supply
        The rule whose curve price and quantity must lie on.
    demand
        The rule that each share must be a best response under.
    valuations, costs, per_unit, allocation, payments
        Per agent, shape (n,); `per_unit` are tax rates in money per unit.
    price
        Seller's price; if infinite, conditions on money are skipped (reported as 0), since no finite payment exists.
    tax_revenue, seller_revenue
        What the treasury and the seller received.
    ad_valorem
        Tax rates as fractions of the price, shape (n,) or one for all.
    """
    whole = isinstance(demand, StepDemand) and not demand.divisible
    nearest = np.round(allocation) if whole else allocation
    feasibility = float(np.max(np.abs(allocation - np.clip(nearest, 0.0, 1.0))))
    factors = 1.0 + ad_valorem
    remainder = _cost_of_the_next((valuations - per_unit) / factors, costs, allocation) if whole else 0.0
    # Prices can be no more exact than the money amounts that they are computed from.
    amounts = max(float(np.max(np.abs(valuations))), float(np.max(np.abs(per_unit))), _TINY)
    conservation = _off_curve(supply, price, math.fsum(costs * allocation), math.fsum(costs), remainder, amounts)
    if not math.isfinite(price):
        return Certificate(conservation, feasibility, 0.0, 0.0, 0.0)

    net_prices = price * factors + per_unit
    margins = valuations - net_prices
    low, high = demand.supporting_margins(allocation)
    money_scale = np.maximum(np.abs(valuations), np.maximum(abs(price) * np.maximum(factors, 1.0), np.abs(per_unit)))
    money_scale = np.maximum(money_scale, _TINY)
    with np.errstate(over="ignore"):
        slackness = np.maximum(low - margins, margins - high).clip(min=0.0) / money_scale
    loss = (-demand.surplus(margins, allocation)).clip(min=0.0) / money_scale
    turnover = math.fsum(np.abs(payments)) + abs(seller_revenue) + abs(tax_revenue)
    imbalance = abs(math.fsum(payments) - (seller_revenue + tax_revenue))
    misbilled = float(np.abs(payments - net_prices * costs * allocation).max())
    return Certificate(
        conservation=conservation,
        feasibility=feasibility,
        complementary_slackness=float(slackness.max()),
        budget_balance=max(imbalance, misbilled) / turnover if turnover > 0.0 else 0.0,
        individual_rationality=float(loss.max()),
    )


def _off_curve(supply: Supply, price: float, sold: float, total: float, remainder: float, amounts: float) -> float:
    """How far (price, sold) is from the supply rule's curve; up to `remainder` units may stay unsold where it rises."""
    match supply:
        case PostedPrice(price=posted):
            return abs(price - posted) / max(abs(posted), amounts)
        case FixedSupply(quantity=quantity, free_disposal=disposable):
            floor, ceiling = (0.0 if disposable else -math.inf), math.inf
        case PriceCollar(quantity=quantity, floor=floor, ceiling=ceiling):
            pass
        case ElasticSupply() | LinearSupply():
            return _off_rising_curve(supply, price, sold, total, remainder, amounts)
    if math.isclose(quantity, total, rel_tol=1e-12):  # all that agents can use, up to the rounding of a sum
        quantity = total
    unit = quantity or total
    oversold, undersold = max(sold - quantity, 0.0) / unit, max(quantity - sold, 0.0) / unit
    too_low, too_high = _short_of(price, floor, amounts), _short_of(-price, -ceiling, amounts)
    upright = max(oversold, max(undersold - remainder / unit, 0.0), too_low, too_high)
    if math.isnan(sold) or math.isnan(price):
        return math.nan
    at_floor = max(oversold, too_low, _short_of(-price, -floor, amounts))
    at_ceiling = max(undersold, too_high, _short_of(price, ceiling, amounts))
    return min(upright, at_floor, at_ceiling)


def _short_of(price: float, bound: float, amounts: float) -> float:
    """How far a price is below a bound, as a fraction of the amounts; infinite for a bound that nothing reaches."""
    if price >= bound and math.isfinite(bound):
        return 0.0
    if math.isinf(bound):
        return 0.0 if bound < 0.0 else math.inf
    return (bound - price) / max(abs(bound), amounts)


def _off_rising_curve(
    supply: ElasticSupply | LinearSupply, price: float, sold: float, total: float, remainder: float, amounts: float
) -> float:
    """Distance in units or in money, whichever is less: where supply is steep one of them means little."""
    if not math.isfinite(sold) or not math.isfinite(price):
        return math.nan
    offered = supply.quantity_at(price)
    in_units = max(sold - offered, offered - sold - remainder, 0.0) / (sold or total)
    # Nothing is sold at any price up to that of the first unit.
    in_money = price - supply.price_at(sold)
    in_money = max(in_money, 0.0) if sold == 0.0 else abs(in_money)
    if remainder > 0.0:  # whole agents: the curve between what is sold and what the next would add
        in_money = max(supply.price_at(sold) - price, price - supply.price_at(sold + remainder), 0.0)
    # A very inelastic supply meets a weak demand at a price that is 0 to float64.
    least = 1e-200 * supply.reference_price if isinstance(supply, ElasticSupply) else 0.0
    return min(in_units, in_money / max(abs(price), amounts, least))


def _cost_of_the_next(entries: FloatArray, costs: FloatArray, allocation: FloatArray) -> float:
    """Units that the first agent in line (of equals, the first given) among those not served would use; 0 if none."""
    waiting = np.flatnonzero(allocation == 0.0)
    return float(costs[waiting[np.argmax(entries[waiting])]]) if waiting.size else 0.0
