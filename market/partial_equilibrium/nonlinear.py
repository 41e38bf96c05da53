"""Several goods with nonlinear demand and supply: find prices at which every good's excess demand is 0.

    z(p) = D(p) - S(p) = 0,    p > 0,

by Newton's method, `z'(p) dp = -z(p)`, with three safeguards: a step stays within a fraction of the distance to price
0; it is halved until the largest relative excess falls; and where the Jacobian is singular, or no halving helps, the
step is taken with growing Levenberg damping, which turns it towards steepest descent. What was found is certified by
evaluating the two functions once more.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified, Residuals
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import (
    FloatArray,
    finite_matrix,
    finite_vector,
    positive_number,
    positive_vector,
    whole_number,
)

__all__ = ["GoodsCertificate", "GoodsEquilibrium", "NewtonStatus", "NonlinearMarket"]

QuantityFunction: TypeAlias = Callable[[FloatArray], ArrayLike]

_CLOSEST = 0.9  # of the distance to price 0 that one step may cover
_HALVINGS = 30
_DAMPINGS = (0.0, *(10.0**power for power in range(-8, 5)))


class NewtonStatus(Enum):
    """How the search ended; each value tells the reader what to do."""

    CONVERGED = "excess demand is within the tolerance for every good"
    STALLED = "no step reduces excess demand: there may be no equilibrium near; start from other prices"
    ITERATION_LIMIT = "the iterations ran out while excess demand still fell: allow more, or start nearer"


@final
@dataclass(frozen=True)
class GoodsCertificate(Residuals):
    """Residuals of an answer.

    Attributes
    ----------
    clearing
        The largest difference between demand and supply of a good, as a fraction of the larger of the two.
    """

    clearing: float


@final
@dataclass(frozen=True, eq=False)
class GoodsEquilibrium(Certified):
    """Prices that clear the markets for n goods.

    Attributes
    ----------
    prices
        Money per unit, shape (n,).
    quantities_demanded, quantities_supplied
        Units at these prices, shape (n,) each.
    excess_demand
        Their difference, shape (n,).
    jacobian
        Derivative of each good's excess demand (rows) by each price (columns), shape (n, n).
    iterations
        Newton steps taken.
    status, certificate
        How the search ended, and the residuals that prove the answer.
    """

    prices: FloatArray
    quantities_demanded: FloatArray
    quantities_supplied: FloatArray
    excess_demand: FloatArray
    jacobian: FloatArray
    iterations: int
    status: NewtonStatus
    certificate: GoodsCertificate

    @property
    def is_stable(self) -> bool:
        """Whether tâtonnement, `dp/dt = z(p)`, returns here from nearby: all eigenvalues have negative real parts."""
        return bool(np.linalg.eigvals(self.jacobian).real.max() < 0.0)


@final
@dataclass(frozen=True)
class NonlinearMarket:
    """Markets for n goods, given by functions of all prices.

    Parameters
    ----------
    demand, supply
        Each takes prices (money per unit, above 0, shape (n,)) and gives quantities (units, shape (n,)).
    jacobian
        Derivative of excess demand: prices to an (n, n) matrix, goods in rows, prices in columns. None: central
        differences, at 2 n further evaluations a step.

    Notes
    -----
    *Source*: Nocedal and Wright 2006, chapter 11 (docs/reference/bibliography.md).

    Examples
    --------
    >>> import numpy as np
    >>> from walras.market.partial_equilibrium import NonlinearMarket
    >>> cross = np.array([[0.5, 0.4], [0.8, 0.2]])
    >>> market = NonlinearMarket(demand=lambda prices: np.exp(-cross @ prices) + 1, supply=np.sqrt)
    >>> market.equilibrium([1.0, 1.0]).require().prices.round(8).tolist()
    [1.57080182, 1.46928838]
    """

    demand: QuantityFunction
    supply: QuantityFunction
    jacobian: QuantityFunction | None = None

    def __post_init__(self) -> None:
        for name in ("demand", "supply", "jacobian"):
            function = getattr(self, name)
            if not (callable(function) or (name == "jacobian" and function is None)):
                raise InvalidInputError(f"NonlinearMarket.{name} must be a function of prices, got {function!r}.")

    @property
    def declared_properties(self) -> frozenset[Property]:
        """Markets clear: what is sold equals what is bought. The functions may have any other property, or none."""
        return frozenset({Property.CONSERVES})

    def excess_demand(self, prices: ArrayLike) -> FloatArray:
        """Give demand less supply of each good (units) at prices above 0, shape (n,)."""
        vector = positive_vector("prices", prices, of="good")
        return self._quantities("demand", vector) - self._quantities("supply", vector)

    def equilibrium(
        self, start_prices: ArrayLike, tolerance: float = 1e-12, max_iterations: int = 200
    ) -> GoodsEquilibrium:
        """Give equilibrium prices, from a start.

        Parameters
        ----------
        start_prices
            Where to begin (money per unit), above 0, shape (n,). Where there are several equilibria, it decides.
        tolerance
            Largest excess demand of a good, as a fraction of the larger of demand and supply, above 0.
        max_iterations
            Most Newton steps, 1 or more.

        Returns
        -------
        GoodsEquilibrium
            Always: what was not reached is told by its status and certificate.

        Raises
        ------
        InvalidInputError
            Prices that are not above 0; functions that do not give n finite quantities at the start.

        Notes
        -----
        *Cost*: O(n^3) and some evaluations for each step.
        """
        prices = positive_vector("start_prices", start_prices, of="good")
        tolerance = positive_number("tolerance", tolerance)
        limit = whole_number("max_iterations", max_iterations, minimum=1)
        excess = self.excess_demand(prices)
        merit, status, steps = self._merit(prices), NewtonStatus.ITERATION_LIMIT, 0
        for steps in range(limit + 1):
            if merit <= tolerance:
                status = NewtonStatus.CONVERGED
                break
            better = self._better(prices, excess, merit) if steps < limit else None
            if better is None:
                status = NewtonStatus.STALLED if steps < limit else status
                break
            prices, merit = better
            excess = self.excess_demand(prices)
        demanded, supplied = self._quantities("demand", prices), self._quantities("supply", prices)
        return GoodsEquilibrium(
            prices=prices,
            quantities_demanded=demanded,
            quantities_supplied=supplied,
            excess_demand=demanded - supplied,
            jacobian=self._derivative(prices),
            iterations=steps,
            status=status,
            certificate=GoodsCertificate(clearing=_relative_excess(demanded, supplied)),
        )

    def _quantities(self, side: str, prices: FloatArray) -> FloatArray:
        function: QuantityFunction = getattr(self, side)
        return finite_vector(
            f"What NonlinearMarket.{side} gives", function(prices.copy()), length=prices.size, of="good"
        )

    def _merit(self, prices: FloatArray) -> float:
        """Largest relative excess demand at prices; infinite where the functions give no finite quantities."""
        with np.errstate(all="ignore"):  # a trial may leave the functions' domain: it is then not taken
            try:
                return _relative_excess(self._quantities("demand", prices), self._quantities("supply", prices))
            except InvalidInputError:
                return math.inf

    def _better(self, prices: FloatArray, excess: FloatArray, merit: float) -> tuple[FloatArray, float] | None:
        """Give prices with a smaller relative excess, and that excess; None if no damping and no halving finds any."""
        derivative = self._derivative(prices)
        # Prices as fractions of themselves: the system is then free of the units of money.
        scaled = derivative * prices
        for damping in _DAMPINGS:
            step = _damped_step(scaled, excess, damping)
            if step is None:
                continue
            fall = max(float(-step.min()), 0.0)
            length = min(1.0, _CLOSEST / fall) if fall > 0.0 else 1.0
            for _ in range(_HALVINGS if damping == 0.0 else 3):
                trial = prices * (1.0 + length * step)
                reached = self._merit(trial) if np.all((trial > 0.0) & np.isfinite(trial)) else math.inf
                if reached < (1.0 - 1e-4 * length) * merit:
                    return trial, reached
                length *= 0.5
        return None

    def _derivative(self, prices: FloatArray) -> FloatArray:
        """The Jacobian of excess demand, shape (n, n)."""
        goods = prices.size
        if self.jacobian is not None:
            given = self.jacobian(prices.copy())
            return finite_matrix(
                "What NonlinearMarket.jacobian gives", given, rows=goods, columns=goods, of=("good", "price")
            )
        steps = 6e-6 * prices  # the cube root of the rounding error balances it against the error of the formula
        columns = []
        for good in range(goods):
            up, down = prices.copy(), prices.copy()
            up[good] += steps[good]
            down[good] -= steps[good]
            columns.append((self.excess_demand(up) - self.excess_demand(down)) / (up[good] - down[good]))
        return np.stack(columns, axis=1)  # n vectors (n,) -> (n, n), one column per price


def _relative_excess(demanded: FloatArray, supplied: FloatArray) -> float:
    scale = np.maximum(np.maximum(np.abs(demanded), np.abs(supplied)), np.finfo(np.float64).tiny)
    return float((np.abs(demanded - supplied) / scale).max())


def _damped_step(jacobian: FloatArray, excess: FloatArray, damping: float) -> FloatArray | None:
    """Give the step of Newton (damping 0) or Levenberg; None if it is not finite."""
    size = float(np.abs(jacobian).max())
    if size == 0.0:
        return None
    scaled, right = jacobian / size, -excess / size
    try:
        if damping == 0.0:
            step = np.linalg.solve(scaled, right)
        else:
            step = np.linalg.solve(scaled.T @ scaled + damping * np.eye(right.size), scaled.T @ right)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(step, dtype=np.float64) if np.all(np.isfinite(step)) else None
