"""What a path of prices does in the long run, if it does not converge: it returns, moves away, or is under way.

The path is looked at in proportions (prices over their sum), in which an economy does not change. From the last point
backwards, the path must first have left its surroundings (half of the distance that it ever gets to) and then have come
back; the moment of the closest return gives the period.
"""

from enum import Enum
from typing import NamedTuple

import numpy as np

from walras.market.validation import FloatArray

__all__ = ["Motion", "Orbit", "orbit_of"]

_FEWEST_POINTS = 16


class Motion(Enum):
    """What a path does."""

    RETURNS = "the path has come back to where it was, and its size has not changed in between"
    MOVES_AWAY = "the path swings or drifts further and further out"
    UNDER_WAY = "the path is still approaching something, or has not been watched for long enough"


class Orbit(NamedTuple):
    """What a path does, and how many points lie between two visits (None if it does not return)."""

    motion: Motion
    period: int | None


def orbit_of(path: FloatArray, excess: FloatArray, tolerance: float, *, size_tolerance: float | None = None) -> Orbit:
    """Say what a path of prices does.

    Parameters
    ----------
    path
        Prices, shape (t, m).
    excess
        A measure of how far markets are from clearing at each point, shape (t,).
    tolerance
        Largest distance of a return, as a fraction of the path's size, that counts as the same place.
    size_tolerance
        Largest change of the path's size from one turn to the next (a fraction) that counts as none; by default the
        same number.
    """
    size_tolerance = tolerance if size_tolerance is None else size_tolerance
    if len(path) < _FEWEST_POINTS or not np.isfinite(excess).all():
        return Orbit(Motion.UNDER_WAY, None)
    points = path / path.sum(axis=1, keepdims=True)
    period = _return_time(points, tolerance)
    if period is not None and 2 * period < len(path):
        # Sizes of the last two turns: a spiral also returns to its neighbourhood, but not at the same size.
        latest, earlier = float(excess[-period:].max()), float(excess[-2 * period : -period].max())
        if abs(latest / earlier - 1.0) <= size_tolerance:
            return Orbit(Motion.RETURNS, period)
    half = len(path) // 2
    early, late = float(excess[:half].max()), float(excess[half:].max())
    last_quarter = float(excess[-(len(path) // 4) :].max())
    return Orbit(Motion.MOVES_AWAY if late > early and last_quarter >= late else Motion.UNDER_WAY, None)


def _return_time(points: FloatArray, tolerance: float) -> int | None:
    """Steps since the path was last where it is now; None if it has not been there."""
    distances = np.linalg.norm(points - points[-1], axis=1)
    size = float(distances[len(points) // 2 :].max())
    if size == 0.0:
        return None
    away = np.flatnonzero(distances > 0.5 * size)
    before = distances[: away[-1] + 1]  # until the path last was away
    near = np.flatnonzero(before <= tolerance * size)
    if not near.size:
        return None
    # Of the latest visit (points next to each other), the closest.
    gaps = np.flatnonzero(np.diff(near) > 1)
    visit = near[gaps[-1] + 1 :] if gaps.size else near
    return int(len(points) - 1 - visit[np.argmin(before[visit])])
