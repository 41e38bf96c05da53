"""Orders for double auctions, with ties within and across sides, and money and units over many decades."""

from dataclasses import dataclass
from typing import final

import numpy as np
from hypothesis import strategies as st

from walras.market.validation import FloatArray

__all__ = ["OrderCase", "order_cases", "unit_traders"]


@final
@dataclass(frozen=True, eq=False)
class OrderCase:
    """Bids and asks, with their quantities: vectors of shapes (n,) and (m,)."""

    bids: FloatArray
    asks: FloatArray
    bid_quantities: FloatArray
    ask_quantities: FloatArray


def _prices(*, whole: bool) -> st.SearchStrategy[float]:
    few = st.integers(0, 4).map(float)
    some = st.integers(-3, 20).map(float)
    if whole:
        return st.one_of(few, some)
    return st.one_of(few, some, st.floats(-10.0, 10.0), st.floats(-12.0, 12.0).map(lambda power: 10.0**power))


def _quantities(*, whole: bool) -> st.SearchStrategy[float]:
    units = st.integers(1, 5).map(float)
    return units if whole else st.one_of(units, st.floats(0.1, 3.0), st.sampled_from([0.1, 0.2, 0.3, 1e-6, 1e6]))


@st.composite
def order_cases(draw: st.DrawFn, *, most: int = 5, whole: bool = False) -> OrderCase:
    """Orders of one or many units, at least one on each side.

    Parameters
    ----------
    most
        Most orders on a side.
    whole
        Whether prices and quantities are whole numbers, so that sums are exact.
    """
    bids = draw(st.lists(_prices(whole=whole), min_size=1, max_size=most))
    asks = draw(st.lists(_prices(whole=whole), min_size=1, max_size=most))
    sizes = _quantities(whole=whole)
    single = draw(st.booleans())
    bought = [1.0] * len(bids) if single else draw(st.lists(sizes, min_size=len(bids), max_size=len(bids)))
    sold = [1.0] * len(asks) if single else draw(st.lists(sizes, min_size=len(asks), max_size=len(asks)))
    return OrderCase(np.array(bids), np.array(asks), np.array(bought), np.array(sold))


@st.composite
def unit_traders(draw: st.DrawFn, *, most: int = 5, whole: bool = False) -> tuple[FloatArray, FloatArray]:
    """Values of buyers and costs of sellers of a unit each, as two vectors; `most` and `whole` as in `order_cases`."""
    case = draw(order_cases(most=most, whole=whole))
    return case.bids, case.asks
