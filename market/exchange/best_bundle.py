"""The best affordable bundle for a utility that is given as a function: safeguarded, and for few goods."""

from collections.abc import Callable
from typing import Any

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["best_bundle"]

_SMALLEST_SHARE = 1e-12  # of income: kept on each good while searching, where utility may be infinite at 0


def best_bundle(
    value: Callable[[FloatArray], float],
    slope: Callable[[FloatArray], FloatArray],
    prices: FloatArray,
    income: float,
) -> FloatArray:
    """Give `argmax u(x)` subject to `p.x <= income`, x >= 0, for concave u, shape (m,).

    In shares of income on the simplex: first sequential quadratic programming, then Newton steps on the conditions
    `u_j(x) / p_j = multiplier` of the goods that are bought, each taken only if it lowers the first-order gap
    `max_j g_j - s.g` (g the marginal utilities per share), which bounds what is missed.
    """
    goods = prices.size
    if income == 0.0 or goods == 1:
        return np.full(goods, income) / prices
    units = income / prices  # of each good if all income went to it

    def marginal(shares: FloatArray) -> FloatArray:
        return slope(units * shares) * units

    shares = _search(lambda s: value(units * s), marginal, goods)
    gap = _gap(shares, marginal(shares))
    for _ in range(8):
        trial = _newton(shares, marginal)
        if trial is None:
            break
        reached = _gap(trial, marginal(trial))
        if not reached < 0.5 * gap:
            break
        shares, gap = trial, reached
    shares = np.where(shares <= 2.0 * _SMALLEST_SHARE, 0.0, shares) if _zero_is_fine(value, units, shares) else shares
    return np.asarray(units * (shares / shares.sum()))


def _gap(shares: FloatArray, gradient: FloatArray) -> float:
    """What the shares miss to first order, as a fraction of the best slope."""
    return float((gradient.max() - shares @ gradient) / max(np.abs(gradient).max(), 1e-300))


def _zero_is_fine(value: Callable[[FloatArray], float], units: FloatArray, shares: FloatArray) -> bool:
    small = shares <= 2.0 * _SMALLEST_SHARE
    return bool(small.any()) and bool(np.isfinite(value(units * np.where(small, 0.0, shares))))


def _search(
    value: Callable[[FloatArray], float], marginal: Callable[[FloatArray], FloatArray], goods: int
) -> FloatArray:
    from scipy.optimize import minimize

    search: Any = minimize  # its stubs know no constraint as a dictionary of functions

    start = np.full(goods, 1.0 / goods)
    # Utility in units in which its slope at the start is 1: the stopping rule of the search is absolute.
    unit = max(float(np.abs(marginal(start)).max()), 1e-300)
    with np.errstate(all="ignore"):
        found = search(
            lambda s: -value(np.maximum(s, _SMALLEST_SHARE)) / unit,
            start,
            jac=lambda s: -marginal(np.maximum(s, _SMALLEST_SHARE)) / unit,
            method="SLSQP",
            bounds=[(_SMALLEST_SHARE, 1.0)] * goods,
            constraints={"type": "eq", "fun": lambda s: s.sum() - 1.0, "jac": lambda s: np.ones_like(s)},
            options={"ftol": 1e-15, "maxiter": 300},
        )
    shares = np.maximum(found.x, _SMALLEST_SHARE)
    shares = shares / shares.sum()
    return np.asarray(shares if np.isfinite(shares).all() and value(shares) >= value(start) else start)


def _newton(shares: FloatArray, marginal: Callable[[FloatArray], FloatArray]) -> FloatArray | None:
    """One Newton step on the conditions of the goods that are bought; None if it leads nowhere."""
    bought = np.flatnonzero(shares > 1e-9)
    gradient = marginal(shares)
    curvature = np.empty((bought.size, bought.size))
    for place, good in enumerate(bought):
        step = 1e-5 * shares[good]
        up, down = shares.copy(), shares.copy()
        up[good] += step
        down[good] -= step
        curvature[:, place] = (marginal(up) - marginal(down))[bought] / (2.0 * step)
    # [H 1; 1' 0] [ds; -multiplier] = [-g; 0]
    border = np.ones((bought.size + 1, bought.size + 1))
    border[:-1, :-1], border[-1, -1] = curvature, 0.0
    try:
        step = np.linalg.solve(border, np.append(-gradient[bought], 0.0))[:-1]
    except np.linalg.LinAlgError:
        return None
    trial = shares.copy()
    trial[bought] += step
    return trial if np.isfinite(trial).all() and trial.min() > 0.0 else None
