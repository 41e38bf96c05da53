"""Published and closed-form results of auctions."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from walras.market.auctions import (
    CombinatorialAuction,
    IndependentPrivateValues,
    PackageBid,
    PaymentRule,
    PositionAuction,
    PositionPaymentRule,
    TwoSidedVCG,
    UniformValues,
    UnitDemandAuction,
)
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_SIMULATED = (PaymentRule.DISCRIMINATORY, PaymentRule.VICKREY, PaymentRule.ALL_PAY)
_AUCTIONS = 100_000


def _simulated(
    setting: IndependentPrivateValues, rule: PaymentRule, reserve: float, expected: float, label: str
) -> Comparison:
    """Mean revenue of many auctions with equilibrium bids, at four standard errors."""
    values = np.random.default_rng(1961).random((_AUCTIONS, setting.bidders))
    bids = setting.bids(rule, values.ravel(), reserve).reshape(values.shape)
    revenue = setting.auction(rule, reserve).clear_many(bids).require().revenue
    tolerance = 4.0 * float(np.std(revenue)) / np.sqrt(_AUCTIONS)
    return Comparison(f"{label}, {rule.name}, simulated", expected, float(np.mean(revenue)), tolerance)


def _revenue_equivalence() -> Sequence[Comparison]:
    rows: list[Comparison] = []
    for bidders in (2, 3, 10):
        setting, expected = IndependentPrivateValues(UniformValues(), bidders), (bidders - 1) / (bidders + 1)
        first, _, all_pay = (float(setting.bids(rule, [0.6])[0]) for rule in _SIMULATED)
        rows += [
            Comparison(f"n = {bidders}: first-price bid at 0.6", (bidders - 1) / bidders * 0.6, first, 1e-12),
            Comparison(f"n = {bidders}: all-pay bid at 0.6", (bidders - 1) / bidders * 0.6**bidders, all_pay, 1e-12),
            Comparison(f"n = {bidders}: expected revenue", expected, setting.expected_revenue(), 1e-9),
        ]
        rows += [_simulated(setting, rule, 0.0, expected, f"n = {bidders}: revenue") for rule in _SIMULATED]
    return rows


def _myerson_reserve() -> Sequence[Comparison]:
    setting = IndependentPrivateValues(UniformValues(), 2)
    return [
        Comparison("optimal reserve", 0.5, setting.optimal_reserve(), 1e-9),
        Comparison("expected revenue at the optimal reserve", 5.0 / 12.0, setting.expected_revenue(0.5), 1e-9),
        *(_simulated(setting, rule, 0.5, 5.0 / 12.0, "revenue at r = 1/2") for rule in _SIMULATED),
    ]


def _myerson_satterthwaite() -> Sequence[Comparison]:
    mechanism = TwoSidedVCG()
    draws = np.random.default_rng(1983).random((10_000, 2))
    simulated = np.array([mechanism.clear([value], [cost]).require().deficit for value, cost in draws])
    grid = (np.arange(80) + 0.5) / 80
    deficits = [mechanism.clear([value], [cost]).deficit for value in grid for cost in grid]
    tolerance = 4.0 * float(np.std(simulated)) / 100.0
    return [
        Comparison("expected deficit, midpoint rule on 80 x 80", 1.0 / 6.0, float(np.mean(deficits)), 5e-5),
        Comparison("expected deficit, simulated", 1.0 / 6.0, float(np.mean(simulated)), tolerance),
    ]


def _vcg_apples() -> Sequence[Comparison]:
    bids = [[PackageBid([1], 5.0)], [PackageBid([1], 2.0)], [PackageBid([2], 6.0)]]
    outcome = CombinatorialAuction([2]).clear(bids).require()
    expected = [("A", 1, 4.0), ("B", 1, 1.0), ("C", 0, 0.0)]
    return [
        comparison
        for bidder, (name, units, payment) in enumerate(expected)
        for comparison in (
            Comparison(f"units of {name}", units, float(outcome.allocation[bidder, 0]), 0.0),
            Comparison(f"payment of {name}", payment, float(outcome.payments[bidder]), 1e-12),
        )
    ]


def _best_by_brute_force(valuations: FloatArray) -> float:
    """Largest welfare over all assignments, nobody forced to take a house."""
    bidders, houses = valuations.shape
    padded = np.hstack([valuations, np.zeros((bidders, bidders))])
    return max(
        float(np.sum(padded[np.arange(bidders), list(places)]))
        for places in permutations(range(houses + bidders), bidders)
    )


def _vcg_houses() -> Sequence[Comparison]:
    generator, largest = np.random.default_rng(8), 0.0
    for _ in range(50):
        valuations = generator.integers(0, 11, generator.integers(1, 5, 2)).astype(np.float64)
        outcome = UnitDemandAuction().clear(valuations).require()
        best = _best_by_brute_force(valuations)
        for bidder, house in enumerate(outcome.assignment):
            own = valuations[bidder, house] if house >= 0 else 0.0
            clarke = _best_by_brute_force(np.delete(valuations, bidder, axis=0)) - (best - own)
            largest = max(largest, abs(float(outcome.payments[bidder]) - clarke))
        largest = max(largest, abs(outcome.welfare - best))
    pair = UnitDemandAuction().clear([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]]).require()
    return [
        Comparison("50 random markets: largest distance from Clarke by brute force", 0.0, largest, 1e-9),
        Comparison("welfare of [[10,9,0],[9,0,0]]", 18.0, pair.welfare, 1e-12),
    ]


def _gsp_vs_vcg() -> Sequence[Comparison]:
    values, rates = [10.0, 4.0, 2.0], [200.0, 100.0]
    rows = []
    for rule, expected in zip(PositionPaymentRule, ((800.0, 200.0), (600.0, 200.0)), strict=True):
        payments = PositionAuction(rates, rule).clear(values).require().payments
        rows += [
            Comparison(f"{rule.name}: total of bidder {bidder + 1}", total, float(payments[bidder]), 1e-9)
            for bidder, total in enumerate(expected)
        ]
    close = PositionAuction([200.0, 199.0])
    for label, bid, expected_gain in (("the truth", 10.0, 1200.0), ("a bid of 3", 3.0, 1592.0)):
        outcome = close.clear([bid, *values[1:]]).require()
        gain = values[0] * float(outcome.allocation[0]) - float(outcome.payments[0])
        rows.append(Comparison(f"clicks 200, 199: gain of bidder 1 from {label}", expected_gain, gain, 1e-9))
    return rows


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "revenue-equivalence",
        "n bidders with values U[0,1] bid (n-1)v/n, v and (n-1)/n v^n in first-price, second-price and all-pay "
        "auctions; expected revenue is (n-1)/(n+1) in all three.",
        "Vickrey 1961; Myerson 1981; closed form",
        _revenue_equivalence,
    ),
    PublishedResult(
        "myerson-reserve",
        "Two bidders with values U[0,1]: the optimal reserve is 1/2 and earns 5/12.",
        "Myerson 1981; closed form",
        _myerson_reserve,
    ),
    PublishedResult(
        "myerson-satterthwaite",
        "Efficient, truthful, voluntary bilateral trade with U[0,1] on both sides runs an expected deficit of 1/6.",
        "Myerson and Satterthwaite 1983; closed form",
        _myerson_satterthwaite,
    ),
    PublishedResult(
        "vcg-apples",
        "Two apples, A: 5 for one, B: 2 for one, C: 6 for both. A and B win, and pay 4 and 1.",
        "textbook example; recomputed",
        _vcg_apples,
    ),
    PublishedResult(
        "vcg-houses",
        "The auction of houses to bidders who want one each charges Clarke's payments, not greedy second prices.",
        "Clarke 1971; Leonard 1983; recomputed by brute force",
        _vcg_houses,
    ),
    PublishedResult(
        "gsp-vs-vcg",
        "Values 10, 4, 2 and clicks 200, 100: truthful bids pay 800 and 200 under GSP, 600 and 200 under VCG; with "
        "clicks 200, 199 the first bidder gains by shading.",
        "Edelman, Ostrovsky and Schwarz 2007; recomputed",
        _gsp_vs_vcg,
    ),
)
