"""Cobb-Douglas utility: constant shares of income."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.exchange.homothetic import log_power_mean, normalised, share_jacobian
from walras.market.exchange.utility import Utility, checked_weights, income_share
from walras.market.validation import FloatArray

__all__ = ["CobbDouglas"]


@final
@dataclass(frozen=True, eq=False)
class CobbDouglas(Utility):
    """Cobb-Douglas consumers: `u_i = prod_j x_ij^a_ij`, `a_ij = weights_ij / sum_k weights_ik`.

    Consumer i spends the share `a_ij` of its income on good j.

    Parameters
    ----------
    weights
        0 or more, some good above 0 in each row, shape (n, m). Only their proportions in a row matter.

    Notes
    -----
    *Corner*: a good of weight 0 is not bought, even if it is free; one that is wanted and free is demanded without
    bound. *Cost*: O(n m).

    Examples
    --------
    >>> from walras.market.exchange import CobbDouglas
    >>> CobbDouglas([[1.0, 3.0]]).demand(prices=[1.0, 2.0], incomes=8.0).tolist()
    [[2.0, 3.0]]
    """

    weights: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", checked_weights("CobbDouglas.weights", self.weights))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._shares.shape

    @cached_property
    def _shares(self) -> FloatArray:
        return normalised(np.asarray(self.weights))

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            bundles = incomes[:, None] * self._shares / prices
        free = prices == 0.0
        if free.any():
            bundles[:, free] = np.where(self._shares[:, free] > 0.0, np.inf, 0.0)
        return np.asarray(bundles)

    def _total_demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        if prices.all():
            return np.asarray((incomes @ self._shares) / prices)
        return super()._total_demand(prices, incomes)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.exp(log_power_mean(self._shares, np.log(bundles), np.zeros(self.shape[0])))

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            slopes = self._utility(bundles)[:, None] * self._shares / bundles
        return np.asarray(np.where(self._shares > 0.0, np.where(bundles > 0.0, slopes, np.inf), 0.0))

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            zero = np.zeros(self.shape[0])
            unit_cost = log_power_mean(self._shares, np.log(prices) - np.log(self._shares), zero)
            reached = log_power_mean(self._shares, np.log(bundles), zero)
            needed = np.exp(np.where(reached == -np.inf, -np.inf, reached + unit_cost))
        return np.maximum(income_share(incomes - needed, incomes), 0.0)

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        if prices.all():
            return share_jacobian(self._shares, np.ones(self.shape[0]), prices, claims)
        return super()._jacobian(prices, claims)
