"""Slow, independent answers for small Fisher markets."""

from itertools import combinations

import numpy as np
from scipy.optimize import linprog, minimize

from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherUtility, LeontiefUtility, LinearUtility


def utility_of(utility: FisherUtility, valuations: np.ndarray, bundle: np.ndarray) -> float:
    """Utility of one buyer, from the formula in the text."""
    v, x = valuations[valuations > 0.0], bundle[valuations > 0.0]
    match utility:
        case LinearUtility():
            return float(v @ x)
        case CESUtility(rho=rho):
            if rho < 0.0 and not x.all():
                return 0.0  # the limit: a complement is missing
            return float((v @ x**rho) ** (1.0 / rho))
        case CobbDouglasUtility():
            return float(np.prod(x ** (v / v.sum())))
        case LeontiefUtility():
            return float(np.min(x / v))


def linear_prices_by_supports(valuations: np.ndarray, budgets: np.ndarray) -> list[np.ndarray]:
    """Prices of all supports (sets of pairs that carry money) in equilibrium, for unit supplies."""
    n, m = valuations.shape
    pairs = [(i, j) for i in range(n) for j in range(m) if valuations[i, j] > 0.0]
    found = []
    for size in range(max(n, m), n + m):
        for support in combinations(pairs, size):
            prices = _prices_of_support(valuations, budgets, support)
            if prices is not None:
                found.append(prices)
    return found


def _prices_of_support(valuations: np.ndarray, budgets: np.ndarray, support: tuple) -> np.ndarray | None:
    """Solve for spending and prices on the support as one linear system in spending, given price ratios by logs."""
    n, m = valuations.shape
    rows, values = np.zeros((len(support), n + m)), np.zeros(len(support))
    for k, (i, j) in enumerate(support):
        rows[k, i], rows[k, n + j], values[k] = -1.0, 1.0, np.log(valuations[i, j])
    logs, *_ = np.linalg.lstsq(rows, values, rcond=None)
    if np.abs(rows @ logs - values).max() > 1e-9:
        return None
    # Each connected part has one free factor: unknowns are the spending on pairs, and a factor for each part.
    part = list(range(n + m))
    for _ in range(n + m):
        for i, j in support:
            part[i] = part[n + j] = min(part[i], part[n + j])
    parts = sorted(set(part))
    system, right = np.zeros((n + m, len(support) + len(parts))), np.concatenate([budgets, np.zeros(m)])
    for k, (i, j) in enumerate(support):
        system[i, k] = system[n + j, k] = 1.0
    for j in range(m):
        system[n + j, len(support) + parts.index(part[n + j])] = -np.exp(logs[n + j])
    solution, *_ = np.linalg.lstsq(system, right, rcond=None)
    if np.abs(system @ solution - right).max() > 1e-8 * budgets.max() or solution.min() < -1e-8 * budgets.max():
        return None
    prices = np.array([np.exp(logs[n + j]) * solution[len(support) + parts.index(part[n + j])] for j in range(m)])
    if prices.min() <= 0.0:
        return None
    bang = valuations / prices
    best = bang.max(axis=1)
    return prices if all(bang[i, j] >= best[i] * (1.0 - 1e-8) for i, j in support) else None


def nash_welfare_by_slsqp(
    utility: FisherUtility, valuations: np.ndarray, budgets: np.ndarray, supplies: np.ndarray
) -> float:
    """Largest `sum_i B_i log u_i`, by a general solver from the proportional allocation."""
    n, m = valuations.shape
    weights = budgets / budgets.sum()

    def loss(flat: np.ndarray) -> float:
        shares = np.maximum(flat.reshape(n, m), 1e-12)
        utilities = [utility_of(utility, valuations[i], shares[i] * supplies) for i in range(n)]
        return float(-weights @ np.log(utilities))

    limits = {"type": "ineq", "fun": lambda flat: 1.0 - flat.reshape(n, m).sum(axis=0)}
    start = np.repeat(weights, m)
    answer = minimize(loss, start, bounds=[(0.0, 1.0)] * (n * m), constraints=[limits], method="SLSQP", tol=1e-12)
    return -float(answer.fun)


def spending_ranges(
    valuations: np.ndarray, budgets: np.ndarray, prices: np.ndarray, supplies: np.ndarray
) -> np.ndarray:
    """Smallest and largest spending of each pair in any linear equilibrium at `prices`, shape (2, n, m)."""
    n, m = valuations.shape
    bang = valuations / prices
    best = bang >= bang.max(axis=1, keepdims=True) * (1.0 - 1e-9)
    margins = np.zeros((n + m, n * m))
    for i in range(n):
        margins[i, i * m : (i + 1) * m] = 1.0
    for j in range(m):
        margins[n + j, j::m] = 1.0
    right = np.concatenate([budgets, prices * supplies])
    bounds = [(0.0, None if good else 0.0) for good in best.ravel()]
    ranges = np.zeros((2, n * m))
    for pair in np.flatnonzero(best.ravel()):
        for side, sign in enumerate((1.0, -1.0)):
            # One margin follows from the others: without it rounding cannot make the programme infeasible.
            answer = linprog(sign * np.eye(n * m)[pair], A_eq=margins[:-1], b_eq=right[:-1], bounds=bounds)
            assert answer.status == 0, answer.message
            ranges[side, pair] = sign * answer.fun
    return ranges.reshape(2, n, m)


def leontief_price_ranges(
    needs: np.ndarray, budgets: np.ndarray, utilities: np.ndarray, used_up: np.ndarray
) -> np.ndarray:
    """Lowest and highest price of each good in any Leontief equilibrium with these utilities, shape (2, m)."""
    m = needs.shape[1]
    bounds = [(0.0, None if used else 0.0) for used in used_up]
    ranges = np.zeros((2, m))
    for good in range(m):
        for side, sign in enumerate((1.0, -1.0)):
            rows = needs * (utilities / budgets)[:, None]
            answer = linprog(sign * np.eye(m)[good], A_eq=rows, b_eq=np.ones(budgets.size), bounds=bounds)
            assert answer.status == 0, answer.message
            ranges[side, good] = sign * answer.fun
    return ranges
