"""Capacity markets cleared by hand: the exact price, shares, money and status, corners and ties included."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from walras.market import (
    CapacityMarket,
    Demand,
    FixedSupply,
    LinearDemand,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    Status,
    StepDemand,
)

INF = math.inf
STEP, WHOLE = StepDemand(), StepDemand(divisible=False)
THREE = ([5.0, 3.0, 1.0], [2.0, 4.0, 4.0])  # distinct agents
TIED = ([5.0, 3.0, 3.0, 1.0], [2.0, 4.0, 2.0, 4.0])  # two agents at 3
EQUAL = ([3.0, 3.0, 3.0], [1.0, 2.0, 3.0])
NEGATIVE = ([-1.0, -4.0], [2.0, 2.0])
ALONE = ([3.0], [2.0])
DECIMAL = ([2.0, 2.0, 1.0], [0.1, 0.2, 1.0])
LARGE_SECOND = ([5.0, 4.0, 3.0], [2.0, 4.0, 1.0])
LOG_3 = math.log(3.0)


@dataclass(frozen=True)
class Example:
    demand: Demand
    bids: tuple[list[float], list[float]]
    quantity: float
    price: float
    interval: tuple[float, float]
    allocation: list[float]
    status: Status


EXAMPLES = {
    # the marginal agent is rationed, and its valuation is the price
    "rationed": Example(STEP, THREE, 4.0, 3.0, (3.0, 3.0), [1.0, 0.5, 0.0], Status.RATIONED),
    "rationed first agent": Example(STEP, THREE, 0.5, 5.0, (5.0, 5.0), [0.25, 0.0, 0.0], Status.RATIONED),
    # sold out between two agents: any price between their valuations, and the midpoint is reported
    "boundary": Example(STEP, THREE, 6.0, 2.0, (1.0, 3.0), [1.0, 1.0, 0.0], Status.CLEARED),
    "first boundary": Example(STEP, THREE, 2.0, 4.0, (3.0, 5.0), [1.0, 0.0, 0.0], Status.CLEARED),
    # an interval without one end: the price is the other
    "nothing": Example(STEP, THREE, 0.0, 5.0, (5.0, INF), [0.0, 0.0, 0.0], Status.CLEARED),
    "everything": Example(STEP, THREE, 10.0, 1.0, (-INF, 1.0), [1.0, 1.0, 1.0], Status.CLEARED),
    # agents tied at the margin get the same share: (5 - 2) / (4 + 2)
    "tie": Example(STEP, TIED, 5.0, 3.0, (3.0, 3.0), [1.0, 0.5, 0.5, 0.0], Status.RATIONED),
    "tie served in full": Example(STEP, TIED, 8.0, 2.0, (1.0, 3.0), [1.0, 1.0, 1.0, 0.0], Status.CLEARED),
    "tie unserved": Example(STEP, TIED, 2.0, 4.0, (3.0, 5.0), [1.0, 0.0, 0.0, 0.0], Status.CLEARED),
    "all equal": Example(STEP, EQUAL, 1.5, 3.0, (3.0, 3.0), [0.25, 0.25, 0.25], Status.RATIONED),
    "alone": Example(STEP, ALONE, 0.5, 3.0, (3.0, 3.0), [0.25], Status.RATIONED),
    # a cap that has to be used up pays agents to use it
    "negative price": Example(STEP, NEGATIVE, 3.0, -4.0, (-4.0, -4.0), [1.0, 0.5], Status.RATIONED),
    # sums of costs are compared up to rounding
    "0.1 + 0.2 fills 0.3": Example(STEP, DECIMAL, 0.3, 1.5, (1.0, 2.0), [1.0, 1.0, 0.0], Status.CLEARED),
    "0.3 takes 0.1 + 0.2": Example(STEP, ([2.0], [0.3]), 0.1 + 0.2, 2.0, (-INF, 2.0), [1.0], Status.CLEARED),
    # whole agents: the price separates who is served from who is next
    "whole, unsold": Example(WHOLE, THREE, 4.0, 4.0, (3.0, 5.0), [1.0, 0.0, 0.0], Status.UNSOLD),
    "whole, sold out": Example(WHOLE, THREE, 6.0, 2.0, (1.0, 3.0), [1.0, 1.0, 0.0], Status.CLEARED),
    "whole, nothing": Example(WHOLE, THREE, 0.0, 5.0, (5.0, INF), [0.0, 0.0, 0.0], Status.CLEARED),
    "whole, nothing fits": Example(WHOLE, THREE, 1.0, 5.0, (5.0, INF), [0.0, 0.0, 0.0], Status.UNSOLD),
    "whole, everything": Example(WHOLE, THREE, 10.0, 1.0, (-INF, 1.0), [1.0, 1.0, 1.0], Status.CLEARED),
    "whole, tie in the order given": Example(WHOLE, TIED, 6.5, 3.0, (3.0, 3.0), [1.0, 1.0, 0.0, 0.0], Status.UNSOLD),
    # the queue stops at the first who does not fit: the next, who would, is not let past
    "whole, no overtaking": Example(WHOLE, LARGE_SECOND, 5.0, 4.5, (4.0, 5.0), [1.0, 0.0, 0.0], Status.UNSOLD),
    "whole, 0.1 + 0.2 fills 0.3": Example(WHOLE, DECIMAL, 0.3, 1.5, (1.0, 2.0), [1.0, 1.0, 0.0], Status.CLEARED),
    # 2 (5 - p) / 4 + 4 (3 - p) / 4 = 3  at  p = 5/3
    "linear": Example(LinearDemand(4.0), THREE, 3.0, 5 / 3, (5 / 3, 5 / 3), [5 / 6, 1 / 3, 0.0], Status.CLEARED),
    # the first is full below 4: 2 + 4 (3 - p) = 4  at  p = 5/2
    "linear, one full": Example(LinearDemand(1.0), THREE, 4.0, 2.5, (2.5, 2.5), [1.0, 0.5, 0.0], Status.CLEARED),
    # full below 4, next enters at 3: any price between
    "linear, boundary": Example(LinearDemand(1.0), THREE, 2.0, 3.5, (3.0, 4.0), [1.0, 0.0, 0.0], Status.CLEARED),
    "linear, boundary at one price": Example(
        LinearDemand(2.0), THREE, 2.0, 3.0, (3.0, 3.0), [1.0, 0.0, 0.0], Status.CLEARED
    ),
    "linear, nothing": Example(LinearDemand(1.0), THREE, 0.0, 5.0, (5.0, INF), [0.0, 0.0, 0.0], Status.CLEARED),
    "linear, everything": Example(LinearDemand(1.0), THREE, 10.0, 0.0, (-INF, 0.0), [1.0, 1.0, 1.0], Status.CLEARED),
    "linear, all equal": Example(LinearDemand(4.0), EQUAL, 1.5, 2.0, (2.0, 2.0), [0.25, 0.25, 0.25], Status.CLEARED),
    "linear, alone": Example(LinearDemand(4.0), ALONE, 0.5, 2.0, (2.0, 2.0), [0.25], Status.CLEARED),
    # half of the total, and agents placed evenly about the price
    "logit": Example(
        LogitDemand(0.5), ([LOG_3, 0.0], [2.0, 2.0]), 2.0, LOG_3 / 2, (LOG_3 / 2,) * 2, [0.75, 0.25], Status.CLEARED
    ),
    "logit, all equal": Example(
        LogitDemand(2.0), EQUAL, 1.5, 3 + 2 * LOG_3, (3 + 2 * LOG_3,) * 2, [0.25, 0.25, 0.25], Status.CLEARED
    ),
    "logit, alone": Example(LogitDemand(2.0), ALONE, 1.0, 3.0, (3.0, 3.0), [0.5], Status.CLEARED),
    "logit, nothing": Example(LogitDemand(1.0), THREE, 0.0, INF, (INF, INF), [0.0, 0.0, 0.0], Status.NO_FINITE_PRICE),
    "logit, everything": Example(LogitDemand(1.0), THREE, 10.0, -INF, (-INF, -INF), [1.0] * 3, Status.NO_FINITE_PRICE),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_cleared_by_hand(name: str) -> None:
    example = EXAMPLES[name]
    clearing = CapacityMarket(FixedSupply(example.quantity), example.demand).clear(*example.bids).require(1e-12)
    assert clearing.price == pytest.approx(example.price, rel=1e-14)
    assert clearing.price_interval == pytest.approx(example.interval, rel=1e-14, abs=1e-15)
    assert clearing.allocation == pytest.approx(np.array(example.allocation), rel=1e-14, abs=0.0)
    assert clearing.status is example.status


@pytest.mark.parametrize("demand", [STEP, WHOLE, LinearDemand(), LogitDemand()], ids=repr)
def test_a_supply_above_the_sum_of_costs_by_a_rounding_error_is_taken_as_the_sum(demand: Demand) -> None:
    clearing = CapacityMarket(FixedSupply(10.0 + 5e-12), demand).clear(*THREE)
    assert clearing.allocation.tolist() == [1.0, 1.0, 1.0]
    assert clearing.price_interval == CapacityMarket(FixedSupply(10.0), demand).clear(*THREE).price_interval
    assert clearing.certificate.conservation == 0.0


@pytest.mark.parametrize("quantity", [0.0, 4.0, 6.0, 10.0])
def test_one_cost_is_spread_over_all_agents(quantity: float) -> None:
    market = CapacityMarket(FixedSupply(quantity / 2))
    spread, each = market.clear([5.0, 3.0, 3.0, 1.0, 0.0], 1.0), market.clear([5.0, 3.0, 3.0, 1.0, 0.0], [1.0] * 5)
    np.testing.assert_array_equal(spread.allocation, each.allocation)
    assert spread.price == each.price


def test_money_of_a_rationed_market() -> None:
    clearing = CapacityMarket(FixedSupply(4.0)).clear(*THREE)
    assert clearing.quantities.tolist() == [2.0, 2.0, 0.0]
    assert clearing.payments.tolist() == [6.0, 6.0, 0.0]
    assert clearing.surplus.tolist() == [4.0, 0.0, 0.0]  # the marginal agent is indifferent
    assert (clearing.seller_revenue, clearing.tax_revenue, clearing.quantity_sold) == (12.0, 0.0, 4.0)


def test_money_at_an_infinite_price_is_a_limit() -> None:
    nothing = CapacityMarket(FixedSupply(0.0), LogitDemand()).clear(*THREE)
    assert nothing.payments.tolist() == nothing.surplus.tolist() == [0.0, 0.0, 0.0]
    assert (nothing.seller_revenue, nothing.tax_revenue) == (0.0, 0.0)
    everything = CapacityMarket(FixedSupply(10.0), LogitDemand(), PerUnitTax(0.5)).clear(*THREE)
    assert everything.payments.tolist() == [-INF] * 3
    assert everything.surplus.tolist() == [INF] * 3
    assert (everything.seller_revenue, everything.tax_revenue) == (-INF, 5.0)


@pytest.mark.parametrize("demand", [STEP, WHOLE, LinearDemand(), LogitDemand()], ids=repr)
def test_a_posted_price_has_its_own_status(demand: Demand) -> None:
    assert CapacityMarket(PostedPrice(2.0), demand).clear(*THREE).status is Status.POSTED


def test_each_status_tells_what_it_means() -> None:
    assert len({status.value for status in Status}) == len(Status)
    held_prices = {Status.POSTED, Status.AT_FLOOR, Status.AT_CEILING, Status.DISPOSED}  # in test_price_collars.py
    assert {example.status for example in EXAMPLES.values()} | held_prices == set(Status)


def test_the_defaults_are_step_demand_and_no_tax() -> None:
    assert CapacityMarket(FixedSupply(4.0)) == CapacityMarket(FixedSupply(4.0), StepDemand(), PerUnitTax(0.0))


@pytest.mark.parametrize("costs", [[1e6, 1e-6], [1e6, 1e-6, 1e-6], [1e6, 1e-6, 1e-6, 1e-6]], ids=len)
def test_agents_at_the_tolerance_of_the_supply_get_no_more_than_all(costs: list[float]) -> None:
    """Such an agent lies within rounding of the boundary: it may be left out, but not be handed two agents' units."""
    valuations = -np.arange(len(costs))
    clearing = CapacityMarket(FixedSupply(math.fsum(costs))).clear(valuations, costs).require()
    assert set(clearing.allocation.tolist()) <= {0.0, 1.0}
    assert clearing.status is Status.CLEARED


def test_a_million_agents_clear_to_the_last_unit() -> None:
    rng = np.random.default_rng(0)
    valuations, costs = rng.normal(size=10**6), rng.uniform(0.5, 1.5, size=10**6)
    clearing = CapacityMarket(FixedSupply(4e5)).clear(valuations, costs).require(1e-12)
    assert clearing.quantity_sold == pytest.approx(4e5, rel=1e-13)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant == np.finfo(np.float64).nmant, reason="no extended precision here")
@pytest.mark.parametrize("demand", [STEP, WHOLE], ids=repr)
def test_a_sum_of_a_million_rounded_costs_fills_the_supply(demand: Demand) -> None:
    """Added one by one in float64, half a million costs of 0.1 miss 50,000 by more than the tolerance."""
    clearing = CapacityMarket(FixedSupply(5e4), demand).clear(-np.arange(10**6), 0.1)
    assert clearing.status is Status.CLEARED
    assert clearing.price_interval == (-500_000.0, -499_999.0)
    assert clearing.allocation.sum() == 500_000.0
