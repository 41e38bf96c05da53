"""Strategies for markets of one good: linear, constant-elasticity and step curves, and taxes on them."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.partial_equilibrium import (
    CompetitiveMarket,
    ConstantElasticityCurve,
    GoodsTax,
    LinearCurve,
    StepDemandCurve,
    StepSupplyCurve,
)
from walras.market.taxation import AdValoremTax, PerUnitTax

__all__ = ["elastic_markets", "goods_taxes", "induced_values", "linear_markets", "step_markets"]

_MOST_UNITS = 8


def _scaled() -> SearchStrategy[float]:
    """Powers of two from 2^-20 to 2^20: the units of money or of goods."""
    return st.integers(-20, 20).map(lambda exponent: 2.0**exponent)


@st.composite
def linear_markets(draw: st.DrawFn) -> CompetitiveMarket:
    """Linear curves, flat ones too (one of the two), at every scale; sometimes nothing is traded."""
    money, goods = draw(st.one_of(st.just(1.0), _scaled())), draw(st.one_of(st.just(1.0), _scaled()))
    eighths = st.integers(0, 40).map(lambda drawn: drawn / 8)
    falls, rises = draw(eighths), draw(eighths)
    if falls == rises == 0.0:
        falls = 1.0
    demand = LinearCurve(draw(eighths) * money, -falls * money / goods)
    return CompetitiveMarket(demand, LinearCurve(draw(eighths) * money, rises * money / goods))


@st.composite
def elastic_markets(draw: st.DrawFn) -> CompetitiveMarket:
    """Curves of constant elasticity: inelastic, unit-elastic and elastic demand."""
    elasticity = st.one_of(st.sampled_from([0.5, 1.0, 2.0]), st.floats(0.1, 5.0))
    point = st.floats(0.1, 10.0)
    demand = ConstantElasticityCurve(-draw(elasticity), draw(point), draw(point))
    return CompetitiveMarket(demand, ConstantElasticityCurve(draw(elasticity), draw(point), draw(point)))


def induced_values(*, most_units: int = _MOST_UNITS) -> SearchStrategy[list[float]]:
    """Values or costs of single units: small whole numbers, so that many are equal, and zeros."""
    return st.lists(st.integers(0, 12).map(float), min_size=1, max_size=most_units)


@st.composite
def step_markets(draw: st.DrawFn) -> CompetitiveMarket:
    """Step curves with ties within and across the sides; units of one, or of several sizes."""
    values, costs = draw(induced_values()), draw(induced_values())
    if draw(st.booleans()):
        return CompetitiveMarket(StepDemandCurve(values), StepSupplyCurve(costs))
    sizes = st.integers(1, 4).map(lambda halves: halves / 2)
    quantities = [np.array(draw(st.lists(sizes, min_size=len(side), max_size=len(side)))) for side in (values, costs)]
    return CompetitiveMarket(StepDemandCurve(values, quantities[0]), StepSupplyCurve(costs, quantities[1]))


def goods_taxes() -> SearchStrategy[GoodsTax]:
    """Taxes and subsidies on one good, per unit and ad valorem; sometimes of nothing."""
    per_unit = st.integers(-8, 24).map(lambda eighths: PerUnitTax(eighths / 8))
    ad_valorem = st.integers(-4, 24).map(lambda eighths: AdValoremTax(eighths / 8))
    return st.one_of(per_unit, ad_valorem)
