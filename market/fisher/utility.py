"""Utilities of Fisher buyers: how well off a bundle makes them, and the best that a budget can buy.

Each is homogeneous of degree one in the bundle `x_i`, which is what the Eisenberg-Gale programme needs. With valuations
`v_ij >= 0` (goods of valuation 0 do not enter), prices p and a budget B:

====================  ==============================================  ==================================================
utility               u_i(x)                                          best affordable at prices p
====================  ==============================================  ==================================================
LinearUtility         sum_j v_ij x_j                                  B max_j v_ij / p_j
CESUtility(rho)       (sum_j v_ij x_j^rho)^(1/rho)                    B (sum_j v_ij^s p_j^(1-s))^(1/(s-1)),
                                                                      s = 1 / (1 - rho)
CobbDouglasUtility    prod_j x_j^a_ij, a_ij = v_ij / sum_k v_ik       B prod_j (a_ij / p_j)^a_ij
LeontiefUtility       min_j x_j / v_ij (v_ij: need per unit of u)     B / sum_j v_ij p_j
====================  ==============================================  ==================================================

Everything is computed in logarithms: u itself may leave the range of floats where `rho` is near 0.
"""

from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.fisher.table import Table
from walras.market.validation import FloatArray, finite_number, finite_vector

__all__ = [
    "CESUtility",
    "CobbDouglasUtility",
    "FisherUtility",
    "LeontiefUtility",
    "LinearUtility",
    "log_best_utilities",
    "log_utilities",
]


@final
@dataclass(frozen=True)
class LinearUtility:
    """Perfect substitutes: `u_i = sum_j v_ij x_ij`, with `v_ij` the utility of one unit of good j."""


@final
@dataclass(frozen=True)
class CESUtility:
    """Constant elasticity of substitution: `u_i = (sum_j v_ij x_ij^rho)^(1 / rho)`.

    Parameters
    ----------
    rho
        Below 1, and not 0: one number for all buyers, or one per buyer. Substitutes above 0, complements below; the
        elasticity of substitution is `1 / (1 - rho)`.
    """

    rho: float | tuple[float, ...] | ArrayLike

    def __post_init__(self) -> None:
        # Stored as a float or a tuple, so that two equal utilities compare and hash as equal.
        if np.asarray(self.rho, dtype=object).ndim == 0:
            rho: float | tuple[float, ...] = finite_number("CESUtility.rho", self.rho)
        else:
            rho = tuple(finite_vector("CESUtility.rho", self.rho, of="buyer").tolist())
        each = np.atleast_1d(rho)
        if np.any(each >= 1.0) or np.any(each == 0.0):
            bad = each[(each >= 1.0) | (each == 0.0)][0]
            raise InvalidInputError(
                f"CESUtility.rho must be below 1 and not 0, got {bad}: use LinearUtility for 1, CobbDouglasUtility for "
                "0, and LeontiefUtility for minus infinity."
            )
        object.__setattr__(self, "rho", rho)

    def each_rho(self, buyers: int) -> FloatArray:
        """Give rho of each buyer, shape (buyers,); raise `InvalidInputError` if the lengths differ."""
        return finite_vector("CESUtility.rho", self.rho, length=buyers, of="buyer")


@final
@dataclass(frozen=True)
class CobbDouglasUtility:
    """Constant budget shares: `log u_i = sum_j a_ij log x_ij`, with `a_ij = v_ij / sum_k v_ik`."""


@final
@dataclass(frozen=True)
class LeontiefUtility:
    """Perfect complements: `u_i = min_j x_ij / v_ij`, with `v_ij` the units of good j that one unit of utility needs.

    The minimum is over the goods with `v_ij > 0`.
    """


FisherUtility: TypeAlias = LinearUtility | CESUtility | CobbDouglasUtility | LeontiefUtility


def log_utilities(utility: FisherUtility, table: Table, quantities: FloatArray) -> FloatArray:
    """Log utility of each buyer, shape (n,), from the units of each good that it gets (entries); -inf for none."""
    if isinstance(utility, LinearUtility):
        return _log_linear(table, quantities)
    valued = table.values > 0.0
    with np.errstate(divide="ignore"):
        log_values = np.log(table.values)
        log_quantities = np.log(quantities)
    match utility:
        case CESUtility():
            rho = utility.each_rho(table.shape[0])
            powers = np.where(valued, log_values + _times(table.by_buyer(rho), log_quantities, valued), -np.inf)
            return _log_sum_exp(table, powers) / rho
        case CobbDouglasUtility():
            shares = _budget_shares(table)
            return table.buyer_sums(_times(shares, log_quantities, valued))
        case LeontiefUtility():
            fulfilled = np.where(valued, log_quantities, np.inf) - np.where(valued, log_values, 0.0)
            return -table.buyer_maxima(-fulfilled)


def log_best_utilities(utility: FisherUtility, table: Table, prices: FloatArray, budgets: FloatArray) -> FloatArray:
    """Log of the largest utility that each budget buys at `prices` (money per unit), shape (n,); inf if unbounded."""
    if isinstance(utility, LinearUtility):
        return np.asarray(np.log(budgets) + _log_best_bang(table, prices))
    valued = table.values > 0.0
    with np.errstate(divide="ignore"):
        log_values = np.log(table.values)
        log_prices = np.where(valued, table.by_good(np.log(prices)), 0.0)
    match utility:
        case CESUtility():
            rho = table.by_buyer(utility.each_rho(table.shape[0]))
            elasticity = 1.0 / (1.0 - rho)
            terms = np.where(valued, elasticity * log_values + _times(1.0 - elasticity, log_prices, valued), -np.inf)
            per_unit_of_money = _log_sum_exp(table, terms) * (1.0 / utility.each_rho(table.shape[0]) - 1.0)
        case CobbDouglasUtility():
            shares = _budget_shares(table)
            with np.errstate(divide="ignore"):
                terms = _times(shares, np.log(shares) - log_prices, valued)
            per_unit_of_money = table.buyer_sums(terms)
        case LeontiefUtility():
            per_unit_of_money = -_log_sum_exp(table, log_values + log_prices)
    return np.asarray(np.log(budgets) + per_unit_of_money)


def _log_linear(table: Table, quantities: FloatArray) -> FloatArray:
    """`log sum_j v_ij x_ij`, in units in which no product overflows."""
    value_unit = table.buyer_maxima(table.values)
    quantity_unit = float(np.max(quantities, initial=0.0))
    with np.errstate(divide="ignore"):
        sums = table.buyer_dots(table.values / table.by_buyer(value_unit), quantities / (quantity_unit or 1.0))
        return np.asarray(np.log(sums) + np.log(value_unit) + np.log(quantity_unit or 1.0))


def _log_best_bang(table: Table, prices: FloatArray) -> FloatArray:
    """`log max_j v_ij / p_j`, in units in which no ratio overflows; inf where a good that is valued is free."""
    value_unit = table.buyer_maxima(table.values)
    free = prices <= 0.0
    price_unit = float(np.max(prices, initial=0.0)) or 1.0
    bang = table.values / table.by_buyer(value_unit) / table.by_good(np.where(free, 1.0, prices / price_unit))
    if free.any():
        bang = np.where(table.by_good(np.where(free, 1.0, 0.0)) > 0.0, np.where(table.values > 0.0, np.inf, 0.0), bang)
    return np.asarray(np.log(table.buyer_maxima(bang)) + np.log(value_unit) - np.log(price_unit))


def _budget_shares(table: Table) -> FloatArray:
    """`v_ij / sum_k v_ik`, without overflow (entries)."""
    shares = table.values / table.by_buyer(table.buyer_maxima(table.values))
    return np.asarray(shares / table.by_buyer(table.buyer_sums(shares)))


def _times(factors: FloatArray, logarithms: FloatArray, valued: np.ndarray) -> FloatArray:
    """The products at the goods that are valued, 0 elsewhere (where they would be 0 times infinity)."""
    return np.asarray(factors * np.where(valued, logarithms, 0.0) * valued)


def _log_sum_exp(table: Table, entries: FloatArray) -> FloatArray:
    """`log sum_j exp(entry_ij)` of each buyer, shape (n,)."""
    largest = table.buyer_maxima(entries)
    finite = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(finite + np.log(table.buyer_sums(np.exp(entries - table.by_buyer(finite)))))
