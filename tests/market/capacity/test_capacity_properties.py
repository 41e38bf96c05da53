"""What the capacity market declares holds in the testing kit; and famous properties that it lacks are refuted."""

import pytest

from walras.market import (
    AdValoremTax,
    CapacityMarket,
    ElasticSupply,
    FixedSupply,
    LinearDemand,
    LinearSupply,
    LogitDemand,
    PerUnitTax,
    PostedPrice,
    PriceCollar,
    Property,
    ResourceMarket,
    StepDemand,
)
from walras.market.testing import CapacityBids
from walras.market.testing.search import search

CAP, FREE = FixedSupply(2.0), FixedSupply(2.0, free_disposal=True)
WHOLE = StepDemand(divisible=False)
BASIC = {Property.FEASIBLE, Property.INDIVIDUALLY_RATIONAL, Property.MONOTONE}
FAIR = {Property.WEAKLY_BUDGET_BALANCED, Property.ENVY_FREE}
SOLD_TO_THE_BEST = {Property.COMPLEMENTARY_SLACKNESS, Property.EFFICIENT}

DECLARED = [
    (CapacityMarket(CAP), {Property.ANONYMOUS, Property.SCALE_FREE} | SOLD_TO_THE_BEST),
    (CapacityMarket(FREE), {Property.ANONYMOUS, Property.SCALE_FREE} | SOLD_TO_THE_BEST | FAIR),
    (CapacityMarket(FREE, LinearDemand(1.0)), {Property.ANONYMOUS} | SOLD_TO_THE_BEST | FAIR),
    (CapacityMarket(CAP, LogitDemand(1.0)), {Property.ANONYMOUS} | SOLD_TO_THE_BEST),
    (CapacityMarket(CAP, WHOLE), {Property.SCALE_FREE}),
    (CapacityMarket(FREE, WHOLE), {Property.SCALE_FREE} | FAIR),
    (CapacityMarket(PostedPrice(1.0)), {Property.ANONYMOUS, Property.STRATEGY_PROOF} | FAIR),
    (CapacityMarket(PostedPrice(1.0), WHOLE), {Property.ANONYMOUS, Property.STRATEGY_PROOF} | FAIR),
    (CapacityMarket(PostedPrice(0.0), LogitDemand(0.5)), {Property.ANONYMOUS, Property.STRATEGY_PROOF} | FAIR),
    (CapacityMarket(PostedPrice(-1.0)), {Property.ANONYMOUS, Property.STRATEGY_PROOF}),
    (CapacityMarket(PriceCollar(2.0, 0.5, 3.0), LinearDemand(2.0)), {Property.ANONYMOUS} | FAIR),
    (CapacityMarket(PriceCollar(2.0, -0.5, 3.0)), {Property.ANONYMOUS}),
    (CapacityMarket(ElasticSupply(2.0, 1.0, 0.5)), {Property.ANONYMOUS} | FAIR),
    (CapacityMarket(LinearSupply(0.0, 1.0), LogitDemand(0.5)), {Property.ANONYMOUS} | FAIR),
    (CapacityMarket(LinearSupply(-1.0, 1.0)), {Property.ANONYMOUS}),
    # taxes
    (CapacityMarket(CAP, tax=PerUnitTax(0.5)), {Property.ANONYMOUS} | SOLD_TO_THE_BEST),
    (CapacityMarket(CAP, tax=AdValoremTax(0.5)), {Property.ANONYMOUS, Property.SCALE_FREE} | SOLD_TO_THE_BEST),
    (CapacityMarket(FREE, tax=(PerUnitTax(0.0), AdValoremTax(0.5))),
     {Property.ANONYMOUS, Property.SCALE_FREE} | SOLD_TO_THE_BEST | FAIR),
    (CapacityMarket(FREE, tax=PerUnitTax(0.5)), {Property.ANONYMOUS} | FAIR),
    (CapacityMarket(FREE, tax=PerUnitTax(-0.5)), {Property.ANONYMOUS}),
]  # fmt: skip


@pytest.mark.parametrize(("market", "more"), DECLARED, ids=[repr(market) for market, _ in DECLARED])
def test_declared_properties_hold(market: CapacityMarket, more: set[Property]) -> None:
    assert market.declared_properties == BASIC | more
    for test in CapacityBids.of(market).tests():
        if test.tested in market.declared_properties:
            trials, counterexample = search(test, market, examples=20, seed=1)
            assert trials > 0
            assert counterexample is None, f"{test.tested}: {counterexample}"


@pytest.mark.parametrize("rates", [(0.5, 0.25), (0.0, 0.25)])
def test_taxes_that_differ_give_up_what_depends_on_names(rates: tuple[float, float]) -> None:
    for tax in (PerUnitTax(rates), AdValoremTax(rates)):
        held = CapacityMarket(FREE, tax=tax).declared_properties
        assert held == BASIC | {Property.WEAKLY_BUDGET_BALANCED} | (
            {Property.SCALE_FREE} if isinstance(tax, AdValoremTax) else set()
        )
    assert Property.ANONYMOUS in CapacityMarket(FREE, tax=PerUnitTax((0.5, 0.5))).declared_properties


@pytest.mark.parametrize(
    ("market", "lacking"),
    [
        (CapacityMarket(CAP), Property.STRATEGY_PROOF),
        (CapacityMarket(CAP, LinearDemand(1.0)), Property.SCALE_FREE),
        (CapacityMarket(CAP, LinearDemand(4.0)), Property.WEAKLY_BUDGET_BALANCED),
        (CapacityMarket(PriceCollar(2.0, 0.5, 3.0)), Property.STRATEGY_PROOF),
        (CapacityMarket(PriceCollar(2.0, 0.5, 3.0)), Property.SCALE_FREE),
        (CapacityMarket(CAP, WHOLE), Property.EFFICIENT),
        (CapacityMarket(PostedPrice(1.0)), Property.SCALE_FREE),
    ],
    ids=repr,
)
def test_what_is_not_declared_has_a_counterexample(market: CapacityMarket, lacking: Property) -> None:
    assert lacking not in market.declared_properties
    (test,) = (test for test in CapacityBids.of(market).tests() if test.tested is lacking)
    _, counterexample = search(test, market, examples=100, seed=0)
    assert counterexample is not None


def test_the_resource_market_declares_what_its_conditions_give() -> None:
    assert ResourceMarket((1.0,)).declared_properties == BASIC | FAIR | SOLD_TO_THE_BEST
    smooth = ResourceMarket((1.0,), LinearDemand(1.0), PerUnitTax([0.5]))
    assert smooth.declared_properties == BASIC | FAIR | {Property.ANONYMOUS}
    subsidised = ResourceMarket((1.0,), LogitDemand(1.0), PerUnitTax(-0.5))
    assert subsidised.declared_properties == BASIC | {Property.ANONYMOUS}
