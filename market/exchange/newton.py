"""Newton's method for equilibrium prices, with the safeguards that make it dependable.

The unknowns are logarithms of prices, `q = log p`, so that prices stay above 0 and the unit of money does not matter.
The equations are excess demands in value, as fractions of the value of all goods,

    F_j(q) = p_j z_j(p) / p.s = 0,

without one of them, which follows from the others by Walras' law: that of the good of most value, whose price is held.
Steps are bounded and halved until |F| falls; where the derivative is singular or no halving helps, Levenberg damping
turns them towards steepest descent. A good in excess supply whose price goes to 0 is set to 0 and left out, and taken
up again if it is then wanted. If Newton stalls, it is tried again from where some rounds of multiplicative tâtonnement
lead, then along a path from an economy that is known to have one equilibrium (`homotopy.py`), then from scattered
starts. Linear consumers, whose demand jumps, are first smoothed (`perfect_substitutes.py`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.exchange.homotopy import follow_path
from walras.market.exchange.perfect_substitutes import has_linear_consumers, polished, smoothed
from walras.market.exchange.settle import clearing_residual, settle, start_at
from walras.market.properties import Property
from walras.market.validation import FloatArray, boolean, instance_of, positive_number, whole_number

__all__ = ["Newton", "NewtonRun", "newton_run"]

_LONGEST_STEP = 3.0  # in logarithms of prices
_HALVINGS = 40
_DAMPINGS = (0.0, *(10.0**power for power in range(-8, 3, 2)))
_WORTHLESS = 1e-7  # share of all value below which a good in excess supply is tried at price 0
_VANISHED = 1e-60  # share of all value at which a price that is above 0 is given up
_SCATTERED_STARTS = 8
# Elasticities of substitution of the smoothed economies: each the start of the next.
_ELASTICITIES = tuple(4.0**power for power in range(1, 14))
_SHARP = 64.0  # elasticity from which goods that are bought can be told from those that are not


class NewtonRun(NamedTuple):
    """Where one run of Newton's method ended: prices, the way there, and how."""

    prices: FloatArray
    path: list[FloatArray]
    status: ExchangeStatus


@final
@dataclass(frozen=True)
class Newton:
    """The rules of the search. It only says them: `solve` is a pure function.

    Parameters
    ----------
    tolerance
        Largest excess demand of a good, as a fraction of its supply, at which markets are said to clear.
    max_iterations
        Most Newton steps of one attempt.
    attempts
        Whether to go on from other starts when the first attempt stalls. Without, where the start decides between
        several equilibria it is known which attempt found the answer.

    Notes
    -----
    *Cost*: O(n m^2 + m^3) a step for closed-form utilities. *Source*: Nocedal and Wright 2006, chapter 11, for the
    safeguards; Smale 1976 for the path.

    Examples
    --------
    >>> from walras.market.exchange import CES, ExchangeEconomy, Newton
    >>> economy = ExchangeEconomy(CES([[2.0, 1.0], [1.0, 2.0]], rho=[0.5, -1.0]), endowments=[[1.0, 0.0], [0.0, 1.0]])
    >>> Newton().solve(economy).require().status.name
    'CONVERGED'
    """

    tolerance: float = field(default=1e-11, kw_only=True)
    max_iterations: int = field(default=200, kw_only=True)
    attempts: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("Newton.tolerance", self.tolerance)
        whole_number("Newton.max_iterations", self.max_iterations, minimum=1)
        boolean("Newton.attempts", self.attempts)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """Nothing: it is a search, and is not promised to end well."""
        return frozenset()

    def solve(self, economy: ExchangeEconomy, start_prices: ArrayLike | None = None) -> ExchangeEquilibrium:
        """Find an equilibrium.

        Parameters
        ----------
        economy
            The economy.
        start_prices
            Where to begin, above 0, shape (m,); where there are several equilibria, it decides. A price of 0 is taken
            as 1e-6 of the largest. None: all supplies worth the same.

        Returns
        -------
        ExchangeEquilibrium
            `CONVERGED`; else `STALLED` or `ITERATION_LIMIT`, with the best prices found and a certificate that says how
            good they are. The path is that of the attempt that counts.

        Raises
        ------
        InvalidInputError
            Something else than an economy; bad prices.

        Notes
        -----
        *Ties*: linear consumers who are indifferent get what clears the markets.
        """
        instance_of("economy", economy, ExchangeEconomy)
        start = start_at(economy, start_prices)
        start = np.maximum(start, 1e-6 * start.max())
        if has_linear_consumers(economy):
            return self._solve_smoothed(economy, start)
        run = self._best_run(economy, start)
        return settle(economy, run.prices, run.path, run.status)

    def _best_run(self, economy: ExchangeEconomy, start: FloatArray) -> NewtonRun:
        best: NewtonRun | None = None
        for prices in self._starts(economy, start):
            run = newton_run(economy, prices, self.tolerance, self.max_iterations)
            if run.status is ExchangeStatus.CONVERGED:
                return run
            if best is None or _residual(economy, run.prices) < _residual(economy, best.prices):
                best = run
        assert best is not None  # there is always a first start
        return best

    def _starts(self, economy: ExchangeEconomy, start: FloatArray) -> Iterator[FloatArray]:
        """Where to begin, one after another, until an attempt converges."""
        yield start
        if not self.attempts:
            return
        yield _groped(economy, start)
        found = follow_path(economy, start)
        if found is not None:
            yield found
        generator = np.random.default_rng(0)  # the same starts each time: the answer is a function of the input
        for _ in range(_SCATTERED_STARTS):
            yield np.exp(2.0 * generator.standard_normal(start.size)) / economy.supplies

    def _solve_smoothed(self, economy: ExchangeEconomy, start: FloatArray) -> ExchangeEquilibrium:
        """Raise the elasticity of substitution of linear consumers step by step, then solve the limit exactly."""
        prices, path = start, [start]
        for elasticity in _ELASTICITIES:
            smooth = smoothed(economy, elasticity)
            run = (
                self._best_run(smooth, prices)
                if len(path) == 1
                else newton_run(smooth, prices, 1e-9, self.max_iterations)
            )
            if _residual(smooth, run.prices) > 1e-6:
                break
            prices = run.prices
            path.append(prices)
            for exact in polished(economy, smooth, prices) if elasticity >= _SHARP else ():
                answer = settle(
                    economy, exact.prices, [*path, exact.prices], ExchangeStatus.CONVERGED, allocation=exact.allocation
                )
                if answer.certificate.largest <= max(self.tolerance, 1e-11):
                    return answer
        answer = settle(economy, prices, path, ExchangeStatus.STALLED)
        settled = answer.certificate.largest <= max(self.tolerance, 1e-11)
        return replace(answer, status=ExchangeStatus.CONVERGED) if settled else answer


def newton_run(economy: ExchangeEconomy, start: FloatArray, tolerance: float, max_iterations: int) -> NewtonRun:
    """One attempt, from prices above 0."""
    prices, path = start / start.max(), [start]
    refused: set[int] = set()  # goods that were wanted at price 0: not to be tried there again
    by_supply = False  # whether excess demand is measured in fractions of supplies, not of the value of all goods
    for _ in range(max_iterations):
        prices = prices if by_supply else _set_free(economy, prices, refused)
        excess = economy._trial_excess(prices)
        residual = clearing_residual(economy, prices, excess)
        if residual <= tolerance:
            return NewtonRun(prices, path, ExchangeStatus.CONVERGED)
        prices = _release(economy, prices, excess, tolerance, refused)
        better = _better(economy, prices, by_supply=by_supply)
        if better is None and not by_supply and not has_linear_consumers(economy):
            by_supply = True
            better = _better(economy, prices, by_supply=True)
        if better is None or _vanishes(economy, better):
            # As far as rounding allows: what is left is then measured by the certificate.
            close = residual <= max(tolerance, 1e-10)
            return NewtonRun(prices, path, ExchangeStatus.CONVERGED if close else ExchangeStatus.STALLED)
        prices = better / better.max()
        path.append(prices)
    done = _residual(economy, prices) <= tolerance
    return NewtonRun(prices, path, ExchangeStatus.CONVERGED if done else ExchangeStatus.ITERATION_LIMIT)


def _residual(economy: ExchangeEconomy, prices: FloatArray) -> float:
    residual = clearing_residual(economy, prices, economy._trial_excess(prices))
    return math.inf if math.isnan(residual) else residual


def _release(
    economy: ExchangeEconomy, prices: FloatArray, excess: FloatArray, tolerance: float, refused: set[int]
) -> FloatArray:
    """Give a small price to goods that are wanted at price 0."""
    wanted = np.flatnonzero((prices == 0.0) & ~(excess <= tolerance * economy.supplies))
    refused.update(wanted.tolist())
    released = prices.copy()
    released[wanted] = _WORTHLESS * float(prices @ economy.supplies) / economy.supplies[wanted]
    return released


def _set_free(economy: ExchangeEconomy, prices: FloatArray, refused: set[int]) -> FloatArray:
    """Set to 0 the prices of goods that nobody wants, or that are worth next to nothing and still in excess supply."""
    values = prices * economy.supplies
    excess = economy._trial_excess(prices)
    unwanted = (prices > 0.0) & (excess <= -economy.supplies)
    if unwanted.any() and not unwanted.all():
        without = np.where(unwanted, 0.0, prices)
        left = economy._trial_excess(without)
        if np.isfinite(left).all() and (left[unwanted] <= -economy.supplies[unwanted]).all():
            prices, values, excess = without, without * economy.supplies, left
    limits = np.full(prices.size, _WORTHLESS)
    limits[list(refused)] = 1e-14
    worthless = (prices > 0.0) & (values < limits * values.sum()) & (excess < 0.0)
    freed = np.where(worthless, 0.0, prices)
    return freed if np.isfinite(economy._trial_excess(freed)).all() else prices


def _vanishes(economy: ExchangeEconomy, prices: FloatArray) -> bool:
    """Whether a price runs towards 0 although it is wanted there: then no equilibrium is near."""
    values = prices * economy.supplies
    return bool((values[prices > 0.0] < _VANISHED * values.sum()).any())


def _values(economy: ExchangeEconomy, prices: FloatArray) -> FloatArray:
    """F: excess demands in value, as fractions of the value of all goods."""
    return np.asarray(prices * economy._trial_excess(prices) / float(prices @ economy.supplies))


def _better(economy: ExchangeEconomy, prices: FloatArray, *, by_supply: bool) -> FloatArray | None:
    """Give prices at which |F|, or with `by_supply` the excess demands as fractions of supplies, is smaller.

    None if no step is found.
    """
    active = np.flatnonzero(prices > 0.0)
    worths = (prices * economy.supplies)[active]
    held = active[np.argmax(worths)]
    moving = active[active != held]
    values = _values(economy, prices)
    scale = np.zeros(prices.size)
    with np.errstate(over="ignore"):
        scale[active] = worths.sum() / worths if by_supply else 1.0
        merit = float(np.linalg.norm((scale * values)[active]))
    if not moving.size or not math.isfinite(merit):
        return None
    derivative = value_derivative(economy, prices, values)[np.ix_(moving, moving)] * scale[moving, None]
    for damping in _DAMPINGS:
        step = damped_step(derivative, (scale * values)[moving], damping)
        if step is None:
            continue
        length = min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), 1e-300))
        for _ in range(_HALVINGS if damping == 0.0 else 6):
            trial = prices.copy()
            trial[moving] *= np.exp(length * step)
            with np.errstate(over="ignore", invalid="ignore"):
                reached = float(np.linalg.norm(_scaled_values(economy, trial, by_supply=by_supply)[active]))
            if reached < (1.0 - 1e-4 * length) * merit:
                return trial
            length *= 0.5
    return None


def _scaled_values(economy: ExchangeEconomy, prices: FloatArray, *, by_supply: bool) -> FloatArray:
    if by_supply:
        return np.asarray(economy._trial_excess(prices) / economy.supplies)
    return _values(economy, prices)


def value_derivative(economy: ExchangeEconomy, prices: FloatArray, values: FloatArray) -> FloatArray:
    """Derivative of F by the logarithms of prices, shape (m, m)."""
    worth = float(prices @ economy.supplies)
    with np.errstate(all="ignore"):
        derivative = prices[:, None] * economy._jacobian(prices) * prices / worth
    derivative[np.diag_indices_from(derivative)] += values
    return np.asarray(derivative - np.outer(values, prices * economy.supplies / worth))


def damped_step(derivative: FloatArray, values: FloatArray, damping: float) -> FloatArray | None:
    """Newton's step (damping 0) or Levenberg's; None if it is not finite."""
    size = float(np.abs(derivative).max())
    if not 0.0 < size < math.inf:
        return None
    scaled, right = derivative / size, -values / size
    try:
        if damping == 0.0:
            step = np.linalg.solve(scaled, right)
        else:
            step = np.linalg.solve(scaled.T @ scaled + damping * np.eye(right.size), scaled.T @ right)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(step) if np.isfinite(step).all() else None


def _groped(economy: ExchangeEconomy, start: FloatArray) -> FloatArray:
    """The best prices of some rounds of multiplicative tâtonnement with careful steps."""
    prices, best, least = start / start.max(), start, math.inf
    for _ in range(300):
        excess = economy._trial_excess(prices)
        values = np.abs(prices * excess).max() / float(prices @ economy.supplies)
        if not math.isfinite(values):
            break
        if values < least:
            best, least = prices, float(values)
        prices = prices * np.exp(np.clip(0.2 * excess / economy.supplies, -0.2, 0.2))
        prices = np.maximum(prices / prices.max(), 1e-12)
    return best
