"""Slow answers to a capacity market, each by another route than the engine's, and the checks that compare with them.

With net valuations a_i, costs w_i and supply B, a fixed supply clears where welfare is largest:

    maximise  sum_i w_i u(x_i; a_i)   subject to   sum_i w_i x_i = B,  0 <= x_i <= 1,

    u = a x (step),   a x - width x^2 / 2 (linear),   a x + tau H(x) (logit, H the entropy of a coin),

and the price is the multiplier of the supply. Step demand is solved as a linear program (scipy's HiGHS), and in exact
rational arithmetic through its dual; linear demand by bisection in exact rational arithmetic; logit demand by bisection
with 50 decimal digits. Under any other supply rule, `assert_equilibrium` looks at demand and supply on either side of
the clearing price.
"""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog
from tests.support.strategies import CapacityCase

from walras.market import (
    AdValoremTax,
    Clearing,
    Demand,
    ElasticSupply,
    FixedSupply,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    StepDemand,
    Supply,
)
from walras.market.testing.strategies.capacity import MarketCase
from walras.market.validation import FloatArray


class LinearProgramSolution(NamedTuple):
    """Largest welfare (money), and the dual price of the supply (money per unit)."""

    welfare: float
    price: float


def step_by_linear_program(case: CapacityCase) -> LinearProgramSolution:
    """Solve step demand as a linear program, scaled by the total cost: the solver's tolerances are absolute."""
    total = math.fsum(case.costs)
    weights = case.costs / total
    program = linprog(
        -weights * case.net_valuations,
        A_eq=weights[np.newaxis, :],
        b_eq=[case.quantity / total],
        bounds=(0.0, 1.0),
        method="highs",
    )
    assert program.status == 0, program.message
    return LinearProgramSolution(-program.fun * total, -float(program.eqlin.marginals[0]))


def step_dual_value(case: CapacityCase, price: float | Fraction) -> Fraction:
    """Give `price * B + sum_i w_i max(a_i - price, 0)`: no allocation can have a larger welfare (weak duality)."""
    price = Fraction(price)
    rents = (w * max(a - price, Fraction(0)) for a, w in _exact_agents(case))
    return price * Fraction(case.quantity) + sum(rents)


def step_welfare(case: CapacityCase) -> Fraction:
    """Largest welfare under step demand, exactly: the smallest dual value, reached at some agent's valuation."""
    return min(step_dual_value(case, a) for a, _ in _exact_agents(case))


def step_price_interval(case: CapacityCase) -> tuple[float, float]:
    """Lowest and highest price with the smallest dual value; infinite where nothing, or everything, is sold."""
    best = step_welfare(case)
    optimal = [a for a, _ in _exact_agents(case) if step_dual_value(case, a) == best]
    total = sum(w for _, w in _exact_agents(case))
    low = -math.inf if Fraction(case.quantity) == total else float(min(optimal))
    high = math.inf if case.quantity == 0.0 else float(max(optimal))
    return low, high


def linear_shares(case: CapacityCase) -> FloatArray:
    """Shares under linear demand, shape (n,), by 160 halvings of the price in exact rational arithmetic."""
    assert isinstance(case.demand, LinearDemand)
    agents, width, quantity = _exact_agents(case), Fraction(case.demand.width), Fraction(case.quantity)

    def shares(price: Fraction) -> list[Fraction]:
        return [min(max((a - price) / width, Fraction(0)), Fraction(1)) for a, _ in agents]

    low, high = min(a for a, _ in agents) - width, max(a for a, _ in agents)
    for _ in range(160):
        middle = (low + high) / 2
        sold = sum(w * x for (_, w), x in zip(agents, shares(middle), strict=True))
        low, high = (middle, high) if sold >= quantity else (low, middle)
    return np.array([float(x) for x in shares(low)])


def logit_shares(case: CapacityCase) -> FloatArray:
    """Shares under logit demand, shape (n,), by 220 halvings of the price with 50 decimal digits."""
    assert isinstance(case.demand, LogitDemand)
    with localcontext() as context:
        context.prec = 50
        net = [Decimal(a) for a in case.net_valuations.tolist()]  # as the engine rounds them
        costs, quantity = [Decimal(w) for w in case.costs.tolist()], Decimal(case.quantity)
        temperature = Decimal(case.demand.temperature)
        if quantity == 0 or quantity >= sum(costs) * (1 - Decimal("1e-15")):
            return np.full(len(net), float(quantity > 0))  # at an infinite price

        def shares(price: Decimal) -> list[Decimal]:
            return [_logistic((a - price) / temperature) for a in net]

        # At 100 temperatures beyond the extreme agents, shares are within 1e-43 of 0 or 1.
        low, high = min(net) - 100 * temperature, max(net) + 100 * temperature
        for _ in range(220):
            middle = (low + high) / 2
            sold = sum(w * x for w, x in zip(costs, shares(middle), strict=True))
            low, high = (middle, high) if sold >= quantity else (low, middle)
        return np.array([float(x) for x in shares(low)])


def assert_optimal(case: CapacityCase, clearing: Clearing, tolerance: float = 1e-9) -> None:
    """Raise `AssertionError` unless a clearing of a divisible rule is what the slow oracle finds.

    `tolerance` is a fraction: of the supply for quantities, of the supply at the highest valuation for welfare.
    """
    match case.demand:
        case StepDemand(divisible=True):
            _assert_step_optimal(case, clearing, tolerance)
        case LinearDemand():
            assert_same_allocation(clearing.allocation, linear_shares(case), case.costs, case.quantity, tolerance)
        case LogitDemand():
            assert_same_allocation(clearing.allocation, logit_shares(case), case.costs, case.quantity, tolerance)
        case _:
            raise NotImplementedError(f"no oracle for {case.demand!r}")


def _assert_step_optimal(case: CapacityCase, clearing: Clearing, tolerance: float) -> None:
    """Primal and dual values meet: the welfare reached is the largest, and each end of the price interval proves it."""
    at_stake = case.quantity * float(np.abs(case.net_valuations).max())
    best = step_welfare(case)
    reached = sum(w * a * Fraction(x) for (a, w), x in zip(_exact_agents(case), clearing.allocation, strict=True))
    assert abs(float(best - reached)) <= tolerance * at_stake, f"welfare {float(reached)}, best {float(best)}"
    for price in {clearing.price, *clearing.price_interval}:
        if math.isfinite(price):
            gap = float(step_dual_value(case, price) - best)
            assert gap <= tolerance * at_stake, f"the price {price} is not dual optimal: gap {gap}"


def assert_same_allocation(
    shares: FloatArray, expected: FloatArray, costs: FloatArray, quantity: float, tolerance: float = 1e-9
) -> None:
    """Raise `AssertionError` where shares, and quantities as a fraction of the supply, both differ by more.

    Sums of costs are compared up to a fraction of the supply, so the *share* of an agent that is tiny beside the supply
    is not determined; what it gets, as a fraction of the supply, is.
    """
    difference = np.abs(shares - expected)
    same = (difference <= tolerance) | (costs * difference <= tolerance * quantity)  # false for NaN
    differs = ~same
    assert not differs.any(), f"agents {np.flatnonzero(differs)}: shares {shares}, expected {expected}"


def _exact_agents(case: CapacityCase) -> list[tuple[Fraction, Fraction]]:
    """Net valuation (as the engine rounds it) and cost of each agent, as rationals."""
    return [(Fraction(a), Fraction(w)) for a, w in zip(case.net_valuations, case.costs, strict=True)]


def _logistic(z: Decimal) -> Decimal:
    decay = (-abs(z)).exp()
    return (1 if z >= 0 else decay) / (1 + decay)


def assert_equilibrium(case: MarketCase, clearing: Clearing, tolerance: float = 1e-9) -> None:
    """Raise `AssertionError` unless the clearing lies where the agents' demand crosses the supply rule's curve.

    Demand falls and supply rises in the price, so it suffices to look just below and just above the clearing price.
    Demand is computed agent by agent from the net price that it pays, in plain Python. `tolerance` is a fraction of
    the sum of costs for units, and of the largest amount of money for prices.
    """
    total, sold, price = math.fsum(case.costs), math.fsum(clearing.quantities), clearing.price
    money = tolerance * max(1e-3, abs(price), float(np.abs(case.valuations).max()), *map(abs, _tax_rates(case)[0]))
    units = tolerance * total
    below, above = price - money, price + money
    lowest_supply, highest_supply = _supply_at(case.market.supply, below)[0], _supply_at(case.market.supply, above)[1]
    assert sold <= highest_supply + units, f"{sold} sold, {highest_supply} offered"
    if case.market.demand == StepDemand(divisible=False):
        _assert_whole_agents(case, clearing, money, units)
        return
    assert sold >= lowest_supply - units, f"{sold} sold, {lowest_supply} offered"
    most, least = _demand_at(case, below), _demand_at(case, above)
    assert least - units <= sold <= most + units, f"{sold} sold, demand is {least} to {most} around the price {price}"


def _demand_at(case: MarketCase, price: float) -> float:
    per_unit, ad_valorem = _tax_rates(case)
    agents = zip(case.valuations.tolist(), case.costs.tolist(), per_unit, ad_valorem, strict=True)
    return math.fsum(w * _share(case.market.demand, v - (price * (1.0 + a) + t)) for v, w, t, a in agents)


def _share(demand: Demand, margin: float) -> float:
    match demand:
        case LinearDemand(width=width):
            return min(max(margin / width, 0.0), 1.0)
        case LogitDemand(temperature=temperature):
            z = margin / temperature
            return 1.0 / (1.0 + math.exp(-z)) if z > -700.0 else 0.0
        case _:
            return float(margin > 0.0)


def _supply_at(supply: Supply, price: float) -> tuple[float, float]:
    """Least and most that the seller may sell at a price."""
    match supply:
        case FixedSupply(quantity=quantity, free_disposal=disposable):
            return (0.0, 0.0) if disposable and price < 0.0 else (quantity, quantity)
        case PostedPrice(price=posted):
            return (math.inf, math.inf) if price > posted else (0.0, 0.0)
        case PriceCollar(quantity=quantity, floor=floor, ceiling=ceiling):
            if price < floor:
                return 0.0, 0.0
            return (quantity, quantity) if price <= ceiling else (math.inf, math.inf)
        case ElasticSupply(reference_quantity=q, reference_price=p, elasticity=e):
            amount = 0.0 if price <= 0.0 else math.exp(min(700.0, math.log(q) + e * math.log(price / p)))
            return amount, amount
        case LinearSupply(intercept=c, slope=b):
            return max(0.0, (price - c) / b), max(0.0, (price - c) / b)


def _assert_whole_agents(case: MarketCase, clearing: Clearing, money: float, units: float) -> None:
    """Whole agents, the price between the served and the others, and less left than the next would use."""
    per_unit, ad_valorem = _tax_rates(case)
    net_prices = [clearing.price * (1.0 + a) + t for t, a in zip(per_unit, ad_valorem, strict=True)]
    slack = [money * (1.0 + a) for a in ad_valorem]
    margins = (case.valuations - np.array(net_prices)).tolist()
    served = clearing.allocation.tolist()
    assert set(served) <= {0.0, 1.0}
    for share, margin, rounding in zip(served, margins, slack, strict=True):
        assert margin >= -rounding if share else margin <= rounding
    supply = case.market.supply
    waiting = [
        w for w, share, margin, s in zip(case.costs, served, margins, slack, strict=True) if not share and margin >= -s
    ]
    left = _supply_at(supply, clearing.price - money)[0] - math.fsum(clearing.quantities)
    if waiting and not isinstance(supply, PostedPrice) and math.isfinite(left):
        assert left <= max(waiting) + units, f"{left} units are left for agents that use {waiting}"


def _tax_rates(case: MarketCase) -> tuple[list[float], list[float]]:
    """Sums of per-unit and of ad valorem rates, agent by agent."""
    taxes = case.market.tax if isinstance(case.market.tax, tuple) else (case.market.tax,)
    agents = range(case.costs.size)
    sums = []
    for kind in (PerUnitTax, AdValoremTax):
        rates = [np.broadcast_to(tax.rate, case.costs.shape).tolist() for tax in taxes if isinstance(tax, kind)]
        sums.append([math.fsum(each[i] for each in rates) for i in agents])
    return sums[0], sums[1]
