"""Step demand for several resources: a linear program, and whether its solution is the only one.

maximise `V'x` subject to `W'x <= B`, `0 <= x <= 1`. The multipliers of the constraints are the prices.
"""

import numpy as np

from walras.market.errors import NotConvergedError
from walras.market.validation import FloatArray

__all__ = ["solve_program"]

# Margins and values that differ by less than this fraction of the money at stake are taken as equal.
_TOLERANCE = 1e-9


def solve_program(
    net_valuations: FloatArray, costs: FloatArray, supplies: FloatArray
) -> tuple[FloatArray, FloatArray, bool]:
    """Give prices, shape (m,), shares, shape (n,), and whether no other shares are optimal.

    *Cost*: three linear programs at most.
    """
    # The solver's tolerances are absolute: measure resources and money in units of about the supply and the largest
    # valuation. Powers of two keep the digits of the input.
    units, money = _power_of_two(supplies), _power_of_two(np.max(np.abs(net_valuations), initial=0.0))
    weights, values = costs / units, net_valuations / money
    shares, multipliers = _maximise(values, weights, supplies / units)
    prices = multipliers * (money / units)
    margins = values - weights @ multipliers
    at_margin = np.abs(margins) <= _TOLERANCE
    return prices, shares, _is_only(shares, at_margin, weights, supplies / units, multipliers > _TOLERANCE)


def _power_of_two(amount: FloatArray | float) -> FloatArray:
    """The power of two at or below each amount, 1 for an amount of 0."""
    exponent = np.frexp(amount)[1] - 1
    return np.asarray(np.ldexp(1.0, np.where(np.asarray(amount) > 0.0, exponent, 0)))


def _is_only(
    shares: FloatArray, at_margin: np.ndarray, weights: FloatArray, limits: FloatArray, is_priced: np.ndarray
) -> bool:
    """Whether the indifferent agents could not share otherwise.

    Every optimal allocation leaves those above the margin at 1 and those below it at 0, uses up what has a price, and
    is feasible. Along a direction that no face of that polytope is orthogonal to, its ends coincide only if it is a
    point.
    """
    if not at_margin.any():
        return True
    direction = np.sqrt(2.0 + np.arange(int(at_margin.sum())))
    direction = direction - np.floor(direction) + 0.5
    used = shares[at_margin] @ weights[at_margin]
    left = limits - (shares @ weights - used)
    ends = [
        direction @ _maximise(sign * direction, weights[at_margin], left, is_priced, used)[0] for sign in (1.0, -1.0)
    ]
    return bool(abs(ends[0] - ends[1]) <= 1e-6)


def _maximise(
    values: FloatArray,
    weights: FloatArray,
    limits: FloatArray,
    is_tight: np.ndarray | None = None,
    used: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Solve the linear program by HiGHS; give shares and the multipliers of the limits (0 or more).

    Constraints marked tight hold with equality, at what is used now.
    """
    from scipy.optimize import linprog  # here: its import takes longer than all of walras.market may

    tight = np.zeros(limits.size, dtype=bool) if is_tight is None else is_tight
    equalities = {} if used is None or not tight.any() else {"A_eq": weights[:, tight].T, "b_eq": used[tight]}
    inequalities = {} if tight.all() else {"A_ub": weights[:, ~tight].T, "b_ub": limits[~tight]}
    program = linprog(
        -values,
        **inequalities,
        **equalities,
        bounds=(0.0, 1.0),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if program.x is None:
        raise NotConvergedError(f"The linear program of the market could not be solved: {program.message}")
    multipliers = np.zeros(limits.size)
    if inequalities:
        multipliers[~tight] = np.maximum(-program.ineqlin.marginals, 0.0)
    return np.clip(program.x, 0.0, 1.0) + 0.0, multipliers  # no -0.0
