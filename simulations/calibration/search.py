"""Searches on the unit cube: a scan, then SciPy from the best point of the scan.

One parameter: between the neighbours of the best scanned point by Brent's bounded method; a target that the scan
crosses by Brent's root finding (the lowest crossing, if there are several). More parameters: the Nelder-Mead simplex
with bounds, or differential evolution where there may be several optima. Whatever the method says, the best of all
points that were tried is given: ends of ranges and steps of whole numbers included.
"""

import math
from collections.abc import Callable
from typing import TypeAlias, final

import numpy as np
from scipy.optimize import Bounds, brentq, differential_evolution, minimize, minimize_scalar
from scipy.stats import qmc

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray
from walras.simulations.calibration.measure import Goal

__all__ = ["METHODS", "TOLERANCE", "ValueAt", "scan_points", "search"]

ValueAt: TypeAlias = Callable[[FloatArray], float]

METHODS = ("local", "global")
TOLERANCE = 1e-4  # of a parameter, as a share of its range
_LINE_POINTS = 9


@final
class _Tried:
    """Remembers the best point that a search has tried."""

    def __init__(self, value: ValueAt, goal: Goal) -> None:
        self._value, self._goal = value, goal
        self.loss, self.point = math.inf, np.zeros(0)

    def value(self, point: FloatArray) -> float:
        value = self._value(point)
        loss = self._goal.loss(value)
        if loss < self.loss:
            self.loss, self.point = loss, np.array(point, dtype=np.float64)
        return value

    def loss_at(self, point: FloatArray) -> float:
        return self._goal.loss(self.value(np.asarray(point, dtype=np.float64)))


def scan_points(dimensions: int, seed: int) -> FloatArray:
    """Give the points that are tried first, of shape (points, dimensions): ends included, or a Sobol sequence."""
    if dimensions == 1:
        return np.linspace(0.0, 1.0, _LINE_POINTS)[:, np.newaxis]
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    points: FloatArray = sequence.random_base2(math.ceil(math.log2(8 * dimensions)))
    return points


def search(
    value: ValueAt, goal: Goal, starts: FloatArray, *, method: str, budget: int, seed: int, spread: float = 0.15
) -> FloatArray:
    """Give the best point of the unit cube that a search finds.

    Parameters
    ----------
    value
        The measure at a point of shape (d,).
    goal
        What is wanted of it.
    starts
        Points of shape (k, d) that are tried first; for d = 1 in ascending order.
    method
        "local" (as the module says) or "global": differential evolution, with the starts as its first population.
    budget
        The most evaluations after the starts.
    seed
        Of differential evolution.
    spread
        Size of the first simplex, as a share of the ranges.
    """
    if method not in METHODS:
        raise InvalidInputError(f"There is no method {method!r}; there are: {', '.join(METHODS)}.")
    tried = _Tried(value, goal)
    values = np.array([tried.value(start) for start in starts])
    if method == "global":
        _evolve(tried, starts, budget, seed)
    elif starts.shape[1] == 1:
        _search_line(tried, goal, starts[:, 0], values, budget)
    else:
        _simplex(tried, budget, spread)
    return tried.point


def _search_line(tried: _Tried, goal: Goal, starts: FloatArray, values: FloatArray, budget: int) -> None:
    if goal.kind == "target":
        gaps = values - goal.target
        crossings = np.flatnonzero(np.sign(gaps[:-1]) * np.sign(gaps[1:]) < 0)
        if crossings.size:
            low, high = starts[crossings[0]], starts[crossings[0] + 1]
            brentq(
                lambda point: tried.value(np.array([point])) - goal.target,
                low,
                high,
                xtol=TOLERANCE,
                maxiter=budget,
                disp=False,
            )
            return
    losses = [goal.loss(value) for value in values]
    best = int(np.argmin(losses))
    bounds = (starts[max(best - 1, 0)], starts[min(best + 1, starts.size - 1)])
    minimize_scalar(
        lambda point: tried.loss_at(np.array([point])),
        bounds=bounds,
        method="bounded",
        options={"xatol": TOLERANCE, "maxiter": budget},
    )


def _simplex(tried: _Tried, budget: int, spread: float) -> None:
    start = tried.point
    # Each corner one step from the start, inwards where a step outwards would leave the cube.
    steps = np.where(start + spread <= 1.0, spread, -spread)
    corners = np.vstack([start, start + np.diag(steps)])
    minimize(
        tried.loss_at,
        start,
        method="Nelder-Mead",
        bounds=Bounds(0.0, 1.0),
        options={"initial_simplex": corners, "maxfev": budget, "xatol": 10 * TOLERANCE, "fatol": 0.0, "adaptive": True},
    )


def _evolve(tried: _Tried, starts: FloatArray, budget: int, seed: int) -> None:
    population = len(starts)
    differential_evolution(
        tried.loss_at,
        Bounds(np.zeros(starts.shape[1]), np.ones(starts.shape[1])),
        init=starts,
        maxiter=max(budget // population, 1),
        tol=TOLERANCE,
        polish=False,
        rng=np.random.default_rng(seed),
    )
