"""The market for one good: equilibria against slow oracles, taxes, controls and quotas, closed forms."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from walras.market import InfeasibleError, Property
from walras.market.partial_equilibrium import (
    CompetitiveMarket,
    ConstantElasticityCurve,
    DirectCurve,
    GoodsTax,
    InverseCurve,
    LinearCurve,
    MarketOutcome,
    MarketStatus,
    Rationing,
    Side,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.market.partial_equilibrium.certify import certify_outcome
from walras.market.partial_equilibrium.support import Wedge
from walras.market.taxation import AdValoremTax, PerUnitTax
from walras.market.testing.strategies.partial_equilibrium import (
    elastic_markets,
    goods_taxes,
    linear_markets,
    step_markets,
)

MARKET = CompetitiveMarket(LinearCurve(10.0, -1.0), LinearCurve(1.0, 0.5))  # q = 6, p = 4
STEPS = CompetitiveMarket(StepDemandCurve([9.0, 7.0, 5.0, 3.0]), StepSupplyCurve([2.0, 4.0, 6.0, 8.0]))
markets = st.one_of(linear_markets(), elastic_markets(), step_markets())


def total_gains(market: CompetitiveMarket) -> float:
    """Largest value less cost over all trades in a step market: a linear program over units."""
    values, sizes = np.array(market.demand.values), np.array(market.demand.quantities)
    costs, stocks = np.array(market.supply.costs), np.array(market.supply.quantities)
    solved = linprog(
        np.concatenate([-values, costs]),
        A_eq=[np.concatenate([np.ones(values.size), -np.ones(costs.size)])],
        b_eq=[0.0],
        bounds=[(0.0, most) for most in (*sizes, *stocks)],
    )
    return float(-solved.fun)


# ---------------------------------------------------------------- equilibrium


@given(market=markets, tax=goods_taxes(), side=st.sampled_from(Side))
def test_every_equilibrium_passes_its_certificate(market: CompetitiveMarket, tax: GoodsTax, side: Side) -> None:
    try:
        outcome = market.equilibrium(tax, side)
    except InfeasibleError:
        assert isinstance(market.demand, LinearCurve)  # flat demand below a flat, subsidised cost
        assert market.demand.slope == market.supply.slope == 0.0 or tax.rate < 0.0
        return
    outcome.require(1e-9)
    assert outcome.quantity == outcome.quantity_interval[1] >= outcome.quantity_interval[0]
    assert outcome.quantity_demanded == outcome.quantity_supplied == outcome.quantity
    for price, (low, high) in (
        (outcome.producer_price, outcome.producer_price_interval),
        (outcome.consumer_price, outcome.consumer_price_interval),
    ):
        assert low <= price <= high or price == pytest.approx(low) or price == pytest.approx(high)
    assert outcome.quota_rent == 0.0


@given(market=step_markets())
def test_step_equilibria_are_efficient(market: CompetitiveMarket) -> None:
    outcome = market.equilibrium()
    assert outcome.welfare == pytest.approx(total_gains(market), abs=1e-9)
    assert outcome.consumer_surplus >= 0.0
    assert outcome.producer_surplus >= 0.0
    assert outcome.deadweight_loss == 0.0


@given(market=step_markets(), price=st.integers(-2, 28).map(lambda halves: halves / 2))
def test_step_price_interval_is_the_set_of_clearing_prices(market: CompetitiveMarket, price: float) -> None:
    outcome = market.equilibrium()
    wanted = market.demand.quantities_at(price, Side.BUYERS)
    offered = market.supply.quantities_at(price, Side.SELLERS)
    clears = max(wanted[0], offered[0]) <= min(wanted[1], offered[1])
    low, high = outcome.producer_price_interval
    assert clears == (low <= price <= high)
    if low == price == high:
        assert outcome.quantity_interval == (max(wanted[0], offered[0]), min(wanted[1], offered[1]))


@given(market=linear_markets(), tax=goods_taxes())
def test_linear_equilibria_have_a_closed_form(market: CompetitiveMarket, tax: GoodsTax) -> None:
    t, a = (tax.rate, 0.0) if isinstance(tax, PerUnitTax) else (0.0, tax.rate)
    slope = market.supply.slope * (1.0 + a) - market.demand.slope
    assume(slope > 0.0)
    quantity = max((market.demand.intercept - market.supply.intercept * (1.0 + a) - t) / slope, 0.0)
    outcome = market.equilibrium(tax)
    scale = (abs(market.demand.intercept) + abs(t) + abs(market.supply.intercept) * (1.0 + a)) / slope
    assert outcome.quantity == pytest.approx(quantity, rel=1e-9, abs=1e-12 * scale)
    assert (outcome.status is MarketStatus.NO_TRADE) == (outcome.quantity == 0.0)


@given(demand=st.floats(0.1, 5.0), supply=st.floats(0.1, 5.0), rate=st.floats(-0.5, 3.0))
def test_constant_elasticity_has_a_closed_form(demand: float, supply: float, rate: float) -> None:
    market = CompetitiveMarket(ConstantElasticityCurve(-demand, 4.0, 2.0), ConstantElasticityCurve(supply, 3.0, 1.0))
    outcome = market.equilibrium(AdValoremTax(rate)).require(1e-9)
    # 4 (s (1 + a) / 2)^-d = 3 s^e
    price = (4.0 / 3.0 * ((1.0 + rate) / 2.0) ** -demand) ** (1.0 / (demand + supply))
    assert outcome.producer_price == pytest.approx(price, rel=1e-10)
    assert outcome.consumer_price == pytest.approx(price * (1.0 + rate), rel=1e-10)


@pytest.mark.parametrize("tax", [None, PerUnitTax(0.75), AdValoremTax(0.5), PerUnitTax(-0.5)], ids=repr)
def test_functions_give_what_formulas_give(tax: GoodsTax | None) -> None:
    inverse = CompetitiveMarket(InverseCurve(lambda q: 10.0 - q, 20.0), InverseCurve(lambda q: 1.0 + 0.5 * q, 20.0))
    direct = CompetitiveMarket(
        DirectCurve(lambda p: 10.0 - p, 0.0, 10.0), DirectCurve(lambda p: 2.0 * (p - 1.0), 1.0, 11.0)
    )
    expected = MARKET.equilibrium(tax)
    for market in (inverse, direct):
        outcome = market.equilibrium(tax).require()
        for name in ("quantity", "consumer_price", "producer_price", "consumer_surplus", "producer_surplus"):
            assert getattr(outcome, name) == pytest.approx(getattr(expected, name), rel=1e-9)
        assert outcome.deadweight_loss == pytest.approx(expected.deadweight_loss, abs=1e-9)


def test_ties_trade_the_largest_quantity() -> None:
    market = CompetitiveMarket(StepDemandCurve([5.0, 4.0, 4.0]), StepSupplyCurve([1.0, 4.0, 4.0]))
    outcome = market.equilibrium().require(0.0)
    assert outcome.quantity_interval == (1.0, 3.0)
    assert outcome.quantity == 3.0
    assert outcome.producer_price_interval == (4.0, 4.0)
    assert outcome.status is MarketStatus.NOT_UNIQUE


def test_a_step_market_by_hand() -> None:
    outcome = STEPS.equilibrium().require(0.0)
    assert (outcome.quantity, outcome.producer_price_interval) == (2.0, (5.0, 6.0))
    assert (outcome.producer_price, outcome.consumer_price, outcome.tag_price) == (5.5, 5.5, 5.5)
    assert (outcome.consumer_surplus, outcome.producer_surplus, outcome.welfare) == (5.0, 5.0, 10.0)
    assert outcome.status is MarketStatus.CLEARED


def test_no_trade_has_an_interval_of_quotes() -> None:
    outcome = CompetitiveMarket(StepDemandCurve([1.0]), StepSupplyCurve([3.0])).equilibrium().require(0.0)
    assert outcome.status is MarketStatus.NO_TRADE
    assert outcome.producer_price_interval == (1.0, 3.0)
    assert (outcome.quantity, outcome.welfare, outcome.producer_price) == (0.0, 0.0, 2.0)


def test_curves_that_do_not_meet() -> None:
    with pytest.raises(InfeasibleError, match="do not meet"):
        CompetitiveMarket(LinearCurve(2.0, 0.0), LinearCurve(1.0, 0.0)).equilibrium()
    everything = CompetitiveMarket(LinearCurve(2.0, 0.0), StepSupplyCurve([1.0], [7.0])).equilibrium()
    assert (everything.quantity, everything.producer_price) == (7.0, 2.0)


def test_a_steep_curve_leaves_the_price_to_the_flat_one() -> None:
    market = CompetitiveMarket(LinearCurve(1.0, -1e-3), LinearCurve(-1e9, 1e9))
    outcome = market.equilibrium().require()
    assert outcome.producer_price == pytest.approx(0.999, rel=1e-14)
    market = CompetitiveMarket(LinearCurve(1e9, -1e9), LinearCurve(0.5, 1e-3))
    assert market.equilibrium().require().producer_price == pytest.approx(0.501, rel=1e-14)


@pytest.mark.parametrize("money", [1e-12, 1e12])
@pytest.mark.parametrize("goods", [1e-9, 1e9])
def test_any_unit(money: float, goods: float) -> None:
    market = CompetitiveMarket(LinearCurve(10 * money, -money / goods), LinearCurve(money, 0.5 * money / goods))
    outcome = market.equilibrium(PerUnitTax(3 * money)).require()
    assert outcome.quantity == pytest.approx(4 * goods, rel=1e-12)
    assert outcome.deadweight_loss == pytest.approx(3 * money * goods, rel=1e-9)
    assert market.largest_revenue().revenue == pytest.approx(13.5 * money * goods, rel=1e-9)


def test_unit_elastic_demand_has_an_infinite_surplus_and_a_finite_loss() -> None:
    market = CompetitiveMarket(ConstantElasticityCurve(-1.0, 4.0), LinearCurve(1.0, 0.0))
    outcome = market.equilibrium(PerUnitTax(1.0)).require()
    assert outcome.consumer_surplus == math.inf
    assert outcome.deadweight_loss == pytest.approx(4.0 * math.log(2.0) - 2.0)
    assert market.with_price_ceiling(0.5).quantity == 0.0


# ---------------------------------------------------------------- taxes


def test_a_tax_by_hand() -> None:
    taxed = MARKET.equilibrium(PerUnitTax(3.0)).require()
    assert taxed.quantity == pytest.approx(4.0)
    assert (taxed.consumer_price, taxed.producer_price, taxed.tag_price) == pytest.approx((6.0, 3.0, 3.0))
    assert (taxed.free_price, taxed.free_quantity) == pytest.approx((4.0, 6.0))
    assert (taxed.consumer_surplus, taxed.producer_surplus) == pytest.approx((8.0, 4.0))
    assert (taxed.tax_revenue, taxed.deadweight_loss, taxed.welfare) == pytest.approx((12.0, 3.0, 24.0))
    assert (taxed.buyers_share, taxed.sellers_share) == pytest.approx((2 / 3, 1 / 3))
    assert taxed.status is MarketStatus.CLEARED


def test_an_ad_valorem_tax_by_hand() -> None:
    # p = 1.5 s, s = 1 + q / 2, p = 10 - q: q = 8.5 / 1.75
    taxed = MARKET.equilibrium(AdValoremTax(0.5)).require()
    assert taxed.quantity == pytest.approx(8.5 / 1.75)
    assert taxed.consumer_price == pytest.approx(1.5 * taxed.producer_price)
    assert taxed.tax_revenue == pytest.approx(0.5 * taxed.producer_price * taxed.quantity)


def test_a_subsidy_costs_more_than_it_gives() -> None:
    subsidised = MARKET.equilibrium(PerUnitTax(-1.5)).require()
    assert subsidised.quantity == pytest.approx(7.0)
    assert subsidised.tax_revenue == pytest.approx(-10.5)
    assert subsidised.deadweight_loss == pytest.approx(0.75)
    assert subsidised.buyers_share == pytest.approx(2 / 3)


def test_without_a_gap_there_is_nothing_to_share() -> None:
    free = MARKET.equilibrium()
    assert math.isnan(free.buyers_share)
    assert math.isnan(free.sellers_share)
    assert free.deadweight_loss == 0.0
    assert MARKET.equilibrium(PerUnitTax(0.0)).quantity == free.quantity


@given(market=markets, tax=goods_taxes())
def test_the_statutory_side_does_not_matter(market: CompetitiveMarket, tax: GoodsTax) -> None:
    try:
        on_buyers, on_sellers = (market.equilibrium(tax, side) for side in Side)
    except InfeasibleError:
        return
    for name in ("quantity", "consumer_price", "producer_price", "tax_revenue", "producer_surplus"):
        scale = max(abs(on_buyers.consumer_price), abs(on_buyers.producer_price), 1e-300)
        scale = scale if "price" in name else on_buyers.quantity if name == "quantity" else scale * on_buyers.quantity
        difference = getattr(on_buyers, name) - getattr(on_sellers, name)
        # where both curves are flat to rounding, so is the tie between quantities
        assert abs(difference) <= 1e-8 * scale or on_buyers.status is MarketStatus.NOT_UNIQUE
    assert on_buyers.tag_price == on_buyers.producer_price
    assert on_sellers.tag_price == on_sellers.consumer_price


@given(market=markets, tax=goods_taxes())
def test_taxes_and_subsidies_never_add_to_welfare(market: CompetitiveMarket, tax: GoodsTax) -> None:
    try:
        outcome = market.equilibrium(tax)
    except InfeasibleError:
        return
    scale = outcome.free_quantity * abs(outcome.free_price) + abs(outcome.tax_revenue)
    assert outcome.deadweight_loss >= -1e-9 * scale
    tight = outcome.consumer_price >= outcome.producer_price
    if outcome.status is not MarketStatus.NOT_UNIQUE:
        assert (outcome.quantity - outcome.free_quantity) * (1 if tight else -1) <= 1e-9 * outcome.free_quantity


@pytest.mark.parametrize(("side", "share"), [(Side.BUYERS, 1.0), (Side.SELLERS, 0.0)])
def test_the_inelastic_side_bears_the_tax(side: Side, share: float) -> None:
    inelastic_demand, inelastic_supply = StepDemandCurve([50.0], [3.0]), StepSupplyCurve([0.0], [3.0])
    market = (
        CompetitiveMarket(inelastic_demand, LinearCurve(1.0, 0.5))
        if side is Side.BUYERS
        else CompetitiveMarket(LinearCurve(10.0, -1.0), inelastic_supply)
    )
    taxed = market.equilibrium(PerUnitTax(2.0)).require()
    assert taxed.buyers_share == pytest.approx(share)
    assert taxed.deadweight_loss == 0.0
    assert taxed.quantity == 3.0


def test_elastic_supply_shifts_the_tax_to_buyers() -> None:
    taxed = CompetitiveMarket(LinearCurve(10.0, -1.0), LinearCurve(4.0, 0.0)).equilibrium(PerUnitTax(2.0)).require()
    assert (taxed.buyers_share, taxed.producer_price, taxed.producer_surplus) == pytest.approx((1.0, 4.0, 0.0))


def test_small_losses_grow_with_the_square_of_the_tax() -> None:
    losses = [MARKET.equilibrium(PerUnitTax(rate)).deadweight_loss for rate in (1e-4, 1e-3)]
    assert losses[0] == pytest.approx(1e-8 / 3.0, rel=1e-9)
    assert losses[1] == pytest.approx(1e-6 / 3.0, rel=1e-9)


# ---------------------------------------------------------------- revenue


def test_revenue_curve_and_its_peak() -> None:
    revenues = MARKET.revenue_curve([PerUnitTax(rate) for rate in (0.0, 1.5, 4.5, 9.0, 20.0)])
    np.testing.assert_allclose(revenues, [0.0, 7.5, 13.5, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(MARKET.revenue_curve((AdValoremTax(0.5),)), [0.5 * (1 + 4.25 / 1.75) * 8.5 / 1.75])
    peak = MARKET.largest_revenue().require(1e-12)
    assert (peak.revenue, peak.quantity) == pytest.approx((13.5, 3.0), rel=1e-7)
    assert (peak.per_unit_rate, peak.ad_valorem_rate) == pytest.approx((4.5, 1.8), rel=1e-7)
    assert (peak.consumer_price, peak.producer_price) == pytest.approx((7.0, 2.5), rel=1e-7)
    assert peak.status.name == "FOUND"


@given(market=st.one_of(linear_markets(), step_markets()), share=st.floats(0.0, 1.5))
def test_no_tax_collects_more_than_the_peak(market: CompetitiveMarket, share: float) -> None:
    try:
        peak = market.largest_revenue().require(1e-9)
    except InfeasibleError:
        return
    for tax in (PerUnitTax(share * peak.per_unit_rate), PerUnitTax(peak.per_unit_rate * 1.001)):
        assert market.equilibrium(tax).tax_revenue <= peak.revenue * (1.0 + 1e-9)
    if peak.revenue > 0.0:
        reached = market.equilibrium(PerUnitTax(peak.per_unit_rate * (1.0 - 1e-9))).tax_revenue
        assert reached == pytest.approx(peak.revenue, rel=1e-6)
    if 0.0 < peak.ad_valorem_rate < 1e6:
        reached = market.equilibrium(AdValoremTax(peak.ad_valorem_rate * (1.0 - 1e-9))).tax_revenue
        assert reached == pytest.approx(peak.revenue, rel=1e-6)


def test_peaks_of_step_curves_are_exact() -> None:
    peak = STEPS.largest_revenue().require(0.0)
    assert (peak.revenue, peak.quantity, peak.per_unit_rate) == (7.0, 1.0, 7.0)  # one unit at 7, or two at 3
    assert peak.ad_valorem_rate == 3.5


def test_peaks_that_are_none() -> None:
    nothing = CompetitiveMarket(StepDemandCurve([1.0]), StepSupplyCurve([3.0])).largest_revenue().require(0.0)
    assert (nothing.status.name, nothing.revenue, nothing.quantity) == ("NOTHING_TO_TAX", 0.0, 0.0)
    assert (nothing.consumer_price, nothing.producer_price) == (1.0, 3.0)
    inelastic = CompetitiveMarket(ConstantElasticityCurve(-0.5), LinearCurve(1.0, 0.0)).largest_revenue()
    assert inelastic.status.name == "UNBOUNDED"
    land = CompetitiveMarket(LinearCurve(10.0, -1.0), StepSupplyCurve([0.0], [2.0])).largest_revenue()
    assert (land.revenue, land.ad_valorem_rate) == (16.0, math.inf)


# ---------------------------------------------------------------- price controls and quotas


def test_a_ceiling_by_hand() -> None:
    # at 2 sellers offer 2 and buyers want 8
    efficient = MARKET.with_price_ceiling(2.0).require()
    assert efficient.status is MarketStatus.SHORTAGE
    assert (efficient.quantity, efficient.quantity_supplied, efficient.quantity_demanded) == (2.0, 2.0, 8.0)
    assert (efficient.consumer_price, efficient.producer_price, efficient.tag_price) == (2.0, 2.0, 2.0)
    assert (efficient.consumer_surplus, efficient.producer_surplus) == pytest.approx((14.0, 1.0))
    assert efficient.deadweight_loss == pytest.approx(27.0 - 15.0)
    lot = MARKET.with_price_ceiling(2.0, Rationing.BY_LOT).require()
    assert lot.consumer_surplus == pytest.approx(32.0 / 4.0)  # a quarter of the surplus of all who want to buy
    assert (lot.producer_surplus, lot.deadweight_loss) == pytest.approx((1.0, 18.0))


def test_a_floor_by_hand() -> None:
    # at 5 buyers want 5 and sellers offer 8
    efficient = MARKET.with_price_floor(5.0).require()
    assert efficient.status is MarketStatus.EXCESS_SUPPLY
    assert (efficient.quantity, efficient.quantity_demanded, efficient.quantity_supplied) == (5.0, 5.0, 8.0)
    assert (efficient.consumer_surplus, efficient.producer_surplus) == pytest.approx((12.5, 13.75))
    assert efficient.deadweight_loss == pytest.approx(0.75)
    lot = MARKET.with_price_floor(5.0, Rationing.BY_LOT).require()
    assert (lot.consumer_surplus, lot.producer_surplus) == pytest.approx((12.5, 16.0 * 5.0 / 8.0))
    assert lot.deadweight_loss == pytest.approx(27.0 - 22.5)


def test_controls_that_do_not_bind() -> None:
    free = MARKET.equilibrium()
    for outcome in (MARKET.with_price_ceiling(4.5), MARKET.with_price_floor(3.5), MARKET.with_quota(7.0)):
        assert (outcome.quantity, outcome.producer_price) == (free.quantity, free.producer_price)
        assert outcome.status is MarketStatus.CLEARED
        assert outcome.deadweight_loss == 0.0


def test_controls_within_the_price_interval_choose_the_price() -> None:
    assert STEPS.with_price_ceiling(5.5).producer_price_interval == (5.0, 5.5)
    assert STEPS.with_price_ceiling(5.0).require(0.0).producer_price == 5.0
    assert STEPS.with_price_floor(5.5).require(0.0).consumer_price == 5.75
    assert STEPS.with_price_floor(6.0).producer_price_interval == (6.0, 6.0)
    assert STEPS.with_price_ceiling(4.9).status is MarketStatus.SHORTAGE
    assert STEPS.with_price_floor(6.1).status is MarketStatus.EXCESS_SUPPLY


def test_who_is_indifferent_gives_way_under_a_ceiling() -> None:
    # at the price 4 the sellers of cost 4 sell; buyers at 4 would not gain and do not enter the lot
    market = CompetitiveMarket(StepDemandCurve([9.0, 8.0, 7.0, 4.0]), StepSupplyCurve([2.0, 4.0, 9.0]))
    outcome = market.with_price_ceiling(4.0, Rationing.BY_LOT).require()
    assert (outcome.quantity, outcome.quantity_demanded) == (2.0, 3.0)
    assert outcome.consumer_surplus == pytest.approx(12.0 * 2.0 / 3.0)
    market = CompetitiveMarket(StepDemandCurve([9.0, 5.0, 1.0]), StepSupplyCurve([5.0, 1.0, 2.0, 3.0]))
    outcome = market.with_price_floor(5.0, Rationing.BY_LOT).require()
    assert (outcome.quantity, outcome.quantity_supplied) == (2.0, 3.0)
    assert outcome.producer_surplus == pytest.approx(9.0 * 2.0 / 3.0)


@given(market=markets, price=st.floats(1e-3, 15.0), rationing=st.sampled_from(Rationing), ceiling=st.booleans())
def test_controls_lose_welfare_and_certify(
    market: CompetitiveMarket, price: float, rationing: Rationing, ceiling: bool
) -> None:
    control = market.with_price_ceiling if ceiling else market.with_price_floor
    try:
        outcome = control(price, rationing).require(1e-8)
    except InfeasibleError:
        assert isinstance(market.demand, LinearCurve)  # flat on one side: endless demand, or a lot among endless supply
        assert 0.0 in {market.demand.slope, market.supply.slope}
        return
    scale = outcome.free_quantity * abs(outcome.free_price) + abs(outcome.producer_price) * outcome.quantity
    assert outcome.deadweight_loss >= -1e-9 * scale
    assert outcome.quantity <= min(outcome.quantity_demanded, outcome.quantity_supplied) * (1.0 + 1e-12)
    if rationing is Rationing.BY_LOT and math.isfinite(outcome.deadweight_loss):
        assert outcome.deadweight_loss >= control(price, Rationing.EFFICIENT).deadweight_loss - 1e-9 * scale


def test_a_lot_among_infinitely_many_is_refused() -> None:
    market = CompetitiveMarket(LinearCurve(10.0, -1.0), LinearCurve(4.0, 0.0))
    assert market.with_price_floor(5.0).quantity_supplied == math.inf
    with pytest.raises(InfeasibleError, match="finite quantity to draw from"):
        market.with_price_floor(5.0, Rationing.BY_LOT)


@given(market=st.one_of(linear_markets(), elastic_markets()), fraction=st.floats(0.05, 0.95))
def test_a_quota_is_the_tax_of_its_rent(market: CompetitiveMarket, fraction: float) -> None:
    try:
        free = market.equilibrium()
    except InfeasibleError:
        return
    assume(free.quantity > 0.0)
    capped = market.with_quota(fraction * free.quantity).require(1e-9)
    assert capped.status is MarketStatus.QUOTA_BINDS
    taxed = market.equilibrium(PerUnitTax(capped.consumer_price - capped.producer_price))
    assume(taxed.status is MarketStatus.CLEARED)
    assert taxed.quantity == pytest.approx(capped.quantity, rel=1e-6)
    assert capped.quota_rent == pytest.approx(
        taxed.tax_revenue, rel=1e-6, abs=1e-12 * abs(free.free_price) * free.quantity
    )
    assert capped.tax_revenue == 0.0


def test_a_quota_by_hand() -> None:
    capped = MARKET.with_quota(4.0).require(1e-12)
    assert (capped.consumer_price, capped.producer_price, capped.tag_price) == (6.0, 3.0, 6.0)
    assert (capped.quota_rent, capped.deadweight_loss, capped.welfare) == pytest.approx((12.0, 3.0, 24.0))
    assert capped.quantity_interval == (4.0, 4.0)
    assert MARKET.with_quota(MARKET.equilibrium().quantity).status is MarketStatus.CLEARED
    nothing = MARKET.with_quota(0.0).require()
    assert (nothing.quantity, nothing.consumer_price, nothing.producer_price) == (0.0, 10.0, 1.0)
    assert nothing.deadweight_loss == pytest.approx(27.0)


# ---------------------------------------------------------------- properties and certificates


def test_declared_properties() -> None:
    assert {declared.name for declared in MARKET.declared_properties} == {
        "FEASIBLE",
        "CONSERVES",
        "INDIVIDUALLY_RATIONAL",
        "WEAKLY_BUDGET_BALANCED",
        "STRONGLY_BUDGET_BALANCED",
        "EFFICIENT",
        "PARETO_EFFICIENT",
        "SCALE_FREE",
        "COMPLEMENTARY_SLACKNESS",
    }
    assert Property.STRATEGY_PROOF not in MARKET.declared_properties


def test_it_is_not_strategy_proof() -> None:
    honest = STEPS.equilibrium()
    shaded = CompetitiveMarket(StepDemandCurve([9.0, 5.9, 5.0, 3.0]), STEPS.supply).equilibrium()
    assert 7.0 - shaded.consumer_price > 7.0 - honest.consumer_price


TAMPERED = {
    "quantity": ("demand", "supply", "budget_balance"),
    "consumer_price": ("demand", "wedge", "budget_balance"),
    "producer_price": ("supply", "wedge", "budget_balance"),
    "quantity_demanded": ("demand",),
    "quantity_supplied": ("supply",),
    "consumer_surplus": ("surplus", "deadweight_loss"),
    "producer_surplus": ("surplus", "deadweight_loss"),
    "tax_revenue": ("budget_balance", "surplus", "deadweight_loss"),
    "deadweight_loss": ("deadweight_loss",),
    "lost_by_lot": ("surplus",),
}
ANSWER = (
    "quantity",
    "consumer_price",
    "producer_price",
    "quantity_demanded",
    "quantity_supplied",
    "consumer_surplus",
    "producer_surplus",
    "tax_revenue",
    "quota_rent",
    "deadweight_loss",
    "free_quantity",
)


def certificate_of(outcome: MarketOutcome, **changes: float):
    answer = {name: getattr(outcome, name) for name in ANSWER} | {"lost_by_lot": 0.0} | changes
    return certify_outcome(MARKET.demand, MARKET.supply, Wedge(per_unit=3.0), **answer)


@pytest.mark.parametrize("name", TAMPERED)
@pytest.mark.parametrize("shift", [-0.5, 0.5])
def test_outcomes_that_were_tampered_with_fail(name: str, shift: float) -> None:
    taxed = MARKET.equilibrium(PerUnitTax(3.0))
    assert certificate_of(taxed).largest < 1e-14
    certificate = certificate_of(taxed, **{name: getattr(taxed, name, 0.0) + shift})
    for residual in TAMPERED[name]:
        if name == "quantity" and residual in {"demand", "supply"} and shift < 0.0:
            continue  # less than wanted is no fault of the wanted quantity
        assert getattr(certificate, residual) > 0.003, residual
    assert replace(taxed, certificate=certificate).certificate.violations(1e-3)
