"""The extragradient method: prices follow the excess demand that they would meet after a step, not the one they meet.

    q = P(p + h z(p)),    p <- P(p + h z(q)),

with P the projection on prices of 0 or more (or on the simplex of prices that add up to 1). Looking ahead damps the
rotation that makes tâtonnement circle: it finds the equilibrium of every economy in which `z` satisfies the weak axiom
against it (`p*.z(p) >= 0` for equilibrium prices p*), Scarf's among them, if the step is short enough.
"""

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.equilibrium import ExchangeEquilibrium
from walras.market.exchange.settle import start_at
from walras.market.exchange.tatonnement import iterate
from walras.market.properties import Property
from walras.market.validation import FloatArray, boolean, instance_of, positive_number, whole_number

__all__ = ["Extragradient"]


@final
@dataclass(frozen=True)
class Extragradient:
    """The rules of the extragradient method. It only says them: `solve` is a pure function.

    Parameters
    ----------
    step
        h, above 0: price per unit of excess demand.
    on_simplex
        Whether prices are projected on the simplex; otherwise only negative ones are raised to 0.
    tolerance
        Largest excess demand of a good, as a fraction of its supply, at which prices have settled.
    max_iterations
        Most iterations.
    cycle_tolerance
        As in `Tatonnement`.

    Notes
    -----
    *Cost*: two excess demands an iteration. *Source*: Korpelevich 1976.

    Examples
    --------
    >>> import numpy as np
    >>> from walras.market.exchange import ExchangeEconomy, Extragradient, Leontief
    >>> scarf = ExchangeEconomy(Leontief([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]), np.eye(3))
    >>> Extragradient(step=0.5).solve(scarf, [1.2, 1.0, 0.7]).require().prices.round(8).tolist()
    [0.33333333, 0.33333333, 0.33333333]
    """

    step: float = 0.1
    on_simplex: bool = field(default=False, kw_only=True)
    tolerance: float = field(default=1e-10, kw_only=True)
    max_iterations: int = field(default=100_000, kw_only=True)
    cycle_tolerance: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        positive_number("Extragradient.step", self.step)
        boolean("Extragradient.on_simplex", self.on_simplex)
        positive_number("Extragradient.tolerance", self.tolerance)
        whole_number("Extragradient.max_iterations", self.max_iterations, minimum=1)
        positive_number("Extragradient.cycle_tolerance", self.cycle_tolerance)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """Nothing: it converges for many economies, and not for all."""
        return frozenset()

    def solve(self, economy: ExchangeEconomy, start_prices: ArrayLike | None = None) -> ExchangeEquilibrium:
        """Iterate from a start; arguments, result and errors are those of `Tatonnement.solve`.

        Parameters
        ----------
        economy
            Whose excess demand moves the prices.
        start_prices
            Where to begin, 0 or more and not all 0, shape (m,). None: all supplies worth the same, adding up to 1.
        """
        instance_of("economy", economy, ExchangeEconomy)
        project = _on_simplex if self.on_simplex else _on_orthant

        def follow(_: int, prices: FloatArray, excess: FloatArray) -> FloatArray:
            ahead = project(prices + self.step * excess)
            return project(prices + self.step * economy._trial_excess(ahead))

        return iterate(
            economy,
            project(start_at(economy, start_prices)),
            follow,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
            cycle_tolerance=self.cycle_tolerance,
        )


def _on_orthant(prices: FloatArray) -> FloatArray:
    return np.maximum(prices, 0.0)


def _on_simplex(prices: FloatArray) -> FloatArray:
    """The nearest prices of 0 or more that add up to 1: all lowered by one number, and those below 0 raised to it."""
    falling = np.sort(prices)[::-1]
    excess = (np.cumsum(falling) - 1.0) / np.arange(1, prices.size + 1)
    kept = int(np.flatnonzero(falling > excess)[-1]) if np.isfinite(prices).all() else 0
    return np.asarray(np.maximum(prices - excess[kept], 0.0))
