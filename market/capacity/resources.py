"""The resource market: many agents, several scarce resources, a vector of prices.

Agent i is worth `V_i` (money) when fully served, and then uses `W_ir` units of resource r; a share x_i of full service
takes the same share of each. Of resource r there are `B_r` units, and what is not wanted may be left (free disposal).
Find shares and prices with

    x_i = D(M_i / s_i),    M_i = V_i - sum_r (p_r + t_r) W_ir,                   each agent's best response,
    sum_i W_ir x_i <= B_r,    p_r >= 0,    p_r (B_r - sum_i W_ir x_i) = 0,       resource by resource,

where D is the demand rule (`walras.market.demand`), t the per-unit tax rates and `s_i` the agent's size, over which its
width or temperature is spread. These are the conditions of the concave program

    maximise  sum_i [ (V_i - sum_r t_r W_ir) x_i - tau s_i phi(x_i) ]   subject to   W'x <= B,  0 <= x <= 1,

and p are its multipliers: the shadow prices. Step demand makes it a linear program, linear demand a quadratic one.
"""

import math
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.capacity.resource_clearing import ResourceClearing, ResourceStatus, certify_resources
from walras.market.capacity.resource_dual import minimise_dual
from walras.market.capacity.resource_program import solve_program
from walras.market.demand import Demand, LogitDemand, StepDemand
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.validation import (
    FloatArray,
    finite_vector,
    instance_of,
    nonnegative_matrix,
    nonnegative_vector,
    positive_vector,
)

__all__ = ["ResourceMarket"]

_LARGEST_AMOUNT = 1e290
# A smooth answer whose residuals exceed this is reported as not converged.
_CONVERGED = 1e-9


@final
@dataclass(frozen=True)
class ResourceMarket:
    """The rules of a market for several resources at once. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    quantities
        Units of each resource that are for sale, >= 0, shape (m,).
    demand
        `StepDemand()`, `LinearDemand(width)` or `LogitDemand(temperature)`. Whole agents are refused: prices that clear
        a market for indivisible bundles need not exist.
    tax
        `PerUnitTax(rate)`, one rate for all resources or one for each (money per unit); the default taxes nothing.

    Examples
    --------
    Two agents need one unit of each resource, the third needs two of the first only:

    >>> market = ResourceMarket((2.0, 1.0))
    >>> clearing = market.clear(valuations=[5.0, 4.0, 2.0], costs=[[1.0, 1.0], [1.0, 1.0], [2.0, 0.0]])
    >>> clearing.prices.tolist(), clearing.allocation.tolist()
    ([1.0, 3.0], [1.0, 0.0, 0.5])
    """

    quantities: tuple[float, ...] | ArrayLike
    demand: Demand = field(default_factory=StepDemand)
    tax: PerUnitTax = field(default_factory=PerUnitTax)

    def __post_init__(self) -> None:
        quantities = nonnegative_vector("ResourceMarket.quantities", self.quantities, of="resource")
        object.__setattr__(self, "quantities", tuple(quantities.tolist()))
        if not isinstance(self.demand, Demand):
            raise InvalidInputError(f"ResourceMarket.demand must be one of {Demand}, got {self.demand!r}.")
        if isinstance(self.demand, StepDemand) and not self.demand.divisible:
            raise InvalidInputError(
                "ResourceMarket.demand must be divisible, got StepDemand(divisible=False): whole agents that need "
                "several resources need not have clearing prices."
            )
        instance_of("ResourceMarket.tax", self.tax, PerUnitTax)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever agents bid."""
        rates = set(np.atleast_1d(np.asarray(self.tax.rate, dtype=np.float64)).tolist())
        held = {Property.FEASIBLE, Property.INDIVIDUALLY_RATIONAL, Property.MONOTONE}
        if not isinstance(self.demand, StepDemand):  # under step demand ties may be broken in favour of some
            held.add(Property.ANONYMOUS)
        if min(rates) >= 0.0:
            held |= {Property.WEAKLY_BUDGET_BALANCED, Property.ENVY_FREE}
        if rates == {0.0}:
            held |= {Property.COMPLEMENTARY_SLACKNESS, Property.EFFICIENT}
        return frozenset(held)

    def clear(self, valuations: ArrayLike, costs: ArrayLike, *, sizes: ArrayLike = 1.0) -> ResourceClearing:
        """Clear the market, in float64.

        Parameters
        ----------
        valuations
            What being fully served is worth to each agent (money, a total; of either sign), shape (n,).
        costs
            Units of each resource that each agent uses when fully served, >= 0, shape (n, m).
        sizes
            Above 0, shape (n,) or a number for all: the width or temperature of agent i is `sizes[i]` times that of the
            demand rule. With one resource, `sizes = costs[:, 0]` and `valuations = costs[:, 0] * v` this is
            `CapacityMarket(FixedSupply(quantity, free_disposal=True), demand).clear(v, costs[:, 0])`. Step demand does
            not depend on it.

        Returns
        -------
        ResourceClearing
            Prices, allocation, payments, tax revenue, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, costs below 0, sizes at or below 0, shapes that do not fit; amounts of money or
            units so large that their sums leave float64.

        Notes
        -----
        *Ties*: smooth demand has none. Under step demand the shares are a vertex of the optimal ones; where others are
        optimal too the status says so. Where several price vectors clear, one of them is given.
        *Cost*: step demand, one linear program (HiGHS) of n variables and m constraints, and two more for the status.
        Smooth demand: some tens of Newton steps on the m prices, each O(n m^2 + m^3).
        *Source*: prices as multipliers of shared resources, Kelly 1997; projected Newton method, Bertsekas 1982; the
        solver of the linear program, Huangfu and Hall 2018 (docs/reference/bibliography.md).
        """
        valuations = finite_vector("valuations", valuations)
        supplies = np.array(self.quantities)
        costs = nonnegative_matrix(
            "costs", costs, rows=valuations.size, columns=supplies.size, of=("agent", "resource")
        )
        sizes = positive_vector("sizes", sizes, length=valuations.size)
        rates = self.tax.rates(supplies.size, of="resource")
        scale = 0.0 if isinstance(self.demand, StepDemand) else _scale(self.demand)
        _check_amounts(valuations, costs, supplies, rates, scale * sizes)

        net_valuations = valuations - costs @ rates
        # Who needs a resource of which there is none goes without: the rest is a market of its own.
        closed = supplies == 0.0
        shut_out = (costs[:, closed] > 0.0).any(axis=1)
        inside, priced = ~shut_out, ~closed & (costs[~shut_out] > 0.0).any(axis=0)
        prices, allocation, is_unique = np.zeros_like(supplies), np.zeros_like(valuations), True
        if inside.any():
            prices[priced], allocation[inside], is_unique = self._solve(
                net_valuations[inside], costs[np.ix_(inside, priced)], supplies[priced], sizes[inside]
            )
        if shut_out.any():
            prices[closed] = self._deterring_prices(net_valuations, costs, prices, closed)
        return self._settle(valuations, costs, supplies, sizes, rates, prices, allocation, is_unique=is_unique)

    def _solve(
        self, net_valuations: FloatArray, costs: FloatArray, supplies: FloatArray, sizes: FloatArray
    ) -> tuple[FloatArray, FloatArray, bool]:
        """Prices (m,), shares (n,), and whether the shares are the only ones; every supply is above 0."""
        if costs.shape[1] == 0:
            return np.zeros(0), self.demand.share(net_valuations / sizes), True
        if isinstance(self.demand, StepDemand):
            return solve_program(net_valuations, costs, supplies)
        prices, allocation = minimise_dual(self.demand, net_valuations, costs, supplies, sizes)
        return prices, allocation, True

    def _deterring_prices(
        self, net_valuations: FloatArray, costs: FloatArray, prices: FloatArray, closed: np.ndarray
    ) -> FloatArray:
        """Prices of resources of which there is nothing: the lowest that deters each agent by itself, shape (k,)."""
        margins = (net_valuations - costs @ prices).clip(min=0.0)
        needs = costs[:, closed]
        if isinstance(self.demand, LogitDemand):
            return np.where((needs > 0.0).any(axis=0), np.inf, 0.0)
        deterring = np.where(needs > 0.0, margins[:, np.newaxis] / np.where(needs > 0.0, needs, 1.0), 0.0)
        return np.asarray(deterring.max(axis=0))

    def _settle(
        self,
        valuations: FloatArray,
        costs: FloatArray,
        supplies: FloatArray,
        sizes: FloatArray,
        rates: FloatArray,
        prices: FloatArray,
        allocation: FloatArray,
        *,
        is_unique: bool,
    ) -> ResourceClearing:
        """Turn prices and shares into money, and certify them."""
        quantities = costs * allocation[:, np.newaxis]
        # At an infinite price nobody who gets nothing pays: 0 units cost 0, not 0 * inf.
        receipts = np.where(quantities > 0.0, prices, 0.0) * quantities
        taxes = quantities @ rates
        payments = receipts.sum(axis=1) + taxes
        worth = sizes * self.demand.surplus(valuations / sizes, allocation)
        money = {
            "payments": payments,
            "tax_revenue": math.fsum(taxes),
            "seller_revenue": math.fsum(receipts.ravel()),
        }
        certificate = certify_resources(
            self.demand, valuations, costs, supplies, sizes, rates, prices, allocation, **money
        )
        return ResourceClearing(
            prices=prices,
            allocation=allocation,
            quantities=quantities,
            **money,
            surplus=worth - payments,
            status=_status(prices, certificate.largest, is_unique=is_unique),
            certificate=certificate,
        )


def _status(prices: FloatArray, residual: float, *, is_unique: bool) -> ResourceStatus:
    if not residual <= _CONVERGED:
        return ResourceStatus.NOT_CONVERGED
    if np.isinf(prices).any():
        return ResourceStatus.NO_FINITE_PRICE
    return ResourceStatus.CLEARED if is_unique else ResourceStatus.SHARES_NOT_UNIQUE


def _scale(demand: Demand) -> float:
    return demand.temperature if isinstance(demand, LogitDemand) else demand.width  # type: ignore[union-attr]


def _check_amounts(
    valuations: FloatArray, costs: FloatArray, supplies: FloatArray, rates: FloatArray, scales: FloatArray
) -> None:
    """Raise `InvalidInputError` where sums of units or of money would leave float64."""
    with np.errstate(over="ignore"):
        units = float(np.sum(costs)) + float(np.sum(supplies))
        money = float(np.sum(np.abs(valuations)) + np.sum(scales)) + float(np.max(np.abs(rates))) * max(units, 1.0)
    if not units < _LARGEST_AMOUNT:
        raise InvalidInputError(f"costs and quantities must add up to less than {_LARGEST_AMOUNT:g}, got {units:g}.")
    if not money < _LARGEST_AMOUNT:
        raise InvalidInputError(
            f"valuations, taxes and scales must add up to less than {_LARGEST_AMOUNT:g} of money, got {money:g}."
        )
