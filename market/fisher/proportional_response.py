"""Proportional response: buyers repeat what paid.

In each round buyer i divides its budget `B_i` over the goods, prices become the money bid for each good,
`r_j = sum_i b_ij`, and everybody gets the share `x_ij = b_ij / r_j` of good j. Then each buyer divides its budget
anew, in proportion to what each good contributed to its utility:

    b_ij <- B_i * w_ij x_ij^rho_i / sum_k w_ik x_ik^rho_i        (rho_i = 1: linear; 0: Cobb-Douglas, at rest at once).

No buyer knows prices in advance, or anything of the others. For 0 < rho <= 1 this is mirror descent on a convex
programme with the entropy as its distance: its objective is within O(1 / rounds) of the optimum, and for rho < 1
geometrically close.

Complements (rho < 0, Leontief) would overshoot: here the buyer divides its budget as it would at the prices just seen,
`b_ij <- B_i q_ij(r)`. Since `log e_i`, the log of the cost of a unit of utility, is convex in log prices when goods
are complements, with slopes q, each round minimises an upper bound of the dual that touches it: the dual never rises,
and comes to rest only at an equilibrium. For Leontief buyers this is the expectation-maximisation algorithm for the
weights of a mixture.

Sources: Zhang 2011; Birnbaum, Devanur and Xiao 2011; for complements Cheung, Cole and Tao 2018.
"""

import numpy as np

from walras.market.fisher.newton import spend
from walras.market.fisher.table import Table
from walras.market.validation import FloatArray

__all__ = ["complements_round", "substitutes_round"]

_SMALLEST = 1e-300  # money below which a bid is kept, so that logs stay finite


def substitutes_round(
    table: Table, worth: FloatArray, budgets: FloatArray, bids: FloatArray, exponents: FloatArray | None = None
) -> FloatArray:
    """Bids (entries) of the next round: proportional to `w_ij x_ij^rho_i` (`exponents`; None for linear buyers)."""
    received = bids / table.by_good(np.maximum(table.good_sums(bids), _SMALLEST))
    contributed = worth * (received if exponents is None else received ** table.by_buyer(exponents))
    total = np.maximum(table.buyer_sums(contributed), _SMALLEST)
    return np.asarray(contributed * table.by_buyer(budgets / total))


def complements_round(
    table: Table, base: FloatArray, budgets: FloatArray, bids: FloatArray, powers: FloatArray
) -> FloatArray:
    """Bids (entries) of the next round: budget shares `q_ij ~ exp(base_ij) r_j^power_i` at the prices of this one."""
    log_revenue = np.log(np.maximum(table.good_sums(bids), _SMALLEST))
    scores = base + table.by_buyer(powers) * table.by_good(log_revenue)
    return np.asarray(spend(table, scores, budgets).shares * table.by_buyer(budgets))
