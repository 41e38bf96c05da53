"""The sale of a period's compute: the market's rules, and a progressive tax on each agent's own use if there is one.

A tax that rises with an agent's own use, T(u) on u units with marginal rates `r_0 <= r_1 <= ...`, makes each further
unit worth less to it after tax. With step demand that is the same as if the agent were several, one for each bracket:
each as large as the part of the full use in that bracket, of the same valuation, and taxed at the bracket's rate. Since
rates rise, lower brackets are served first, as they must be. So the market clears exactly, and every agent pays T(u).
"""

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from walras.market import AdValoremTax, CapacityMarket, InvalidInputError, PerUnitTax, Status, StepDemand
from walras.market.capacity.levies import levies_of
from walras.market.errors import InfeasibleError
from walras.market.taxation import BracketTax
from walras.market.validation import FloatArray, IntArray, instance_of

__all__ = ["Marketplace", "Sale"]


@final
@dataclass(frozen=True, eq=False)
class Sale:
    """What n agents bought, arrays of shape (n,).

    Attributes
    ----------
    price
        What the seller receives (money per unit).
    shares, units
        Of its full use that each got, and units.
    payments, taxes
        What each pays, tax included, and the tax in it (money).
    entries
        Seller's price at which each enters the market (money per unit): its bid less taxes, but for a tax on use.
    quantity_sold
        Units in all.
    status
        How the market cleared.
    """

    price: float
    shares: FloatArray
    units: FloatArray
    payments: FloatArray
    taxes: FloatArray
    entries: FloatArray
    quantity_sold: float
    status: Status


@final
class Marketplace:
    """A market for the compute of n agents.

    Parameters
    ----------
    market
        The rules by which compute is sold.
    use_tax
        A progressive tax on each agent's own use, or None: thresholds in units of compute, rates in money per unit.
    costs
        Units that each agent uses when fully served, shape (n,).

    Raises
    ------
    InvalidInputError
        A tax on use whose rates fall, or with another demand rule than divisible step demand.
    """

    def __init__(self, market: CapacityMarket, use_tax: BracketTax | None, costs: FloatArray) -> None:
        self.market = instance_of("market", market, CapacityMarket)
        self.use_tax = use_tax
        self._costs = costs
        self._levies = levies_of(market.tax, costs.size)
        self._brackets = None if use_tax is None else _Brackets(market, use_tax, costs)

    def sell(self, bids: FloatArray) -> Sale:
        """Clear the market for bids (money per unit, tax included), shape (n,)."""
        if self._brackets is not None:
            return self._brackets.sell(bids)
        clearing = self.market.clear(bids, self._costs).require()
        return Sale(
            price=clearing.price,
            shares=clearing.allocation,
            units=clearing.quantities,
            payments=clearing.payments,
            taxes=self._levies.due(clearing.price, clearing.quantities),
            entries=self._levies.entries(bids),
            quantity_sold=clearing.quantity_sold,
            status=clearing.status,
        )

    def require_finite_price(self, valuations: FloatArray) -> None:
        """Raise `InfeasibleError` where the supply rule admits no finite price, whatever agents bid."""
        if self.sell(valuations).status is Status.NO_FINITE_PRICE:
            raise InfeasibleError(
                f"{self.market.supply!r} with {self.market.demand!r} clears at an infinite price only, whatever agents "
                "bid, and no money can settle that: choose a quantity strictly between 0 and the sum of costs, "
                f"{self._costs.sum():.12g}."
            )


@final
class _Brackets:
    """The market in which each bracket of each agent's use bids for itself."""

    def __init__(self, market: CapacityMarket, tax: BracketTax, costs: FloatArray) -> None:
        thresholds, rates = _progressive(market, tax)
        lower = np.concatenate([[0.0], thresholds])
        upper = np.concatenate([thresholds, [np.inf]])
        parts = np.clip(costs[:, np.newaxis] - lower, 0.0, upper - lower)  # (n, K + 1)
        owner, bracket = np.nonzero(parts > 0.0)
        levies = levies_of(market.tax, costs.size)
        self._uniform = levies
        per_unit = levies.per_unit[owner] + rates[bracket]
        taxes = (PerUnitTax(per_unit), AdValoremTax(levies.ad_valorem[owner]))
        self._market = replace(market, tax=taxes)
        self._levies = levies_of(taxes, owner.size)
        self._owner: IntArray = owner
        self._parts: FloatArray = parts[owner, bracket]
        self._costs = costs

    def sell(self, bids: FloatArray) -> Sale:
        clearing = self._market.clear(bids[self._owner], self._parts).require()
        units = np.minimum(self._sum(clearing.quantities), self._costs)
        return Sale(
            price=clearing.price,
            shares=units / self._costs,
            units=units,
            payments=self._sum(clearing.payments),
            taxes=self._sum(self._levies.due(clearing.price, clearing.quantities)),
            entries=self._uniform.entries(bids),
            quantity_sold=math.fsum(units),
            status=clearing.status,
        )

    def _sum(self, of_parts: FloatArray) -> FloatArray:
        totals = np.zeros_like(self._costs)
        np.add.at(totals, self._owner, of_parts)
        return totals


def _progressive(market: CapacityMarket, tax: BracketTax) -> tuple[FloatArray, FloatArray]:
    """Give thresholds (units) and rates (money per unit) of a tax on use that the market can clear."""
    instance_of("use_tax", tax, BracketTax)
    if not (isinstance(market.demand, StepDemand) and market.demand.divisible):
        raise InvalidInputError(
            f"use_tax needs StepDemand(divisible=True), got {market.demand!r}: only then is an agent the same as one "
            "for each bracket of its use."
        )
    rates = np.asarray(tax.rates, dtype=np.float64)
    if np.any(np.diff(rates) < 0.0):
        raise InvalidInputError(f"use_tax.rates must not fall, or no price clears the market; got {rates.tolist()}.")
    return np.asarray(tax.thresholds, dtype=np.float64), rates
