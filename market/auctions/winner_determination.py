"""Winner determination: the best packages to accept, at most one per bidder, within the goods for sale.

    maximise sum_b (v_b - c . q_b) x_b   over x_b in {0, 1},
    so that  sum_b q_b x_b <= supply     and, for each bidder, the sum of its x_b is at most 1.

An integer program, NP-hard in general, solved by HiGHS' branch and bound. Two upper bounds prove an answer:

- *prices* p >= 0, from the linear relaxation's duals: `p . supply + sum_i max(0, max_b v_b - c . q_b - p . q_b)` bounds
  every allocation from above (weak duality), whoever found p;
- the bound that the search reports, which is needed where goods are complements and no prices support the answer.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from walras.market.auctions.package_bids import PackageTable
from walras.market.validation import FloatArray

__all__ = ["Winners", "determine_winners", "price_bound", "shadow_prices"]


@final
@dataclass(frozen=True, eq=False)
class Winners:
    """The bids to accept.

    Attributes
    ----------
    accepted
        Whether each bid is accepted, shape (b,).
    gain
        Sum of their gains.
    search_bound
        What the search proves that no allocation exceeds.
    """

    accepted: NDArray[np.bool_]
    gain: float
    search_bound: float


def determine_winners(
    table: PackageTable, gains: FloatArray, supply: FloatArray, present: NDArray[np.bool_], node_limit: int | None
) -> Winners:
    """Give the best bids among those `present`, shape (b,); `gains` are values less the seller's, shape (b,)."""
    accepted = np.zeros(gains.size, dtype=np.bool_)
    # A bid without gain, or for more than there is, is never needed.
    useful = np.flatnonzero(present & (gains > 0.0) & np.all(table.units <= supply, axis=1))
    if useful.size == 0:
        return Winners(accepted, 0.0, 0.0)
    # HiGHS stops at absolute gaps of 1e-6: measured in a unit that makes the largest gain about a million, that is
    # far below what float64 resolves in the sum. A power of two changes no digit.
    unit = 2.0 ** (np.floor(np.log2(np.max(gains))) - 20.0)
    answer = _solve(table, gains[useful] / unit, useful, supply, node_limit)
    chosen = useful if answer.x is None else useful[answer.x > 0.5]
    if answer.x is not None:
        accepted[chosen] = True
    gain = float(np.sum(gains[accepted]))
    bound = getattr(answer, "mip_dual_bound", None)
    search_bound = np.inf if bound is None or not np.isfinite(bound) else max(-float(bound) * unit, gain)
    return Winners(accepted, gain, search_bound)


def shadow_prices(table: PackageTable, gains: FloatArray, supply: FloatArray) -> FloatArray:
    """Give prices of the goods beyond the seller's values, from the linear relaxation's duals, shape (g,)."""
    from scipy.optimize import linprog

    useful = np.flatnonzero((gains > 0.0) & np.all(table.units <= supply, axis=1))
    if useful.size == 0:
        return np.zeros(supply.size)
    unit = 2.0 ** np.floor(np.log2(np.max(gains)))
    matrix, limits = _constraints(table, useful, supply)
    relaxed = linprog(-gains[useful] / unit, A_ub=matrix, b_ub=limits, bounds=(0.0, None), method="highs")
    prices: FloatArray = np.maximum(-np.asarray(relaxed.ineqlin.marginals[: supply.size]), 0.0) * unit
    return prices


def price_bound(table: PackageTable, gains: FloatArray, supply: FloatArray, prices: FloatArray) -> float:
    """Give the bound that prices put on every allocation's gain, by weak duality."""
    profits = np.zeros(table.count)
    np.maximum.at(profits, table.bidders, gains - table.units @ prices)
    return float(np.sum(prices * supply) + np.sum(profits))


def _solve(
    table: PackageTable,
    gains: FloatArray,
    useful: NDArray[np.intp],
    supply: FloatArray,
    node_limit: int | None,
) -> Any:
    from scipy.optimize import Bounds, LinearConstraint, milp

    matrix, limits = _constraints(table, useful, supply)
    options: Any = {"mip_rel_gap": 0.0} | ({} if node_limit is None else {"node_limit": node_limit})
    return milp(
        -gains,
        integrality=np.ones(gains.size, dtype=np.int64),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(matrix, -np.inf, limits),
        options=options,
    )


def _constraints(table: PackageTable, useful: NDArray[np.intp], supply: FloatArray) -> tuple[Any, FloatArray]:
    """Rows: each good's supply, then one package per bidder."""
    from scipy.sparse import csr_array, vstack

    bidders, rows = np.unique(table.bidders[useful], return_inverse=True)
    one_each = csr_array((np.ones(useful.size), (rows, np.arange(useful.size))), shape=(bidders.size, useful.size))
    matrix = vstack([csr_array(table.units[useful].T), one_each], format="csr")
    return matrix, np.concatenate([supply, np.ones(bidders.size)])
