"""How far below its value a bidder bids who pays its own bid.

With G(v) the probability that value v is among the winning ones, a bidder in the symmetric equilibrium shades its bid
by

    I(v) = integral from r to v of G(x) / G(v) dx.

Between points `a < b` it satisfies `I(b) = I(a) G(a) / G(b) + integral from a to b of G(x) / G(b) dx`. One sweep over a
grid gives I there, and one step more gives it at each value. Ratios of G are differences of logarithms, which neither
overflow nor underflow for thousands of bidders. The grid holds quantiles of the law, spread evenly and, towards both
ends of the support, where laws may have roots or long tails, ever closer; panels that are not smooth are halved.
"""

from collections.abc import Callable

import numpy as np

from walras.market.auctions.laws import ValueLaw
from walras.market.errors import NotConvergedError
from walras.market.validation import FloatArray

__all__ = ["shading"]

_MOST_PANELS = 4096
_BLOCK = 65536  # values at a time, to bound memory
# Differences between quadratures of order 8 and 16, as fractions of the highest grid point: a panel is halved above the
# first, and the whole is refused above the second. Halving 14 times smooths a kink, but not a jump.
_PANEL_TOLERANCE = 1e-14
_TOLERANCE = 1e-6
_ROUNDS = 14


def shading(
    law: ValueLaw, log_winning: Callable[[FloatArray], FloatArray], bidders: int, start: float, values: FloatArray
) -> FloatArray:
    """Give I at `values`, shape (m,), each of them `start` or more; raise `NotConvergedError` if it is not known well.

    `log_winning` gives log G. *Cost*: 16 evaluations of it for each value, and some thousands for the grid.
    """
    grid, on_grid = _sweep(log_winning, _grid(law, bidders, start, float(np.max(values))))
    shaded = np.empty_like(values)
    for first in range(0, values.size, _BLOCK):
        block = values[first : first + _BLOCK]
        place = np.searchsorted(grid, block, side="right") - 1
        decays, panels = _steps(log_winning, grid[place], block, 16)
        shaded[first : first + _BLOCK] = on_grid[place] * decays + panels
    return shaded


def _grid(law: ValueLaw, bidders: int, start: float, highest: float) -> FloatArray:
    """Points from `start` to at most `highest`, ascending."""
    even = np.linspace(0.0, 1.0, min(64 + bidders, _MOST_PANELS))[1:-1]
    crowded = 0.5 ** np.arange(1.0, 53.0)
    quantiles = np.asarray(law.ppf(np.concatenate([even, crowded, 1.0 - crowded])), dtype=np.float64)
    inner = quantiles[(quantiles > start) & (quantiles < highest)]
    return np.unique(np.concatenate([[start], inner]))


def _sweep(log_winning: Callable[[FloatArray], FloatArray], grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the grid, halved where quadratures of two orders differ, and I at each of its points."""
    for _ in range(_ROUNDS):
        decays, panels = _steps(log_winning, grid[:-1], grid[1:], 16)
        errors = np.abs(panels - _steps(log_winning, grid[:-1], grid[1:], 8)[1])
        rough = errors > _PANEL_TOLERANCE * grid[-1]
        if not np.any(rough):
            break
        grid = np.sort(np.concatenate([grid, 0.5 * (grid[:-1] + grid[1:])[rough]]))
    else:
        decays, panels = _steps(log_winning, grid[:-1], grid[1:], 16)
    error = float(np.sum(errors))
    if not error <= _TOLERANCE * float(grid[-1]):
        raise NotConvergedError(
            f"Equilibrium bids are known only to within {error:.2g} (money): the law's distribution function must be "
            "continuous, and smooth but for a few kinks."
        )
    shaded = [0.0]
    for decay, panel in zip(decays.tolist(), panels.tolist(), strict=True):  # each step needs the one before
        shaded.append(shaded[-1] * decay + panel)
    return grid, np.array(shaded)


def _steps(
    log_winning: Callable[[FloatArray], FloatArray], lower: FloatArray, upper: FloatArray, order: int
) -> tuple[FloatArray, FloatArray]:
    """For each pair of points, G(a) / G(b) and the integral of G(x) / G(b), by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    widths = upper - lower
    inside = lower[:, None] + widths[:, None] * (0.5 * (nodes + 1.0))  # (pairs, order)
    ends = log_winning(upper)
    ends = np.where(np.isfinite(ends), ends, 0.0)  # where G(b) = 0, b is the lowest value, and the panel has no width
    ratios = np.exp(np.minimum(log_winning(inside.ravel()).reshape(inside.shape) - ends[:, None], 0.0))
    decays = np.exp(np.minimum(log_winning(lower) - ends, 0.0))
    return decays, 0.5 * widths * (ratios @ weights)
