"""Published results about the compute economy."""

from collections.abc import Sequence

import numpy as np

from walras.agents.compute import (
    ComputeEconomy,
    MarginalContribution,
    Truthful,
    marginal_contributions,
    pivot_payments,
    shapley_values,
    synthetic_population,
)
from walras.market import AdValoremTax, CapacityMarket, FixedSupply, PerUnitTax
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_POPULATION = synthetic_population(layers=4, heads=4, blocks=8, rng=3)
_SUPPLY = FixedSupply(0.5 * float(_POPULATION["cost"].sum()))


def _economy(tax: PerUnitTax | AdValoremTax, dividend_rate: float = 0.1) -> ComputeEconomy:
    market = CapacityMarket(_SUPPLY, tax=tax)
    return ComputeEconomy(_POPULATION, market, Truthful(), rng=0, dividend_rate=dividend_rate)


def _incidence() -> Sequence[Comparison]:
    untaxed, per_unit, ad_valorem = (_economy(tax) for tax in (PerUnitTax(), PerUnitTax(2.0), AdValoremTax(0.25)))
    rows, taxed, on_price = (economy.run(20) for economy in (untaxed, per_unit, ad_valorem))
    price = float(untaxed.periods["price"].iloc[-1])
    moved = max(float(np.abs(other["share"] - rows["share"]).max()) for other in (taxed, on_price))
    return [
        Comparison("largest change of a share", 0.0, moved, 0.0),
        Comparison("seller's price, 2 a unit", price - 2.0, float(per_unit.periods["price"].iloc[-1]), 1e-12),
        Comparison("seller's price, 25 % of it", price / 1.25, float(ad_valorem.periods["price"].iloc[-1]), 1e-12),
        Comparison("efficiency", 1.0, float(untaxed.periods["efficiency"].min()), 1e-12),
    ]


def _savings() -> Sequence[Comparison]:
    comparisons = []
    for rate in (0.1, 0.2, 0.5):
        economy = _economy(PerUnitTax(), rate)
        last = economy.run(200).tail(len(_POPULATION)).reset_index(drop=True)
        gain = (last["income_cents"] - last["payment_cents"]) / 100.0
        savings = (last["wealth_cents"] - economy.population["wealth_cents"]) / 100.0
        # Dividends are rounded down, so savings stop within a cent over the rate, and a cent of the rounding of gains.
        comparisons.append(
            Comparison(
                f"largest savings (money), dividend rate {rate:g}",
                float(gain.max()) * (1.0 - rate) / rate,
                float(savings.iloc[int(gain.to_numpy().argmax())]),
                0.02 / rate,
            )
        )
    return comparisons


def _unit_demands() -> Sequence[Comparison]:
    payments = pivot_payments([9.0, 7.0, 5.0, 3.0], np.ones(4), quantity=3.0)
    return [
        Comparison(f"payment of bidder {number}", expected, float(paid), 1e-12)
        for number, (expected, paid) in enumerate(zip((3.0, 3.0, 3.0, 0.0), payments, strict=True), start=1)
    ]


def _pivots() -> Sequence[Comparison]:
    values, units = [5.0, 2.0, 3.0], [1.0, 1.0, 2.0]
    payments = pivot_payments(values, units, quantity=2.0)
    added = marginal_contributions(values, units, quantity=2.0)
    names = ("A", "B", "C")
    return [
        *(
            Comparison(f"{name} pays", due, paid, 1e-12)
            for name, due, paid in zip(names, (3, 0, 2), payments, strict=True)
        ),
        *(Comparison(f"{name} adds", due, got, 1e-12) for name, due, got in zip(names, (2, 0, 1), added, strict=True)),
    ]


def _left_with() -> Sequence[Comparison]:
    economy = ComputeEconomy(
        _POPULATION, CapacityMarket(_SUPPLY), Truthful(), rng=0, pay=MarginalContribution(), cents_per_money=10_000
    )
    row = economy.run(1)
    kept = (row["income_cents"] - row["payment_cents"]).to_numpy() / 10_000
    welfare = CapacityMarket(_SUPPLY).clear(_POPULATION["valuation"], _POPULATION["cost"])
    total = float(np.sum(_POPULATION["valuation"] * welfare.quantities))
    errors = []
    for agent in (0, 5, 20):
        others = _POPULATION.drop(index=agent)
        without = CapacityMarket(_SUPPLY).clear(others["valuation"], others["cost"])
        errors.append(abs(kept[agent] - (total - float(np.sum(others["valuation"] * without.quantities)))))
    return [Comparison("largest error of three agents (money)", 0.0, max(errors), 3e-4)]


def _shapley() -> Sequence[Comparison]:
    values = shapley_values([6.0, 4.0], [1.0, 1.0], quantity=1.0, rng=np.random.default_rng(0), orders=1)
    return [
        Comparison("value of the first", 4.0, float(values[0]), 1e-12),
        Comparison("value of the second", 2.0, float(values[1]), 1e-12),
    ]


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        id="compute-incidence",
        claim="In a compute economy with a fixed supply, the seller bears uniform taxes: p - t, p / (1 + a), and the "
        "same allocation; truthful bids that wealth does not bind are efficient.",
        source="closed form",
        compute=_incidence,
    ),
    PublishedResult(
        id="compute-savings",
        claim="At a dividend rate d, an agent that gains s each period comes to save s (1 - d) / d.",
        source="closed form",
        compute=_savings,
    ),
    PublishedResult(
        id="compute-unit-demands",
        claim="Three units for bidders who want one each and value it at 9, 7, 5 and 3: each winner pays the highest "
        "losing value.",
        source="Vickrey 1961",
        compute=_unit_demands,
    ),
    PublishedResult(
        id="compute-pivots",
        claim="Two units; A values one at 5, B one at 2, C each of two at 3. Without A the others make 6, with it 3; "
        "without C they make 7, with it 5: A pays 3, C pays 2.",
        source="Clarke 1971; recomputed",
        compute=_pivots,
    ),
    PublishedResult(
        id="compute-marginal-contribution",
        claim="Paid by marginal contribution, a truthful agent is left with what welfare would lose without it: "
        "cleared again without the agent.",
        source="Clarke 1971; Groves 1973",
        compute=_left_with,
    ),
    PublishedResult(
        id="compute-shapley",
        claim="One unit for two agents who value it at 6 and 4: Shapley values (6 + 2) / 2 and (4 + 0) / 2.",
        source="Shapley 1953; recomputed",
        compute=_shapley,
    ),
)
