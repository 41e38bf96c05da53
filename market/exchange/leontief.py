"""Leontief utility: goods wanted in fixed proportions."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.exchange.utility import Utility, checked_weights, income_share
from walras.market.validation import FloatArray

__all__ = ["Leontief"]


@final
@dataclass(frozen=True, eq=False)
class Leontief(Utility):
    """Leontief consumers: `u_i = min_j x_ij / requirements_ij`, over the goods with a requirement above 0.

    Consumer i buys `requirements_ij * w_i / sum_k requirements_ik p_k` of good j, and no more of a free good.

    Parameters
    ----------
    requirements
        Units of good j that one unit of utility needs, 0 or more, some above 0 in each row, shape (n, m).

    Notes
    -----
    *Corner*: a consumer whose goods are all free demands them without bound. *Ties*: of the bundles that are equally
    good, the demand is the smallest. *Cost*: O(n m).

    Examples
    --------
    >>> from walras.market.exchange import Leontief
    >>> Leontief([[1.0, 2.0]]).demand(prices=[1.0, 2.0], incomes=10.0).tolist()
    [[2.0, 4.0]]
    """

    requirements: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "requirements", checked_weights("Leontief.requirements", self.requirements))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._needs.shape

    @cached_property
    def _needs(self) -> FloatArray:
        return np.asarray(self.requirements, dtype=np.float64)

    def _levels(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        """Utility that each income buys, shape (n,)."""
        cost = self._needs @ prices
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(cost > 0.0, incomes / np.where(cost > 0.0, cost, 1.0), np.inf)

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        levels = self._levels(prices, incomes)[:, None]
        return np.asarray(np.where(self._needs > 0.0, levels, 0.0) * np.where(self._needs > 0.0, self._needs, 1.0))

    def _total_demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        levels = self._levels(prices, incomes)
        return np.asarray(levels @ self._needs) if np.isfinite(levels).all() else super()._total_demand(prices, incomes)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self._needs > 0.0, bundles / self._needs, np.inf).min(axis=1))

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        needed = self._utility(bundles) * (self._needs @ prices)
        return np.maximum(income_share(incomes - needed, incomes), 0.0)

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        # x_i = r_i w_i / c_i, so that dx_ij / dp_k = r_ij (claims_ik - x_ik) / c_i.
        cost = self._needs @ prices
        if not cost.all():
            return super()._jacobian(prices, claims)
        bundles = self._demand(prices, claims @ prices)
        return np.asarray((self._needs / cost[:, None]).T @ (claims - bundles))
