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
from walras.market.testing import Verdict, check_mechanism

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
    (CapacityMarket(FREE, tax=PerUnitTax(0.5)), {Property.ANONYMOUS, Property.COMPLEMENTARY_SLACKNESS} | FAIR),
    (CapacityMarket(FREE, tax=PerUnitTax(-0.5)), {Property.ANONYMOUS, Property.COMPLEMENTARY_SLACKNESS}),
]  # fmt: skip


@pytest.mark.parametrize(("market", "more"), DECLARED, ids=[repr(market) for market, _ in DECLARED])
def test_declared_properties_hold(market: CapacityMarket, more: set[Property]) -> None:
    assert market.declared_properties == BASIC | more
    report = check_mechanism(market, examples=40)
    violated = [finding for finding in report.findings if finding.verdict is Verdict.VIOLATED]
    assert violated == []


@pytest.mark.parametrize("rates", [(0.5, 0.25), (0.0, 0.25)])
def test_taxes_that_differ_give_up_what_depends_on_names(rates: tuple[float, float]) -> None:
    for tax in (PerUnitTax(rates), AdValoremTax(rates)):
        held = CapacityMarket(FREE, tax=tax).declared_properties
        assert held == BASIC | {Property.WEAKLY_BUDGET_BALANCED, Property.COMPLEMENTARY_SLACKNESS} | (
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
    report = check_mechanism(market, examples=300)
    verdicts = {finding.tested: finding.verdict for finding in report.findings}
    assert verdicts[lacking] is Verdict.FAILS


def test_the_resource_market_declares_what_its_conditions_give() -> None:
    common = BASIC | {Property.COMPLEMENTARY_SLACKNESS}
    assert ResourceMarket((1.0,)).declared_properties == common | FAIR | {Property.EFFICIENT}
    smooth = ResourceMarket((1.0,), LinearDemand(1.0), PerUnitTax([0.5]))
    assert smooth.declared_properties == common | FAIR | {Property.ANONYMOUS}
    subsidised = ResourceMarket((1.0,), LogitDemand(1.0), PerUnitTax(-0.5))
    assert subsidised.declared_properties == common | {Property.ANONYMOUS}
