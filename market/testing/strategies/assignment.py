"""Valuations for assignment markets, with ties, zeros, negative entries and money over many decades."""

import numpy as np
from hypothesis import strategies as st

from walras.market.validation import FloatArray

__all__ = ["assignment_valuations"]


@st.composite
def assignment_valuations(
    draw: st.DrawFn, *, max_buyers: int = 4, max_objects: int = 4, whole: bool = False, decades: int = 6
) -> FloatArray:
    """Valuations of objects by buyers, shape (n, m): few whole numbers (ties, zeros), or over many decades.

    Parameters
    ----------
    max_buyers, max_objects
        Most rows and columns; at least one of each.
    whole
        Whether all entries are whole numbers, so that sums are exact.
    decades
        Entries that are not whole reach from 10^-decades to 10^decades.
    """
    buyers, objects = draw(st.integers(1, max_buyers)), draw(st.integers(1, max_objects))
    kinds = [st.integers(0, 3).map(float), st.integers(-5, 20).map(float)]
    if not whole:
        powers = st.floats(-decades, decades).map(lambda exponent: 10.0**exponent)
        kinds += [st.floats(-1.0, 10.0), st.one_of(st.just(0.0), powers)]
    entries = draw(st.sampled_from(kinds))
    rows = st.lists(st.lists(entries, min_size=objects, max_size=objects), min_size=buyers, max_size=buyers)
    valuations = np.array(draw(rows), dtype=np.float64)
    if draw(st.booleans()) and buyers > 1:
        valuations[1] = valuations[0]  # rivals who agree
    return valuations
