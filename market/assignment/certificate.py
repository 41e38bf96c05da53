"""The certificate of an assignment and its prices.

The assignment problem is a linear programme, and prices with the surpluses that they leave solve its dual:

    min sum_i u_i + sum_j p_j    over u, p >= 0 with u_i + p_j >= v_ij.

Every such pair bounds the worth of every assignment from above; if they are equal, both are optimal. A pair (i, j) with
`u_i + p_j < v_ij` blocks: the two could share more by trading with one another. Without one, nobody can do better, in
pairs or in larger groups: the outcome is in the core.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.certificate import Residuals
from walras.market.validation import FloatArray, IntArray

__all__ = ["AssignmentCertificate", "certify_assignment", "room_below"]

_TINY = float(np.finfo(np.float64).tiny)


@final
@dataclass(frozen=True)
class AssignmentCertificate(Residuals):
    """Residuals of an assignment and its prices, 0 for an exact answer; money as a fraction of the largest amount.

    Attributes
    ----------
    feasibility
        1 if two buyers own one object or an object does not exist, else 0 (all other residuals are then 1).
    duality_gap
        How far the worth of the assignment falls short of `sum_j p_j + sum_i max(0, max_j v_ij - p_j)`, per pair: the
        bound on every assignment.
    blocking_pair
        The most that a buyer and an object's owner could gain by trading with one another instead.
    complementary_slackness
        The highest price of an unsold object.
    individual_rationality
        The largest loss of a buyer, and the most that a price is below 0.
    price_bounds
        How far lowest and highest prices are from competitive prices, how far the lowest could still fall, and the
        highest rise.
    """

    feasibility: float
    duality_gap: float
    blocking_pair: float
    complementary_slackness: float
    individual_rationality: float
    price_bounds: float


def certify_assignment(
    valuations: FloatArray,
    assignment: IntArray,
    prices: FloatArray,
    bounds: tuple[FloatArray, FloatArray] | None = None,
) -> AssignmentCertificate:
    """Compute the residuals from valuations and answer alone.

    Parameters
    ----------
    valuations
        Shape (n, m).
    assignment, prices
        Object of each buyer, -1 for none, shape (n,), and prices, shape (m,).
    bounds
        What are said to be the lowest and the highest competitive prices; None if nothing is said.
    """
    buyers, objects = valuations.shape
    owners = np.flatnonzero(assignment != -1)
    owned = assignment[owners]
    if np.unique(owned).size != owned.size or np.any(owned < 0) or np.any(owned >= objects):
        return AssignmentCertificate(*[1.0] * 6)
    scale = max(float(np.max(np.abs(valuations))), float(np.max(np.abs(prices))), _TINY)
    best, got = _best_and_got(valuations, owners, owned, prices)
    worth = float(np.sum(valuations[owners, owned]))
    bound = float(np.sum(np.maximum(prices, 0.0)) + np.sum(np.maximum(best, 0.0)))
    unsold = np.ones(objects, dtype=np.bool_)
    unsold[owned] = False
    off_bounds = 0.0
    if bounds is not None:
        off_bounds = max(
            _off_lowest(valuations, owners, owned, bounds[0]), _off_highest(valuations, owners, owned, bounds[1])
        )
    return AssignmentCertificate(
        feasibility=0.0,
        duality_gap=abs(bound - worth) / (scale * min(buyers, objects)),
        blocking_pair=max(float(np.max(best - got)), 0.0) / scale,
        complementary_slackness=float(np.max(np.abs(prices[unsold]), initial=0.0)) / scale,
        individual_rationality=max(0.0, -float(np.min(got)), -float(np.min(prices))) / scale,
        price_bounds=off_bounds / scale,
    )


def _best_and_got(
    valuations: FloatArray, owners: IntArray, owned: IntArray, prices: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Surplus of each buyer from what it likes best at the prices, and from what it has."""
    got = np.zeros(len(valuations))
    got[owners] = valuations[owners, owned] - prices[owned]
    return np.max(valuations - prices, axis=1), got


def _off_lowest(valuations: FloatArray, owners: IntArray, owned: IntArray, prices: FloatArray) -> float:
    """How far prices are from competitive ones, and how far one of them could fall."""
    best, got = _best_and_got(valuations, owners, owned, prices)
    unsold = np.ones(prices.size, dtype=np.bool_)
    unsold[owned] = False
    wrong = max(float(np.max(np.maximum(best, 0.0) - got)), float(np.max(np.abs(prices[unsold]), initial=0.0)))
    return max(wrong, float(np.max(-prices)), room_below(valuations, owners, owned, prices))


def _off_highest(valuations: FloatArray, owners: IntArray, owned: IntArray, prices: FloatArray) -> float:
    """How far prices are from competitive ones, and how far one could rise: buyers' surpluses, as prices, fall."""
    surplus = np.zeros(len(valuations))
    surplus[owners] = valuations[owners, owned] - prices[owned]
    implied = np.zeros(prices.size)
    implied[owned] = prices[owned]
    return max(
        _off_lowest(valuations.T, owned, owners, surplus),
        float(np.max(np.abs(prices - implied))),
    )


def room_below(valuations: FloatArray, owners: IntArray, owned: IntArray, prices: FloatArray) -> float:
    """How far the price that has the most room could fall: the longest of the shortest paths over slacks (Dijkstra).

    A path begins where a price can fall no further, at 0 or at what a buyer without an object would pay, and each step
    follows an owner from its own object to another that it would move to if its price fell by more than the slack.
    """
    others = np.ones(len(valuations), dtype=np.bool_)
    others[owners] = False
    floor = np.maximum(np.max(valuations[others], axis=0, initial=0.0), 0.0)
    owner_of = np.full(prices.size, -1, np.int64)
    owner_of[owned] = owners
    room = np.maximum(prices - floor, 0.0)
    done = np.zeros(prices.size, dtype=np.bool_)
    waiting = room.copy()
    for _ in range(prices.size):
        nearest = int(np.argmin(waiting))
        distance = waiting[nearest]
        waiting[nearest] = np.inf
        done[nearest] = True
        if owner_of[nearest] < 0:
            continue
        row = valuations[owner_of[nearest]]
        # Moving costs the owner this much; rounding must not make it a gain.
        slack = np.maximum((row[nearest] - prices[nearest]) - (row - prices), 0.0)
        shorter = ~done & (distance + slack < room)
        room[shorter] = waiting[shorter] = (distance + slack)[shorter]
    return float(np.max(room))
