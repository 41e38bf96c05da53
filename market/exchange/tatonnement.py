"""Tâtonnement: an auctioneer raises the prices of goods in excess demand and lowers those of goods in excess supply.

With the step size `h_k` in round k, and excess demand z at the prices `p^k`,

    additive:          p_j <- max(p_j + h_k z_j, 0),
    multiplicative:    p_j <- p_j exp(h_k z_j / s_j),      s_j the supply of good j,

and no trade before the prices have settled. They settle for gross substitutes and small steps; in general they need
not: Scarf's economy circles for ever, and a step that is too large turns a stable equilibrium into a cycle. So nothing
is promised, and the answer says what happened.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.exchange.orbit import Motion, orbit_of
from walras.market.exchange.settle import clearing_residual, settle, start_at
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    boolean,
    instance_of,
    nonnegative_number,
    positive_number,
    whole_number,
)

__all__ = ["Adjustment", "ConstantStep", "DiminishingStep", "NormalisedStep", "StepRule", "Tatonnement"]

# Sum of prices beyond which (or below whose inverse) an adjustment is said to have left the range of numbers.
_FARTHEST = 1e100
# A free good that is wanted without bound gets this share of the sum of prices.
_LEAST_SHARE = 1e-9
# At the end of the rounds: how roughly a path must return, and its size remain, to be called a cycle.
_ROUGH_RETURN, _ROUGH_SIZE = 0.05, 1e-3
_SHRINKS = 0.01  # by how much the last quarter must be smaller for the path to be on its way to rest


class Adjustment(Enum):
    """How excess demand moves prices."""

    ADDITIVE = "a price changes in proportion to excess demand, and stops at 0"
    MULTIPLICATIVE = "the logarithm of a price changes in proportion to excess demand as a fraction of the supply"


@final
@dataclass(frozen=True)
class ConstantStep:
    """The same step in every round.

    Parameters
    ----------
    size
        h, above 0: price (additive) or its logarithm (multiplicative) per unit of excess demand.
    """

    size: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", positive_number("ConstantStep.size", self.size))

    def at(self, iteration: int, direction: FloatArray) -> float:
        """Step size in round `iteration` (0 at first), in a direction of shape (m,)."""
        return self.size


@final
@dataclass(frozen=True)
class DiminishingStep:
    """Steps `size / (1 + k)^power` in rounds k = 0, 1, ...

    Parameters
    ----------
    size
        Of the first step, above 0.
    power
        Above 0 and at most 1, so that steps add up to infinity and can still reach any price; above 1/2 (the default is
        0.6) their squares do not.
    """

    size: float = 0.5
    power: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", positive_number("DiminishingStep.size", self.size))
        power = positive_number("DiminishingStep.power", self.power)
        if power > 1.0:
            raise InvalidInputError(f"DiminishingStep.power must be at most 1, or prices stop short; got {power}.")
        object.__setattr__(self, "power", power)

    def at(self, iteration: int, direction: FloatArray) -> float:
        """Step size in round `iteration` (0 at first), in a direction of shape (m,)."""
        return float(self.size * (1.0 + iteration) ** -self.power)


@final
@dataclass(frozen=True)
class NormalisedStep:
    """Steps of a given length: `size / |direction|`, diminishing as `1 / (1 + k)^power`.

    The direction is that of excess demand (additive), or of excess demand as fractions of the supplies.

    Parameters
    ----------
    size
        Length of the first step (in prices, or their logarithms), above 0.
    power
        0 or more and at most 1; 0 (steps of the same length for ever) cannot settle exactly.
    """

    size: float = 0.1
    power: float = 0.6

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", positive_number("NormalisedStep.size", self.size))
        power = nonnegative_number("NormalisedStep.power", self.power)
        if power > 1.0:
            raise InvalidInputError(f"NormalisedStep.power must be at most 1, or prices stop short; got {power}.")
        object.__setattr__(self, "power", power)

    def at(self, iteration: int, direction: FloatArray) -> float:
        """Step size in round `iteration` (0 at first), in a direction of shape (m,)."""
        length = float(np.linalg.norm(direction))
        return float(self.size * (1.0 + iteration) ** -self.power / length) if length > 0.0 else 0.0


StepRule: TypeAlias = ConstantStep | DiminishingStep | NormalisedStep


@final
@dataclass(frozen=True)
class Tatonnement:
    """The rules of a price adjustment in discrete rounds. It only says them: `solve` is a pure function.

    Parameters
    ----------
    step
        `ConstantStep(size)`, `DiminishingStep(size, power)` or `NormalisedStep(size, power)`.
    adjustment
        `Adjustment.ADDITIVE` or `Adjustment.MULTIPLICATIVE`.
    normalised
        Whether prices are divided by their sum after each round. Without it additive steps have a unit: that of the
        start prices.
    tolerance
        Largest excess demand of a good, as a fraction of its supply, at which prices have settled.
    max_iterations
        Most rounds.
    cycle_tolerance
        How closely prices must return (as a fraction of the path's size) for the path to be called a cycle.

    Notes
    -----
    `declared_properties` is empty: convergence is not among the things that tâtonnement has.

    *Ties*: a free good that is wanted without bound is given 1e-9 of the sum of prices. *Cost*: one excess demand a
    round. *Source*: Walras 1874; Scarf 1960 for the cycles; Cole and Fleischer 2008 for multiplicative steps.

    Examples
    --------
    >>> from walras.market.exchange import CobbDouglas, ConstantStep, ExchangeEconomy, Tatonnement
    >>> economy = ExchangeEconomy(CobbDouglas([[1.0, 3.0], [1.0, 3.0]]), endowments=[[1.0, 2.0], [2.0, 1.0]])
    >>> found = Tatonnement(ConstantStep(0.05)).solve(economy)
    >>> found.status.name, found.prices.round(8).tolist()
    ('CONVERGED', [0.25, 0.75])
    """

    step: StepRule = field(default_factory=ConstantStep)
    adjustment: Adjustment = Adjustment.ADDITIVE
    normalised: bool = field(default=False, kw_only=True)
    tolerance: float = field(default=1e-10, kw_only=True)
    max_iterations: int = field(default=10_000, kw_only=True)
    cycle_tolerance: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.step, StepRule):
            raise InvalidInputError(f"Tatonnement.step must be one of {StepRule}, got {self.step!r}.")
        instance_of("Tatonnement.adjustment", self.adjustment, Adjustment)
        boolean("Tatonnement.normalised", self.normalised)
        positive_number("Tatonnement.tolerance", self.tolerance)
        whole_number("Tatonnement.max_iterations", self.max_iterations, minimum=1)
        positive_number("Tatonnement.cycle_tolerance", self.cycle_tolerance)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """Nothing: in particular not `Property.CONVERGES`, which Scarf's economy refutes."""
        return frozenset()

    def solve(self, economy: ExchangeEconomy, start_prices: ArrayLike | None = None) -> ExchangeEquilibrium:
        """Adjust prices until they settle, return, run away, or the rounds are over.

        Parameters
        ----------
        economy
            Whose excess demand moves the prices.
        start_prices
            Where to begin, 0 or more and not all 0, shape (m,). None: all supplies worth the same, adding up to 1.

        Returns
        -------
        ExchangeEquilibrium
            With the path. The status is `CONVERGED`; `CYCLES`, if prices come back (to `cycle_tolerance`; at the end of
            the rounds to 5 per cent) after having been elsewhere, and excess demand was as large in the last turn as in
            the one before (to `cycle_tolerance`; at the end to 0.1 per cent); `DIVERGES`, if prices or excess demand
            leave the range of numbers, or if in the last quarter excess demand is larger than ever in the first half;
            and `ITERATION_LIMIT` otherwise.

        Raises
        ------
        InvalidInputError
            Something else than an economy; bad prices.
        """
        instance_of("economy", economy, ExchangeEconomy)

        def follow(iteration: int, prices: FloatArray, excess: FloatArray) -> FloatArray:
            additive = self.adjustment is Adjustment.ADDITIVE
            direction = excess if additive else excess / economy.supplies
            change = self.step.at(iteration, direction) * direction
            moved = np.maximum(prices + change, 0.0) if additive else prices * np.exp(change)
            return moved / moved.sum() if self.normalised else moved

        return iterate(
            economy,
            start_at(economy, start_prices),
            follow,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            cycle_tolerance=self.cycle_tolerance,
        )


def iterate(
    economy: ExchangeEconomy,
    start: FloatArray,
    follow: Callable[[int, FloatArray, FloatArray], FloatArray],
    *,
    tolerance: float,
    max_iterations: int,
    cycle_tolerance: float,
) -> ExchangeEquilibrium:
    """Apply `follow` (round, prices, excess demand -> prices) until the path settles; say what it did."""
    path, residuals = [start], []
    watch = 64  # the path is examined for cycles after 64, 128, 256, ... rounds
    prices, status, period = start, ExchangeStatus.ITERATION_LIMIT, None
    for iteration in range(max_iterations + 1):
        prices, excess = _lifted(economy, prices)
        residual = clearing_residual(economy, prices, excess)
        if not math.isfinite(residual):
            status = ExchangeStatus.DIVERGES
            break
        residuals.append(residual)
        if residual <= tolerance:
            status = ExchangeStatus.CONVERGED
            break
        last = iteration == max_iterations
        if iteration == watch or last:
            watch *= 2
            status, period = _long_run(np.array(path), np.array(residuals), cycle_tolerance, last=last)
        if last or period is not None:
            break
        with np.errstate(all="ignore"):
            moved = follow(iteration, prices, excess)
        total = float(moved.sum())
        if not 1.0 / _FARTHEST < total < _FARTHEST:
            status = ExchangeStatus.DIVERGES
            break
        prices = moved
        path.append(prices)
    return settle(economy, prices, path, status, period=period)


def _lifted(economy: ExchangeEconomy, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Prices and excess demand; a free good that is wanted without bound gets a small price."""
    excess = economy._trial_excess(prices)
    unbounded = np.isposinf(excess) & (prices == 0.0)
    if not unbounded.any() or not prices.any():
        return prices, excess
    lifted = np.where(unbounded, _LEAST_SHARE * prices.sum(), prices)
    return lifted, economy._trial_excess(lifted)


def _long_run(
    path: FloatArray, residuals: FloatArray, tolerance: float, *, last: bool
) -> tuple[ExchangeStatus, float | None]:
    """What the path does: a cycle if it returns; at the end of the rounds also if it does so roughly, or moves away."""
    orbit = orbit_of(path, residuals, tolerance)
    third, fourth = residuals[len(residuals) // 2 :], residuals[3 * len(residuals) // 4 :]
    if last and orbit.motion is Motion.UNDER_WAY and fourth.max() >= (1.0 - _SHRINKS) * third.max():
        orbit = orbit_of(path, residuals, max(tolerance, _ROUGH_RETURN), size_tolerance=max(tolerance, _ROUGH_SIZE))
    if orbit.period is not None:
        return ExchangeStatus.CYCLES, float(orbit.period)
    moves_away = last and orbit.motion is Motion.MOVES_AWAY
    return (ExchangeStatus.DIVERGES if moves_away else ExchangeStatus.ITERATION_LIMIT), None
