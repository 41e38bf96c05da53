"""Pigouvian tax: each unit pays the damage that it does to others.

Buyers' marginal value V falls, sellers' marginal cost C rises, and the q-th unit does the damage d(q) to third parties,
who are not asked. Welfare `integral of (V - C - d)` is largest where

    V(q*) = C(q*) + d(q*),

and a tax of `d(q*)` a unit makes the market trade exactly that much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

import numpy as np

from walras.market.certificate import Certified, Residuals
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.validation import finite_number

if TYPE_CHECKING:
    from walras.market.partial_equilibrium.outcome import MarketOutcome
    from walras.market.partial_equilibrium.support import Curve

__all__ = ["PigouvianCertificate", "PigouvianOptimum", "PigouvianStatus", "PigouvianTax"]


class PigouvianStatus(Enum):
    """What the optimum asks for; each value tells the reader what it means."""

    TAX = "the tax at marginal damage supports the efficient quantity"
    SUBSIDY = "units benefit third parties: a subsidy supports the efficient quantity"
    NO_CORRECTION = "the last efficient unit does no damage: the market is efficient by itself"
    PROHIBITION = "already the first unit does more damage than trade is worth: the tax ends the market"


@final
@dataclass(frozen=True)
class PigouvianCertificate(Residuals):
    """Residuals of an optimum.

    Attributes
    ----------
    supports
        How far the market's quantity under the tax is from the efficient one, as a fraction of the free quantity.
    accounts
        Revenue against the gap between the two prices times quantity, as a fraction of spending.
    optimality
        By how much welfare is larger at some other quantity of a grid, as a fraction of what
        value, cost and damage sum to.
    """

    supports: float
    accounts: float
    optimality: float


@final
@dataclass(frozen=True, eq=False)
class PigouvianOptimum(Certified):
    """The efficient quantity and the tax that supports it.

    Attributes
    ----------
    tax
        `PerUnitTax` at the marginal damage of the last unit.
    quantity, free_quantity
        Units traded at the optimum, and without a tax.
    consumer_price, producer_price
        Money per unit at the optimum.
    revenue
        Money to the treasury.
    damage, free_damage
        Damage to third parties (money) at the optimum, and without a tax.
    welfare_gain
        What the tax adds to surplus, revenue and (negative) damage together (money), 0 or more.
    status, certificate
        What the optimum asks for, and the residuals that prove it.
    """

    tax: PerUnitTax
    quantity: float
    free_quantity: float
    consumer_price: float
    producer_price: float
    revenue: float
    damage: float
    free_damage: float
    welfare_gain: float
    status: PigouvianStatus
    certificate: PigouvianCertificate


@final
@dataclass(frozen=True)
class PigouvianTax:
    """A tax at marginal damage, to be set where damage, value and cost of the last unit balance.

    Parameters
    ----------
    marginal_damage
        Damage that a further unit does to third parties (money per unit; negative: a benefit): a number, or a
        continuous function of the quantity traded, from 0 upwards. A damage that falls with the quantity must fall more
        slowly than value less cost does, or the balance is not the optimum (the certificate then shows it).

    Notes
    -----
    *Source*: Pigou 1920 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.partial_equilibrium import LinearCurve
    >>> from walras.market.taxation import PigouvianTax
    >>> smoke = PigouvianTax(lambda quantity: 0.5 * quantity)
    >>> optimum = smoke.optimum(LinearCurve(10.0, -1.0), LinearCurve(1.0, 0.5)).require()
    >>> optimum.quantity, optimum.free_quantity, optimum.tax.rate
    (4.5, 6.0, 2.25)
    """

    marginal_damage: float | Callable[[float], float]

    def __post_init__(self) -> None:
        if not callable(self.marginal_damage):
            damage = finite_number("PigouvianTax.marginal_damage", self.marginal_damage)
            object.__setattr__(self, "marginal_damage", damage)

    def damage_at(self, quantity: float) -> float:
        """Give the marginal damage at a quantity (money per unit)."""
        if callable(self.marginal_damage):
            damage = self.marginal_damage(float(quantity))
            return finite_number("What PigouvianTax.marginal_damage gives", damage)
        return self.marginal_damage

    def optimum(self, demand: "Curve", supply: "Curve") -> PigouvianOptimum:
        """Give the efficient quantity of a market and the tax that supports it.

        Parameters
        ----------
        demand, supply
            Curves of `walras.market.partial_equilibrium`.

        Raises
        ------
        InvalidInputError
            Curves that do not slope as they should, a damage that is not finite.
        InfeasibleError
            If value exceeds cost and damage at every quantity.

        Notes
        -----
        *Ties*: the largest efficient quantity. *Cost*: some tens of evaluations, 200 more for the certificate.
        """
        # Here, because partial equilibrium is built on the taxes of this package.
        from walras.market.partial_equilibrium.crossing import crossing
        from walras.market.partial_equilibrium.market import CompetitiveMarket
        from walras.market.partial_equilibrium.side import Side
        from walras.market.partial_equilibrium.support import supporting_prices

        market = CompetitiveMarket(demand, supply)

        def gap(quantity: float) -> tuple[float, float]:
            values = supporting_prices(demand, quantity, Side.BUYERS)
            costs = supporting_prices(supply, quantity, Side.SELLERS)
            damage = self.damage_at(quantity)
            return values[0] - costs[1] - damage, values[1] - costs[0] - damage

        capacity = min(demand.capacity, supply.capacity)
        quantity = crossing(gap, (*demand.knots, *supply.knots), capacity)[1]
        tax = PerUnitTax(self.damage_at(quantity))
        taxed, free = market.equilibrium(tax), market.equilibrium()
        rate = self.damage_at(quantity)
        revenue = rate * quantity
        damage, free_damage = self._total(quantity), self._total(free.quantity)

        def worth(start: float, end: float) -> float:
            """Welfare that the units between two quantities add (money)."""
            return demand.area(start, end) - supply.area(start, end) - (self._total(end) - self._total(start))

        def sizes(start: float, end: float) -> float:
            harm = abs(self._total(end)) + abs(self._total(start))
            return abs(demand.area(start, end)) + abs(supply.area(start, end)) + harm

        return PigouvianOptimum(
            tax=tax,
            quantity=quantity,
            free_quantity=free.quantity,
            consumer_price=taxed.consumer_price,
            producer_price=taxed.producer_price,
            revenue=revenue,
            damage=damage,
            free_damage=free_damage,
            welfare_gain=worth(free.quantity, quantity),
            status=_status(quantity, rate),
            certificate=_certify(worth, sizes, quantity, free.quantity, taxed, revenue),
        )

    def _total(self, quantity: float) -> float:
        """Damage of the first `quantity` units (money)."""
        from walras.market.partial_equilibrium.functions import integral

        if not callable(self.marginal_damage):
            return self.marginal_damage * quantity
        return integral(self.damage_at, 0.0, quantity)


def _status(quantity: float, rate: float) -> PigouvianStatus:
    if quantity == 0.0:
        return PigouvianStatus.PROHIBITION
    if rate == 0.0:
        return PigouvianStatus.NO_CORRECTION
    return PigouvianStatus.TAX if rate > 0.0 else PigouvianStatus.SUBSIDY


def _certify(
    worth: Callable[[float, float], float],
    sizes: Callable[[float, float], float],
    quantity: float,
    free_quantity: float,
    taxed: "MarketOutcome",
    revenue: float,
) -> PigouvianCertificate:
    """Compute the residuals of an optimum: the market's answer to the tax, and welfare at other quantities.

    `worth` gives what the units between two quantities add to welfare, `sizes` the values, costs and damages (money)
    that this is the balance of.
    """
    reach = max(quantity, free_quantity)
    if reach == 0.0:
        return PigouvianCertificate(supports=0.0, accounts=0.0, optimality=0.0)
    others = reach * np.linspace(0.0, 1.0, 101)[1:]
    gained = max(*(worth(quantity, float(other)) for other in others), 0.0)
    traded = taxed.quantity_interval
    gap = taxed.consumer_price - taxed.producer_price
    return PigouvianCertificate(
        supports=max(traded[0] - quantity, quantity - traded[1], 0.0) / reach,
        accounts=abs(gap * quantity - revenue) / (abs(revenue) + abs(taxed.consumer_price * quantity) or 1.0),
        optimality=gained / (sizes(float(others[0]), reach) or 1.0),
    )
