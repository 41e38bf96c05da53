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
from walras.market.validation import FloatArray

__all__ = ["Certificate", "Clearing", "Status", "certify"]


class Status(Enum):
    """How the market cleared; each value tells the reader what it means for them."""

    CLEARED = "supply is sold in full at the price; no agent is rationed"
    RATIONED = "supply is sold in full; agents exactly at the margin share what is left (they are indifferent)"
    UNSOLD = "whole agents only: less than the cost of the next agent is left unsold; use a divisible demand to sell it"
    POSTED = "the price was posted; the quantity is what agents chose"
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
        Units sold against supply. With indivisible agents: what is sold above supply, or what is left unsold beyond
        the cost of the next agent.
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
    demand: Demand,
    valuations: FloatArray,
    costs: FloatArray,
    tax_rates: FloatArray,
    price: float,
    allocation: FloatArray,
    payments: FloatArray,
    *,
    quantity: float | None,
    tax_revenue: float,
    seller_revenue: float,
) -> Certificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    demand
        The rule that each share must be a best response under.
    valuations, costs, tax_rates, allocation, payments
        Per agent, shape (n,).
    price
        Seller's price; if infinite, conditions on money are skipped (reported as 0), since no finite payment exists.
    quantity
        Units that had to be sold; None under a posted price.
    tax_revenue, seller_revenue
        What the treasury and the seller received.
    """
    sold = math.fsum(costs * allocation)
    whole = isinstance(demand, StepDemand) and not demand.divisible
    nearest = np.round(allocation) if whole else allocation
    feasibility = float(np.max(np.abs(allocation - np.clip(nearest, 0.0, 1.0))))
    conservation = 0.0
    if quantity is not None:
        allowed_remainder = _cost_of_the_next(valuations - tax_rates, costs, allocation) if whole else 0.0
        residual = max(sold - quantity, quantity - sold - allowed_remainder, 0.0)
        conservation = residual / (quantity or math.fsum(costs))
    if not math.isfinite(price):
        return Certificate(conservation, feasibility, 0.0, 0.0, 0.0)

    margins = valuations - (price + tax_rates)
    low, high = demand.supporting_margins(allocation)
    # A margin can be no more exact than the money amounts it is the difference of.
    money_scale = np.maximum(np.abs(valuations), np.maximum(abs(price), np.abs(tax_rates)))
    money_scale = np.maximum(money_scale, np.finfo(np.float64).tiny)
    slackness = np.maximum(low - margins, margins - high).clip(min=0.0) / money_scale
    loss = (-demand.surplus(margins, allocation)).clip(min=0.0) / money_scale
    turnover = math.fsum(np.abs(payments)) + abs(seller_revenue) + abs(tax_revenue)
    imbalance = abs(math.fsum(payments) - (seller_revenue + tax_revenue))
    misbilled = float(np.abs(payments - (price + tax_rates) * costs * allocation).max())
    return Certificate(
        conservation=conservation,
        feasibility=feasibility,
        complementary_slackness=float(slackness.max()),
        budget_balance=max(imbalance, misbilled) / turnover if turnover > 0.0 else 0.0,
        individual_rationality=float(loss.max()),
    )


def _cost_of_the_next(net_valuations: FloatArray, costs: FloatArray, allocation: FloatArray) -> float:
    """Units that the first agent in line (of equals, the first given) among those not served would use; 0 if none."""
    waiting = np.flatnonzero(allocation == 0.0)
    return float(costs[waiting[np.argmax(net_valuations[waiting])]]) if waiting.size else 0.0
