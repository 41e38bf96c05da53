"""Utilities with a constant elasticity of substitution, from perfect complements to perfect substitutes."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.homothetic import log_power_mean, normalised, share_jacobian, softmax
from walras.market.exchange.linear import best_buys
from walras.market.exchange.utility import Utility, checked_weights, income_share, read_only
from walras.market.validation import FloatArray, finite_vector

__all__ = ["CES", "PowerUtility"]

# Exponents (natural logs) within which products of powers neither overflow nor vanish.
_SAFE_EXPONENT = 300.0
# Distinct elasticities up to which consumers are grouped, one product of matrix and vector per group.
_MOST_GROUPS = 8


@final
@dataclass(frozen=True, eq=False)
class CES(Utility):
    """CES consumers: `u_i = (sum_j a_ij x_ij^rho_i)^(1 / rho_i)`, `a_ij = weights_ij / sum_k weights_ik`.

    A weighted power mean of the bundle, so that utility is that of `u_i` units of each good. The elasticity of
    substitution is `s_i = 1 / (1 - rho_i)`, and the share of income that goes to good j is proportional to
    `a_ij^s_i p_j^(1 - s_i)`. The limits belong to it: `rho = 1` is linear utility, `rho = 0` Cobb-Douglas, and
    `rho = -inf` Leontief with the same number of units of each good that has a weight.

    Parameters
    ----------
    weights
        0 or more, some good above 0 in each row, shape (n, m). Only their proportions in a row matter.
    rho
        At most 1, down to minus infinity; one number for all consumers, or one for each, shape (n,).

    Notes
    -----
    *Ties*: with `rho = 1` as in `Linear`. *Corner*: a wanted good that is free is demanded without bound, except with
    `rho = -inf`. *Cost*: O(n m); total demand takes three products of a matrix and a vector where consumers have up to
    8 different elasticities, and n m exponentials where they have more.
    *Source*: Arrow, Chenery, Minhas and Solow 1961.

    Examples
    --------
    >>> from walras.market.exchange import CES
    >>> CES([[1.0, 1.0]], rho=0.5).demand(prices=[1.0, 2.0], incomes=6.0).tolist()
    [[4.0, 1.0]]
    """

    weights: ArrayLike
    rho: float | ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", checked_weights("CES.weights", self.weights))
        object.__setattr__(self, "rho", _checked_rho(self.rho, np.shape(self.weights)[0]))

    @classmethod
    def with_elasticity(cls, weights: ArrayLike, elasticity: float | ArrayLike) -> "CES":
        """Give the utility by its elasticity of substitution `s`, above 0: `rho = 1 - 1 / s`.

        Parameters
        ----------
        weights
            As in `CES`: the exponent is that of quantities, not of weights.
        elasticity
            Above 0; one number for all consumers, or one for each.
        """
        consumers = checked_weights("CES.weights", weights).shape[0]
        each = finite_vector("elasticity", elasticity, length=consumers, of="consumer")
        if each.min() <= 0.0:
            raise InvalidInputError(f"elasticity must be above 0, got {each.min()}: for 0, use Leontief or rho = -inf.")
        with np.errstate(over="ignore"):
            return cls(weights, 1.0 - 1.0 / each)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._shares.shape

    @cached_property
    def _shares(self) -> FloatArray:
        return normalised(np.asarray(self.weights))

    @cached_property
    def _exponents(self) -> FloatArray:
        return np.asarray(self.rho, dtype=np.float64)

    @cached_property
    def _elasticities(self) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(1.0 / (1.0 - self._exponents))

    @cached_property
    def _log_shares(self) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.log(self._shares)

    @cached_property
    def _log_powers(self) -> FloatArray:
        """`s_i log a_ij`, the largest of each row 0; -inf where the good is not wanted."""
        with np.errstate(invalid="ignore"):
            logs = self._shares_over_best
            return np.where(self._shares > 0.0, np.where(logs == 0.0, 0.0, self._finite[:, None] * logs), -np.inf)

    @cached_property
    def _shares_over_best(self) -> FloatArray:
        return np.asarray(self._log_shares - self._log_shares.max(axis=1, keepdims=True))

    @cached_property
    def _finite(self) -> FloatArray:
        """Elasticities, 1 in place of infinity (linear consumers are answered apart)."""
        return np.where(np.isfinite(self._elasticities), self._elasticities, 1.0)

    @cached_property
    def _linear(self) -> np.ndarray:
        return np.isinf(self._elasticities)

    @cached_property
    def _groups(self) -> list[tuple[float, np.ndarray | slice, FloatArray]] | None:
        """Consumers of equal elasticity, with `a_ij^s`; None if they are too many or a power leaves the floats."""
        distinct = np.unique(self._elasticities)
        wanted = self._shares > 0.0
        widest = -float(np.min(self._log_powers, where=wanted, initial=0.0))
        if distinct.size > _MOST_GROUPS or widest > _SAFE_EXPONENT:
            return None
        powers = np.exp(self._log_powers)
        if distinct.size == 1:
            return [(float(distinct[0]), slice(None), powers)]
        rows = [np.flatnonzero(self._elasticities == each) for each in distinct]
        return [(float(each), row, powers[row]) for each, row in zip(distinct, rows, strict=True)]

    def _spending_shares(self, prices: FloatArray) -> FloatArray:
        """Share of income that goes to each good at prices above 0, shape (n, m), for elasticities below infinity."""
        logs = np.log(prices)
        return softmax(self._log_powers + (1.0 - self._finite)[:, None] * (logs - logs.max()))

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        if not prices.all():
            return self._demand_with_free_goods(prices, incomes)
        # The order of products matters: incomes over prices may overflow where shares are 0.
        with np.errstate(over="ignore"):
            bundles = incomes[:, None] * self._spending_shares(prices) / prices
        if self._linear.any():
            bundles[self._linear] = best_buys(self._shares[self._linear], prices, incomes[self._linear])
        return np.asarray(bundles)

    def _demand_with_free_goods(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        """The limit as some prices fall to 0."""
        free, wanted = prices == 0.0, self._shares > 0.0
        dear = ~free
        bundles = np.zeros(self.shape)
        floored = np.where(free, 1.0, prices)
        elasticities = self._elasticities[:, None]
        # A free good takes the share a_j of income at elasticity 1, none below, and all of it above.
        share_one = np.where(elasticities == 1.0, wanted, wanted & dear)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            logs = np.where(
                share_one,
                self._log_powers + (1.0 - self._finite)[:, None] * (np.log(floored) - np.log(prices.max())),
                -np.inf,
            )
            top = logs.max(axis=1, keepdims=True)
            powers = np.exp(logs - np.where(np.isfinite(top), top, 0.0))
            total = powers.sum(axis=1, keepdims=True)
            shares = np.where(total > 0.0, powers / np.where(total > 0.0, total, 1.0), 0.0)
            bundles = incomes[:, None] * shares / floored
        wants_free = (wanted & free).any(axis=1)
        bundles[(self._elasticities > 1.0) & wants_free] = 0.0
        unbounded = wanted & free & ((elasticities > 0.0) | ~(wanted & dear).any(axis=1)[:, None])
        complements = (self._elasticities == 0.0) & (wanted & dear).any(axis=1)
        level = np.where(wanted & dear, bundles, 0.0).max(axis=1)
        bundles = np.where(complements[:, None] & wanted & free, level[:, None], bundles)
        bundles = np.where(unbounded, np.inf, np.where(wanted, bundles, 0.0))
        if self._linear.any():
            bundles[self._linear] = best_buys(self._shares[self._linear], prices, incomes[self._linear])
        return np.asarray(bundles)

    def _total_demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        if not prices.all() or self._linear.any():
            return super()._total_demand(prices, incomes)
        logs = np.log(prices)
        logs -= 0.5 * (logs.max() + logs.min())
        if float(np.abs(logs).max()) * max(1.0, float(np.abs(1.0 - self._elasticities).max())) > _SAFE_EXPONENT:
            return super()._total_demand(prices, incomes)
        if self._groups is None:
            # Shares of income up to a factor: a_ij^s_i p_j^(1 - s_i).
            shares = np.multiply.outer(1.0 - self._elasticities, logs)
            shares += self._log_powers
            np.exp(shares, out=shares)
            return np.asarray((incomes / shares.sum(axis=1)) @ shares / prices)
        spending = np.zeros(prices.size)
        for elasticity, rows, powers in self._groups:
            indices = np.exp((1.0 - elasticity) * logs)  # p_j^(1 - s), up to a factor
            spending += indices * ((incomes[rows] / (powers @ indices)) @ powers)
        return np.asarray(spending / prices)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        return np.exp(self._log_utility(bundles))

    def _log_utility(self, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            return log_power_mean(self._shares, np.log(bundles), self._exponents)

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        # du/dx_j = a_j (u / x_j)^(1 - rho)
        if np.isinf(self._exponents).any():
            return super()._gradient(bundles)
        with np.errstate(all="ignore"):
            ratios = self._log_utility(bundles)[:, None] - np.log(bundles)
            exponents = (1.0 - self._exponents)[:, None]
            slopes = self._shares * np.exp(np.where(exponents == 0.0, 0.0, exponents * ratios))
        slopes = np.where((bundles > 0.0) | (exponents == 0.0), slopes, np.inf)
        return np.asarray(np.where(self._shares > 0.0, slopes, 0.0))

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            unit_cost = log_power_mean(self._shares, np.log(prices) - self._log_shares, 1.0 - self._elasticities)
            reached = self._log_utility(bundles)
            needed = np.exp(np.where(reached == -np.inf, -np.inf, reached + unit_cost))
        return np.maximum(income_share(incomes - needed, incomes), 0.0)

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        if self._linear.any() or not prices.all():
            return super()._jacobian(prices, claims)
        return share_jacobian(self._spending_shares(prices), self._elasticities, prices, claims)


@final
@dataclass(frozen=True, eq=False)
class PowerUtility(Utility):
    """Additive consumers: `u_i = sum_j weights_ij x_ij^b_i / b_i`; `sum_j weights_ij log x_ij` for `b_i = 0`.

    The preferences are those of `CES(weights, rho=b)`; only the numbers that measure utility differ.

    Parameters
    ----------
    weights
        0 or more, some good above 0 in each row, shape (n, m).
    exponent
        b, finite and at most 1; one number for all consumers, or one for each, shape (n,).

    Notes
    -----
    *Ties*, *corner* and *cost* as in `CES`. *Source*: the form of Kehoe 1991.

    Examples
    --------
    >>> from walras.market.exchange import PowerUtility
    >>> consumers = PowerUtility([[1024.0, 1.0]], exponent=-4.0)
    >>> consumers.demand(prices=[1.0, 1.0], incomes=5.0).round(9).tolist(), consumers.utility([[4.0, 1.0]]).tolist()
    ([[4.0, 1.0]], [-1.25])
    """

    weights: ArrayLike
    exponent: float | ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", checked_weights("PowerUtility.weights", self.weights))
        each = finite_vector("PowerUtility.exponent", self.exponent, length=np.shape(self.weights)[0], of="consumer")
        if each.max() > 1.0:
            raise InvalidInputError(f"PowerUtility.exponent must be at most 1, got {each.max()}.")
        object.__setattr__(self, "exponent", read_only(each))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of consumers and of goods."""
        return self._mean.shape

    @cached_property
    def _mean(self) -> CES:
        return CES(self.weights, self.exponent)

    def _demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return self._mean._demand(prices, incomes)

    def _total_demand(self, prices: FloatArray, incomes: FloatArray) -> FloatArray:
        return self._mean._total_demand(prices, incomes)

    def _utility(self, bundles: FloatArray) -> FloatArray:
        weights, exponents = np.asarray(self.weights), np.asarray(self.exponent)[:, None]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            flat = exponents == 0.0
            terms = np.where(flat, np.log(bundles), bundles**exponents / np.where(flat, 1.0, exponents))
            return np.asarray(np.where(weights > 0.0, weights * terms, 0.0).sum(axis=1))

    def _gradient(self, bundles: FloatArray) -> FloatArray:
        weights, exponents = np.asarray(self.weights), np.asarray(self.exponent)[:, None]
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return np.where(weights > 0.0, weights * bundles ** (exponents - 1.0), 0.0)

    def _waste(self, prices: FloatArray, incomes: FloatArray, bundles: FloatArray) -> FloatArray:
        return self._mean._waste(prices, incomes, bundles)

    def _jacobian(self, prices: FloatArray, claims: FloatArray) -> FloatArray:
        return self._mean._jacobian(prices, claims)


def _checked_rho(rho: float | ArrayLike, consumers: int) -> FloatArray:
    """Give rho of each consumer: at most 1, minus infinity allowed."""
    try:
        infinite = np.asarray(rho, dtype=np.float64) == -np.inf
    except (TypeError, ValueError, OverflowError):
        infinite = np.zeros((), dtype=bool)
    # Where rho is minus infinity any finite number may stand in for it during the checks.
    each = finite_vector(
        "CES.rho", np.where(infinite, 0.0, rho) if infinite.any() else rho, length=consumers, of="consumer"
    )
    if each.max() > 1.0:
        raise InvalidInputError(f"CES.rho must be at most 1, got {each.max()}: demand would not be convex.")
    each[np.broadcast_to(infinite, each.shape)] = -np.inf
    return read_only(each)
