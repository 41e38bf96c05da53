"""The core: allocations that no group of consumers can better with its own endowments.

A coalition S *blocks* an allocation x if its members can share out what they own so that each is better off. It cannot
if there are prices p at which what they need costs at least what they own:

    sum_{i in S} e_i(p, u_i(x_i)) >= p.sum_{i in S} endowment_i,

and for convex preferences such prices exist whenever it cannot. They are sought, for each coalition, by cutting planes:
a linear program mixes bundles that are known to be good enough, its prices suggest better bundles, and both bounds meet
at the smallest share of its endowment with which the coalition could do as well. Equilibrium prices serve all
coalitions at once, which is why equilibria are in the core.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.errors import InvalidInputError
from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.efficiency import _feasible, _support
from walras.market.validation import FloatArray, positive_number

__all__ = ["BlockingCoalition", "blocking_coalition", "in_the_core"]

_MOST_CONSUMERS = 12
_MOST_ROUNDS = 200
_PROHIBITIVE = 1e30  # price, as a multiple of the others, of a good that a coalition does not own


@final
@dataclass(frozen=True, eq=False)
class BlockingCoalition:
    """A group that does better by itself.

    Attributes
    ----------
    members
        Consumers, in ascending order.
    bundles
        What they could give themselves, all of them better off, shape (members, m).
    share_needed
        Share of its endowment with which the group could do as well as before, below 1.
    """

    members: tuple[int, ...]
    bundles: FloatArray
    share_needed: float


def blocking_coalition(
    economy: ExchangeEconomy, allocation: ArrayLike, *, tolerance: float = 1e-6
) -> BlockingCoalition | None:
    """Find a group that can do better with its own endowments; None if there is none.

    Parameters
    ----------
    economy
        At most 12 consumers with convex preferences and consumption of 0 or more, without transfers.
    allocation
        Units, shape (n, m), adding up to what there is or less.
    tolerance
        A group blocks if it can do as well with `1 - tolerance` of what it owns.

    Returns
    -------
    BlockingCoalition or None
        The first in the order of size; for each smaller group prices were found that show that it cannot block, or
        200 rounds did not decide.

    Raises
    ------
    InvalidInputError, InfeasibleError
        As in `pareto_waste`; too many consumers; consumption of either sign.

    Notes
    -----
    *Cost*: up to 2^n groups with some linear programs each; none if one price vector serves all.
    *Source*: Debreu and Scarf 1963.

    Examples
    --------
    >>> from walras.market.exchange import CobbDouglas, ExchangeEconomy, blocking_coalition
    >>> economy = ExchangeEconomy(CobbDouglas([[1.0, 1.0], [1.0, 1.0]]), endowments=[[1.0, 0.0], [0.0, 1.0]])
    >>> blocking_coalition(economy, [[0.5, 0.5], [0.5, 0.5]]) is None
    True
    >>> blocking_coalition(economy, [[1.0, 0.0], [0.0, 1.0]]).members
    (0, 1)
    """
    tolerance = positive_number("tolerance", tolerance)
    bundles = _feasible(economy, allocation)
    consumers = economy.shape[0]
    if consumers > _MOST_CONSUMERS:
        raise InvalidInputError(f"economy must have at most {_MOST_CONSUMERS} consumers, got {consumers}: 2^n groups.")
    if any(utility.signed for utility, _ in economy.groups) or np.asarray(economy.transfers).any():
        raise InvalidInputError("economy must have consumption of 0 or more and no transfers.")
    targets = economy.utility(bundles)
    endowments = np.asarray(economy.endowments)
    prices = _support(economy, bundles).prices
    if not np.isfinite(prices).all() or not prices.all():
        prices = 1.0 / economy.supplies
    prices = prices / float(prices @ economy.supplies)
    # What each consumer needs beyond what it owns, at these prices: who needs more cannot help a group to block.
    lacks = _compensated(economy, prices, targets) @ prices - endowments @ prices
    for size in range(1, consumers + 1):
        for members in combinations(range(consumers), size):
            group = list(members)
            if float(lacks[group].sum()) >= -0.1 * tolerance * float((endowments[group] @ prices).sum()):
                continue
            found = _improvement(economy, bundles, targets, group, tolerance)
            if found is not None:
                return found
    return None


def in_the_core(economy: ExchangeEconomy, allocation: ArrayLike, *, tolerance: float = 1e-6) -> bool:
    """Tell whether no group can do better by itself; arguments and errors as in `blocking_coalition`."""
    return blocking_coalition(economy, allocation, tolerance=tolerance) is None


def _improvement(
    economy: ExchangeEconomy, bundles: FloatArray, targets: FloatArray, group: list[int], tolerance: float
) -> BlockingCoalition | None:
    """Cutting planes for one group: bundles that need less than it owns, or None."""
    from scipy.optimize import linprog

    owned = np.asarray(economy.endowments)[group].sum(axis=0)
    has = owned > 0.0
    if not has.any():
        return None
    size, goods = len(group), int(has.sum())
    values = np.ones(goods) / goods  # of the group's endowment of each good; they add up to 1
    pools: list[FloatArray] = []  # each (size, m): one bundle per member
    own = bundles[group]
    if not own[:, ~has].any():
        pools.append(own)
    for _ in range(_MOST_ROUNDS):
        prices = np.empty(owned.size)
        prices[has] = np.maximum(values, 1e-14) / owned[has]
        prices[~has] = _PROHIBITIVE * float(prices[has].max())
        needed = _compensated(economy, prices, targets)[group]
        cost = float((needed @ prices).sum()) if np.isfinite(needed).all() else np.inf
        if cost >= (1.0 - 0.5 * tolerance) * float(prices[has] @ owned[has]):
            return None  # these prices show that the group cannot block
        pools.append(needed)
        # Smallest t such that mixtures of each member's bundles take at most t of what the group owns of each good.
        columns = len(pools)
        used = np.stack([pool[member][has] / owned[has] for member in range(size) for pool in pools], axis=1)
        mixes = np.kron(np.eye(size), np.ones(columns))
        solve: Any = linprog  # its stubs leave open whether there is a solution
        found = solve(
            c=np.append(np.zeros(size * columns), 1.0),
            A_ub=np.column_stack([used, -np.ones(goods)]),
            b_ub=np.zeros(goods),
            A_eq=np.column_stack([mixes, np.zeros(size)]),
            b_eq=np.ones(size),
            method="highs-ds",
        )
        if found.status != 0:
            return None
        if found.fun < 1.0 - tolerance:
            weights = found.x[:-1].reshape(size, columns)  # (members * columns,) -> (members, columns)
            mixed = np.einsum("ic,cij->ij", weights, np.stack(pools))
            mixed[:, ~has] = 0.0
            mixed += (owned - mixed.sum(axis=0)) / size  # what they do not need, they share
            better = _utilities(economy, mixed, group) > targets[group]
            return BlockingCoalition(tuple(group), mixed, float(found.fun)) if better.all() else None
        duals = np.maximum(-np.asarray(found.ineqlin.marginals), 0.0)
        # Halfway only: the program's own prices jump from corner to corner, and their bundles with them.
        values = 0.5 * (values + duals / max(float(duals.sum()), 1e-300))
    return None


def _utilities(economy: ExchangeEconomy, bundles: FloatArray, group: list[int]) -> FloatArray:
    """Utilities of the members, shape (members,), of their bundles (members, m)."""
    everyone = np.zeros(economy.shape)
    everyone[group] = np.maximum(bundles, 0.0)
    return economy.utility(everyone)[group]


def _compensated(economy: ExchangeEconomy, prices: FloatArray, targets: FloatArray) -> FloatArray:
    """The cheapest bundles that give each consumer its target utility, shape (n, m): by bisection in its income."""
    low = np.zeros(targets.size)
    high = np.full(targets.size, float(prices @ economy.supplies))

    def reached(incomes: FloatArray) -> np.ndarray:
        with np.errstate(all="ignore"):
            bundles = economy._demand(prices, incomes)
            utilities = np.concatenate([utility._utility(bundles[rows]) for utility, rows in economy.groups])
        return np.asarray(utilities >= targets)

    for _ in range(400):
        short = ~reached(high)
        if not short.any() or high.max() > 1e200:
            break
        high = np.where(short, 4.0 * high, high)
    for _ in range(110):
        middle = 0.5 * (low + high)
        enough = reached(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    with np.errstate(all="ignore"):
        # Who reaches its target without income needs nothing.
        return economy._demand(prices, np.where(reached(np.zeros(targets.size)), 0.0, high))
