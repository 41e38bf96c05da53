"""Each corner that the capacity strategies promise is reached: `hypothesis.find` gives an example of it."""

import math

import numpy as np
import pytest
from hypothesis import Phase, find, settings

from walras.market import (
    AdValoremTax,
    ElasticSupply,
    FixedSupply,
    LinearSupply,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    ResourceStatus,
    Status,
)
from walras.market.testing.strategies.capacity import (
    RULES,
    SUPPLIES,
    MarketCase,
    ResourceCase,
    demands,
    market_cases,
    resource_cases,
    supplies,
)

FOUND = settings(max_examples=2000, phases=[Phase.generate], database=None)
KINDS = dict(
    zip(SUPPLIES, (FixedSupply, FixedSupply, PostedPrice, PriceCollar, ElasticSupply, LinearSupply), strict=True)
)


def taxes_of(case: MarketCase) -> tuple[object, ...]:
    return case.market.tax if isinstance(case.market.tax, tuple) else (case.market.tax,)


MARKETS = {
    # corner: (supply rule, what it is)
    "at the floor": ("collar", lambda case: case.clear().status is Status.AT_FLOOR),
    "at the ceiling": ("collar", lambda case: case.clear().status is Status.AT_CEILING),
    "inside the collar": (
        "collar",
        lambda case: case.market.supply.floor < case.clear().price < case.market.supply.ceiling,
    ),
    "one price": ("collar", lambda case: case.market.supply.floor == case.market.supply.ceiling),
    "rationed at the floor": (
        "collar",
        lambda case: case.clear().status is Status.RATIONED and case.clear().price == case.market.supply.floor,
    ),
    "an agent exactly at the floor": ("collar", lambda case: case.market.supply.floor in case.valuations),
    "disposed of": ("disposable", lambda case: case.clear().status is Status.DISPOSED),
    "more than all": ("disposable", lambda case: case.market.supply.quantity > math.fsum(case.costs)),
    "all sold": ("disposable", lambda case: case.clear().price > 0.0 and case.clear().quantity_sold > 0.0),
    "an agent indifferent at a posted price": ("posted", lambda case: case.market.supply.price in case.valuations),
    "the curve rations": ("elastic", lambda case: case.clear().status is Status.RATIONED),
    "the curve crosses between agents": (
        "linear",
        lambda case: case.clear().quantity_sold > 0.0 and set(case.clear().allocation) <= {0.0, 1.0},
    ),
    "the curve serves nobody": ("linear", lambda case: not case.clear().allocation.any()),
    "no tax": ("fixed", lambda case: case.market.tax == PerUnitTax()),
    "an ad valorem subsidy": (
        "fixed",
        lambda case: any(isinstance(tax, AdValoremTax) and np.min(tax.rate) < 0.0 for tax in taxes_of(case)),
    ),
    "ad valorem rates that differ": (
        "fixed",
        lambda case: any(isinstance(tax, AdValoremTax) and np.ptp(tax.rate) > 0.0 for tax in taxes_of(case)),
    ),
    "two taxes": ("fixed", lambda case: len(taxes_of(case)) == 2),
}

RESOURCES = {
    "one agent, one resource": lambda case: case.costs.shape == (1, 1),
    "several": lambda case: case.costs.shape[0] >= 4 and case.costs.shape[1] >= 3,
    "a resource that nobody needs": lambda case: (~case.costs.any(axis=0)).any(),
    "an agent that needs nothing": lambda case: (~case.costs.any(axis=1)).any(),
    "nothing of a resource": lambda case: any(
        quantity == 0.0 and needed
        for quantity, needed in zip(case.market.quantities, case.costs.any(axis=0), strict=True)
    ),
    "more than enough": lambda case: bool((np.array(case.market.quantities) > case.costs.sum(axis=0)).any()),
    "two prices above zero": lambda case: int((case.clear().prices > 0.0).sum()) >= 2,
    "tied shares": lambda case: case.clear().status is ResourceStatus.SHARES_NOT_UNIQUE,
    "a tax": lambda case: bool(np.any(np.array(case.market.tax.rate) > 0.0)),
    "sizes that differ": lambda case: float(np.ptp(case.sizes)) > 0.0,
}


@pytest.mark.parametrize("corner", MARKETS)
def test_corner_of_a_market_is_reached(corner: str) -> None:
    supply, holds = MARKETS[corner]
    assert isinstance(find(market_cases("step", supply), holds, settings=FOUND), MarketCase)


@pytest.mark.parametrize("corner", RESOURCES)
def test_corner_of_a_resource_market_is_reached(corner: str) -> None:
    assert isinstance(find(resource_cases("step"), RESOURCES[corner], settings=FOUND), ResourceCase)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("supply", SUPPLIES)
def test_a_case_has_the_rules_that_were_asked_for(rule: str, supply: str) -> None:
    case = find(market_cases(rule, supply, taxed=False), lambda _: True, settings=FOUND)
    assert type(case.market.supply) is KINDS[supply]
    assert type(case.market.demand) is type(find(demands(rule), lambda _: True, settings=FOUND))
    assert case.market.tax == PerUnitTax()
    assert getattr(case.market.supply, "free_disposal", False) is (supply == "disposable")


def test_smooth_resource_cases_reach_an_infinite_price() -> None:
    find(resource_cases("logit"), lambda case: bool(np.isinf(case.clear().prices).any()), settings=FOUND)
    assert find(resource_cases("linear"), lambda _: True, settings=FOUND).market.demand.width > 0.0


def test_an_unknown_supply_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown supply 'free'"):
        find(supplies("free", np.zeros(2), np.ones(2)), lambda _: True, settings=FOUND)
