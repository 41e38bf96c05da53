"""Strategies for capacity markets: the corners where market code goes wrong are drawn often, not by luck.

`capacity_cases(rule)` draws a market at fixed supply with its bids: ties, equal agents, zero and negative valuations; a
quantity of nothing, of everything, and exactly at the boundary between two agents; one agent alone; costs from 1e-6 to
1e6; widths and temperatures from far below to far above the valuations. With `exact=True` every number is a small
dyadic fraction, so that sums and differences of them are exact in float64, and the properties of step demand can be
tested for equality.

`market_cases(rule, supply)` draws any supply rule and any taxes, often so that the market clears at a kink: at a floor,
a ceiling, a price of 0, or the entry of an agent. `resource_cases(rule)` draws several resources at once.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from walras.market.capacity import CapacityMarket, ResourceClearing, ResourceMarket
from walras.market.clearing import Clearing
from walras.market.demand import Demand, LinearDemand, LogitDemand, StepDemand
from walras.market.supply import ElasticSupply, FixedSupply, LinearSupply, PostedPrice, PriceCollar, Supply
from walras.market.taxation.ad_valorem import AdValoremTax
from walras.market.taxation.per_unit import PerUnitTax
from walras.market.validation import FloatArray

__all__ = [
    "DIVISIBLE_RULES",
    "RULES",
    "SMOOTH_RULES",
    "SUPPLIES",
    "CapacityCase",
    "MarketCase",
    "ResourceCase",
    "boundaries",
    "capacity_cases",
    "cost_vectors",
    "demands",
    "market_cases",
    "quantities",
    "resource_cases",
    "supplies",
    "tax_vectors",
    "taxes",
    "valuation_vectors",
]

RULES = ("step", "indivisible", "linear", "logit")
DIVISIBLE_RULES = ("step", "linear", "logit")
SMOOTH_RULES = ("linear", "logit")
SUPPLIES = ("fixed", "disposable", "posted", "collar", "elastic", "linear")

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
        """The rules."""
        return CapacityMarket(FixedSupply(self.quantity), self.demand, PerUnitTax(self.tax_rates))

    @property
    def net_valuations(self) -> FloatArray:
        """Valuations less tax (money per unit), shape (n,)."""
        return self.valuations - self.tax_rates

    @property
    def money_scale(self) -> float:
        """Size of the amounts of money (per unit) that the case is made of."""
        return float(max(np.abs(self.valuations).max(), np.abs(self.tax_rates).max(), _demand_scale(self.demand)))

    def clear(self) -> Clearing:
        """Clear the market."""
        return self.market.clear(self.valuations, self.costs)

    def post(self, price: float) -> Clearing:
        """Clear the same agents at a posted price."""
        market = CapacityMarket(PostedPrice(price), self.demand, PerUnitTax(self.tax_rates))
        return market.clear(self.valuations, self.costs)

    def but(self, **changes: object) -> "CapacityCase":
        """Give the case with some of its fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class MarketCase:
    """A market under any rules together with the bids of its agents, each of shape (n,)."""

    market: CapacityMarket
    valuations: FloatArray
    costs: FloatArray

    def clear(self) -> Clearing:
        """Clear the market."""
        return self.market.clear(self.valuations, self.costs)

    def but(self, **changes: object) -> "MarketCase":
        """Give the case with some of its fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class ResourceCase:
    """A market for several resources together with the bids of its agents."""

    market: ResourceMarket
    valuations: FloatArray  # (n,)
    costs: FloatArray  # (n, m)
    sizes: FloatArray  # (n,)

    def clear(self) -> ResourceClearing:
        """Clear the market."""
        return self.market.clear(self.valuations, self.costs, sizes=self.sizes)

    def but(self, **changes: object) -> "ResourceCase":
        """Give the case with some of its fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


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
    quantity: float = draw(st.one_of(inside, between, st.sampled_from([0.0, total])))
    return quantity


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


def taxes(agents: int, *, exact: bool = False) -> st.SearchStrategy[object]:
    """Taxes on units: none, per unit, ad valorem (subsidies too), or both; one rate for all or one for each agent."""
    fraction = st.sampled_from([-0.5, 0.0, 1.0, 3.0]) if exact else st.sampled_from([-0.9, -0.5, 0.0, 0.2, 1.0, 9.0])
    per_unit = st.one_of(st.just(0.0), dyadic_money, tax_vectors(agents, exact=True)).map(PerUnitTax)
    ad_valorem = st.one_of(fraction, _vectors(fraction, agents)).map(AdValoremTax)
    return st.one_of(st.just(PerUnitTax()), per_unit, ad_valorem, st.tuples(per_unit, ad_valorem))


@st.composite
def supplies(draw: st.DrawFn, kind: str, net_valuations: FloatArray, costs: FloatArray) -> Supply:
    """Supply rules of one kind (see `SUPPLIES`), placed among the agents: prices are often exactly an agent's."""
    prices = st.one_of(st.sampled_from([*net_valuations.tolist(), 0.0]), dyadic_money)
    total = math.fsum(costs)
    quantity = draw(quantities(net_valuations, costs))
    beyond = draw(st.sampled_from([quantity, quantity, 1.5 * total]))
    positive = prices.map(lambda price: abs(price) or 1.0)
    match kind:
        case "fixed":
            return FixedSupply(quantity)
        case "disposable":
            return FixedSupply(beyond, free_disposal=True)
        case "posted":
            return PostedPrice(draw(prices))
        case "collar":
            ends = sorted((draw(prices), draw(prices)))
            return PriceCollar(beyond, *ends)
        case "elastic":
            elasticity = draw(st.one_of(st.sampled_from([0.5, 1.0, 2.0]), st.floats(-3.0, 3.0).map(lambda x: 10.0**x)))
            return ElasticSupply(beyond or total, draw(positive), elasticity)
        case "linear":
            return LinearSupply(draw(prices), draw(positive) / total)
    raise ValueError(f"unknown supply {kind!r}; the supplies are {SUPPLIES}")


@st.composite
def market_cases(draw: st.DrawFn, rule: str, supply: str, *, taxed: bool = True) -> MarketCase:
    """Markets of one to `MOST_AGENTS` agents under one demand rule and one supply rule."""
    agents = draw(st.integers(1, MOST_AGENTS))
    valuations = draw(valuation_vectors(agents, exact=True))
    costs = draw(cost_vectors(agents))
    tax = draw(taxes(agents)) if taxed else PerUnitTax()
    rules = CapacityMarket(draw(supplies(supply, valuations, costs)), draw(demands(rule)), tax)  # type: ignore[arg-type]
    return MarketCase(rules, valuations, costs)


@st.composite
def resource_cases(draw: st.DrawFn, rule: str, *, most_agents: int = 6, most_resources: int = 3) -> ResourceCase:
    """Markets for several resources under one divisible demand rule.

    They reach ties, agents that need nothing of a resource, resources that nobody needs, of which there is nothing, or
    more than enough, and taxes.
    """
    agents, resources = draw(st.integers(1, most_agents)), draw(st.integers(1, most_resources))
    valuations = draw(valuation_vectors(agents, exact=True))
    entry = st.one_of(st.just(0.0), dyadic_cost)
    rows = st.lists(entry, min_size=resources, max_size=resources)
    costs = np.array(draw(st.lists(rows, min_size=agents, max_size=agents)))
    share = st.one_of(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), st.floats(0.01, 0.99))
    for_sale = np.array([draw(share) for _ in range(resources)]) * costs.sum(axis=0)
    rates = draw(st.one_of(st.just(0.0), st.lists(dyadic_money, min_size=resources, max_size=resources)))
    scale = st.one_of(st.sampled_from([1e-6, 0.5, 8.0]), st.floats(-6.0, 3.0).map(lambda exponent: 10.0**exponent))
    if rule == "step":
        demand: Demand = StepDemand()
    else:
        demand = LinearDemand(draw(scale)) if rule == "linear" else LogitDemand(draw(scale))
    sizes = draw(st.one_of(st.just(np.ones(agents)), _vectors(dyadic_cost, agents)))
    return ResourceCase(ResourceMarket(for_sale, demand, PerUnitTax(rates)), valuations, costs, sizes)
