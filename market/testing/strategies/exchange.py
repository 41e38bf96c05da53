"""Exchange economies of every kind of utility, with corners: ties, goods nobody wants, consumers who own nothing."""

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from walras.market.exchange import (
    CES,
    CobbDouglas,
    ExchangeEconomy,
    Leontief,
    Linear,
    LinearQuadratic,
    PowerUtility,
    QuasiLinearPower,
    QuasiLinearQuadratic,
    Utility,
)
from walras.market.validation import FloatArray

__all__ = [
    "exchange_economies",
    "exchange_endowments",
    "exchange_prices",
    "exchange_utilities",
    "exchange_weights",
    "regular_economies",
]

_EXPONENTS = [-20.0, -4.0, -1.0, -0.25, 0.0, 0.25, 0.5, 0.9]
_LIMITS = [-np.inf, -1e6, -1e-9, 1e-9, 1.0]


@st.composite
def exchange_weights(
    draw: st.DrawFn, consumers: int, goods: int, *, decades: int = 2, zeros: bool = True
) -> FloatArray:
    """Weights, shape (consumers, goods): small whole numbers (ties, zeros), or over many decades; no row is all 0."""
    whole = st.integers(0 if zeros else 1, 3).map(float)
    wide = st.floats(-decades, decades).map(lambda exponent: 10.0**exponent)
    entries = draw(st.sampled_from([whole, wide, st.one_of(st.just(0.0), wide) if zeros else wide]))
    rows = st.lists(st.lists(entries, min_size=goods, max_size=goods), min_size=consumers, max_size=consumers)
    weights = np.array(draw(rows), dtype=np.float64)
    weights[~weights.any(axis=1), 0] = 1.0
    if consumers > 1 and draw(st.booleans()):
        weights[1] = weights[0]  # consumers with the same tastes
    return weights


@st.composite
def exchange_endowments(draw: st.DrawFn, consumers: int, goods: int, *, decades: int = 2) -> FloatArray:
    """Endowments, shape (consumers, goods), some of each good; a consumer may own nothing, or one good alone."""
    shape = draw(st.sampled_from(["whole", "wide", "corner"]))
    if shape == "corner":  # consumer i owns all of good i, and so on in turn
        return np.array([[float(good % consumers == i) for good in range(goods)] for i in range(consumers)])
    wide = st.floats(-decades, decades).map(lambda exponent: 10.0**exponent)
    entries = st.integers(0, 3).map(float) if shape == "whole" else st.one_of(st.just(0.0), wide)
    rows = st.lists(st.lists(entries, min_size=goods, max_size=goods), min_size=consumers, max_size=consumers)
    endowments = np.array(draw(rows), dtype=np.float64)
    endowments[0, ~endowments.any(axis=0)] = 1.0
    return endowments


def exchange_prices(goods: int, *, decades: int = 3) -> st.SearchStrategy[FloatArray]:
    """Prices above 0, shape (goods,): equal, small whole numbers, or over many decades."""
    whole = st.lists(st.integers(1, 4).map(float), min_size=goods, max_size=goods)
    wide = st.lists(st.floats(-decades, decades).map(lambda power: 10.0**power), min_size=goods, max_size=goods)
    return st.one_of(st.just([1.0] * goods), whole, wide).map(lambda each: np.array(each, dtype=np.float64))


@st.composite
def exchange_utilities(draw: st.DrawFn, consumers: int, goods: int, *, limits: bool = True) -> Utility:
    """A utility of any closed-form kind; CES with its limits and beside them if `limits`."""
    makers: list[Callable[[FloatArray], Utility]] = [
        CobbDouglas,
        Leontief,
        Linear,
        lambda weights: CES(weights, draw(st.sampled_from(_EXPONENTS))),
        lambda weights: CES(weights, [draw(st.sampled_from(_EXPONENTS)) for _ in range(consumers)]),
        lambda weights: PowerUtility(weights, draw(st.sampled_from(_EXPONENTS))),
    ]
    if limits:
        makers.append(lambda weights: CES(weights, draw(st.sampled_from(_LIMITS))))
    if goods > 1:
        makers += [
            lambda weights: QuasiLinearPower(_without_numeraire(weights), draw(st.sampled_from(_EXPONENTS))),
            lambda weights: QuasiLinearQuadratic(
                _without_numeraire(weights), _without_numeraire(np.ones_like(weights))
            ),
            lambda weights: LinearQuadratic(10.0 + weights),
        ]
    return draw(st.sampled_from(makers))(draw(exchange_weights(consumers, goods)))


@st.composite
def exchange_economies(draw: st.DrawFn, *, max_consumers: int = 4, max_goods: int = 4) -> ExchangeEconomy:
    """Economies of one kind of utility, or of two; equilibria need not exist in all of them."""
    consumers, goods = draw(st.integers(1, max_consumers)), draw(st.integers(2, max_goods))
    endowments = draw(exchange_endowments(consumers, goods))
    if consumers == 1 or draw(st.booleans()):
        return ExchangeEconomy(draw(exchange_utilities(consumers, goods)), endowments)
    first = draw(st.integers(1, consumers - 1))
    kinds = draw(exchange_utilities(first, goods)), draw(exchange_utilities(consumers - first, goods))
    return ExchangeEconomy(kinds, endowments)


@st.composite
def regular_economies(draw: st.DrawFn, *, max_consumers: int = 4, max_goods: int = 4) -> ExchangeEconomy:
    """Economies that have an equilibrium: everyone wants every good, and owns some of each."""
    consumers, goods = draw(st.integers(1, max_consumers)), draw(st.integers(2, max_goods))
    weights = draw(exchange_weights(consumers, goods, decades=1, zeros=False))
    rho = draw(st.sampled_from([-4.0, -1.0, -0.25, 0.0, 0.5, 0.8]))
    utility = draw(st.sampled_from([CobbDouglas(weights), CES(weights, rho), Leontief(weights), Linear(weights)]))
    entries = st.floats(0.1, 10.0)
    rows = st.lists(st.lists(entries, min_size=goods, max_size=goods), min_size=consumers, max_size=consumers)
    return ExchangeEconomy(utility, draw(rows))


def _without_numeraire(weights: FloatArray) -> FloatArray:
    """The same with the column of good 0 set to 0."""
    part = weights.copy()
    part[:, 0] = 0.0
    return part
