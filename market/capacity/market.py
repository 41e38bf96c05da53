"""The capacity market: many agents share one scarce resource at one price.

Agent i values a unit of the resource at `v_i` (money per unit) and uses `w_i` units when fully served. Find the price p
with

    sum_i w_i * x_i(p) = S(p),    x_i(p) = D(v_i - q_i),    q_i = p * (1 + a_i) + t_i,

where D is the demand rule (`walras.market.demand`), S the supply rule (`walras.market.supply`), a the ad valorem and t
the per-unit tax rates. Excess demand falls in p, so the price is unique for smooth demand; and because p only separates
agents, the sets of agents that are served are nested in the supply: one ranking serves every budget.
"""

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.capacity.elastic import clear_indivisible_elastic, clear_smooth_elastic, clear_step_elastic
from walras.market.capacity.levies import CapacityTax, Levies, checked_taxes, levies_of
from walras.market.capacity.linear import clear_linear
from walras.market.capacity.logit import clear_logit
from walras.market.capacity.promises import promised_properties
from walras.market.capacity.settle import Offer, settle
from walras.market.capacity.step import RELATIVE_TOLERANCE, clear_indivisible, clear_step
from walras.market.clearing import Clearing, Status
from walras.market.demand import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.properties import Property
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar, Supply
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.validation import FloatArray, finite_vector, positive_vector

__all__ = ["CapacityMarket"]

# Amounts of money (prices times units) must stay below this, so that sums of them are numbers.
_LARGEST_AMOUNT = 1e300


@final
@dataclass(frozen=True)
class CapacityMarket:
    """The rules of a capacity market. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    supply
        `FixedSupply(quantity)` (a cap), `PostedPrice(price)`, `PriceCollar(quantity, floor, ceiling)` (a cap whose
        price is bounded), `ElasticSupply(...)` or `LinearSupply(...)` (the seller answers the price).
    demand
        `StepDemand()`, `LinearDemand(width)` or `LogitDemand(temperature)`.
    tax
        `PerUnitTax(rate)`, `AdValoremTax(rate)`, or a tuple of such taxes, which all apply to the price before tax;
        the default taxes nothing.

    Examples
    --------
    >>> from walras.market import CapacityMarket, FixedSupply
    >>> clearing = CapacityMarket(FixedSupply(4.0)).clear(valuations=[5.0, 3.0, 1.0], costs=[2.0, 4.0, 4.0])
    >>> clearing.price, clearing.allocation.tolist()
    (3.0, [1.0, 0.5, 0.0])
    """

    supply: Supply
    demand: Demand = field(default_factory=StepDemand)
    tax: CapacityTax = field(default_factory=PerUnitTax)

    def __post_init__(self) -> None:
        for name, kind in (("supply", Supply), ("demand", Demand)):
            if not isinstance(getattr(self, name), kind):
                raise InvalidInputError(f"CapacityMarket.{name} must be one of {kind}, got {getattr(self, name)!r}.")
        object.__setattr__(self, "tax", checked_taxes(self.tax))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever agents bid; docs/explanation/capacity-market.md says why."""
        return promised_properties(self.supply, self.demand, self.tax)

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
            sorting at a fixed supply, a posted price and a collar; otherwise to 1e-12 of the supply.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, costs at or below 0, no agents, shapes that do not fit; amounts of money or units
            so large that their sums leave float64.
        InfeasibleError
            More to be sold than the sum of costs, where the price has no lower bound: nobody could use it.

        Notes
        -----
        *Ties*: agents that are equal are served equally (indivisible step demand: in the order given). Sums of costs
        are compared up to 1e-12 of the supply, so an agent that uses less than that may go unserved in its turn.
        *Cost*: O(n log n). *Source*: docs/explanation/capacity-market.md derives price, nesting and derivatives.
        """
        valuations = finite_vector("valuations", valuations)
        costs = positive_vector("costs", costs, length=valuations.size)
        levies = levies_of(self.tax, valuations.size)
        _check_amounts(valuations, costs, levies, self.demand)
        offer = self._meet(levies.entries(valuations), levies.steepness, costs)
        return settle(self.supply, self.demand, valuations, costs, levies, offer)

    def _meet(self, entries: FloatArray, steepness: FloatArray, costs: FloatArray) -> Offer:
        """Find where demand meets the supply rule's curve."""
        match self.supply:
            case PostedPrice(price=price):
                return Offer((price, price), self.demand.share(steepness * (entries - price)), Status.POSTED)
            case FixedSupply(quantity=quantity, free_disposal=False):
                quantity = _feasible_quantity("FixedSupply", quantity, costs)
                return Offer(*self._at_quantity(entries, steepness, costs, quantity), None, quantity)
            case FixedSupply(quantity=quantity):
                return self._between(entries, steepness, costs, quantity, 0.0, math.inf)
            case PriceCollar(quantity=quantity, floor=floor, ceiling=ceiling):
                if floor == -math.inf:
                    quantity = _feasible_quantity("PriceCollar", quantity, costs)
                return self._between(entries, steepness, costs, quantity, floor, ceiling)
            case ElasticSupply() | LinearSupply():
                return Offer(*self._at_curve(entries, steepness, costs, self.supply), None)

    def _at_quantity(
        self, entries: FloatArray, steepness: FloatArray, costs: FloatArray, quantity: float
    ) -> tuple[tuple[float, float], FloatArray]:
        match self.demand:
            case StepDemand(divisible=True):
                return clear_step(entries, costs, quantity)
            case StepDemand():
                return clear_indivisible(entries, costs, quantity)
            case LinearDemand(width=width):
                return clear_linear(entries, steepness, costs, quantity, width)
            case LogitDemand(temperature=temperature):
                return clear_logit(entries, steepness, costs, quantity, temperature)

    def _between(
        self,
        entries: FloatArray,
        steepness: FloatArray,
        costs: FloatArray,
        quantity: float,
        floor: float,
        ceiling: float,
    ) -> Offer:
        """Clear `quantity` where the price that does so lies in [floor, ceiling], else at the nearer of the two."""
        total = math.fsum(costs)
        if quantity > total * (1.0 + RELATIVE_TOLERANCE):  # more than agents can use: no price sells it
            low = high = -math.inf
            allocation = np.ones_like(costs)
        else:
            quantity = min(quantity, total)
            (low, high), allocation = self._at_quantity(entries, steepness, costs, quantity)
        if high < floor:
            shares = self.demand.share(steepness * (entries - floor))  # who is indifferent buys: all of it fits
            status = Status.DISPOSED if isinstance(self.supply, FixedSupply) else Status.AT_FLOOR
            return Offer((floor, floor), shares, status)
        if low > ceiling:
            shares = self.demand.share(steepness * (entries - ceiling))
            if isinstance(self.demand, StepDemand):  # who is indifferent does not buy: the quantity has run out before
                shares = np.where(entries > ceiling, 1.0, 0.0)
            return Offer((ceiling, ceiling), shares, Status.AT_CEILING)
        return Offer((max(low, floor), min(high, ceiling)), allocation, None, quantity)

    def _at_curve(
        self, entries: FloatArray, steepness: FloatArray, costs: FloatArray, supply: ElasticSupply | LinearSupply
    ) -> tuple[tuple[float, float], FloatArray]:
        demand = self.demand
        if isinstance(demand, StepDemand):
            clear = clear_step_elastic if demand.divisible else clear_indivisible_elastic
            return clear(entries, costs, supply)

        def shares_at(anchor: float, offset: float) -> FloatArray:
            return demand.share(steepness * ((entries - anchor) - offset))

        gentlest = float(steepness.min())

        def saturation(fraction: float) -> float:
            if isinstance(demand, LinearDemand):
                return demand.width / gentlest
            return demand.temperature * (abs(math.log(fraction) - math.log1p(-fraction)) + 1.0) / gentlest

        interval, allocation = clear_smooth_elastic(entries, costs, supply, shares_at, saturation)
        offered = supply.quantity_at(interval[1])
        if abs(math.fsum(costs * allocation) - offered) > 1e-6 * offered and offered < math.fsum(costs):
            # Demand all but jumps at this price: only in units of its scale can shares be told apart.
            nearby, sharper = self._at_quantity(entries, steepness, costs, offered)
            if nearby[0] <= interval[1] <= nearby[1]:
                return interval, sharper
        return interval, allocation


def _feasible_quantity(kind: str, quantity: float, costs: FloatArray) -> float:
    """Give the quantity to sell, at most the sum of costs; a rounding error above it is taken as the sum."""
    total = math.fsum(costs)
    if quantity > total * (1.0 + RELATIVE_TOLERANCE):
        raise InfeasibleError(
            f"{kind}.quantity must lie in [0, sum of costs] = [0, {total:.12g}], got {quantity:.12g}: "
            "agents cannot use more. Lower the quantity, let it be disposed of freely, or post a price."
        )
    return min(quantity, total)


def _check_amounts(valuations: FloatArray, costs: FloatArray, levies: Levies, demand: Demand) -> None:
    """Raise `InvalidInputError` where sums of units or of money would leave float64."""
    with np.errstate(over="ignore"):
        total = float(np.sum(costs))
        if not total < _LARGEST_AMOUNT:
            raise InvalidInputError(f"costs must add up to less than {_LARGEST_AMOUNT:g}, got {total:g}.")
        money = float(np.max(np.abs(valuations)) + np.max(np.abs(levies.per_unit))) + _scale(demand)
        steepness = levies.steepness
        amount = money * max(float(steepness.max()), 1.0) / min(float(steepness.min()), 1.0) * max(total, 1.0)
    if not amount < _LARGEST_AMOUNT:
        raise InvalidInputError(
            f"valuations, taxes and {demand!r} are too large for costs that add up to {total:g}: amounts of money must "
            f"stay below {_LARGEST_AMOUNT:g}, got {amount:g}. Measure money in a larger unit."
        )


def _scale(demand: Demand) -> float:
    """Width or temperature (money per unit); 0 for step demand."""
    match demand:
        case LinearDemand(width=scale) | LogitDemand(temperature=scale):
            return scale
        case StepDemand():
            return 0.0
