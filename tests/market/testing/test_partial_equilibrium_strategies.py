"""The strategies for markets of one good reach the corners that they promise."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, find, settings

from walras.market import InfeasibleError
from walras.market.partial_equilibrium import CompetitiveMarket, MarketStatus
from walras.market.taxation import AdValoremTax, PerUnitTax
from walras.market.testing.strategies.partial_equilibrium import (
    elastic_markets,
    goods_taxes,
    induced_values,
    linear_markets,
    step_markets,
)

SEARCH = settings(
    max_examples=3000,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def ends_as(status: MarketStatus) -> Callable[[CompetitiveMarket], bool]:
    def condition(market: CompetitiveMarket) -> bool:
        try:
            return market.equilibrium().status is status
        except InfeasibleError:
            return False

    return condition


@pytest.mark.parametrize("status", [MarketStatus.CLEARED, MarketStatus.NOT_UNIQUE, MarketStatus.NO_TRADE])
def test_step_markets_end_in_every_way(status: MarketStatus) -> None:
    find(step_markets(), ends_as(status), settings=SEARCH)


LINEAR: dict[str, Callable[[CompetitiveMarket], bool]] = {
    "flat demand": lambda market: market.demand.slope == 0.0,
    "flat supply": lambda market: market.supply.slope == 0.0,
    "no trade": ends_as(MarketStatus.NO_TRADE),
    "cheap money": lambda market: market.demand.intercept > 1e5,
    "dear money": lambda market: 0.0 < market.demand.intercept < 1e-5,
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_markets(name: str) -> None:
    find(linear_markets(), LINEAR[name], settings=SEARCH)


STEPS: dict[str, Callable[[CompetitiveMarket], bool]] = {
    "one unit a side": lambda market: len(market.demand.values) == len(market.supply.costs) == 1,
    "ties within a side": lambda market: len(set(market.demand.values)) < len(market.demand.values),
    "ties across sides": lambda market: bool(set(market.demand.values) & set(market.supply.costs)),
    "zeros": lambda market: 0.0 in market.demand.values and 0.0 in market.supply.costs,
    "sizes": lambda market: len(set(market.demand.quantities)) > 1,
    "a price interval": lambda market: (
        market.equilibrium().producer_price_interval[0] < market.equilibrium().producer_price_interval[1]
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_step_markets(name: str) -> None:
    find(step_markets(), STEPS[name], settings=SEARCH)


@pytest.mark.parametrize("elasticity", [-0.5, -1.0, -2.0])
def test_elastic_markets(elasticity: float) -> None:
    find(elastic_markets(), lambda market: market.demand.elasticity == elasticity, settings=SEARCH)


@pytest.mark.parametrize("kind", [PerUnitTax, AdValoremTax])
def test_goods_taxes(kind: type) -> None:
    find(goods_taxes(), lambda tax: isinstance(tax, kind) and tax.rate < 0.0, settings=SEARCH)
    find(goods_taxes(), lambda tax: isinstance(tax, kind) and tax.rate == 0.0, settings=SEARCH)
    find(goods_taxes(), lambda tax: isinstance(tax, kind) and tax.rate > 1.0, settings=SEARCH)


def test_induced_values() -> None:
    assert len(find(induced_values(most_units=2), lambda values: len(values) == 2, settings=SEARCH)) == 2
    find(induced_values(), lambda values: len(values) == 8, settings=SEARCH)
