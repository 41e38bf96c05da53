"""Newton's method on the Eisenberg-Gale dual of CES buyers, in log prices.

In shares of all money, with `r_j = p_j s_j` the revenue of good j and `w_ij = v_ij s_j^rho_i`, a buyer of elasticity
`1 + k_i` (`k_i = rho_i / (1 - rho_i)`, above -1) spends on good j the share

    q_ij = w_ij^(1 + k_i) r_j^(-k_i) / (the same, summed over j)

of its budget. With `c_j = sum_i B_i q_ij`, the log prices `log r` of the equilibrium make `g = r - c` zero: the
gradient of the dual, convex in the prices. The matrix

    H = diag(max(r, c)) + sum_i k_i B_i (diag(q_i) - q_i q_i^T)

is its Hessian where `r >= c` and `k >= 0`, tends to it at the equilibrium, and is positive definite everywhere, since
each term `diag(q_i) + k_i (diag(q_i) - q_i q_i^T)` is, for k_i > -1. A step d is shortened so that the scores
`k_i log r_j` of no two goods move apart by more than 1.25: within that distance the second-order model of a sum of
exponentials is off by a factor below (e^M - M - 1) / M^2 < 1 (M = 1.25), so that each step lowers the dual.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from walras.market.fisher.linear_algebra import solve_positive
from walras.market.fisher.table import Table
from walras.market.validation import FloatArray

__all__ = ["Spending", "log_or_lowest", "newton_equilibrium", "newton_steps", "spend"]

# Stands for the log of a valuation of 0 in a dense table: finite, so that products with it are, and exp of it is 0.
_LOG_OF_ZERO = -1e30

_LONGEST_STEP = 1.25  # of the scores; see above
_GOOD_ENOUGH = 1e-11  # the same, where rounding stops progress earlier


@final
@dataclass(frozen=True, eq=False)
class Spending:
    """What buyers spend at some prices.

    Attributes
    ----------
    shares
        Share of buyer i's budget that goes to good j (entries).
    demand
        Money spent on each good, shape (m,).
    """

    shares: FloatArray
    demand: FloatArray


def log_or_lowest(values: FloatArray) -> FloatArray:
    """Logs of values of 0 or more, `_LOG_OF_ZERO` for 0."""
    return np.where(values > 0.0, np.log(np.where(values > 0.0, values, 1.0)), _LOG_OF_ZERO)


def spend(table: Table, scores: FloatArray, budgets: FloatArray) -> Spending:
    """Give what buyers spend whose shares are proportional to the exponentials of `scores` (entries)."""
    weights = scores - table.by_buyer(table.buyer_maxima(scores))
    np.exp(weights, out=weights)
    weights /= table.by_buyer(table.buyer_sums(weights))
    return Spending(weights, table.good_sums(weights * table.by_buyer(budgets)))


def newton_equilibrium(
    table: Table,
    log_worth: FloatArray,
    budgets: FloatArray,
    exponents: FloatArray,
    *,
    max_iterations: int,
    tolerance: float = 1e-14,
) -> tuple[FloatArray, FloatArray, int, bool]:
    """Give revenues (m,), spending (entries), the number of steps, and whether they are exact up to rounding.

    Parameters
    ----------
    table, log_worth
        Pairs of buyers and goods, every good valued by somebody, and `log w_ij` (entries).
    budgets
        Shares of all money, shape (n,).
    exponents
        `k_i`, shape (n,), above -1.
    max_iterations
        Most steps.
    """
    # Near-linear buyers are approached from less elastic ones: three times the exponent in each stage.
    log_revenue = np.log(spend(table, log_worth, budgets).demand.clip(min=1e-300))
    stage, steps = 1.0, 0
    while True:
        slopes = np.minimum(exponents, stage)
        last = bool(np.all(slopes == exponents))
        log_revenue, spending, taken, exact = newton_steps(
            table, log_worth, budgets, slopes, log_revenue, tolerance if last else 0.1, max_iterations - steps
        )
        steps += taken
        if last or steps >= max_iterations:
            money = spending.shares * table.by_buyer(budgets)
            return np.exp(log_revenue), money, steps, exact and last
        stage *= 3.0


def newton_steps(
    table: Table,
    log_worth: FloatArray,
    budgets: FloatArray,
    slopes: FloatArray,
    log_revenue: FloatArray,
    tolerance: float,
    max_steps: int,
) -> tuple[FloatArray, Spending, int, bool]:
    """Take Newton steps until excess demand is at most `tolerance` of each good's supply, or rounding stops them."""
    base = log_worth * table.by_buyer(1.0 + slopes)
    steepness = max(float(np.abs(slopes).max()), 1.0)
    previous = np.inf
    steps = 0
    while True:
        spending = spend(table, base - table.by_buyer(slopes) * table.by_good(log_revenue), budgets)
        revenue = np.exp(log_revenue)
        if not revenue.all():  # a good is worth less than any float above 0
            return log_revenue, spending, steps, False
        excess = revenue - spending.demand
        worst = float(np.max(np.abs(excess) / revenue))
        stalled = worst <= _GOOD_ENOUGH and worst >= 0.5 * previous
        if worst <= tolerance or stalled or steps >= max_steps:
            return log_revenue, spending, steps, worst <= max(tolerance, _GOOD_ENOUGH)
        previous = worst
        hessian = -table.gram(spending.shares, slopes * budgets)
        own = table.good_sums(spending.shares * table.by_buyer(slopes * budgets))
        hessian.flat[:: hessian.shape[0] + 1] += own + np.maximum(revenue, spending.demand)
        step = solve_positive(hessian, -excess)
        spread = steepness * max(float(np.ptp(step)), float(np.abs(step).max()) / steepness)
        log_revenue = log_revenue + min(1.0, _LONGEST_STEP / spread if spread > 0.0 else 1.0) * step
        steps += 1
