"""Linear utility: perfect substitutes, bought where a unit of money brings most."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import NotDifferentiableError
from walras.market.exchange.utility import Utility, checked_weights, first_order_waste
from walras.market.validation import FloatArray

__all__ = ["Linear", "best_buys"]

# Values for money that agree to this fraction count as equal.
_TIE = 1e-12


@final
@dataclass(frozen=True, eq=False)
class Linear(Utility):
    """Linear consumers: `u_i = sum_j weights_ij x_ij`.

    Consumer i buys only goods with the most value for money, `weights_ij / p_j`. Where several goods tie, its demand is
    a set: all ways of spending the income on them.

    Parameters
    ----------
    weights
        Utility of a unit of good j, 0 or more, some above 0 in each row, shape (n, m).

    Notes
    -----
    *Ties*: `demand` selects the bundle with equal numbers of units of the goods that tie (to 1e-12 of their value for
    money): the limit of CES demand as the elasticity of substitution grows. An equilibrium takes whichever bundle of
    the set clears the markets, and its certificate asks only that money goes where it brings most. *Cost*: O(n m).

    Examples
    --------
    >>> from walras.market.exchange import Linear
    >>> Linear([[1.0, 2.0, 1.0]]).demand(prices=[1.0, 2.0, 4.0], incomes=6.0).tolist()
    [[2.0, 2.0, 0.0]]
    """

    weights: ArrayLike
    single_valued: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", checked_weights("Linear.weights", self.weights))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._values.shape

    @cached_property
    def _values(self) -> FloatArray:
        return np.asarray(self.weights, dtype=np.float64)

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return best_buys(self._values, prices, incomes)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        return np.asarray(np.where(self._values > 0.0, self._values * bundles, 0.0).sum(axis=1))

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        return self._values.copy()

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        if ((self._values > 0.0) & (prices == 0.0)).any():  # a free good is wanted: no bundle is best
            unbounded = ((self._values > 0.0) & (prices == 0.0)).any(axis=1)
            return np.where(unbounded, 1.0, self._waste(np.where(prices == 0.0, 1.0, prices), incomes, bundles))
        return first_order_waste(self._values, prices, incomes, bundles)

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        raise NotDifferentiableError(
            "The demand of linear consumers jumps between goods: it has no derivative. Use CES with rho below 1."
        )


def best_buys(values: FloatArray, prices: FloatArray, incomes: FloatArray) -> FloatArray:
    """Give equal units of each consumer's best buys; a free good that is valued is demanded without bound."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # In units in which neither value nor price leaves the range of floats.
        bang = values / values.max(axis=1, keepdims=True) / (prices / prices.max())
    bang = np.where(values > 0.0, bang, 0.0)
    best = bang.max(axis=1, keepdims=True)
    chosen = (bang >= best * (1.0 - _TIE)) & (values > 0.0)
    cost = chosen @ prices
    with np.errstate(divide="ignore", over="ignore"):
        units = np.where(cost > 0.0, incomes / np.where(cost > 0.0, cost, 1.0), np.inf)
    return np.where(chosen, units[:, None], 0.0)
