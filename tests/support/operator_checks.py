"""How a compiled market is compared with the NumPy engine: what must be equal, and up to which rounding.

Sums of costs are taken as equal to the supply up to a rounding of it, so a price is as exact as the supply determines
it. Where excess demand has a slope that is all digits; where it has none (logit demand far from every agent, linear and
step demand between two agents) it may be an interval. Two checks hold in either case, the first without a solver:

    demand just above the price  <=  supply  <=  demand just below the price,
    the engine's price for a little more supply  <=  price  <=  the engine's price for a little less.
"""

import math

import numpy as np
import torch
from tests.support.oracles import assert_same_allocation
from tests.support.strategies import CapacityCase
from torch import Tensor

from walras.market import Clearing, LinearDemand, LogitDemand, StepDemand
from walras.market.operators import OperatorClearing, compile_mechanism
from walras.market.validation import FloatArray

# Units sold against the supply, as a fraction of it; twice what the operator states, for the rounding of the sums.
CONSERVATION = {torch.float64: 2e-12, torch.float32: 2e-6}
# Shares, and units of one agent as a fraction of the supply.
SHARES = {torch.float64: 1e-9, torch.float32: 1e-5}


def tensors(case: CapacityCase, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Valuations and costs of a case, each of shape (n,)."""
    return torch.tensor(case.valuations, dtype=dtype), torch.tensor(case.costs, dtype=dtype)


def compiled(case: CapacityCase, dtype: torch.dtype = torch.float64) -> OperatorClearing:
    """Clear a case by the compiled twin of its market."""
    return compile_mechanism(case.market)(*tensors(case, dtype))


def in_float32(case: CapacityCase) -> CapacityCase:
    """Give the untaxed case whose numbers are the nearest that float32 holds (supply: the nearest feasible one)."""
    costs = _rounded(case.costs)
    quantity = np.float32(case.quantity)
    if float(quantity) > math.fsum(costs):
        quantity = np.nextafter(quantity, np.float32(0.0))
    demand = case.demand
    if not isinstance(demand, StepDemand):
        demand = type(demand)(float(np.float32(demand_scale(case))))
    return case.but(
        valuations=_rounded(case.net_valuations),
        costs=costs,
        tax_rates=np.zeros_like(costs),
        quantity=float(quantity),
        demand=demand,
    )


def demand_scale(case: CapacityCase) -> float:
    """Temperature or width of the demand rule (money per unit); 0 for step demand."""
    match case.demand:
        case LogitDemand(temperature=scale) | LinearDemand(width=scale):
            return scale
        case StepDemand():
            return 0.0


def assert_matches_engine(case: CapacityCase, outcome: OperatorClearing, expected: Clearing | None = None) -> None:
    """Raise `AssertionError` unless the outcome at fixed supply is the engine's, to its dtype's tolerance."""
    expected = case.clear() if expected is None else expected
    dtype = outcome.allocation.dtype
    shares = outcome.allocation.detach().double().numpy()
    assert_same_allocation(shares, expected.allocation, case.costs, case.quantity, SHARES[dtype])
    assert np.all((shares >= 0.0) & (shares <= 1.0)), f"shares outside [0, 1]: {shares}"
    if not (isinstance(case.demand, StepDemand) and not case.demand.divisible):
        assert_conserves(case, outcome)
        assert_price_clears(case, float(outcome.price), dtype)
    assert_same_price(case, float(outcome.price), dtype)


def assert_conserves(case: CapacityCase, outcome: OperatorClearing) -> None:
    """Raise `AssertionError` unless the supply is sold to the last unit, and `quantity_sold` says so."""
    tolerance = CONSERVATION[outcome.allocation.dtype] * case.quantity
    sold = math.fsum(case.costs * outcome.allocation.detach().double().numpy())
    for name, units in (("sum of costs times shares", sold), ("quantity_sold", float(outcome.quantity_sold))):
        assert abs(units - case.quantity) <= tolerance, f"{name}: {units!r}, supply {case.quantity!r}"


def assert_price_clears(case: CapacityCase, price: float, dtype: torch.dtype) -> None:
    """Raise `AssertionError` unless supply lies between demand just above the price and just below it."""
    slack = CONSERVATION[dtype] * math.fsum(case.costs)
    if math.isinf(price):
        corner = case.quantity if price > 0.0 else math.fsum(case.costs) - case.quantity
        assert isinstance(case.demand, LogitDemand), f"a price of {price} under {case.demand}"
        assert corner <= slack, f"a price of {price} at a supply of {case.quantity}"
        return
    slack = CONSERVATION[dtype] * case.quantity
    rounding = money_rounding(case, price, dtype)
    above, below = _sold(case, price + rounding), _sold(case, price - rounding)
    assert above <= case.quantity + slack, f"at {price} + {rounding} more is demanded, {above}, than {case.quantity}"
    assert below >= case.quantity - slack, f"at {price} - {rounding} less is demanded, {below}, than {case.quantity}"


def assert_same_price(case: CapacityCase, price: float, dtype: torch.dtype) -> None:
    """Raise `AssertionError` unless the engine gives the price for a supply that is the case's up to rounding."""
    more = min(case.quantity * (1.0 + CONSERVATION[dtype]), math.fsum(case.costs))
    less = case.quantity * (1.0 - CONSERVATION[dtype])
    low = case.but(quantity=more).clear().price_interval[0]
    high = case.but(quantity=less).clear().price_interval[1]
    rounding = max(money_rounding(case, end, dtype) for end in (low, high))
    assert low - rounding <= price <= high + rounding, f"{price} is not within [{low}, {high}] +- {rounding}"


def money_rounding(case: CapacityCase, price: float, dtype: torch.dtype) -> float:
    """Bound on the rounding of a price (money per unit): some units in the last place of the amounts it is made of."""
    finite_price = abs(price) if math.isfinite(price) else 0.0
    rounding = 16.0 * torch.finfo(dtype).eps * max(case.money_scale, finite_price)
    return max(rounding, float(np.finfo(np.float64).tiny))  # so that a price of 0 can be moved


def _sold(case: CapacityCase, price: float) -> float:
    return math.fsum(case.costs * case.demand.share(case.net_valuations - price))


def _rounded(values: FloatArray) -> FloatArray:
    return values.astype(np.float32).astype(np.float64)
