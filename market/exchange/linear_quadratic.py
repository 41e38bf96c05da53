"""Linear-quadratic utility with a bliss point: the closed-form consumers of teaching models."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.utility import Utility, checked_prices, read_only
from walras.market.validation import FloatArray, finite_matrix

__all__ = ["LinearQuadratic"]


@final
@dataclass(frozen=True, eq=False)
class LinearQuadratic(Utility):
    """Consumers with `u_i = -|Pi c_i - b_i|^2 / 2`, whose consumption may be of either sign.

    With `M = (Pi' Pi)^-1` and the bundle of bliss `d_i = Pi^-1 b_i`, demand is linear in a multiplier:

        c_i = d_i - mu_i M p,    mu_i = max(p.d_i - w_i, 0) / p'M p.

    Parameters
    ----------
    bliss
        b, shape (n, m).
    preferences
        Pi, the same for all consumers, invertible, shape (m, m). None: the identity.

    Notes
    -----
    *Corner*: a consumer that can afford its bliss buys it and leaves the rest of its income unspent (`mu_i = 0`); the
    value of excess demand is then below 0. *Cost*: O(n m + m^3) once, then O(n m + m^2).

    Examples
    --------
    >>> from walras.market.exchange import LinearQuadratic
    >>> LinearQuadratic([[5.0, 5.0]]).demand(prices=[1.0, 1.0], incomes=2.0).tolist()
    [[1.0, 1.0]]
    """

    bliss: ArrayLike
    preferences: ArrayLike | None = None
    signed: ClassVar[bool] = True
    satiable: ClassVar[bool] = True

    def __post_init__(self) -> None:
        bliss = finite_matrix("LinearQuadratic.bliss", self.bliss, of=("consumer", "good"))
        goods = bliss.shape[1]
        given = np.eye(goods) if self.preferences is None else self.preferences
        name = "LinearQuadratic.preferences"
        matrix = finite_matrix(name, given, rows=goods, columns=goods, of=("characteristic", "good"))
        if np.linalg.matrix_rank(matrix) < goods:
            raise InvalidInputError(f"{name} must be invertible, got rank {np.linalg.matrix_rank(matrix)} of {goods}.")
        object.__setattr__(self, "bliss", read_only(bliss))
        object.__setattr__(self, "preferences", read_only(matrix))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._best.shape

    def multipliers(self, prices: ArrayLike, incomes: ArrayLike) -> FloatArray:
        """Give `mu_i`, the marginal utility of money at prices and incomes as in `demand`, shape (n,)."""
        consumers, goods = self.shape
        return self._multipliers(checked_prices(prices, goods), self._incomes(incomes, consumers))

    @cached_property
    def _best(self) -> FloatArray:
        """Bundles of bliss, shape (n, m)."""
        return np.asarray(np.linalg.solve(np.asarray(self.preferences), np.asarray(self.bliss).T).T)

    @cached_property
    def _response(self) -> FloatArray:
        inverse = np.linalg.inv(np.asarray(self.preferences))
        return np.asarray(inverse @ inverse.T)

    def _multipliers(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(self._best @ prices - incomes, 0.0) / float(prices @ self._response @ prices))

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return np.asarray(self._best - np.outer(self._multipliers(prices, incomes), self._response @ prices))

    def _utility(self, bundles: FloatArray) -> FloatArray:
        return np.asarray(-0.5 * ((bundles @ np.asarray(self.preferences).T - np.asarray(self.bliss)) ** 2).sum(axis=1))

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        preferences = np.asarray(self.preferences)
        return np.asarray((np.asarray(self.bliss) - bundles @ preferences.T) @ preferences)

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        # The cheapest bundle at distance r from bliss (in characteristics) costs p.d - r sqrt(p'Mp).
        distance = np.sqrt(-2.0 * self._utility(bundles))
        length = np.linalg.norm(np.linalg.solve(np.asarray(self.preferences).T, prices))
        blissful = self._best @ prices
        needed = blissful - distance * length
        scale = np.abs(incomes) + np.abs(self._best) @ prices
        # Who can afford bliss should have it; what is then left over is no waste.
        useful = np.minimum(incomes, blissful)
        return np.asarray(np.maximum(useful - needed, 0.0) / np.where(scale > 0.0, scale, 1.0))

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        direction = self._response @ prices
        size = float(prices @ direction)
        multipliers = self._multipliers(prices, claims @ prices)
        hungry = multipliers > 0.0
        slopes = ((self._best - claims) / size - np.outer(2.0 * multipliers / size, direction))[hungry].sum(axis=0)
        return np.asarray(-multipliers.sum() * self._response - np.outer(direction, slopes))
