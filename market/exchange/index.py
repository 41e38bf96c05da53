"""Index and stability of an equilibrium, from the derivative of excess demand there.

*Index*: the sign of `det(-dz/dp)` with the row and column of one good left out. For economies in which every good is
wanted when its price falls to 0, the indices of all equilibria add up to +1 if none is degenerate: their number is odd,
and an even count is the sign that one was missed.

*Stability*: tâtonnement `dp/dt = z(p)` returns to an equilibrium after small shocks if the eigenvalues of `dz/dp` have
negative real parts, apart from the 0 that belongs to the price level. They scale as 1 / (price level).
"""

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from walras.market.exchange.economy import ExchangeEconomy
from walras.market.validation import FloatArray, instance_of, positive_vector

__all__ = ["Stability", "equilibrium_index", "stability_of", "tatonnement_eigenvalues"]

_SINGULAR = 1e-8  # smallest singular value, as a fraction of the largest, that counts as 0
_NEUTRAL = 1e-9  # real part, as a fraction of the largest modulus, that counts as 0


class Stability(Enum):
    """What tâtonnement in continuous time does after a small shock to the equilibrium."""

    STABLE = "prices return"
    UNSTABLE = "prices move away"
    NEUTRAL = "to first order prices neither return nor move away: they may circle"


def tatonnement_eigenvalues(economy: ExchangeEconomy, prices: ArrayLike) -> NDArray[np.complex128]:
    """Give the eigenvalues of `dz/dp` at an equilibrium, without the one of the price level, shape (m - 1,).

    Parameters
    ----------
    economy
        With demand that has a derivative.
    prices
        Of an equilibrium, above 0, shape (m,). Their level counts: doubled prices halve the eigenvalues.

    Raises
    ------
    InvalidInputError
        Bad prices.
    NotDifferentiableError
        Linear consumers.
    """
    instance_of("economy", economy, ExchangeEconomy)
    vector = positive_vector("prices", prices, length=economy.shape[1], of="good")
    return _eigenvalues(economy.jacobian(vector), vector)


def _eigenvalues(jacobian: FloatArray, prices: FloatArray) -> NDArray[np.complex128]:
    # By Walras' law p'(dz/dp) = -z' = 0: the directions orthogonal to p are mapped into themselves.
    basis = np.linalg.svd(prices[None, :])[2][1:]  # (m - 1, m)
    values = np.linalg.eigvals(basis @ jacobian @ basis.T).astype(np.complex128)
    return values[np.lexsort((values.imag, values.real))]


def stability_of(economy: ExchangeEconomy, prices: FloatArray) -> Stability:
    """Tell what tâtonnement does near an equilibrium; goods with price 0 are taken to stay free."""
    priced = prices > 0.0
    if priced.sum() == 1:
        return Stability.STABLE
    jacobian = economy._jacobian(prices)[np.ix_(priced, priced)]
    values = _eigenvalues(jacobian, prices[priced])
    highest, size = float(values.real.max()), float(np.abs(values).max())
    if abs(highest) <= _NEUTRAL * size or size == 0.0:
        return Stability.NEUTRAL
    return Stability.STABLE if highest < 0.0 else Stability.UNSTABLE


def equilibrium_index(economy: ExchangeEconomy, prices: FloatArray) -> int:
    """Give +1 or -1, or 0 if the equilibrium is degenerate; goods with price 0 are taken to be in excess supply."""
    priced = np.flatnonzero(prices > 0.0)
    values = (prices * economy.supplies)[priced]
    if priced.size == 1:
        return 1
    kept = np.delete(priced, int(np.argmax(values)))
    # In values the matrix is free of the units of goods and money, and has the same sign.
    worth = float(prices @ economy.supplies)
    matrix = -(prices[:, None] * economy._jacobian(prices) * prices / worth)[np.ix_(kept, kept)]
    singular = np.linalg.svd(matrix, compute_uv=False)
    if not np.isfinite(matrix).all() or singular[-1] <= _SINGULAR * max(float(singular[0]), _SINGULAR):
        return 0
    return int(np.linalg.slogdet(matrix)[0])
