"""Fisher markets: small linear ones with prices in fractions, and proportional response on them."""

from collections.abc import Sequence

import numpy as np

from walras.market.fisher import FisherEquilibrium, FisherMarket, FisherStatus
from walras.market.validation import FloatArray
from walras.simulations.published.result import Comparison, PublishedResult

__all__ = ["ROWS"]

_SOLVED = 1e-9  # money: the tolerance of an exact solution
_RESPONDED = 1e-6  # money: prices of proportional response at a gap of 1e-10 of the budgets

_TWO_BY_THREE = ([60.0, 40.0], [[8.0, 4.0, 2.0], [2.0, 6.0, 5.0]])
_TIES = ([30.0, 30.0, 40.0], [[5.0, 5.0], [5.0, 5.0], [3.0, 6.0]])
_FOUR_BY_THREE = ([40.0] * 4, [[6.0, 4.0, 3.0], [3.0, 8.0, 5.0], [5.0, 6.0, 7.0], [4.0, 4.0, 4.0]])
_PRICES = {
    "2 x 3": (_TWO_BY_THREE, [1200 / 23, 600 / 23, 500 / 23]),
    "ties": (_TIES, [50.0, 50.0]),
    "4 x 3": (_FOUR_BY_THREE, [160 / 3] * 3),
}


def _equilibrium(market: tuple[list[float], list[list[float]]]) -> FisherEquilibrium:
    budgets, valuations = market
    return FisherMarket(budgets).equilibrium(valuations).require()


def _compare(name: str, expected: Sequence[float], obtained: FloatArray, tolerance: float) -> list[Comparison]:
    pairs = zip(expected, obtained, strict=True)
    return [
        Comparison(f"{name} {place}", float(want), float(got), tolerance) for place, (want, got) in enumerate(pairs, 1)
    ]


def _allocation(expected: Sequence[Sequence[float]], found: FisherEquilibrium) -> list[Comparison]:
    return [
        Comparison(
            f"units of good {good + 1} to buyer {buyer + 1}", want, float(found.allocation[buyer, good]), _SOLVED
        )
        for buyer, row in enumerate(expected)
        for good, want in enumerate(row)
    ]


def _status(expected: FisherStatus, found: FisherEquilibrium) -> Comparison:
    return Comparison(f"status is {expected.name}", 1.0, float(found.status is expected), 0.0)


def _two_by_three() -> Sequence[Comparison]:
    found = _equilibrium(_TWO_BY_THREE)
    prices = _compare("price of good", [1200 / 23, 600 / 23, 500 / 23], found.prices, _SOLVED)
    allocation = _allocation([[1.0, 0.3, 0.0], [0.0, 0.7, 1.0]], found)
    return [*prices, *allocation, _status(FisherStatus.UNIQUE, found)]


def _ties() -> Sequence[Comparison]:
    found = _equilibrium(_TIES)
    return [
        *_compare("price of good", [50.0, 50.0], found.prices, _SOLVED),
        *_compare("utility of buyer", [3.0, 3.0, 4.8], found.utilities, _SOLVED),
        _status(FisherStatus.MANY_ALLOCATIONS, found),
    ]


def _four_by_three() -> Sequence[Comparison]:
    found = _equilibrium(_FOUR_BY_THREE)
    expected = [*np.diag([0.75] * 3).tolist(), [0.25] * 3]
    return [*_compare("price of good", [160 / 3] * 3, found.prices, _SOLVED), *_allocation(expected, found)]


def _proportional_response() -> Sequence[Comparison]:
    rows: list[Comparison] = []
    for name, ((budgets, valuations), prices) in _PRICES.items():
        found = FisherMarket(budgets).proportional_response(valuations, tolerance=1e-10)
        rows += _compare(f"{name}: price of good", prices, found.prices, _RESPONDED)
        rows.append(Comparison(f"{name}: duality gap", 0.0, found.certificate.duality_gap, 1e-10))
    return rows


ROWS: tuple[PublishedResult, ...] = (
    PublishedResult(
        "fisher-2x3",
        "two linear buyers with budgets 60 and 40, valuations (8, 4, 2) and (2, 6, 5), one unit of each good",
        "public exercise; recomputed",
        _two_by_three,
    ),
    PublishedResult(
        "fisher-ties",
        "budgets 30, 30, 40, valuations (5, 5), (5, 5), (3, 6): prices are unique, the allocation is not, and is said "
        "not to be",
        "public exercise; recomputed",
        _ties,
    ),
    PublishedResult(
        "fisher-4x3",
        "four linear buyers with 40 each, the last indifferent between all goods: it gets a quarter of each",
        "public exercise; recomputed",
        _four_by_three,
    ),
    PublishedResult(
        "pr-equals-eg",
        "proportional response, to a duality gap of 1e-10, reaches the prices of the three markets above (multipliers "
        "from a generic interior-point solver at its default tolerances were off by up to 4e-3)",
        "Zhang 2011; recomputed",
        _proportional_response,
    ),
)
