"""All equilibria of a small economy, with index and stability.

*Two goods.* One price ratio decides, and excess demand of good 0 is a function of its logarithm: it is evaluated on a
dense grid over 52 decades, each change of sign is a root, and where its modulus has a local minimum it is minimised, so
that pairs of roots between grid points, and roots where it only touches 0, are found too.

*More goods.* Newton's method from many scattered starts; what it finds is compared and counted once.

In both cases the index theorem says whether the count can be right.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import NDArray

from walras.market.certificate import Certified
from walras.market.errors import InvalidInputError
from walras.market.exchange.certificate import ExchangeCertificate
from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.equilibrium import ExchangeEquilibrium, ExchangeStatus
from walras.market.exchange.index import Stability, equilibrium_index, stability_of
from walras.market.exchange.newton import newton_run
from walras.market.exchange.perfect_substitutes import has_linear_consumers
from walras.market.exchange.settle import clearing_residual, settle
from walras.market.validation import FloatArray, IntArray, instance_of, positive_number, whole_number

__all__ = ["EquilibriumSet", "EquilibriumSetStatus", "all_equilibria"]

_WIDEST = 60.0  # logarithm of the largest ratio of the two goods' values
_GRID = 4001
# The same two where demand is maximised numerically: slowly, and to about 1e-9 of an income, which hides cheaper goods.
_NUMERICAL_GRID = 18.0, 601
_TOUCHES = 1e-11  # excess demand (a fraction of the supply) that counts as 0 where it does not change its sign
_SAME = 1e-6  # distance in shares of value within which two answers are one
_TOLERANCE = 1e-9


class EquilibriumSetStatus(Enum):
    """Whether the count can be right; each value tells the reader what to do."""

    INDICES_ADD_UP = "the indices add up to +1, as those of all equilibria do: no sign of a missing one"
    SOME_MISSING = "the indices do not add up to +1: some equilibrium was missed (use more starts), or there is none"
    DEGENERATE = "some equilibrium is degenerate (it vanishes or splits when the economy changes a little): no check"


@final
@dataclass(frozen=True, eq=False)
class EquilibriumSet(Certified):
    """The equilibria that were found, in the order of the price of the first good.

    Attributes
    ----------
    equilibria
        One answer each.
    indices
        +1, -1, or 0 if degenerate, shape (k,).
    stabilities
        Under tâtonnement in continuous time.
    status, certificate
        What the index theorem says of the count, and the largest residuals of any of them.
    """

    equilibria: tuple[ExchangeEquilibrium, ...]
    indices: IntArray
    stabilities: tuple[Stability, ...]
    status: EquilibriumSetStatus
    certificate: ExchangeCertificate

    @property
    def prices(self) -> FloatArray:
        """Prices that add up to 1, one row per equilibrium, shape (k, m)."""
        return np.array([each.prices for each in self.equilibria])


def all_equilibria(
    economy: ExchangeEconomy,
    *,
    starts: int = 200,
    spread: float = 3.0,
    rng: np.random.Generator | None = None,
) -> EquilibriumSet:
    """Find all equilibria of an economy with few goods.

    Parameters
    ----------
    economy
        Two goods, or a few more; demand must have a derivative.
    starts
        How many starts Newton's method gets if there are more than two goods.
    spread
        Standard deviation of the logarithms of relative values at the starts, above 0.
    rng
        Draws the starts. None: a generator with seed 0, so that the answer is a function of the economy.

    Raises
    ------
    InvalidInputError
        One good only, linear consumers, or bad arguments.

    Notes
    -----
    For two goods all roots are found that are further apart than 3 per cent in the price ratio, or between which
    excess demand has one hump. *Cost*: some 4,000 excess demands for two goods; `starts` runs of Newton's
    method for more.
    *Source*: Dierker 1972 for the index theorem; Kehoe 1991.

    Examples
    --------
    >>> from walras.market.exchange import ExchangeEconomy, PowerUtility, all_equilibria
    >>> kehoe = ExchangeEconomy(PowerUtility([[1024.0, 1.0], [1.0, 1024.0]], -4.0), [[12.0, 1.0], [1.0, 12.0]])
    >>> found = all_equilibria(kehoe)
    >>> found.prices[:, 0].round(6).tolist(), [each.name for each in found.stabilities], found.status.name
    ([0.112924, 0.5, 0.887076], ['STABLE', 'UNSTABLE', 'STABLE'], 'INDICES_ADD_UP')
    """
    instance_of("economy", economy, ExchangeEconomy)
    starts = whole_number("starts", starts, minimum=1)
    spread = positive_number("spread", spread)
    generator = np.random.default_rng(0) if rng is None else instance_of("rng", rng, np.random.Generator)
    if economy.shape[1] == 1:
        raise InvalidInputError("economy must have two goods or more: with one there is nothing to trade.")
    if has_linear_consumers(economy):
        raise InvalidInputError("economy must have no linear consumers, whose demand jumps: use Newton for those.")
    found = _two_goods(economy) if economy.shape[1] == 2 else _scattered(economy, starts, spread, generator)
    return _described(economy, _distinct(economy, found))


def _two_goods(economy: ExchangeEconomy) -> list[FloatArray]:
    from scipy.optimize import brentq, minimize_scalar

    def prices_at(log_ratio: float) -> FloatArray:
        """Prices at which good 0 is worth `exp(log_ratio)` times as much as good 1."""
        worth = np.array([math.exp(min(log_ratio, 0.0)), math.exp(min(-log_ratio, 0.0))])
        return np.asarray(worth / economy.supplies)

    def excess_at(log_ratio: float) -> float:
        """Excess demand for good 0 in value, as a fraction of what there is of the good worth less."""
        prices = prices_at(log_ratio)
        excess = economy._trial_excess(prices) / economy.supplies
        return float(excess[0] if log_ratio <= 0.0 else -excess[1])

    known = all(utility.takes_free_goods for utility, _ in economy.groups)
    widest, points = (_WIDEST, _GRID) if known else _NUMERICAL_GRID
    grid = np.linspace(-widest, widest, points)
    values = np.array([excess_at(each) for each in grid])
    sizes = np.where(np.isnan(values), np.inf, np.abs(values))
    # A line of equilibria is represented by its middle.
    flat = np.flatnonzero(sizes <= _TOUCHES)
    lines = np.split(flat, np.flatnonzero(np.diff(flat) > 1) + 1) if flat.size else []
    roots = [float(grid[line[len(line) // 2]]) for line in lines]
    bracketed = np.flatnonzero((values[:-1] * values[1:] < 0.0) & (sizes[:-1] > _TOUCHES) & (sizes[1:] > _TOUCHES))
    brackets = [(float(grid[k]), float(grid[k + 1])) for k in bracketed]
    inner = sizes[1:-1]
    dips = 1 + np.flatnonzero((inner < sizes[:-2]) & (inner <= sizes[2:]) & (inner > _TOUCHES))
    for k in dips:
        if values[k - 1] * values[k] < 0.0 or values[k] * values[k + 1] < 0.0:
            continue
        sign = math.copysign(1.0, values[k])
        low = minimize_scalar(
            lambda each, sign=sign: sign * excess_at(each),
            bounds=(grid[k - 1], grid[k + 1]),
            method="bounded",
            options={"xatol": 1e-12},
        )
        if low.fun < -_TOUCHES:
            brackets += [(float(grid[k - 1]), float(low.x)), (float(low.x), float(grid[k + 1]))]
        elif low.fun <= _TOUCHES:
            roots.append(float(low.x))
    roots += [brentq(excess_at, *bracket, xtol=1e-15, rtol=1e-15) for bracket in brackets]
    corners = [np.array([0.0, 1.0]), np.array([1.0, 0.0])]
    return [prices_at(root) for root in roots] + [each for each in corners if _clears(economy, each)]


def _clears(economy: ExchangeEconomy, prices: FloatArray) -> bool:
    return clearing_residual(economy, prices, economy._trial_excess(prices)) <= _TOLERANCE


def _scattered(
    economy: ExchangeEconomy, starts: int, spread: float, generator: np.random.Generator
) -> list[FloatArray]:
    found = []
    for start in range(starts):
        logs = spread * generator.standard_normal(economy.shape[1]) if start else np.zeros(economy.shape[1])
        run = newton_run(economy, np.exp(logs) / economy.supplies, 1e-12, 100)
        if _clears(economy, run.prices):
            found.append(run.prices)
    return found


def _distinct(economy: ExchangeEconomy, found: list[FloatArray]) -> list[FloatArray]:
    """One of each, in the order of the first price. Neighbours on a line of equilibria count as one."""
    shares = [prices * economy.supplies / float(prices @ economy.supplies) for prices in found]
    order = sorted(range(len(found)), key=lambda k: (*(shares[k].tolist()),))
    kept: list[int] = []
    for k in order:
        if all(float(np.abs(shares[k] - shares[other]).max()) > _SAME for other in kept):
            kept.append(k)
    return [found[k] for k in sorted(kept, key=lambda k: float(found[k][0] / found[k].sum()))]


def _described(economy: ExchangeEconomy, found: list[FloatArray]) -> EquilibriumSet:
    equilibria = tuple(settle(economy, prices, [prices], ExchangeStatus.CONVERGED) for prices in found)
    indices: NDArray[np.int64] = np.array([_index(economy, each) for each in equilibria], dtype=np.int64)
    if (indices == 0).any():
        status = EquilibriumSetStatus.DEGENERATE
    elif int(indices.sum()) == 1:
        status = EquilibriumSetStatus.INDICES_ADD_UP
    else:
        status = EquilibriumSetStatus.SOME_MISSING
    return EquilibriumSet(
        equilibria=equilibria,
        indices=indices,
        stabilities=tuple(stability_of(economy, each.prices) for each in equilibria),
        status=status,
        certificate=_worst([each.certificate for each in equilibria]),
    )


def _index(economy: ExchangeEconomy, found: ExchangeEquilibrium) -> int:
    free = found.prices == 0.0
    barely = found.excess_demand[free] >= -_TOLERANCE * economy.supplies[free]
    return 0 if barely.any() else equilibrium_index(economy, found.prices)


def _worst(certificates: list[ExchangeCertificate]) -> ExchangeCertificate:
    """The largest of each residual; none (0) if nothing was found."""
    return ExchangeCertificate(
        market_clearing=max((each.market_clearing for each in certificates), default=0.0),
        budget_balance=max((each.budget_balance for each in certificates), default=0.0),
        optimality=max((each.optimality for each in certificates), default=0.0),
        nonnegativity=max((each.nonnegativity for each in certificates), default=0.0),
    )
