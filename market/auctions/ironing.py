"""Ironing: the virtual value made to rise where it falls.

In quantiles u = F(v), the revenue of selling to a fraction 1 - u of bidders is `R(u) = (1 - u) Q(u)`, with Q the
inverse of F, and the virtual value is `-R'(u)`. Where it falls with the value (the law is not *regular*), an auction
does best to treat an interval of values alike: R is replaced by its concave hull, and the virtual value by minus the
hull's slope.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.auctions.laws import ValueLaw
from walras.market.validation import FloatArray

__all__ = ["Hull", "revenue_hull"]

_PANELS = 4096
_ROUNDING = 1e-12  # a dip of the revenue below its hull that is smaller, as a fraction of it, is rounding


@final
@dataclass(frozen=True, eq=False)
class Hull:
    """Corners of the concave hull of R on a fine grid of quantiles.

    Attributes
    ----------
    quantiles
        Corners, from 0 to 1, shape (c,).
    slopes
        Ironed virtual value between each corner and the next, rising, shape (c - 1,).
    is_ironed
        Whether the hull lies above R there, shape (c - 1,).
    """

    quantiles: FloatArray
    slopes: FloatArray
    is_ironed: "np.ndarray[tuple[int], np.dtype[np.bool_]]"


def revenue_hull(law: ValueLaw) -> Hull:
    """Give the concave hull of the law's revenue curve. *Cost*: O(1), a grid of 4,096 panels."""
    grid = np.concatenate([np.linspace(0.0, 1.0, _PANELS + 1)[:-1], 1.0 - 0.5 ** np.arange(13.0, 41.0), [1.0]])
    revenue = np.zeros(grid.size)  # nobody is served at quantile 1
    revenue[:-1] = (1.0 - grid[:-1]) * np.asarray(law.ppf(grid[:-1]), dtype=np.float64)
    corners = _corners(grid, revenue)
    hull = np.interp(grid, grid[corners], revenue[corners])
    dips = hull - revenue > _ROUNDING * np.maximum(hull, np.max(revenue))
    spans = np.diff(np.cumsum(np.concatenate([[0], dips]))[corners])
    slopes = -np.diff(revenue[corners]) / np.diff(grid[corners])
    return Hull(grid[corners], slopes, spans > 0)


def _corners(grid: FloatArray, revenue: FloatArray) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """Places of the corners of the concave hull, ascending (Andrew's monotone chain)."""
    chain: list[int] = []
    x, y = grid.tolist(), revenue.tolist()
    for place in range(len(x)):
        while len(chain) > 1:
            first, last = chain[-2], chain[-1]
            if (y[last] - y[first]) * (x[place] - x[first]) > (y[place] - y[first]) * (x[last] - x[first]):
                break
            chain.pop()
        chain.append(place)
    return np.array(chain)
