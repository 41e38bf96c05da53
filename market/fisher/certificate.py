"""The certificate of a Fisher equilibrium: a duality gap, and the three conditions of an equilibrium.

An equilibrium solves the programme of Eisenberg and Gale, and its prices solve the dual:

    primal: max sum_i B_i log u_i(x_i)    over x >= 0 with sum_i x_ij <= s_j,
    dual:   min sum_j p_j s_j - sum_i B_i + sum_i B_i log V_i(p)    over p >= 0,

with `V_i(p)` the largest utility that the budget `B_i` buys at prices p (weak duality is `u_i(x_i) <= V_i(p) p.x_i /
B_i` with `log t <= t - 1`). Whatever the prices and the feasible allocation, the dual value is at least the primal one,
and their difference bounds how far both are from the optimum:

    gap = sum_j p_j s_j - sum_i B_i + sum_i B_i log(V_i(p) / u_i(x_i)).

Relative to the money in the market it has a plain meaning: at prices worth the budgets, it is the mean, weighted by
money, of the log of what a buyer could afford over what it gets.
"""

import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from walras.market.certificate import Residuals
from walras.market.fisher.table import Table, is_sparse
from walras.market.fisher.utility import FisherUtility, log_best_utilities, log_utilities
from walras.market.validation import FloatArray

__all__ = ["FisherCertificate", "certify_equilibrium"]


@final
@dataclass(frozen=True)
class FisherCertificate(Residuals):
    """Residuals of prices and an allocation: each is 0 for an equilibrium.

    Attributes
    ----------
    duality_gap
        Gap of the Eisenberg-Gale pair, as a fraction of the sum of budgets; infinite if the prices or the allocation
        leave somebody's programme unbounded. Negative quantities count as 0, and a good that is sold beyond its supply
        is first scaled down to it, so that the allocation in the gap is feasible.
    market_clearing
        Largest difference of units sold and supply, as a fraction of the supply; at a price of 0 only sales beyond it.
    budgets_spent
        Largest difference of a buyer's spending and its budget, as a fraction of the budget.
    best_response
        Largest utility that a buyer forgoes, as a fraction of the best that its budget buys (for linear utilities: what
        is spent on other goods than those of the most value for money).
    feasibility
        Largest quantity below 0, as a fraction of the supply.
    """

    duality_gap: float
    market_clearing: float
    budgets_spent: float
    best_response: float
    feasibility: float


def certify_equilibrium(
    utility: FisherUtility,
    table: Table,
    budgets: FloatArray,
    supplies: FloatArray,
    prices: FloatArray,
    allocation: Any,
) -> FisherCertificate:
    """Compute the residuals from inputs, prices and allocation alone.

    Parameters
    ----------
    utility, table, budgets, supplies
        The market, checked.
    prices
        Money per unit, shape (m,).
    allocation
        Units of each good that each buyer gets, shape (n, m), dense or sparse.
    """
    sparse = is_sparse(allocation)
    smallest = float(
        np.min((allocation.min(axis=0).toarray().ravel() if sparse else allocation.min(axis=0)) / supplies)
    )
    sold = np.asarray(allocation.sum(axis=0)).ravel()
    spent = np.asarray(allocation @ prices).ravel()
    excess = sold / supplies - 1.0

    # A feasible pair: no negative quantity, no good sold beyond its supply, no negative price.
    scale = 1.0 / np.maximum(1.0, 1.0 + excess)
    entries = np.maximum(table.entries_of(allocation), 0.0) * table.by_good(scale)
    feasible_prices = np.maximum(prices, 0.0)
    achieved = log_utilities(utility, table, entries)
    best = log_best_utilities(utility, table, feasible_prices, budgets)
    shortfall = np.where(achieved == -np.inf, np.inf, best - np.where(achieved == -np.inf, 0.0, achieved))
    money = math.fsum(budgets)
    weights = budgets / money
    if np.all(np.isfinite(shortfall)):
        revenue = math.fsum(feasible_prices * supplies / money)
        gap = max(revenue - 1.0 + math.fsum(weights * shortfall), 0.0)
    else:
        gap = math.inf
    return FisherCertificate(
        duality_gap=gap,
        market_clearing=float(np.max(np.where(prices > 0.0, np.abs(excess), np.maximum(excess, 0.0)))),
        budgets_spent=float(np.max(np.abs(spent / budgets - 1.0))),
        best_response=float(np.max(-np.expm1(-np.maximum(shortfall, 0.0)))),
        feasibility=max(0.0, -smallest, float(np.max(-prices * supplies / money))),
    )
