"""A path of equilibria from an economy with one known equilibrium to the economy in question.

In values (F of `newton.py`), with `G_j(q) = a_j - p_j s_j / p.s` the excess demand of a single Cobb-Douglas consumer
who owns everything and whose only equilibrium is the start,

    H(q, t) = t F(q) + (1 - t) G(q) = 0

holds at the start for t = 0, and at equilibria of the economy for t = 1. The path of solutions may turn back in t, so
it is followed by its arc length: a step along the tangent, then Newton's method across it.
"""

from typing import TYPE_CHECKING

import numpy as np

from walras.market.validation import FloatArray

if TYPE_CHECKING:
    from walras.market.exchange.economy import ExchangeEconomy

__all__ = ["follow_path"]

_MOST_STEPS = 500
_SHORTEST, _LONGEST = 1e-6, 0.5


def follow_path(economy: "ExchangeEconomy", start: FloatArray) -> FloatArray | None:
    """Give prices near an equilibrium, found by following the path from `start` (above 0); None if it is lost."""
    goods = start.size
    if goods == 1:
        return None
    weights = start * economy.supplies / float(start @ economy.supplies)

    def equations(point: FloatArray) -> tuple[FloatArray, FloatArray]:
        """H, shape (m - 1,), and its derivative by (q_1, ..., q_(m-1), t), shape (m - 1, m)."""
        from walras.market.exchange.newton import value_derivative

        with np.errstate(over="ignore"):
            prices = np.exp(np.append(0.0, point[:-1]))
        shares = prices * economy.supplies / float(prices @ economy.supplies)
        values = prices * economy._trial_excess(prices) / float(prices @ economy.supplies)
        known = weights - shares
        known_slope = np.outer(shares, shares) - np.diag(shares)
        t = point[-1]
        slope = t * value_derivative(economy, prices, values) + (1.0 - t) * known_slope
        return (t * values + (1.0 - t) * known)[1:], np.column_stack([slope[1:, 1:], (values - known)[1:]])

    point = np.append(np.log(start[1:] / start[0]), 0.0)
    tangent, length = np.zeros(goods), 0.05
    tangent[-1] = 1.0
    for _ in range(_MOST_STEPS):
        _, slope = equations(point)
        if not np.isfinite(slope).all():
            return None
        direction = np.linalg.svd(slope)[2][-1]  # spans the null space: along the path
        tangent = direction if direction @ tangent >= 0.0 else -direction
        moved = _corrected(equations, point + length * tangent, tangent)
        if moved is None:
            length *= 0.5
            if length < _SHORTEST:
                return None
            continue
        if moved[-1] >= 1.0:
            fraction = (1.0 - point[-1]) / (moved[-1] - point[-1])
            logs = point[:-1] + fraction * (moved[:-1] - point[:-1])
            return np.asarray(np.exp(np.append(0.0, logs)))
        if np.abs(moved[:-1]).max() > 200.0:  # a price has gone to 0 or to infinity
            return None
        point, length = moved, min(1.5 * length, _LONGEST)
    return None


def _corrected(equations: object, point: FloatArray, tangent: FloatArray) -> FloatArray | None:
    """The point of the path in the plane across `tangent` through `point`; None if Newton's method does not find it."""
    start = point
    for _ in range(6):
        residual, slope = equations(point)  # type: ignore[operator]
        if not (np.isfinite(residual).all() and np.isfinite(slope).all()):
            return None
        if float(np.abs(residual).max()) < 1e-10:
            return point if float(np.linalg.norm(point - start)) < _LONGEST else None
        try:
            step = np.linalg.solve(np.vstack([slope, tangent]), np.append(-residual, 0.0))
        except np.linalg.LinAlgError:
            return None
        point = point + step
    return None
