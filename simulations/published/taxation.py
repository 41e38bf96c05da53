"""Taxation: incidence and deadweight loss, the top rate, and brackets that were law."""

from collections.abc import Sequence

from walras.market.partial_equilibrium import CompetitiveMarket, LinearCurve
from walras.market.taxation import US_FEDERAL_2019_SINGLE, PerUnitTax, top_tax_rate
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]


def _unit_tax() -> Sequence[Comparison]:
    market = CompetitiveMarket(demand=LinearCurve(1.0, -0.6), supply=LinearCurve(0.1, 0.4))
    taxed = market.equilibrium(PerUnitTax(0.1)).require()
    peak = market.largest_revenue().require()
    return [
        Comparison("quantity", 0.8, taxed.quantity, 1e-12),
        Comparison("consumer price", 0.52, taxed.consumer_price, 1e-12),
        Comparison("producer price", 0.42, taxed.producer_price, 1e-12),
        Comparison("revenue", 0.08, taxed.tax_revenue, 1e-12),
        Comparison("deadweight loss", 0.005, taxed.deadweight_loss, 1e-12),
        Comparison("share that buyers bear", 0.6, taxed.buyers_share, 1e-12),
        Comparison("rate of largest revenue", 0.45, peak.per_unit_rate, 1e-7),
        Comparison("largest revenue", 0.2025, peak.revenue, 1e-12),
    ]


def _top_rate() -> Sequence[Comparison]:
    expected = [(1.5, 0.25, 0.727), (1.5, 0.5, 0.571), (1.5, 1.0, 0.4), (2.0, 0.25, 0.667)]
    return [
        Comparison(f"a = {pareto:g}, e = {elasticity:g}", rate, top_tax_rate(pareto, elasticity), 0.0005)
        for pareto, elasticity, rate in expected
    ]


def _us_2019_single() -> Sequence[Comparison]:
    due_cents = {
        39_475_00: 4_543_00,
        50_000_00: 6_858_50,
        84_200_00: 14_382_50,
        160_725_00: 32_748_50,
        510_300_00: 153_798_50,
        1_000_000_00: 334_987_50,
    }
    obtained = US_FEDERAL_2019_SINGLE.tax_due_cents(list(due_cents)).tolist()
    return [
        Comparison(f"tax on {income / 100:,.0f} dollars", due / 100, tax / 100, 0.0)
        for (income, due), tax in zip(due_cents.items(), obtained, strict=True)
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="unit-tax",
        claim="A tax of 0.1 per unit on inverse demand 1 - 0.6 q and inverse supply 0.1 + 0.4 q: incidence, deadweight "
        "loss, and the peak of the Laffer curve.",
        source="closed form",
        compute=_unit_tax,
    ),
    PublishedResult(
        id="top-rate",
        claim="The optimal top tax rate 1 / (1 + a e), for Pareto parameters a and elasticities e of taxable income.",
        source="Diamond and Saez 2011",
        compute=_top_rate,
    ),
    PublishedResult(
        id="us-2019-single",
        claim="Federal income tax of the United States, tax year of 2019, unmarried individuals, to the cent.",
        source="26 U.S.C. 1(j) and Rev. Proc. 2018-57, recomputed",
        compute=_us_2019_single,
    ),
)
