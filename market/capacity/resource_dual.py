"""Smooth demand for several resources: the prices that minimise the dual function.

    g(p) = p'B + sum_i s_i psi((V_i - W_i p) / s_i),    p >= 0,    grad g = B - W'x(p),

with psi the demand rule's surplus at the best share; g is convex and smooth, and its minimisers are clearing prices.
Newton's method on the prices above 0, steps cut by a line search and projected on p >= 0 (Bertsekas 1982). Where the
scale tau of demand is small beside the money at stake g is nearly a polyhedron, so tau is first taken large and then
lowered in steps, each started from the last prices. Prices are written `p = centre + tau * u`: shares depend on
`z_i - W_i u / s_i` with z_i the margins at the centre in units of the scale: nothing is lost when tau is tiny.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.demand import LinearDemand, LogitDemand, logistic
from walras.market.validation import FloatArray

__all__ = ["minimise_dual"]

_EPSILON = float(np.finfo(np.float64).eps)
_STEPS = 200
_PLAIN_STEPS = 20  # after so many the quadratic model is minimised under its bounds
_RIDGE = 1e-10
_TRUSTED = 4.0  # a step changes a margin by at most about so many times itself and the scale of demand
_CUTS = 60
_FLAT = 0.3  # a step may end where this much of the slope is left


def minimise_dual(
    demand: LinearDemand | LogitDemand,
    net_valuations: FloatArray,
    costs: FloatArray,
    supplies: FloatArray,
    sizes: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Give prices, shape (m,), and shares, shape (n,); each supply is above 0.

    *Cost*: some tens of steps of O(n m^2 + m^3) for each tenfold difference of demand's scale and the money at stake.
    """
    scale = demand.temperature if isinstance(demand, LogitDemand) else demand.width
    # In units of each resource's supply, and of the money at stake.
    weights = costs / supplies
    money = max(float(np.max(np.abs(net_valuations))), float(np.max(scale * sizes)))
    values, final_scale = net_valuations / money, scale / money
    spread = float(np.max(np.abs(values) / sizes))

    prices = np.zeros(supplies.size)
    stage = max(final_scale, 0.1 * spread)
    while True:
        for _ in range(2 if stage > final_scale else 4):  # centred anew, what rounding left is found again
            margins = values - weights @ prices
            local = _LocalDual(
                isinstance(demand, LogitDemand), margins / (stage * sizes), weights / sizes[:, np.newaxis], sizes, stage
            )
            moved = local.minimise(lowest=-prices / stage)
            shares = local.shares(moved)
            prices = np.maximum(prices + stage * moved, 0.0)
            if not moved.any():
                break
        if stage <= final_scale:
            return prices * money / supplies, shares
        stage = max(0.1 * stage, final_scale)


@final
@dataclass(frozen=True, eq=False)
class _LocalDual:
    """The dual function about a centre, in units of the scale: `h(u) = sum(u) + sum_i s_i psi_1(z_i - R_i u)`."""

    is_logit: bool
    centred: FloatArray  # z, (n,)
    reach: FloatArray  # R, (n, m): units per size
    sizes: FloatArray  # s, (n,)
    stage: float

    def shares(self, moved: FloatArray) -> FloatArray:
        """Best responses, shape (n,)."""
        z = self.centred - self.reach @ moved
        return logistic(z) if self.is_logit else np.clip(z, 0.0, 1.0)

    def gradient(self, moved: FloatArray) -> FloatArray:
        """What is left of each resource, as a fraction of its supply, shape (m,)."""
        return np.asarray(1.0 - (self.sizes * self.shares(moved)) @ self.reach)

    def minimise(self, lowest: FloatArray) -> FloatArray:
        """Newton steps from 0 under `u >= lowest`; shape (m,)."""
        moved = np.zeros_like(lowest)
        best, best_residual = moved, np.inf
        for step in range(_STEPS):
            gradient = self.gradient(moved)
            residual = float(np.max(np.abs(moved - np.maximum(moved - gradient, lowest))))
            if residual < best_residual:
                best, best_residual = moved, residual
            if residual <= 4.0 * _EPSILON:
                break
            direction = self._within_trust(moved, self._direction(moved, gradient, lowest, exact=step >= _PLAIN_STEPS))
            following = np.maximum(moved + self._step_size(moved, gradient, direction) * direction, lowest)
            if np.array_equal(following, moved):
                break
            moved = following
        return best

    def _direction(self, moved: FloatArray, gradient: FloatArray, lowest: FloatArray, *, exact: bool) -> FloatArray:
        """To the minimum of the quadratic model, prices at 0 that would fall staying there.

        Newton's point is projected on `u >= lowest`; where that is no descent, or the steps go on too long (`exact`),
        the model is minimised under the bounds.
        """
        shares = self.shares(moved)
        slopes = shares * (1.0 - shares) if self.is_logit else ((shares > 0.0) & (shares < 1.0)).astype(np.float64)
        curvature = (self.reach * (self.sizes * slopes)[:, np.newaxis]).T @ self.reach
        # Where too few shares answer the prices the curvature is singular: a little of the largest possible is added.
        possible = np.sum(self.sizes[:, np.newaxis] * self.reach**2, axis=0)
        curvature += np.diag(_RIDGE * possible)
        if not exact:
            free = ~((moved <= lowest) & (gradient >= 0.0))
            newton = np.zeros_like(moved)
            newton[free] = np.linalg.solve(curvature[np.ix_(free, free)], -gradient[free])
            direction = np.maximum(moved + newton, lowest) - moved
            if gradient @ direction < 0.0:
                return direction
        return _bounded_minimum(curvature, gradient, lowest - moved)

    def _within_trust(self, moved: FloatArray, direction: FloatArray) -> FloatArray:
        """Shorten a direction that takes some margin far from where the model was made: curvature may vanish there."""
        z = self.centred - self.reach @ moved
        largest = float(np.max(np.abs(self.reach @ direction) / (_TRUSTED * (1.0 + np.abs(z)))))
        return direction / max(largest, 1.0)

    def _step_size(self, moved: FloatArray, gradient: FloatArray, direction: FloatArray) -> float:
        """How far to go along a descent direction, at most 1: to where the slope has all but vanished.

        Slopes are used and not values of h, whose differences drown in rounding near the minimum. h is convex, so its
        slope rises along the line, and the search keeps a sign change between `low` and `high`.
        """
        first = float(gradient @ direction)
        low, high, size = 0.0, 1.0, 1.0
        for _ in range(_CUTS):
            slope = float(self.gradient(moved + size * direction) @ direction)
            if abs(slope) <= _FLAT * abs(first) or (slope < 0.0 and size == 1.0):
                return size
            low, high = (size, high) if slope < 0.0 else (low, size)
            size = 0.5 * (low + high) if low > 0.0 else 0.25 * high
        return low or high


def _bounded_minimum(curvature: FloatArray, gradient: FloatArray, lowest: FloatArray) -> FloatArray:
    """Minimum of `gradient'd + d'Cd / 2` over `d >= lowest` (0 or less), shape (m,)."""
    from scipy.optimize import lsq_linear  # here: its import takes longer than all of walras.market may

    root = np.linalg.cholesky(curvature).T
    target = np.linalg.solve(root.T, -gradient)
    return np.asarray(lsq_linear(root, target, bounds=(lowest, np.inf), method="bvls").x)
