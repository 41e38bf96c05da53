"""The capacity market: many agents share one scarce resource at one price.

Agent i values a unit of the resource at `v_i` (money per unit) and uses `w_i` units when fully served. Find the price p
with

    sum_i w_i * x_i(p) = S(p),    x_i(p) = D(v_i - q_i),    q_i = p + t_i,

where D is the demand rule (`walras.market.demand`), S the supply rule (`walras.market.supply`) and t the tax rates.
Excess demand falls in p, so the price is unique for smooth demand; and because p only separates agents, the sets of
agents that are served are nested in the supply: one ranking serves every budget.
"""

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.capacity.linear import clear_linear
from walras.market.capacity.logit import clear_logit
from walras.market.capacity.step import RELATIVE_TOLERANCE, clear_indivisible, clear_step
from walras.market.clearing import Clearing, Status, certify
from walras.market.demand import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.supply import FixedSupply, PostedPrice, Supply
from walras.market.taxation import PerUnitTax
from walras.market.validation import FloatArray, finite_vector, positive_vector

__all__ = ["CapacityMarket"]


@final
@dataclass(frozen=True)
class CapacityMarket:
    """The rules of a capacity market. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    supply
        `FixedSupply(quantity)` (a cap) or `PostedPrice(price)`.
    demand
        `StepDemand()`, `LinearDemand(width)` or `LogitDemand(temperature)`.
    tax
        `PerUnitTax(rate)`; the default taxes nothing.

    Examples
    --------
    >>> from walras.market import CapacityMarket, FixedSupply
    >>> clearing = CapacityMarket(FixedSupply(4.0)).clear(valuations=[5.0, 3.0, 1.0], costs=[2.0, 4.0, 4.0])
    >>> clearing.price, clearing.allocation.tolist()
    (3.0, [1.0, 0.5, 0.0])
    """

    supply: Supply
    demand: Demand = field(default_factory=StepDemand)
    tax: PerUnitTax = field(default_factory=PerUnitTax)

    def __post_init__(self) -> None:
        for name, kind in (("supply", Supply), ("demand", Demand), ("tax", PerUnitTax)):
            if not isinstance(getattr(self, name), kind):
                raise InvalidInputError(f"CapacityMarket.{name} must be one of {kind}, got {getattr(self, name)!r}.")

    def clear(self, valuations: ArrayLike, costs: ArrayLike) -> Clearing:
        """Clear the market exactly, in float64.

        Parameters
        ----------
        valuations
            Worth of one unit of the resource to each agent (money per unit; of either sign), shape (n,).
        costs
            Units that each agent uses when fully served, above 0, shape (n,) or a number for all.

        Returns
        -------
        Clearing
            Price, allocation, payments, tax revenue, status and certificate. Step and linear demand are cleared by
            sorting, logit demand to 1e-12 of the supply.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, costs at or below 0, no agents, shapes that do not fit.
        InfeasibleError
            A fixed supply above the sum of costs: nobody could use it.

        Notes
        -----
        *Ties*: agents that are equal are served equally (indivisible step demand: in the order given).
        *Cost*: O(n log n). *Source*: docs/explanation/capacity-market.md derives price, nesting and derivatives.
        """
        valuations = finite_vector("valuations", valuations)
        costs = positive_vector("costs", costs, length=valuations.size)
        tax_rates = self.tax.rates(valuations.size)
        net_valuations = valuations - tax_rates

        quantity: float | None = None
        if isinstance(self.supply, PostedPrice):
            interval = (self.supply.price, self.supply.price)
            allocation = self.demand.share(net_valuations - self.supply.price)
        else:
            quantity = _feasible_quantity(self.supply, costs)
            interval, allocation = self._clear_quantity(net_valuations, costs, quantity)
        return self._settle(valuations, costs, tax_rates, interval, allocation, quantity)

    def _clear_quantity(
        self, net_valuations: FloatArray, costs: FloatArray, quantity: float
    ) -> tuple[tuple[float, float], FloatArray]:
        match self.demand:
            case StepDemand(divisible=True):
                return clear_step(net_valuations, costs, quantity)
            case StepDemand():
                return clear_indivisible(net_valuations, costs, quantity)
            case LinearDemand(width=width):
                return clear_linear(net_valuations, costs, quantity, width)
            case LogitDemand(temperature=temperature):
                return clear_logit(net_valuations, costs, quantity, temperature)

    def _settle(
        self,
        valuations: FloatArray,
        costs: FloatArray,
        tax_rates: FloatArray,
        interval: tuple[float, float],
        allocation: FloatArray,
        quantity: float | None,
    ) -> Clearing:
        """Turn price and shares into money, and certify them."""
        price = _price_within(interval)
        quantities = costs * allocation
        # At an infinite price nobody who gets nothing pays: 0 units cost 0, not 0 * inf.
        seller_receipts = np.where(quantities > 0.0, price, 0.0) * quantities
        payments = seller_receipts + tax_rates * quantities
        tax_revenue = math.fsum(tax_rates * quantities)
        seller_revenue = math.fsum(seller_receipts)
        certificate = certify(
            self.demand,
            valuations,
            costs,
            tax_rates,
            price,
            allocation,
            payments,
            quantity=quantity,
            tax_revenue=tax_revenue,
            seller_revenue=seller_revenue,
        )
        if math.isfinite(price):
            surplus = costs * self.demand.surplus(valuations - price - tax_rates, allocation)
        else:
            surplus = np.where(quantities > 0.0, np.inf, 0.0)
        return Clearing(
            price=price,
            price_interval=interval,
            allocation=allocation,
            quantities=quantities,
            payments=payments,
            tax_revenue=tax_revenue,
            seller_revenue=seller_revenue,
            surplus=surplus,
            status=self._status(price, allocation, quantities, quantity),
            certificate=certificate,
        )

    def _status(self, price: float, allocation: FloatArray, quantities: FloatArray, quantity: float | None) -> Status:
        if quantity is None:
            return Status.POSTED
        if not math.isfinite(price):
            return Status.NO_FINITE_PRICE
        if isinstance(self.demand, StepDemand):
            if not self.demand.divisible:
                unsold = quantity - math.fsum(quantities)
                return Status.UNSOLD if unsold > RELATIVE_TOLERANCE * quantity else Status.CLEARED
            if np.any((allocation > 0.0) & (allocation < 1.0)):
                return Status.RATIONED
        return Status.CLEARED


def _feasible_quantity(supply: FixedSupply, costs: FloatArray) -> float:
    """Give the quantity to sell, at most the sum of costs; a rounding error above it is taken as the sum."""
    total = math.fsum(costs)
    if supply.quantity > total * (1.0 + RELATIVE_TOLERANCE):
        raise InfeasibleError(
            f"FixedSupply.quantity must lie in [0, sum of costs] = [0, {total:.12g}], got {supply.quantity:.12g}: "
            "agents cannot use more. Lower the quantity, or post a price."
        )
    return min(supply.quantity, total)


def _price_within(interval: tuple[float, float]) -> float:
    """Midpoint of an interval of clearing prices; its finite end if the other is infinite."""
    low, high = interval
    if math.isinf(low) or math.isinf(high):
        return high if math.isinf(low) else low
    return low + 0.5 * (high - low)
