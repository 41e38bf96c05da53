"""The Lorenz curve: which share of all holdings the poorest share of the agents has.

Agents sorted by what they hold, `L(p)` is the share of the total that the poorest fraction p holds. It is convex, runs
from (0, 0) to (1, 1), and below the diagonal unless all hold the same. The Gini coefficient (in its population form) is
twice the area between it and the diagonal; with points of grouped data, where only group totals are known, that is its
lower bound: the value if all within a group held the same.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.validation import FloatArray, finite_vector, fraction
from walras.market.welfare.weighting import checked_population

__all__ = ["LorenzCurve", "lorenz_curve"]

# Shares are sums of rounded numbers: this much is forgiven where points should not fall, or should be convex.
_ROUNDING = 1e-12


@final
@dataclass(frozen=True, eq=False)
class LorenzCurve:
    """Points of a Lorenz curve, straight lines between them.

    Parameters
    ----------
    population_shares, holding_shares
        Cumulative shares of agents and of holdings, poorest first, shape (m,), m >= 2: from 0 to 1, never falling, and
        convex.

    Raises
    ------
    InvalidInputError
        If they are not such shares.

    Notes
    -----
    *Source*: Lorenz 1905; Gini coefficient of grouped data, Gastwirth 1972 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import LorenzCurve
    >>> curve = LorenzCurve([0.0, 0.5, 0.9, 1.0], [0.0, 0.2, 0.6, 1.0])  # published deciles, say
    >>> round(curve.gini, 3), round(curve.share_of_richest(0.1), 3)
    (0.42, 0.4)
    """

    population_shares: FloatArray
    holding_shares: FloatArray

    def __post_init__(self) -> None:
        population = finite_vector("LorenzCurve.population_shares", self.population_shares, of="point")
        holding = finite_vector("LorenzCurve.holding_shares", self.holding_shares, length=population.size, of="point")
        for name, shares in (("population_shares", population), ("holding_shares", holding)):
            _check_shares(f"LorenzCurve.{name}", shares)
            shares.flags.writeable = False
            object.__setattr__(self, name, shares)
        _check_convex(population, holding)

    @property
    def gini(self) -> float:
        """Gini coefficient in the population form, 0 to 1: a lower bound if the points are those of groups."""
        areas = np.diff(self.population_shares) * (self.holding_shares[1:] + self.holding_shares[:-1])
        return max(0.0, 1.0 - float(np.sum(areas)))

    def share_of_poorest(self, population_share: float) -> float:
        """Share of all holdings that the poorest `population_share` of the agents has, both fractions of 1."""
        place = fraction("population_share", population_share)
        return float(np.interp(place, self.population_shares, self.holding_shares))

    def share_of_richest(self, population_share: float) -> float:
        """Share of all holdings that the richest `population_share` of the agents has, both fractions of 1."""
        return 1.0 - self.share_of_poorest(1.0 - fraction("population_share", population_share))


def lorenz_curve(holdings: ArrayLike, weights: ArrayLike | None = None) -> LorenzCurve:
    """Give the Lorenz curve of `holdings`, with a point after each agent.

    Parameters
    ----------
    holdings
        What each agent holds, >= 0, shape (n,). If nobody holds anything, all hold the same: the diagonal.
    weights
        How many agents each entry stands for, >= 0, shape (n,); one each by default.

    Returns
    -------
    LorenzCurve
        n + 1 points.

    Raises
    ------
    InvalidInputError
        NaN, infinite or negative entries, or none at all; weights that are all 0.

    Notes
    -----
    *Ties*: equal holdings may stand in any order. *Cost*: O(n log n).
    *Source*: Lorenz 1905 (docs/reference/bibliography.md).

    Examples
    --------
    >>> from walras.market.welfare import lorenz_curve
    >>> curve = lorenz_curve([5.0, 1.0, 2.0])
    >>> curve.holding_shares.tolist(), round(curve.gini, 4)
    ([0.0, 0.125, 0.375, 1.0], 0.3333)
    """
    population = checked_population(holdings, weights)
    order = np.argsort(population.holdings, kind="stable")
    fractions = population.fractions[order]
    return LorenzCurve(_cumulative_shares(fractions), _cumulative_shares(fractions * population.holdings[order]))


def _cumulative_shares(amounts: FloatArray) -> FloatArray:
    """Cumulative sums as fractions of their last, from 0 to exactly 1."""
    sums = np.concatenate(([0.0], np.cumsum(amounts)))
    shares: FloatArray = sums / sums[-1]
    return shares


def _check_shares(name: str, shares: FloatArray) -> None:
    if shares.size < 2 or shares[0] != 0.0 or abs(shares[-1] - 1.0) > _ROUNDING:
        raise InvalidInputError(f"{name} must run from 0 to 1, got {shares.size} points, {shares[0]} to {shares[-1]}.")
    falls = np.flatnonzero(np.diff(shares) < -_ROUNDING)
    if falls.size:
        raise InvalidInputError(
            f"{name} must not fall: entry {falls[0] + 1} is {shares[falls[0] + 1]}, after {shares[falls[0]]}."
        )


def _check_convex(population: FloatArray, holding: FloatArray) -> None:
    widths, heights = np.diff(population), np.diff(holding)
    # Slopes compared without dividing; a group of nobody with holdings is a jump, which only the last may be.
    bends = np.flatnonzero(heights[:-1] * widths[1:] - heights[1:] * widths[:-1] > _ROUNDING)
    if bends.size:
        raise InvalidInputError(
            "LorenzCurve.holding_shares must be convex, the poorest first: the slope falls after point "
            f"{bends[0] + 1} ({population[bends[0] + 1]}, {holding[bends[0] + 1]})."
        )
