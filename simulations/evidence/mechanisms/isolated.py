"""A mechanism in isolation: the recorded agents bid truthfully in the explicit market, period by period.

Demand is that of divisible step agents, so that a cap sells its budget exactly. The rules are those of
`walras.simulations.evidence.mechanisms.rules`, with these words for what training does by itself:

`tax`           one price for all periods, at which agents buy the budget in the mean: that of one market in which the
                agents of all periods bid. Who is indifferent at it is served so far that the mean is the budget exactly
`collar`        bounds are the prices at which agents, bidding as in the period before (in the first, as in the mean),
                would have bought `collar` more and less. At the ceiling more is sold, at the floor less, so that a cap
                of the budget would not end at the budget: the cap is one, found by bisection, at which the mean does
`progressive`   a layer's use up to its part of the budget is free of tax, and so on by brackets. Its agents in
                descending order of valuation fill the brackets from below; each part of an agent that lies in a bracket
                bids for itself, less the bracket's rate. Rates rise, so lower brackets are filled first, as must be
`vickrey`       the cap's allocation, and Clarke's payments
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from walras.agents.compute import pivot_payments
from walras.market import CapacityMarket, FixedSupply, PerUnitTax, PriceCollar
from walras.market.taxation import BracketTax
from walras.simulations.evidence.mechanisms.recorded import Recorded
from walras.simulations.evidence.mechanisms.rules import tax_on_layers

__all__ = ["Isolated", "isolated_market", "split_by_brackets"]

_LEAST_PART = 1e-15  # units; less of an agent in a bracket is rounding
_BISECTIONS = 30

Array = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Isolated:
    """What a mechanism does to recorded agents.

    Attributes
    ----------
    use
        Units that each agent buys in each period, shape (periods, n); all can use 1.
    payments
        What each agent pays, taxes included, shape (periods, n); all compute is worth 1.
    price
        Mean over periods and markets (money per unit).
    """

    use: Array
    payments: Array
    price: float


def isolated_market(mechanism: str, recorded: Recorded, budget: float, *, collar: float, tax_rate: float) -> Isolated:
    """Sell a budget to recorded agents in every period.

    Parameters
    ----------
    budget
        Fraction of all compute, inside (0, 1).
    collar, tax_rate
        As in `MechanismsConfig`.
    """
    rules: dict[str, Callable[[], Isolated]] = {
        "cap": lambda: _capped(recorded, budget),
        "tax": lambda: _taxed(recorded, budget),
        "collar": lambda: _held(recorded, budget, collar),
        "progressive": lambda: _progressive(recorded, budget, tax_on_layers(tax_rate)),
        "layers": lambda: _by_layer(recorded, budget),
        "vickrey": lambda: _vickrey(recorded, budget),
    }
    return rules[mechanism]()


def split_by_brackets(
    valuations: Array, costs: Array, layers: NDArray[np.int64], budget: float, tax: BracketTax
) -> tuple[NDArray[np.int64], Array, Array]:
    """Cut agents where their layer's use passes from one bracket to the next.

    A layer's base is its share of the budget over its share of all compute, and it owes `part T(base)`, so that a unit
    in a bracket costs `rate / budget` (money per unit).

    Returns
    -------
    tuple
        Of each part: the agent that it belongs to, its units, and the rate on it; parts of an agent one behind the
        other.
    """
    thresholds, rates = np.asarray(tax.thresholds), np.asarray(tax.rates)
    owners, sizes, dues = [], [], []
    for layer in np.unique(layers):
        members = np.flatnonzero(layers == layer)
        members = members[np.argsort(-valuations[members], kind="stable")]
        part = costs[members].sum() / costs.sum()
        edges = np.concatenate([[0.0], thresholds * part * budget, [np.inf]])
        upper = np.cumsum(costs[members])
        lower = upper - costs[members]
        inside = np.minimum(upper[:, None], edges[1:]) - np.maximum(lower[:, None], edges[:-1])  # (members, brackets)
        rows, brackets = np.nonzero(inside > _LEAST_PART)
        owners.append(members[rows])
        sizes.append(inside[rows, brackets])
        dues.append(rates[brackets] / budget)
    return np.concatenate(owners), np.concatenate(sizes), np.concatenate(dues)


def _capped(recorded: Recorded, budget: float) -> Isolated:
    market = CapacityMarket(FixedSupply(budget))
    return _of_periods([_sale(market, each, recorded.costs) for each in recorded.valuations])


def _taxed(recorded: Recorded, budget: float) -> Isolated:
    values, costs = recorded.valuations, recorded.costs
    periods = len(values)
    together = CapacityMarket(FixedSupply(periods * budget)).clear(values.ravel(), np.tile(costs, periods)).require()
    shape = (periods, costs.size)
    return Isolated(together.quantities.reshape(shape), together.payments.reshape(shape), together.price)


def _held(recorded: Recorded, budget: float, collar: float) -> Isolated:
    """Find the cap by bisection; where use jumps over the budget, draw lots between the two sides of the jump."""
    low, high = 0.0, 1.0
    below, above = (_held_near(recorded, cap, collar) for cap in (low, high))
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        tried = _held_near(recorded, middle, collar)
        if _mean_use(tried) <= budget:
            low, below = middle, tried
        else:
            high, above = middle, tried
    weight = (budget - _mean_use(below)) / (_mean_use(above) - _mean_use(below))

    def mixed(one: Array, other: Array) -> Array:
        return (1.0 - weight) * one + weight * other

    price = (1.0 - weight) * below.price + weight * above.price
    return Isolated(mixed(below.use, above.use), mixed(below.payments, above.payments), price)


def _mean_use(sale: Isolated) -> float:
    return float(sale.use.sum(1).mean())


def _held_near(recorded: Recorded, cap: float, collar: float) -> Isolated:
    costs, sales = recorded.costs, []
    before = recorded.valuations.mean(0)
    for values in recorded.valuations:
        floor = _price(before, costs, cap + collar) if cap + collar < 1.0 else -np.inf
        ceiling = _price(before, costs, cap - collar) if cap > collar else np.inf
        sales.append(_sale(CapacityMarket(PriceCollar(cap, floor, ceiling)), values, costs))
        before = values
    return _of_periods(sales)


def _progressive(recorded: Recorded, budget: float, tax: BracketTax) -> Isolated:
    costs, layers, sales = recorded.costs, recorded.agents["layer"].to_numpy(), []
    for values in recorded.valuations:
        owners, sizes, dues = split_by_brackets(values, costs, layers, budget, tax)
        market = CapacityMarket(FixedSupply(budget), tax=PerUnitTax(dues))
        units, payments, price = _sale(market, values[owners], sizes)
        sales.append((_of_agents(owners, units, costs.size), _of_agents(owners, payments, costs.size), price))
    return _of_periods(sales)


def _of_agents(owners: NDArray[np.int64], of_parts: Array, agents: int) -> Array:
    return np.bincount(owners, weights=of_parts, minlength=agents).astype(np.float64)


def _by_layer(recorded: Recorded, budget: float) -> Isolated:
    costs, layers, sales = recorded.costs, recorded.agents["layer"].to_numpy(), []
    for values in recorded.valuations:
        units, payments, prices = np.empty_like(costs), np.empty_like(costs), []
        for layer in np.unique(layers):
            members = layers == layer
            market = CapacityMarket(FixedSupply(budget * float(costs[members].sum())))
            units[members], payments[members], price = _sale(market, values[members], costs[members])
            prices.append(price)
        sales.append((units, payments, float(np.mean(prices))))
    return _of_periods(sales)


def _vickrey(recorded: Recorded, budget: float) -> Isolated:
    capped = _capped(recorded, budget)
    payments = [pivot_payments(values, recorded.costs, budget) for values in recorded.valuations]
    return Isolated(capped.use, np.array(payments), capped.price)


def _price(values: Array, costs: Array, quantity: float) -> float:
    return CapacityMarket(FixedSupply(quantity)).clear(values, costs).require().price


def _sale(market: CapacityMarket, values: Array, costs: Array) -> tuple[Array, Array, float]:
    clearing = market.clear(values, costs).require()
    return clearing.quantities, clearing.payments, clearing.price


def _of_periods(sales: list[tuple[Array, Array, float]]) -> Isolated:
    use, payments, prices = zip(*sales, strict=True)
    return Isolated(np.array(use), np.array(payments), float(np.mean(prices)))
