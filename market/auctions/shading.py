"""How far below its value a bidder bids who pays its own bid.

With G(v) the probability that value v is among the winning ones, the bidder in a symmetric equilibrium shades its bid by

    I(v) = integral from r to v of G(x) / G(v) dx.

Between sorted points `a < b` it satisfies `I(b) = I(a) G(a) / G(b) + integral from a to b of G(x) / G(b) dx`, so one
sweep of panels serves all values, and ratios of G are differences of logarithms, which neither overflow nor underflow
for thousands of bidders. Panels end at the values, at quantiles of the law spread evenly, and at quantiles that crowd
towards both ends of the support, where laws may have roots or long tails.
"""

from collections.abc import Callable

import numpy as np

from walras.market.auctions.laws import ValueLaw
from walras.market.errors import NotConvergedError
from walras.market.validation import FloatArray

__all__ = ["shading"]

_MOST_PANELS = 4096
_TOLERANCE = 1e-6  # largest difference between the two quadratures, as a fraction of the largest value


def shading(
    law: ValueLaw, log_winning: Callable[[FloatArray], FloatArray], bidders: int, start: float, values: FloatArray
) -> FloatArray:
    """Give I at `values`, shape (n,), each of them `start` or more; raise `NotConvergedError` if it is not known well.

    `log_winning` gives log G. *Cost*: O(n log n) evaluations of it, 24 for each panel.
    """
    points = _breakpoints(law, bidders, start, values)
    rough, fine = (_sweep(log_winning, points, order) for order in (8, 16))
    error = float(np.max(np.abs(fine - rough), initial=0.0))
    if not error <= _TOLERANCE * float(points[-1]):
        raise NotConvergedError(
            f"Equilibrium bids are known only to within {error:.2g} (money): the law's distribution function must be "
            "continuous, and smooth but for a few kinks."
        )
    return fine[np.searchsorted(points, values)]


def _breakpoints(law: ValueLaw, bidders: int, start: float, values: FloatArray) -> FloatArray:
    """Ends of panels from `start` to the highest value, ascending."""
    even = np.linspace(0.0, 1.0, min(64 + bidders, _MOST_PANELS))[1:-1]
    crowded = 0.5 ** np.arange(1.0, 53.0)
    quantiles = np.asarray(law.ppf(np.concatenate([even, crowded, 1.0 - crowded])), dtype=np.float64)
    inner = quantiles[(quantiles > start) & (quantiles < np.max(values))]
    return np.unique(np.concatenate([[start], inner, values]))


def _sweep(log_winning: Callable[[FloatArray], FloatArray], points: FloatArray, order: int) -> FloatArray:
    """I at each of the points, by Gauss-Legendre quadrature of the given order in each panel."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    widths = np.diff(points)
    inside = points[:-1, None] + widths[:, None] * (0.5 * (nodes + 1.0))  # (panels, order)
    log_ends = log_winning(points)
    ends = np.where(np.isfinite(log_ends[1:]), log_ends[1:], 0.0)
    ratios = np.exp(np.minimum(log_winning(inside.ravel()).reshape(inside.shape) - ends[:, None], 0.0))
    panels = 0.5 * widths * (ratios @ weights)
    decays = np.exp(np.minimum(log_ends[:-1] - ends, 0.0))
    shaded = [0.0]
    for decay, panel in zip(decays.tolist(), panels.tolist(), strict=True):  # each step needs the one before
        shaded.append(shaded[-1] * decay + panel)
    return np.array(shaded)
