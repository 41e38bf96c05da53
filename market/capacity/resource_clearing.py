"""The result of clearing several resources at once, and its certificate.

The certificate is computed from the answer alone, by code that shares nothing with the solvers: weak duality bounds the
worth of every allocation by the value of the prices, so a small gap proves both.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.demand import Demand
from walras.market.validation import FloatArray

__all__ = ["ResourceCertificate", "ResourceClearing", "ResourceStatus", "certify_resources"]

_TINY = float(np.finfo(np.float64).tiny)


class ResourceStatus(Enum):
    """How the market cleared; each value tells the reader what it means for them."""

    CLEARED = "each agent has its best share at the prices, and what has a price is used up"
    SHARES_NOT_UNIQUE = (
        "the market clears, but agents exactly at the margin could share otherwise: a smooth demand would say how"
    )
    NO_FINITE_PRICE = (
        "none of a resource is for sale, which smooth demand accepts only at an infinite price: payments are limits"
    )
    NOT_CONVERGED = "the search for prices ended early: the certificate says how far off; try a wider demand"


@final
@dataclass(frozen=True)
class ResourceCertificate(Residuals):
    """Residuals of an answer: each is 0 for an exact one, and a fraction of the size of what it compares.

    Attributes
    ----------
    feasibility
        The most that any resource is used beyond its supply, that a share leaves [0, 1], or that a price is below 0.
    resource_slackness
        The value of what is left of resources that have a price, against the money at stake.
    agent_slackness
        How far an agent's margin is from those that make its share a best response.
    duality_gap
        What the prices allow the allocation to be worth, less what it is worth.
    budget_balance
        Payments against the seller's revenue plus tax revenue, and each agent's against prices and taxes for its units.
    individual_rationality
        The largest loss of an agent against staying out.
    """

    feasibility: float
    resource_slackness: float
    agent_slackness: float
    duality_gap: float
    budget_balance: float
    individual_rationality: float


@final
@dataclass(frozen=True, eq=False)
class ResourceClearing(Certified):
    """A cleared market of n agents and m resources.

    Attributes
    ----------
    prices
        Money per unit of each resource that the seller receives, shape (m,), 0 or more.
    allocation
        Share of full service that each agent gets, shape (n,), in [0, 1].
    quantities
        Units of each resource that each agent gets, shape (n, m).
    payments
        Money that each agent pays, tax included, shape (n,).
    tax_revenue, seller_revenue
        Money to the treasury and to the seller; together they equal the payments.
    surplus
        Each agent's gain from trade in money, tax paid, shape (n,).
    status, certificate
        How it cleared, and the residuals that prove it.
    """

    prices: FloatArray
    allocation: FloatArray
    quantities: FloatArray
    payments: FloatArray
    tax_revenue: float
    seller_revenue: float
    surplus: FloatArray
    status: ResourceStatus
    certificate: ResourceCertificate

    @property
    def quantities_sold(self) -> FloatArray:
        """Units of each resource sold in all, shape (m,)."""
        return np.asarray(self.quantities.sum(axis=0))


def certify_resources(
    demand: Demand,
    valuations: FloatArray,
    costs: FloatArray,
    supplies: FloatArray,
    sizes: FloatArray,
    rates: FloatArray,
    prices: FloatArray,
    allocation: FloatArray,
    *,
    payments: FloatArray,
    tax_revenue: float,
    seller_revenue: float,
) -> ResourceCertificate:
    """Compute the residuals of an answer, from the answer alone.

    Parameters
    ----------
    demand
        The rule that each share must be a best response under.
    valuations, sizes, allocation, payments
        Per agent, shape (n,).
    costs
        Units per agent and resource, shape (n, m).
    supplies, rates, prices
        Per resource, shape (m,). Conditions on the money of agents that face an infinite price are skipped, except that
        they must get nothing.
    tax_revenue, seller_revenue
        What the treasury and the seller received.
    """
    used = allocation @ costs
    units = np.where(supplies > 0.0, supplies, costs.sum(axis=0))
    overuse = float(np.max((used - supplies).clip(min=0.0) / np.maximum(units, _TINY)))
    outside = float(np.max(np.abs(allocation - np.clip(allocation, 0.0, 1.0))))

    finite_prices = np.where(np.isinf(prices), 0.0, prices)
    barred = (costs[:, np.isinf(prices)] > 0.0).any(axis=1)
    wrongly_served = float(np.max(np.where(barred, allocation, 0.0)))
    bill = costs @ finite_prices + costs @ rates
    margins = valuations - bill
    money = np.maximum(np.maximum(np.abs(valuations), costs @ np.abs(finite_prices) + costs @ np.abs(rates)), _TINY)
    negative = float(np.max((-prices).clip(min=0.0) * units)) / float(np.max(money))

    low, high = demand.supporting_margins(allocation)
    per_size = margins / sizes
    with np.errstate(over="ignore"):
        slackness = np.maximum(low - per_size, per_size - high).clip(min=0.0) * sizes / money
    surplus = sizes * demand.surplus(per_size, allocation)
    loss = (-surplus).clip(min=0.0) / money
    rents = np.where(barred, 0.0, sizes * demand.surplus(per_size, demand.share(per_size)))
    worth = sizes * demand.surplus((valuations - costs @ rates) / sizes, allocation)
    revenue_at_most = float(finite_prices @ supplies)
    # Sums of money are no more exact than the amounts that they are made of.
    at_stake = revenue_at_most + math.fsum(money)
    gap = abs(revenue_at_most + math.fsum(rents) - math.fsum(worth)) / at_stake
    idle = float(finite_prices @ (supplies - used).clip(min=0.0)) / at_stake

    turnover = math.fsum(np.abs(payments)) + abs(seller_revenue) + abs(tax_revenue)
    imbalance = abs(math.fsum(payments) - (seller_revenue + tax_revenue))
    misbilled = float(np.abs(payments - bill * allocation).max())
    return ResourceCertificate(
        feasibility=_largest(overuse, outside, wrongly_served, negative),
        resource_slackness=idle,
        agent_slackness=float(np.where(barred, 0.0, slackness).max()),
        duality_gap=gap,
        budget_balance=_largest(imbalance, misbilled) / turnover if turnover > 0.0 else 0.0,
        individual_rationality=float(np.where(barred, 0.0, loss).max()),
    )


def _largest(*residuals: float) -> float:
    """Maximum that is NaN if any of them is."""
    return math.nan if any(math.isnan(residual) for residual in residuals) else max(residuals)
