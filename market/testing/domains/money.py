"""Amounts of money for every domain: mostly small round numbers, so that counterexamples are short."""

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

__all__ = ["amounts_of_money"]


def amounts_of_money(*, least: float = 0.0) -> SearchStrategy[float]:
    """Strategy for amounts of `least` or more: 0 to 10, halves of them, and now and then up to a million."""
    small = st.integers(0, 10).map(lambda whole: least + whole)
    halves = st.integers(0, 20).map(lambda twice: least + twice / 2)
    wide = st.floats(0.0, 1e6, width=32).map(lambda amount: least + amount)
    return st.one_of(small, halves, small, wide)
