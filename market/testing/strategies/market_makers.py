"""Pools, trading posts and bets, with closed posts, tiny and huge amounts, and prices near 0 and 1."""

from fractions import Fraction

import numpy as np
from hypothesis import strategies as st

from walras.market.market_makers import ConstantProduct, IntegerConstantProduct, LogarithmicScoringRule
from walras.market.validation import FloatArray

__all__ = ["integer_pools", "pools", "post_orders", "scoring_rules"]


def pools(*, decades: int = 12) -> st.SearchStrategy[ConstantProduct]:
    """Pools of floats: small whole reserves, or over many decades; with and without a fee."""
    reserves = st.one_of(st.integers(1, 100).map(float), st.floats(-decades, decades).map(lambda power: 10.0**power))
    return st.builds(ConstantProduct, st.tuples(reserves, reserves), st.sampled_from([0.0, 0.003, 0.3]))


def integer_pools() -> st.SearchStrategy[IntegerConstantProduct]:
    """Pools of whole units, from a few (where rounding is everything) to 10^30."""
    reserves = st.one_of(st.integers(1, 50), st.integers(1, 10**30))
    fees = st.sampled_from([Fraction(0), Fraction(3, 1000), Fraction(1, 3)])
    return st.builds(IntegerConstantProduct, st.tuples(reserves, reserves), fees)


@st.composite
def post_orders(draw: st.DrawFn, *, most_traders: int = 4, most_posts: int = 3) -> tuple[FloatArray, FloatArray]:
    """Bids of money and offers of goods at trading posts, shape (n, m) each: some nothing, some posts one-sided."""
    traders, posts = draw(st.integers(1, most_traders)), draw(st.integers(1, most_posts))
    amounts = st.one_of(st.just(0.0), st.integers(0, 5).map(float), st.floats(-9, 9).map(lambda power: 10.0**power))
    table = st.lists(st.lists(amounts, min_size=posts, max_size=posts), min_size=traders, max_size=traders)
    return np.array(draw(table), dtype=np.float64), np.array(draw(table), dtype=np.float64)


@st.composite
def scoring_rules(draw: st.DrawFn, *, most_outcomes: int = 4) -> tuple[LogarithmicScoringRule, FloatArray, FloatArray]:
    """A scoring rule, shares outstanding and a purchase: from none, to thousands of times the liquidity."""
    outcomes = draw(st.integers(2, most_outcomes))
    liquidity = draw(st.sampled_from([1.0, 100.0, 1e-3, 1e6]))
    shares = st.one_of(st.just(0.0), st.integers(-3, 3).map(float), st.floats(-5.0, 5.0), st.sampled_from([-2e3, 2e3]))
    each = st.lists(shares, min_size=outcomes, max_size=outcomes).map(lambda drawn: liquidity * np.array(drawn))
    return LogarithmicScoringRule(outcomes, liquidity), draw(each), draw(each)
