"""Hypothesis strategies for capacity markets: the corners where market code goes wrong are drawn often, not by luck.

`capacity_cases(rule)` draws a whole market: ties, equal agents, zero and negative valuations; a quantity of nothing, of
everything, and exactly at the boundary between two agents; one agent alone; costs from 1e-6 to 1e6; widths and
temperatures from far below to far above the valuations. `test_strategies.py` proves that each of them is reached.

With `exact=True` every number is a small dyadic fraction, so that sums and differences of them are exact in float64,
and the properties of step demand can be tested for equality.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from walras.market import (
    CapacityMarket,
    Clearing,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    StepDemand,
)
from walras.market.validation import FloatArray

RULES = ("step", "indivisible", "linear", "logit")
DIVISIBLE_RULES = ("step", "linear", "logit")
SMOOTH_RULES = ("linear", "logit")

MOST_AGENTS = 8


@dataclass(frozen=True, eq=False)
class CapacityCase:
    """A market at fixed supply together with the bids of its agents, each of shape (n,)."""

    valuations: FloatArray
    costs: FloatArray
    quantity: float
    demand: Demand
    tax_rates: FloatArray

    @property
    def market(self) -> CapacityMarket:
        return CapacityMarket(FixedSupply(self.quantity), self.demand, PerUnitTax(self.tax_rates))

    @property
    def net_valuations(self) -> FloatArray:
        return self.valuations - self.tax_rates

    @property
    def money_scale(self) -> float:
        """Size of the amounts of money (per unit) that the case is made of."""
        return float(max(np.abs(self.valuations).max(), np.abs(self.tax_rates).max(), _demand_scale(self.demand)))

    def clear(self) -> Clearing:
        return self.market.clear(self.valuations, self.costs)

    def post(self, price: float) -> Clearing:
        """Clear the same agents at a posted price."""
        market = CapacityMarket(PostedPrice(price), self.demand, PerUnitTax(self.tax_rates))
        return market.clear(self.valuations, self.costs)

    def but(self, **changes: object) -> "CapacityCase":
        """Give the case with some of its fields replaced."""
        return replace(self, **changes)


def _demand_scale(demand: Demand) -> float:
    match demand:
        case LinearDemand(width=scale) | LogitDemand(temperature=scale):
            return scale
        case StepDemand():
            return 0.0


dyadic_money = st.integers(-24, 24).map(lambda eighths: eighths / 8)
# Not below 1e-9: a product of money and units that underflows is no question of economics.
wide_money = st.floats(1e-9, 1e6).flatmap(lambda amount: st.sampled_from([amount, -amount]))
dyadic_cost = st.integers(1, 24).map(lambda eighths: eighths / 8)
wide_cost = st.one_of(st.sampled_from([1e-6, 1e6]), st.floats(-6.0, 6.0).map(lambda exponent: 10.0**exponent))
scales = st.one_of(st.sampled_from([1e-9, 1.0, 1e9]), st.floats(-9.0, 9.0).map(lambda exponent: 10.0**exponent))


def _vectors(entry: st.SearchStrategy[float], agents: int) -> st.SearchStrategy[FloatArray]:
    """Vectors of shape (agents,): different entries, entries from a pool of two or three (ties), or all equal."""
    different = st.lists(entry, min_size=agents, max_size=agents)
    tied = st.lists(entry, min_size=2, max_size=3).flatmap(
        lambda pool: st.lists(st.sampled_from(pool), min_size=agents, max_size=agents)
    )
    equal = entry.map(lambda value: [value] * agents)
    return st.one_of(different, tied, equal).map(np.array)


def valuation_vectors(agents: int, *, exact: bool = False) -> st.SearchStrategy[FloatArray]:
    """Valuations of either sign (money per unit), shape (agents,)."""
    return _vectors(dyadic_money if exact else st.one_of(dyadic_money, wide_money), agents)


def cost_vectors(agents: int, *, exact: bool = False) -> st.SearchStrategy[FloatArray]:
    """Costs above 0 (units), shape (agents,)."""
    return (
        _vectors(dyadic_cost, agents)
        if exact
        else st.one_of(_vectors(dyadic_cost, agents), _vectors(wide_cost, agents))
    )


def tax_vectors(agents: int, *, exact: bool = False) -> st.SearchStrategy[FloatArray]:
    """Per-unit tax rates and subsidies (money per unit), shape (agents,); often no tax at all."""
    return st.one_of(st.just(np.zeros(agents)), _vectors(dyadic_money if exact else wide_money, agents))


def boundaries(net_valuations: FloatArray, costs: FloatArray) -> list[float]:
    """Quantities at which step demand is sold out exactly between two agents, ascending."""
    order = np.argsort(-net_valuations, kind="stable")
    return [math.fsum(costs[order[:served]]) for served in range(1, costs.size)]


@st.composite
def quantities(draw: st.DrawFn, net_valuations: FloatArray, costs: FloatArray, *, exact: bool = False) -> float:
    """Quantities from 0 to the sum of costs (units), both often, and often at a boundary between two agents."""
    total = math.fsum(costs)
    inside = (
        st.integers(0, int(8 * total)).map(lambda eighths: eighths / 8)
        if exact
        else _fractions.map(lambda fraction: fraction * total)
    )
    between = st.sampled_from([*boundaries(net_valuations, costs), total])
    return draw(st.one_of(inside, between, st.sampled_from([0.0, total])))


# To within a billionth of nothing and of everything, but no further: a share that underflows is no economics.
_small = st.floats(-9.0, -1.0).map(lambda exponent: 10.0**exponent)
_fractions = st.one_of(st.floats(0.1, 0.9), _small, _small.map(lambda fraction: 1.0 - fraction))


def demands(rule: str, *, exact: bool = False) -> st.SearchStrategy[Demand]:
    """Demand rules of one kind (see `RULES`)."""
    scale = st.sampled_from([0.125, 0.5, 1.0, 8.0]) if exact else scales
    match rule:
        case "step":
            return st.just(StepDemand())
        case "indivisible":
            return st.just(StepDemand(divisible=False))
        case "linear":
            return scale.map(LinearDemand)
        case "logit":
            return scale.map(LogitDemand)
    raise ValueError(f"unknown rule {rule!r}; the rules are {RULES}")


@st.composite
def capacity_cases(draw: st.DrawFn, rule: str, *, exact: bool = False, taxed: bool = True) -> CapacityCase:
    """Markets of one to `MOST_AGENTS` agents under one demand rule."""
    agents = draw(st.integers(1, MOST_AGENTS))
    valuations = draw(valuation_vectors(agents, exact=exact))
    costs = draw(cost_vectors(agents, exact=exact))
    tax_rates = draw(tax_vectors(agents, exact=exact)) if taxed else np.zeros(agents)
    quantity = draw(quantities(valuations - tax_rates, costs, exact=exact))
    return CapacityCase(valuations, costs, quantity, draw(demands(rule, exact=exact)), tax_rates)
