"""Linear buyers: a primal-dual interior-point method on the Eisenberg-Gale pair, then the exact equilibrium.

With shares `x_ij` of each good's supply, values `w_ij = v_ij s_j`, revenues `r_j = p_j s_j` and `t_i` the money that
one unit of utility costs buyer i, the conditions of an equilibrium are

    sum_i x_ij = 1,    sum_j w_ij x_ij = B_i / t_i,    z_ij = r_j - w_ij t_i >= 0,    x_ij z_ij = 0.

The last is relaxed to `x_ij z_ij = mu B_i` with mu falling to 0. Since `sum_ij x_ij z_ij` tends to the duality gap, and
the gap of buyer i to `mu` times its number of goods, rich and poor buyers are solved to the same relative accuracy.
Newton's equations (with Mehrotra's predictor and corrector, which share one factorisation) reduce to the goods:

    M = diag(sum_i D_ij) - (D w)^T diag(1 / h) (D w),    D = x / z,    h_i = sum_j D_ij w_ij^2 + B_i / t_i^2,

which is positive definite. Once the gap is small, the pairs that carry money are read off, and the exact equilibrium
that they imply is verified (`bang_per_buck.py`).

Source: Mehrotra 1992 for predictor and corrector.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from walras.market.fisher.bang_per_buck import exact_equilibrium
from walras.market.fisher.linear_algebra import PositiveFactor
from walras.market.fisher.newton import log_or_lowest, newton_equilibrium, newton_steps
from walras.market.fisher.table import Table
from walras.market.validation import FloatArray

__all__ = ["LinearSolution", "linear_equilibrium"]

_IN_SIGHT = 3e-5  # largest gap from which the exact equilibrium is looked for
_SMALLEST_CUTOFF = 1e-8  # of the pairs that are taken to carry money; see `exact_equilibrium`
_INTERIOR_STEPS = 60  # most steps before the path of CES equilibria is tried instead
_PATIENCE = 8  # steps in which the gap hardly falls
_CUTOFFS = (1e-2, 1e-5, 1e-8)  # the same, along the path of CES equilibria
_LARGEST_EXPONENT = 1e9  # on that path
_SMALLEST_GAP = 1e-17  # far beyond what rounding allows, but for buyers with little of the money
_NEAR = 0.8  # largest gap of Cobb-Douglas spending at whose prices to start
_FIRST_EXPONENT = 27.0  # of CES buyers at whose prices to start otherwise
_FIRST = 0.7  # of the utility that the first prices allow
_TO_THE_BOUNDARY = (0.95, 0.999)  # fraction of the way to it that a step may go: at first, and as the gap closes
_LAGGING = 50.0  # times the gap: largest relative lack of utility with which mu falls on
_LEAST_CENTRING = 1e-4  # what is left of mu after a step, at least: keeps all products x z of one size


@final
@dataclass(frozen=True, eq=False)
class LinearSolution:
    """Revenues (m,) and spending (entries) as shares of all money, and the number of steps.

    `unique` tells whether the spending is the only one in equilibrium; None if the exact equilibrium was not found.
    """

    revenue: FloatArray
    spending: FloatArray
    steps: int
    unique: bool | None


def linear_equilibrium(table: Table, worth: FloatArray, budgets: FloatArray, *, max_iterations: int) -> LinearSolution:
    """Give the equilibrium of linear buyers: exact, or else as near to it as rounding allows.

    Parameters
    ----------
    table, worth
        Pairs of buyers and goods, every good valued by somebody, and `w_ij` up to a factor for each buyer, at most 1
        (entries).
    budgets
        Shares of all money, shape (n,).
    max_iterations
        Most steps.

    Notes
    -----
    *Cost*: a step takes O(n m^2) operations, or for sparse tables O(sum of squared goods per buyer), and O(m^3); some
    ten to forty steps.
    """
    point = _Point.start(table, worth, budgets)
    steps, slow = 0, 0
    while True:
        if point.gap <= _IN_SIGHT:
            # Pairs that end with nothing carry a share of the order of the gap by now, the others one that stays.
            cutoff = max(math.sqrt(point.gap), _SMALLEST_CUTOFF)
            exact = exact_equilibrium(table, worth, budgets, point.budget_shares(table), cutoff)
            if exact is not None:
                return LinearSolution(exact.revenue, exact.spending, steps, exact.unique)
        if point.gap <= _SMALLEST_GAP or slow >= _PATIENCE or steps >= min(max_iterations, _INTERIOR_STEPS):
            return _along_the_path(table, worth, budgets, point.budget_shares(table), steps, max_iterations)
        with np.errstate(all="ignore"):  # rounding may spoil a step: its gap is then not smaller, but NaN
            following = point.next(table, worth, budgets)
        slow = 0 if following.gap < 0.9 * point.gap else slow + 1
        point = following if math.isfinite(following.gap) else point
        steps += 1


def _along_the_path(
    table: Table, worth: FloatArray, budgets: FloatArray, shares: FloatArray, steps: int, max_iterations: int
) -> LinearSolution:
    """Follow the equilibria of CES buyers as rho -> 1, on a logarithmic scale, looking for the exact one.

    Slower than the interior point, but at ease with budgets and valuations of any range. Gives the spending with the
    smallest gap if the exact equilibrium is not found.
    """
    log_worth, log_revenue = log_or_lowest(worth), np.log(table.good_sums(shares * table.by_buyer(budgets)))
    spending = shares * table.by_buyer(budgets)
    smallest = _gap(table, worth, budgets, spending)
    exponent = 1.0
    while steps < max_iterations and exponent <= _LARGEST_EXPONENT:
        log_revenue, found, taken, _ = newton_steps(
            table, log_worth, budgets, np.full(budgets.size, exponent), log_revenue, 0.1, max_iterations - steps
        )
        steps += taken
        for cutoff in _CUTOFFS if exponent >= _FIRST_EXPONENT else ():
            exact = exact_equilibrium(table, worth, budgets, found.shares, cutoff)
            if exact is not None:
                return LinearSolution(exact.revenue, exact.spending, steps, exact.unique)
        money = found.shares * table.by_buyer(budgets)
        gap = _gap(table, worth, budgets, money)
        smallest, spending = (gap, money) if gap < smallest else (smallest, spending)
        exponent *= 3.0
    return LinearSolution(table.good_sums(spending), spending, steps, None)


def _gap(table: Table, worth: FloatArray, budgets: FloatArray, money: FloatArray) -> float:
    """Duality gap of spending at the prices that it pays: the mean log of the best bang per buck over that got."""
    bang = worth / table.by_good(table.good_sums(money))
    with np.errstate(divide="ignore"):
        return float(budgets @ np.log(table.buyer_maxima(bang) * budgets / table.buyer_dots(money, bang)))


@final
@dataclass(frozen=True, eq=False)
class _Point:
    """Strictly positive shares `x` and slacks `z` (entries), revenues `r` (m,) and costs of utility `t` (n,)."""

    shares: FloatArray
    slacks: FloatArray
    revenue: FloatArray
    cost_of_utility: FloatArray
    weights: FloatArray

    @cached_property
    def gap(self) -> float:
        """`sum_ij x_ij z_ij`: the duality gap once goods are sold exactly."""
        return float(np.vdot(self.shares, self.slacks))

    def budget_shares(self, table: Table) -> FloatArray:
        """Share of each budget that goes to each good (entries)."""
        money = self.shares * table.by_good(self.revenue)
        return np.asarray(money / table.by_buyer(table.buyer_sums(money)))

    @classmethod
    def start(cls, table: Table, worth: FloatArray, budgets: FloatArray) -> "_Point":
        """Prices of Cobb-Douglas or CES buyers, most of the utility that they allow, and shares to match.

        CES prices are near those of linear buyers on a logarithmic scale, whatever the range of the valuations: the
        gap of their spending is at most log(m) over the exponent.
        """
        money = worth * table.by_buyer(budgets / table.buyer_sums(worth))
        revenue = table.good_sums(money)
        if _gap(table, worth, budgets, money) > _NEAR:
            exponents = np.full(budgets.size, _FIRST_EXPONENT)
            revenue, _, _, _ = newton_equilibrium(
                table, log_or_lowest(worth), budgets, exponents, max_iterations=100, tolerance=0.1
            )
        cost = _FIRST / table.buyer_maxima(worth / table.by_good(revenue))
        slacks = table.by_good(revenue) - worth * table.by_buyer(cost)
        weights = 1.0 / (1.0 / table.by_buyer(budgets) + 1.0 / table.by_good(revenue))
        shares = weights / slacks
        return cls(shares * (revenue.size / shares.sum()), slacks, revenue, cost, weights / weights.sum())

    def next(self, table: Table, worth: FloatArray, budgets: FloatArray) -> "_Point":
        """The point after one predictor-corrector step; its gap is NaN if rounding spoilt it."""
        x, z, t = self.shares, self.slacks, self.cost_of_utility
        inverse = 1.0 / z
        ratio = x * inverse
        weighted = ratio * worth
        utility = budgets / t
        curvature = table.buyer_dots(weighted, worth) + utility / t
        matrix = -table.gram(weighted, 1.0 / curvature)
        matrix.flat[:: matrix.shape[0] + 1] += table.good_sums(ratio)
        factor = PositiveFactor(matrix)

        def direction(missing: FloatArray, crowding: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
            """Changes of revenue, cost of utility and slacks, where shares move to a target by way of `ratio`.

            `missing` is the utility that buyers lack at the target shares, `crowding` what these take of each good
            beyond its supply.
            """
            d_revenue = factor.solve(crowding + table.over_buyers(weighted, missing / curvature))
            d_cost = (missing + table.over_goods(weighted, d_revenue)) / curvature
            d_slacks = worth * table.by_buyer(d_cost)
            return d_revenue, d_cost, np.subtract(table.by_good(d_revenue), d_slacks, out=d_slacks)

        # Predictor: straight for x z = 0, that is, target shares 0.
        gap = self.gap
        _, d_cost, d_slacks = direction(utility, np.full(table.shape[1], -1.0))
        relative = d_slacks * inverse  # of the slacks; of the shares it is -1 - relative
        primal = min(1.0, 1.0 / max(float(relative.max()) + 1.0, 1e-300))
        dual = min(1.0, _longest(float(relative.min())), _longest(float((d_cost / t).min())))
        moved = x * d_slacks
        d_shares = -x - moved * inverse
        crossed = float(np.vdot(d_shares, d_slacks))
        gained = primal * float(np.vdot(d_shares, z)) + dual * float(moved.sum()) + primal * dual * crossed
        centring = max(max(1.0 + gained / gap, 0.0) ** 3, _LEAST_CENTRING)
        # Buyers must come near to the utility that they pay for before mu falls on: else a step may jump far away.
        lacking = float(np.max(np.abs(table.buyer_dots(worth, x) / utility - 1.0)))
        mu = gap * (1.0 if lacking > _LAGGING * gap else centring)

        # Corrector: x z = mu * weights, less what the predictor left out.
        d_shares *= d_slacks
        target = mu * self.weights
        target -= d_shares
        target *= inverse
        missing = utility - table.buyer_dots(worth, target)
        d_revenue, d_cost, d_slacks = direction(missing, table.good_sums(target) - 1.0)
        target -= ratio * d_slacks  # the shares after a full step
        damping = min(max(_TO_THE_BOUNDARY[0], 1.0 - gap), _TO_THE_BOUNDARY[1])
        primal = min(1.0, damping * _longest(float((target / x).min()) - 1.0))
        dual = min(_longest(float((d_slacks * inverse).min())), _longest(float((d_cost / t).min())))
        dual = min(1.0, damping * dual)
        target *= primal
        target += (1.0 - primal) * x
        d_slacks *= dual
        d_slacks += z
        return _Point(target, d_slacks, self.revenue + dual * d_revenue, t + dual * d_cost, self.weights)


def _longest(smallest_change: float) -> float:
    """Longest step that keeps a positive quantity from falling below 0, from its relative change."""
    return -1.0 / smallest_change if smallest_change < 0.0 else np.inf
