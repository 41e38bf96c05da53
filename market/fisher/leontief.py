"""Leontief buyers: a primal-dual interior-point method on prices.

With needs `A_ij = v_ij / s_j` (share of good j's supply for one unit of utility) and revenues `r_j = p_j s_j`, a buyer
gets `u_i = B_i / (A r)_i` units of utility. Prices of equilibrium minimise `sum_j r_j - sum_i B_i log (A r)_i` over
r >= 0; with unsold shares `e_j >= 0` their conditions are

    sum_i A_ij u_i + e_j = 1,    r_j e_j = 0.

The last is relaxed to `r_j e_j = mu`, mu falling to 0. Newton's equations in relative price changes `d_j = dr_j / r_j`
have the positive definite matrix `G + diag(r e)`, `G_jk = sum_i B_i y_ij y_ik`, where `y_ij = A_ij r_j / (A r)_i` is
the share of buyer i's budget that goes to good j.
"""

import numpy as np

from walras.market.fisher.linear_algebra import PositiveFactor
from walras.market.fisher.table import Table
from walras.market.validation import FloatArray

__all__ = ["leontief_equilibrium"]

_EXACT = 1e-14  # of a supply: what may be left unsold at a positive price, or sold beyond it
_TO_THE_BOUNDARY = 0.99
_SMALLEST_REVENUE = 1e-40  # of all money: the price of a good that is not used up counts as 0 from here


def leontief_equilibrium(
    table: Table, needs: FloatArray, budgets: FloatArray, *, max_iterations: int
) -> tuple[FloatArray, FloatArray, int, bool]:
    """Give revenues (m,), utilities (n,), the number of steps, and whether prices are the only ones.

    Parameters
    ----------
    table, needs
        Pairs of buyers and goods, every good needed by somebody, and `A_ij` up to a factor for each buyer (entries).
    budgets
        Shares of all money, shape (n,).
    max_iterations
        Most steps.

    Notes
    -----
    *Cost*: a step takes O(n m^2) operations, or for sparse tables O(sum of squared goods per buyer), and O(m^3); some
    ten to forty steps.
    """
    goods = table.shape[1]
    revenue = table.good_sums(needs * table.by_buyer(budgets / table.buyer_sums(needs)))
    revenue = 0.5 * revenue + 0.5 / goods
    shares, demand = _demand(table, needs, budgets, revenue)
    unsold = np.maximum(1.0 - demand / revenue, 0.1)
    steps = 0
    while steps < max_iterations:
        # A good is settled if it is used up, or as good as free.
        left = np.abs(1.0 - demand / revenue - unsold)
        if np.all((left <= _EXACT) & ((unsold <= _EXACT) | (revenue <= _SMALLEST_REVENUE))):
            break
        matrix = table.gram(shares, budgets)
        matrix.flat[:: goods + 1] += revenue * unsold
        factor = PositiveFactor(matrix)
        # Predictor: mu = 0; what it would leave sets mu for the corrector.
        aim = demand - revenue
        change = factor.solve(aim)
        change_unsold = -unsold - unsold * change
        gap = float(revenue @ unsold)
        length = min(_longest(change, np.ones(goods)), _longest(change_unsold, unsold))
        predicted = float((revenue * (1.0 + length * change)) @ (unsold + length * change_unsold))
        mu = max((predicted / gap) ** 3, 1e-6) * gap / goods
        correction = mu - revenue * change * change_unsold
        change = factor.solve(aim + correction)
        change_unsold = correction / revenue - unsold - unsold * change
        revenue = revenue * (1.0 + _TO_THE_BOUNDARY * _longest(change, np.ones(goods)) * change)
        unsold = unsold + _TO_THE_BOUNDARY * _longest(change_unsold, unsold) * change_unsold
        shares, demand = _demand(table, needs, budgets, revenue)
        steps += 1
    free = unsold > 1e-3 * revenue
    free = free & (revenue <= np.sqrt(_SMALLEST_REVENUE))
    revenue = np.where(free, 0.0, revenue)
    revenue /= revenue.sum()
    utilities = budgets / table.buyer_sums(needs * table.by_good(revenue))
    return revenue, utilities, steps, _prices_are_unique(table, needs, revenue)


def _demand(table: Table, needs: FloatArray, budgets: FloatArray, revenue: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares of each budget that go to each good (entries), and money demanded of each good, shape (m,)."""
    shares = needs * table.by_good(revenue)
    shares /= table.by_buyer(table.buyer_sums(shares))
    return shares, table.good_sums(shares * table.by_buyer(budgets))


def _longest(change: FloatArray, value: FloatArray) -> float:
    """Longest step that keeps positive values from falling below 0, at most a full one after damping."""
    return min(1.0 / _TO_THE_BOUNDARY, 1.0 / max(float(np.max(-change / value)), 1e-300))


def _prices_are_unique(table: Table, needs: FloatArray, revenue: FloatArray) -> bool:
    """Whether no other prices of the goods that cost something give every buyer the same utility.

    The interior point ends at prices that are positive wherever some equilibrium's are, so that these can be moved
    freely: they are unique if the needs for them have independent columns.
    """
    costly = revenue > 0.0
    shares = needs * table.by_good(revenue)
    shares = shares / table.by_buyer(table.buyer_sums(shares))
    gram = table.gram(shares, np.ones(table.shape[0]))[np.ix_(costly, costly)]
    scale = 1.0 / np.sqrt(gram.diagonal())
    smallest = np.linalg.eigvalsh(gram * scale[:, None] * scale)[0]
    return bool(smallest > 1e-12 * costly.sum())
