"""Partial equilibrium: the market for one good, all other prices given.

Buyers' marginal value `V(q)` falls and sellers' marginal cost `C(q)` rises in the quantity. With a tax between the
consumer price p and the producer price s, `p = s * (1 + a) + t`, an equilibrium is a quantity with

    p in V(q),    s in C(q)

(intervals where a curve jumps): the q-th unit is worth to its buyer what it costs its seller and the tax. Since nothing
here depends on who hands the tax over, neither does the outcome, except for the price on the tag. The area between the
curves up to q is what trade is worth; what a tax, a price control or a quota takes off it is the deadweight loss.

Curves: `LinearCurve`, `ConstantElasticityCurve`, `StepDemandCurve` and `StepSupplyCurve`, `DirectCurve`,
`InverseCurve`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.errors import InvalidInputError
from walras.market.partial_equilibrium.crossing import crossing
from walras.market.partial_equilibrium.outcome import MarketOutcome, MarketStatus, Rationing
from walras.market.partial_equilibrium.revenue import RevenuePeak, revenue_peak
from walras.market.partial_equilibrium.settle import settle
from walras.market.partial_equilibrium.side import Side
from walras.market.partial_equilibrium.support import (
    Curve,
    GoodsTax,
    Interval,
    Wedge,
    checked_curve,
    common_prices,
    one_price,
    supporting_prices,
    wedge_of,
)
from walras.market.properties import Property
from walras.market.validation import FloatArray, finite_number, instance_of, nonnegative_number

__all__ = ["CompetitiveMarket"]


@final
@dataclass(frozen=True)
class CompetitiveMarket:
    """A market for one good in which nobody has power over the price.

    Parameters
    ----------
    demand
        Curve that falls in the price.
    supply
        Curve that rises in the price.

    Notes
    -----
    *Source*: Harberger 1964 for deadweight loss (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.partial_equilibrium import CompetitiveMarket, LinearCurve
    >>> from walras.market.taxation import PerUnitTax
    >>> market = CompetitiveMarket(demand=LinearCurve(10.0, -1.0), supply=LinearCurve(1.0, 0.5))
    >>> taxed = market.equilibrium(PerUnitTax(3.0)).require()
    >>> taxed.quantity, taxed.consumer_price, taxed.producer_price, taxed.tax_revenue
    (4.0, 6.0, 3.0, 12.0)
    >>> taxed.deadweight_loss, round(taxed.buyers_share, 3)
    (3.0, 0.667)
    """

    demand: Curve
    supply: Curve

    def __post_init__(self) -> None:
        checked_curve("CompetitiveMarket.demand", self.demand, Side.BUYERS)
        checked_curve("CompetitiveMarket.supply", self.supply, Side.SELLERS)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What every equilibrium without a tax has."""
        return frozenset(
            {
                Property.FEASIBLE,
                Property.CONSERVES,
                Property.INDIVIDUALLY_RATIONAL,
                Property.STRONGLY_BUDGET_BALANCED,
                Property.WEAKLY_BUDGET_BALANCED,
                Property.EFFICIENT,
                Property.PARETO_EFFICIENT,
                Property.SCALE_FREE,
                Property.COMPLEMENTARY_SLACKNESS,
            }
        )

    def equilibrium(self, tax: GoodsTax | None = None, levied_on: Side = Side.BUYERS) -> MarketOutcome:
        """Give quantity, prices, surpluses and deadweight loss under a tax or a subsidy.

        Parameters
        ----------
        tax
            `PerUnitTax(rate)` (money per unit) or `AdValoremTax(rate)` (fraction of the producer price), one rate;
            negative rates are subsidies; None: no tax.
        levied_on
            Who hands the tax to the treasury. It changes the price on the tag, and nothing else.

        Raises
        ------
        InvalidInputError
            A tax of another kind, or with one rate per agent.
        InfeasibleError
            If demand stays above supply at every quantity.

        Notes
        -----
        *Ties*: the largest quantity that clears is traded. *Cost*: O(k log k) for step curves of k steps, else some
        tens of evaluations of the curves.
        """
        wedge = wedge_of(tax)
        instance_of("levied_on", levied_on, Side)
        quantities = self._clearing(wedge, levied_on)
        producer_interval = common_prices(self.demand, self.supply, quantities[1], wedge)
        producer_price = one_price(producer_interval)
        consumer_price = wedge.consumer_price(producer_price)
        free_price, free_quantity = producer_price, quantities[1]
        if wedge != Wedge():
            free_quantity = self._clearing(Wedge(), levied_on)[1]
            free_price = one_price(common_prices(self.demand, self.supply, free_quantity, Wedge()))
        status = MarketStatus.CLEARED if quantities[0] == quantities[1] else MarketStatus.NOT_UNIQUE
        return settle(
            self.demand,
            self.supply,
            status=MarketStatus.NO_TRADE if quantities[1] == 0.0 else status,
            quantity_interval=quantities,
            consumer_price=consumer_price,
            producer_price=producer_price,
            consumer_interval=(
                wedge.consumer_price(producer_interval[0]),
                wedge.consumer_price(producer_interval[1]),
            ),
            producer_interval=producer_interval,
            tag_price=producer_price if levied_on is Side.BUYERS else consumer_price,
            free_price=free_price,
            free_quantity=free_quantity,
            wedge=wedge,
        )

    def with_price_ceiling(self, ceiling: float, rationing: Rationing = Rationing.EFFICIENT) -> MarketOutcome:
        """Give the outcome where no price above `ceiling` (money per unit) may be asked.

        Parameters
        ----------
        ceiling
            Highest legal price.
        rationing
            Who is served when it binds. By lot, every unit that its buyer would gain from has the same chance, and
            welfare is lost beyond the smaller quantity.

        Notes
        -----
        *Ties*: sellers who are indifferent sell; buyers who are indifferent give way.
        """
        ceiling = finite_number("ceiling", ceiling)
        instance_of("rationing", rationing, Rationing)
        free = self.equilibrium()
        low, high = free.producer_price_interval
        if ceiling >= low:
            return self._within(free, (low, min(high, ceiling)))
        quantity = min(self.supply.quantities_at(ceiling, Side.SELLERS)[1], self._capacity)
        wanted = max(self.demand.quantities_at(ceiling, Side.BUYERS)[0], quantity)
        return self._controlled(free, MarketStatus.SHORTAGE, ceiling, quantity, wanted, quantity, rationing)

    def with_price_floor(self, floor: float, rationing: Rationing = Rationing.EFFICIENT) -> MarketOutcome:
        """Give the outcome where no price below `floor` (money per unit) may be paid.

        Parameters
        ----------
        floor
            Lowest legal price.
        rationing
            Who sells when it binds, as in `with_price_ceiling`.

        Notes
        -----
        *Ties*: buyers who are indifferent buy; sellers who are indifferent give way.
        """
        floor = finite_number("floor", floor)
        instance_of("rationing", rationing, Rationing)
        free = self.equilibrium()
        low, high = free.producer_price_interval
        if floor <= high:
            return self._within(free, (max(low, floor), high))
        quantity = min(self.demand.quantities_at(floor, Side.BUYERS)[1], self._capacity)
        offered = max(self.supply.quantities_at(floor, Side.SELLERS)[0], quantity)
        return self._controlled(free, MarketStatus.EXCESS_SUPPLY, floor, quantity, quantity, offered, rationing)

    def with_quota(self, quota: float) -> MarketOutcome:
        """Give the outcome where at most `quota` units (0 or more) may be traded.

        Buyers pay what the last unit is worth, sellers receive what it costs, and who holds the licences keeps the
        difference: the same quantity, prices and deadweight loss as under a tax of that size.
        """
        quota = nonnegative_number("quota", quota)
        free = self.equilibrium()
        if quota >= free.quantity:
            return free
        # Where a curve jumps, the price that leaves the holders most: the last unit's value, and its cost.
        consumer_price = self.demand.price_before(quota) if quota > 0.0 else self.demand.price_after(quota)
        producer_price = self.supply.price_before(quota) if quota > 0.0 else self.supply.price_after(quota)
        return settle(
            self.demand,
            self.supply,
            status=MarketStatus.QUOTA_BINDS,
            quantity_interval=(quota, quota),
            consumer_price=consumer_price,
            producer_price=producer_price,
            consumer_interval=(consumer_price, consumer_price),
            producer_interval=(producer_price, producer_price),
            tag_price=consumer_price,
            free_price=free.producer_price,
            free_quantity=free.quantity,
            wedge=None,
        )

    def revenue_curve(self, taxes: Sequence[GoodsTax]) -> FloatArray:
        """Give the revenue (money) of each of several taxes, shape (m,): the Laffer curve over their rates."""
        if not isinstance(taxes, list | tuple) or len(taxes) == 0:
            raise InvalidInputError(f"taxes must be a list of taxes, at least one; got {taxes!r}.")
        return np.array([self.equilibrium(tax).tax_revenue for tax in taxes])

    def largest_revenue(self) -> RevenuePeak:
        """Give the tax that brings the most revenue: the peak of the Laffer curve.

        Notes
        -----
        Every tax, per unit or ad valorem, leaves some quantity q and collects `(V(q) - C(q)) q`; so the peak is found
        over quantities, and is the same for both. *Ties*: the largest of the best quantities that the search meets.
        *Cost*: a few hundred evaluations of each curve, and one for each knot of step curves (then the peak is exact).
        On smooth curves the rate is known to about 1e-8 of itself, the revenue to rounding.
        """
        return revenue_peak(self.demand, self.supply, self._clearing(Wedge(), Side.BUYERS)[1])

    def _clearing(self, wedge: Wedge, levied_on: Side) -> Interval:
        """Give the least and the largest quantity that clears."""
        return crossing(
            lambda quantity: self._gap(quantity, wedge, levied_on),
            (*self.demand.knots, *self.supply.knots),
            self._capacity,
        )

    @property
    def _capacity(self) -> float:
        return min(self.demand.capacity, self.supply.capacity)

    def _gap(self, quantity: float, wedge: Wedge, levied_on: Side) -> Interval:
        """Give what buyers would pay above what sellers would take, as prices on the tag: lowest and highest."""
        values = supporting_prices(self.demand, quantity, Side.BUYERS)
        costs = supporting_prices(self.supply, quantity, Side.SELLERS)
        if levied_on is Side.BUYERS:
            values = wedge.producer_price(values[0]), wedge.producer_price(values[1])
        else:
            costs = wedge.consumer_price(costs[0]), wedge.consumer_price(costs[1])
        return values[0] - costs[1], values[1] - costs[0]

    def _within(self, free: MarketOutcome, interval: Interval) -> MarketOutcome:
        """Give the free equilibrium at a price in a part of its interval."""
        return self._at_price(free, free.status, free.quantity_interval, one_price(interval), interval)

    def _controlled(
        self,
        free: MarketOutcome,
        status: MarketStatus,
        price: float,
        quantity: float,
        demanded: float,
        supplied: float,
        rationing: Rationing,
    ) -> MarketOutcome:
        """Give the outcome at a price that the law keeps from clearing the market."""
        by_lot = rationing is Rationing.BY_LOT
        quantities, prices = (quantity, quantity), (price, price)
        return self._at_price(free, status, quantities, price, prices, demanded, supplied, by_lot=by_lot)

    def _at_price(
        self,
        free: MarketOutcome,
        status: MarketStatus,
        quantities: Interval,
        price: float,
        prices: Interval,
        demanded: float | None = None,
        supplied: float | None = None,
        *,
        by_lot: bool = False,
    ) -> MarketOutcome:
        return settle(
            self.demand,
            self.supply,
            status=status,
            quantity_interval=quantities,
            consumer_price=price,
            producer_price=price,
            consumer_interval=prices,
            producer_interval=prices,
            tag_price=price,
            free_price=free.producer_price,
            free_quantity=free.quantity,
            wedge=Wedge(),
            demanded=demanded,
            supplied=supplied,
            by_lot=by_lot,
        )
