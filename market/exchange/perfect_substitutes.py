"""Equilibria with linear consumers, whose demand jumps: smoothed first, then solved exactly.

With a finite elasticity of substitution demand is smooth, and its equilibrium is near that of the linear economy. From
there it is read off which goods each linear consumer buys (its *edges*). In the limit these conditions hold exactly:

    log v_ij - q_j = b_i               on each edge (the consumer is indifferent between its goods),
    sum_j f_ij = w_i                   each linear consumer spends its income,
    sum_i f_ij + p_j X_j(p) = p_j s_j  each market clears, X being the demand of all other consumers,

in log prices q, bests b and spending f. They are solved by Newton's method in the least-squares sense (edges may form
circles, and one market follows from the rest); then spending is found anew for the exact prices, 0 or more, by
non-negative least squares.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from walras.market.exchange.ces import CES, PowerUtility
from walras.market.exchange.linear import Linear
from walras.market.exchange.utility import Utility
from walras.market.validation import FloatArray

if TYPE_CHECKING:
    from walras.market.exchange.economy import ExchangeEconomy

__all__ = ["ExactAnswer", "has_linear_consumers", "polished", "smoothed"]

# Shares of the buyer's income, or of the good's value, above which a good counts as bought in the smoothed economy: the
# smaller one finds the small flows between rich and poor, and takes in more that is not bought in the limit.
_BOUGHT = (1e-6, 1e-10)
_TIED = 1e-9  # values for money that differ by less are ties


class ExactAnswer(NamedTuple):
    """Prices (m,) and an allocation (n, m)."""

    prices: FloatArray
    allocation: FloatArray


def has_linear_consumers(economy: "ExchangeEconomy") -> bool:
    """Whether some consumer's demand jumps."""
    return any(_linear_rows(utility).any() for utility, _ in economy.groups)


def smoothed(economy: "ExchangeEconomy", elasticity: float) -> "ExchangeEconomy":
    """The same economy with an elasticity of substitution of at most `elasticity` (above 1)."""
    from dataclasses import replace

    return replace(economy, utilities=tuple(_smooth(utility, elasticity) for utility, _ in economy.groups))


def _smooth(utility: Utility, elasticity: float) -> Utility:
    highest = 1.0 - 1.0 / elasticity
    match utility:
        case Linear():
            return CES(utility.weights, highest)
        case CES():
            return CES(utility.weights, np.minimum(np.asarray(utility.rho), highest))
        case PowerUtility():
            return CES(utility.weights, np.minimum(np.asarray(utility.exponent), highest))
    return utility


def _linear_rows(utility: Utility) -> NDArray[np.bool_]:
    match utility:
        case Linear():
            return np.ones(utility.shape[0], dtype=bool)
        case CES():
            return np.asarray(np.asarray(utility.rho) == 1.0)
        case PowerUtility():
            return np.asarray(np.asarray(utility.exponent) == 1.0)
    return np.zeros(1, dtype=bool)


def polished(economy: "ExchangeEconomy", smooth: "ExchangeEconomy", prices: FloatArray) -> Iterator[ExactAnswer]:
    """Solve the linear economy exactly, from an equilibrium of the smoothed one; nothing if that is not near enough.

    Answers are to be certified: each is right if all that is bought was told from what is not. Goods with price 0 stay
    free: linear consumers do not want them, or the smoothed demand would be infinite.
    """
    consumers, goods = economy.shape
    linear = np.concatenate([np.broadcast_to(_linear_rows(u), (r.stop - r.start,)) for u, r in economy.groups])
    values = np.zeros((consumers, goods))
    for utility, rows in economy.groups:
        if linear[rows].any():
            weights = np.asarray(utility.weights)  # type: ignore[attr-defined]
            values[rows] = weights / weights.max(axis=1, keepdims=True)
    prices = prices / float(prices @ economy.supplies)  # all goods together are worth 1
    incomes = economy.claims @ prices
    spending = smooth._demand(prices, incomes) * prices
    if not np.isfinite(spending).all():
        return
    # By both measures: a good of little value is bought with a small part of every income.
    whole = np.minimum(incomes[:, None], prices * economy.supplies)
    for share in _BOUGHT:
        bought = linear[:, None] & (spending > share * whole) & (values > 0.0)
        exact = _exact_prices(economy, linear, values, bought, spending, prices.copy())
        answer = None if exact is None else _exact_allocation(economy, linear, values, exact)
        if answer is not None:
            yield answer


def _others(economy: "ExchangeEconomy", linear: np.ndarray, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Demand (m,) of the consumers that are not linear, and its derivative (m, m)."""
    incomes = economy.claims @ prices
    demand, jacobian = np.zeros(prices.size), np.zeros((prices.size, prices.size))
    for utility, rows in economy.groups:
        if not linear[rows].any():
            demand += utility._total_demand(prices, incomes[rows])
            jacobian += utility._jacobian(prices, economy.claims[rows])
        elif not linear[rows].all():  # CES consumers of both sorts: those that are not linear, by themselves
            curved = ~linear[rows]
            rho = utility.rho if isinstance(utility, CES) else utility.exponent  # type: ignore[attr-defined]
            part = CES(np.asarray(utility.weights)[curved], np.asarray(rho)[curved])  # type: ignore[attr-defined]
            demand += part._total_demand(prices, incomes[rows][curved])
            jacobian += part._jacobian(prices, economy.claims[rows][curved])
    return demand, jacobian


def _exact_prices(
    economy: "ExchangeEconomy",
    linear: np.ndarray,
    values: FloatArray,
    bought: np.ndarray,
    spending: FloatArray,
    prices: FloatArray,
) -> FloatArray | None:
    """Newton's method on the conditions of the module's header; None if it leads away or does not settle."""
    priced = np.flatnonzero(prices > 0.0)
    place_of_good = np.cumsum(prices > 0.0) - 1
    buyers = np.flatnonzero(linear)
    place_of_buyer = np.cumsum(linear) - 1
    buyer, good = np.nonzero(bought)
    row, column = place_of_buyer[buyer], place_of_good[good]
    sizes = priced.size, buyers.size, buyer.size
    q, flow = np.log(prices[priced]), spending[buyer, good]
    edge_logs = np.log(values[buyer, good])
    best = np.bincount(row, edge_logs - q[column], sizes[1]) / np.maximum(np.bincount(row, minlength=sizes[1]), 1)
    # Budgets in fractions of incomes, markets in fractions of what goods are worth, and spending in fractions of the
    # smaller of both, so that rich and poor, dear and cheap are solved to the same accuracy.
    incomes, worths = (economy.claims @ prices)[buyers], (prices * economy.supplies)[priced]
    rows = np.concatenate([np.ones(sizes[2]), 1.0 / np.where(incomes > 0.0, incomes, 1.0), 1.0 / worths, [1.0]])
    columns = np.concatenate([np.ones(sizes[0] + sizes[1]), np.minimum(incomes[row], worths[column])])
    last = np.inf
    for _ in range(30):
        prices[priced] = np.exp(q)
        demand, jacobian = _others(economy, linear, prices)
        left = prices * (economy.supplies - demand)
        budgets = np.bincount(row, flow, sizes[1]) - (economy.claims @ prices)[buyers]
        markets = np.bincount(column, flow, sizes[0]) - left[priced]
        level = float(prices @ economy.supplies) - 1.0
        residual = np.concatenate([edge_logs - q[column] - best[row], budgets, markets, [level]])
        slope = _slopes(economy, sizes, row, column, buyers, priced, prices, jacobian, left)
        if not (np.isfinite(residual).all() and np.isfinite(slope).all()):
            return None
        scaled = rows[:, None] * slope * columns
        step = np.linalg.lstsq(scaled, -rows * residual, rcond=1e-12)[0]
        longest = float(np.abs(step).max())
        if longest > 1.0 or (longest > 1e-9 and longest > 0.9 * last):
            return None
        q, best, flow = (
            old + part
            for old, part in zip((q, best, flow), np.split(step * columns, np.cumsum(sizes)[:2]), strict=True)
        )
        if longest < 1e-9 and longest > 0.1 * last:  # as far as rounding allows
            break
        last = longest
    prices[priced] = np.exp(q)
    return prices


def _slopes(
    economy: "ExchangeEconomy",
    sizes: tuple[int, int, int],
    row: np.ndarray,
    column: np.ndarray,
    buyers: np.ndarray,
    priced: np.ndarray,
    prices: FloatArray,
    jacobian: FloatArray,
    left: FloatArray,
) -> FloatArray:
    """Derivative of the conditions (edges, budgets, markets, level) by log prices, bests and spending."""
    goods, count, edges = sizes
    slope = np.zeros((edges + count + goods + 1, goods + count + edges))
    each = np.arange(edges)
    slope[each, column] = -1.0
    slope[each, goods + row] = -1.0
    slope[edges : edges + count, :goods] = -(economy.claims[buyers] * prices)[:, priced]
    slope[edges + row, goods + count + each] = 1.0
    start = edges + count
    slope[start : start + goods, :goods] = (prices[:, None] * jacobian * prices)[np.ix_(priced, priced)]
    slope[start + np.arange(goods), np.arange(goods)] -= left[priced]
    slope[start + column, goods + count + each] = 1.0
    slope[-1, :goods] = (prices * economy.supplies)[priced]
    return slope


def _exact_allocation(
    economy: "ExchangeEconomy", linear: np.ndarray, values: FloatArray, prices: FloatArray
) -> ExactAnswer | None:
    """Divide goods among linear consumers so that markets clear; others get their demand."""
    from scipy.optimize import nnls

    incomes = economy.claims @ prices
    priced = prices > 0.0
    allocation = economy._demand(prices, incomes)
    allocation[linear] = 0.0
    left = (economy.supplies - allocation.sum(axis=0)) * prices
    with np.errstate(divide="ignore"):
        bang = np.log(values) - np.log(np.where(priced, prices, 1.0))
    bang[:, ~priced] = -np.inf
    tied = (linear & (incomes > 0.0))[:, None] & (bang >= bang.max(axis=1, keepdims=True) - _TIED)
    buyer, good = np.nonzero(tied)
    place = np.cumsum(linear) - 1
    # One row per buyer and per good, each in fractions of what it must add up to.
    targets = np.concatenate([incomes[linear], left])
    if not np.isfinite(targets).all():
        return None
    whole = np.concatenate([incomes[linear], prices * economy.supplies])
    units = np.where(np.abs(targets) > 1e-12 * whole, np.abs(targets), np.where(whole > 0.0, whole, 1.0))
    matrix = np.zeros((targets.size, buyer.size))
    matrix[place[buyer], np.arange(buyer.size)] = 1.0
    matrix[int(linear.sum()) + good, np.arange(buyer.size)] = 1.0
    flow = nnls(matrix / units[:, None], targets / units)[0]
    allocation[buyer, good] = flow / prices[good]
    return ExactAnswer(prices, allocation)
