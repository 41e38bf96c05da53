"""Closed forms of the capacity market: caps, posted prices, taxes, collars, supply curves, several resources."""

import math
from collections.abc import Sequence

import numpy as np

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
    ResourceMarket,
)
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_VALUATIONS, _COSTS = np.array([5.0, 4.25, 4.0, 2.5, 1.0]), np.array([1.0, 3.0, 2.0, 2.0, 4.0])


def _cap_and_posted_price() -> Sequence[Comparison]:
    rows = []
    for name, demand in (("linear", LinearDemand(2.0)), ("logit", LogitDemand(0.5))):
        cap = CapacityMarket(FixedSupply(5.0), demand).clear(_VALUATIONS, _COSTS)
        posted = CapacityMarket(PostedPrice(cap.price), demand).clear(_VALUATIONS, _COSTS)
        rows.append(
            Comparison(f"units sold at the posted clearing price, {name} demand", 5.0, posted.quantity_sold, 1e-11)
        )
    return rows


def _tax_on_fixed_supply() -> Sequence[Comparison]:
    cap, demand = FixedSupply(5.0), LogitDemand(0.5)
    untaxed = CapacityMarket(cap, demand).clear(_VALUATIONS, _COSTS)
    per_unit = CapacityMarket(cap, demand, PerUnitTax(0.7)).clear(_VALUATIONS, _COSTS)
    ad_valorem = CapacityMarket(cap, demand, AdValoremTax(0.25)).clear(_VALUATIONS, _COSTS)
    moved = float(np.abs(per_unit.allocation - untaxed.allocation).max())
    return (
        Comparison("fall of the price under a tax of 0.7 per unit", 0.7, untaxed.price - per_unit.price, 1e-12),
        Comparison("largest change of a share under it", 0.0, moved, 1e-12),
        Comparison("price times 1.25 under a tax of 25 per cent", untaxed.price, 1.25 * ad_valorem.price, 1e-12),
        Comparison("tax revenue, 5 units at 0.7", 3.5, per_unit.tax_revenue, 1e-11),
    )


def _incidence() -> Sequence[Comparison]:
    """Demand 12 - 3 q of the price paid, supply 6 p of the price received: sellers bear 3 / (3 + 6) of a tax."""
    demand, supply = LinearDemand(4.0), LinearSupply(0.0, 1.0 / 6.0)
    untaxed = CapacityMarket(supply, demand).clear([4.0], [12.0])
    taxed = CapacityMarket(supply, demand, PerUnitTax(0.9)).clear([4.0], [12.0])
    return (
        Comparison("price without tax, 12 - 3 p = 6 p", 4.0 / 3.0, untaxed.price, 1e-12),
        Comparison("borne by the seller, of 0.9", 0.3, untaxed.price - taxed.price, 1e-12),
        Comparison("units lost to a tax of 0.9", 1.8, untaxed.quantity_sold - taxed.quantity_sold, 1e-11),
    )


def _constant_elasticity() -> Sequence[Comparison]:
    """A single buyer of 12 units at up to 8: S(p) = 3 sqrt(p / 4) is 12 at p = 64, so at 8 it is rationed to S(8)."""
    rationed = CapacityMarket(ElasticSupply(3.0, 4.0, 0.5)).clear([8.0], [12.0])
    served = CapacityMarket(ElasticSupply(3.0, 4.0, 0.5)).clear([100.0], [12.0])
    return (
        Comparison("units sold at a valuation of 8", 3.0 * math.sqrt(2.0), rationed.quantity_sold, 1e-12),
        Comparison("price of 12 units", 64.0, served.price, 1e-10),
    )


def _collar() -> Sequence[Comparison]:
    """One agent, shares (6 - p) / 4 of 8 units: the cap of 5 clears at 3.5."""
    bids, demand = ([6.0], [8.0]), LinearDemand(4.0)
    prices = {
        (2.0, 5.0): (3.5, 5.0),  # within
        (4.0, 5.0): (4.0, 4.0),  # at the floor less is sold
        (2.0, 3.0): (3.0, 6.0),  # at the ceiling more
    }
    rows = []
    for (floor, ceiling), (price, units) in prices.items():
        clearing = CapacityMarket(PriceCollar(5.0, floor, ceiling), demand).clear(*bids)
        rows.append(Comparison(f"price in [{floor:g}, {ceiling:g}]", price, clearing.price, 1e-12))
        rows.append(Comparison(f"units sold in [{floor:g}, {ceiling:g}]", units, clearing.quantity_sold, 1e-12))
    return rows


def _two_resources() -> Sequence[Comparison]:
    """Shares (6 - p1 - p2) / 4 and (3 - 2 p1) / 4 use up 1.5 and 0.5 units at p = (1/2, 7/2)."""
    clearing = ResourceMarket((1.5, 0.5), LinearDemand(4.0)).clear([6.0, 3.0], [[1.0, 1.0], [2.0, 0.0]])
    return (
        Comparison("price of the first resource", 0.5, float(clearing.prices[0]), 1e-12),
        Comparison("price of the second resource", 3.5, float(clearing.prices[1]), 1e-12),
        Comparison("share of the first agent", 0.5, float(clearing.allocation[0]), 1e-12),
    )


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "capacity-cap-equals-posted-price",
        "Posting the price at which a cap clears sells the cap: 5 units of five agents.",
        "closed form",
        _cap_and_posted_price,
    ),
    PublishedResult(
        "capacity-tax-on-fixed-supply",
        "A tax alike for all on a fixed supply is borne by the seller and changes no allocation.",
        "closed form",
        _tax_on_fixed_supply,
    ),
    PublishedResult(
        "capacity-tax-incidence",
        "A tax is shared by the slopes: with demand 12 - 3 q and supply 6 p the seller bears a third of it.",
        "closed form",
        _incidence,
    ),
    PublishedResult(
        "capacity-elastic-supply",
        "Supply 3 (p / 4)^(1/2) and one buyer of 12 units.",
        "closed form",
        _constant_elasticity,
    ),
    PublishedResult(
        "capacity-price-collar",
        "A cap of 5 units at 3.5 with a floor of 4, or with a ceiling of 3, sells 4, or 6.",
        "closed form",
        _collar,
    ),
    PublishedResult(
        "capacity-two-resources",
        "Linear demand of two agents for two resources, solved by hand.",
        "closed form",
        _two_resources,
    ),
)
