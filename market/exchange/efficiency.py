"""Pareto efficiency, and the prices and transfers that make an efficient allocation an equilibrium.

By the second welfare theorem an efficient allocation x has prices at which each consumer, given the income that its own
bundle costs, would buy just that bundle. Let `g_i` be i's marginal utilities, scaled so that `g_i.x_i = 1`. The linear
program

    max_{p, l >= 0}  sum_i l_i    subject to    l_i g_ij <= p_j,    p.s = 1

gives the largest share of all value that consumers need, at the most favourable prices, to be (to first order) as well
off as they are: `l_i = e_i(p, u_i)`. The rest is the *waste* of the allocation. It is 0 if and only if x is efficient,
for concave utilities. (Leontief consumers have kinks in place of slopes, but need exactly `u_i sum_j r_ij p_j`; where
consumption may be of either sign, what counts is how far slopes are from prices.)
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.certificate import Certified
from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.exchange.certificate import ExchangeCertificate, certify_exchange
from walras.market.exchange.ces import CES
from walras.market.exchange.economy import ExchangeEconomy
from walras.market.exchange.leontief import Leontief
from walras.market.exchange.user_given import DemandFunction
from walras.market.validation import FloatArray, finite_matrix, instance_of, positive_number

__all__ = ["SupportStatus", "SupportingTransfers", "is_pareto_efficient", "pareto_waste", "supporting_transfers"]


class SupportStatus(Enum):
    """What prices and transfers do for an allocation."""

    SUPPORTED = "at these prices and transfers the allocation is an equilibrium"
    BARELY_SUPPORTED = "nobody can do as well with less money, but some may do better with the same: incomes of 0"


@final
@dataclass(frozen=True, eq=False)
class SupportingTransfers(Certified):
    """Prices and transfers that support an allocation.

    Attributes
    ----------
    prices
        Money per unit, adding up to 1, shape (m,).
    transfers
        In units of the economy's numeraire, adding up to 0, shape (n,).
    economy
        The economy with these transfers (in place of those it had).
    status, certificate
        Whether the allocation is its equilibrium, and the residuals that prove it.
    """

    prices: FloatArray
    transfers: FloatArray
    economy: ExchangeEconomy
    status: SupportStatus
    certificate: ExchangeCertificate


class _Support(NamedTuple):
    prices: FloatArray
    waste: float


def pareto_waste(economy: ExchangeEconomy, allocation: ArrayLike) -> float:
    """Give the share of all goods, in value, that consumers could do without: 0 for an efficient allocation.

    Parameters
    ----------
    economy
        Whose consumers have concave (or quasi-concave) utilities.
    allocation
        Units, shape (n, m), adding up to what there is or less.

    Returns
    -------
    float
        In [0, 1], to first order; the module's header defines it.

    Raises
    ------
    InvalidInputError
        Entries that are NaN, infinite or (unless consumption may be) negative; consumers known by their demand only.
    InfeasibleError
        More is consumed of a good than there is.

    Notes
    -----
    *Cost*: a linear program with n + m variables and n m constraints. *Source*: Debreu 1951 for the measure.
    """
    return _support(economy, _feasible(economy, allocation)).waste


def is_pareto_efficient(economy: ExchangeEconomy, allocation: ArrayLike, *, tolerance: float = 1e-6) -> bool:
    """Tell whether no feasible allocation makes somebody better off and nobody worse off.

    Parameters
    ----------
    economy, allocation
        As in `pareto_waste`.
    tolerance
        Largest waste (a share of all value) that counts as none.
    """
    tolerance = positive_number("tolerance", tolerance)
    return pareto_waste(economy, allocation) <= tolerance


def supporting_transfers(
    economy: ExchangeEconomy, allocation: ArrayLike, *, tolerance: float = 1e-6
) -> SupportingTransfers:
    """Give prices and lump-sum transfers that make a Pareto-efficient allocation an equilibrium.

    Parameters
    ----------
    economy, allocation
        As in `pareto_waste`.
    tolerance
        Largest waste (a share of all value) at which the allocation counts as efficient.

    Raises
    ------
    InvalidInputError
        Bad arguments, as in `pareto_waste`.
    InfeasibleError
        More is consumed than there is; the allocation is not Pareto efficient; or the numeraire is free at its prices,
        so that no transfer can be paid in it.

    Notes
    -----
    *Ties*: where several prices support the allocation (at kinks and corners), a vertex of their set is given.
    *Source*: Arrow 1951; Debreu 1951.

    Examples
    --------
    >>> from walras.market.exchange import CobbDouglas, ExchangeEconomy, supporting_transfers
    >>> economy = ExchangeEconomy(CobbDouglas([[1.0, 1.0], [1.0, 1.0]]), endowments=[[1.0, 0.0], [0.0, 1.0]])
    >>> found = supporting_transfers(economy, [[0.75, 0.75], [0.25, 0.25]])
    >>> found.prices.round(9).tolist(), found.transfers.round(9).tolist()
    ([0.5, 0.5], [0.5, -0.5])
    """
    tolerance = positive_number("tolerance", tolerance)
    bundles = _feasible(economy, allocation)
    support = _support(economy, bundles)
    if support.waste > tolerance:
        raise InfeasibleError(
            f"allocation is not Pareto efficient: {support.waste:.3g} of the value of all goods is wasted, so that no "
            "prices and transfers support it. Let consumers trade from it first (its equilibrium is efficient)."
        )
    prices = support.prices / support.prices.sum()
    if prices[economy.numeraire] == 0.0:
        raise InfeasibleError(f"The numeraire, good {economy.numeraire}, is free: choose another for the transfers.")
    gaps = (bundles - np.asarray(economy.endowments)) @ prices
    gaps -= gaps.mean()  # what is left over is free: the gaps add up to 0, apart from rounding
    transfers = gaps / prices[economy.numeraire]
    supported = replace(economy, transfers=transfers)
    certificate = certify_exchange(supported, prices, bundles)
    fine = certificate.largest <= 10.0 * tolerance
    status = SupportStatus.SUPPORTED if fine else SupportStatus.BARELY_SUPPORTED
    return SupportingTransfers(prices, transfers, supported, status, certificate)


def _feasible(economy: ExchangeEconomy, allocation: ArrayLike) -> FloatArray:
    instance_of("economy", economy, ExchangeEconomy)
    consumers, goods = economy.shape
    matrix = finite_matrix("allocation", allocation, rows=consumers, columns=goods, of=("consumer", "good"))
    economy._check_signs(matrix)
    if any(isinstance(utility, DemandFunction) for utility, _ in economy.groups):
        raise InvalidInputError("economy must have utilities: of consumers known by their demand nothing can be said.")
    excess = matrix.sum(axis=0) / economy.supplies - 1.0
    if excess.max() > 1e-9:
        good = int(np.argmax(excess))
        raise InfeasibleError(
            f"allocation must add up to at most what there is: of good {good} there is {economy.supplies[good]:g}, and "
            f"{matrix.sum(axis=0)[good]:g} is allocated."
        )
    return matrix


def _support(economy: ExchangeEconomy, bundles: FloatArray) -> _Support:
    """Solve the linear program of the module's header, in goods counted by their supplies."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack, vstack

    consumers, goods = economy.shape
    needs, slopes, signed = _requirements(economy, bundles)
    # Variables: values of supplies v_j = p_j s_j, the money l_i of each consumer, and gaps of consumers without bounds.
    rows, columns = np.nonzero(slopes)
    count = np.arange(rows.size)
    smooth = csr_array((slopes[rows, columns], (count, rows)), shape=(rows.size, consumers))
    values = csr_array((-np.ones(rows.size), (count, columns)), shape=(rows.size, goods))
    unbounded = np.flatnonzero(signed[rows])
    gaps = csr_array(
        (-np.ones(unbounded.size), (unbounded, np.arange(unbounded.size))), shape=(rows.size, unbounded.size)
    )
    upper = hstack([values, smooth, 0.0 * gaps])
    if unbounded.size:  # of either sign: slopes must equal prices, up to a gap that counts as waste
        upper = vstack([upper, hstack([-values, -smooth, gaps]).tocsr()[unbounded]])
    # Minimised: the value of what is left to those who consume 0 or more, less what they need, and the gaps.
    left = 1.0 - (bundles[signed] / economy.supplies).sum(axis=0)
    objective = np.concatenate([left - needs, np.where(signed, 0.0, -1.0), np.ones(unbounded.size)])
    solve: Any = linprog  # its stubs know no sparse matrices
    found = solve(
        c=objective,
        A_ub=upper.tocsr(),
        b_ub=np.zeros(upper.shape[0]),
        A_eq=csr_array(np.concatenate([np.ones(goods), np.zeros(consumers + unbounded.size)])[None, :]),
        b_eq=[1.0],
        bounds=[(0.0, None)] * goods
        + [(0.0, None if slopes[i].any() else 0.0) for i in range(consumers)]
        + [(0.0, None)] * unbounded.size,
        method="highs-ds",
    )
    if found.status != 0:
        return _Support(np.full(goods, np.nan), 1.0)
    prices = found.x[:goods] / economy.supplies
    return _Support(np.asarray(prices), float(min(max(found.fun, 0.0), 1.0)))


def _requirements(economy: ExchangeEconomy, bundles: FloatArray) -> tuple[FloatArray, FloatArray, np.ndarray]:
    """What Leontief consumers need (m,), in shares of supplies; slopes (n, m) of the others.

    The last are those whose consumption may be below 0, shape (n,).
    """
    needs, slopes = np.zeros(economy.shape[1]), np.zeros(economy.shape)
    signed = np.zeros(economy.shape[0], dtype=bool)
    for utility, rows in economy.groups:
        mine = bundles[rows]
        fixed = _fixed_needs(utility)
        if fixed is not None:
            each, wanted = fixed
            with np.errstate(divide="ignore", invalid="ignore"):
                levels = np.where(wanted[:, None] & (each > 0.0), mine / each, np.inf).min(axis=1)
            needs += (each * np.where(wanted, levels, 0.0)[:, None]).sum(axis=0) / economy.supplies
            if wanted.all():
                continue
            curved = np.flatnonzero(~wanted)
            assert isinstance(utility, CES)
            part = CES(np.asarray(utility.weights)[curved], np.asarray(utility.rho)[curved])
            gradient = np.zeros(mine.shape)
            gradient[curved] = part._gradient(mine[curved])
        else:
            gradient = utility._gradient(mine)
        slopes[rows] = _scaled(gradient * economy.supplies, mine / economy.supplies, signed=utility.signed)
        signed[rows] = utility.signed
    return needs, slopes, signed


def _fixed_needs(utility: object) -> tuple[FloatArray, np.ndarray] | None:
    """Requirements of consumers with kinks, and who they are; None if there are none."""
    match utility:
        case Leontief():
            return np.asarray(utility.requirements), np.ones(utility.shape[0], dtype=bool)
        case CES():
            kinked = np.isinf(np.asarray(utility.rho))
            if kinked.any():
                return np.where(np.asarray(utility.weights) > 0.0, 1.0, 0.0), kinked
    return None


def _scaled(gradient: FloatArray, shares: FloatArray, *, signed: bool) -> FloatArray:
    """Slopes with `g_i.x_i = 1`; 0 for who needs nothing to be as well off (no slope, or an infinite one)."""
    with np.errstate(all="ignore"):
        worth = np.abs(gradient) if signed else np.where(shares > 0.0, gradient * shares, 0.0)
        size = worth.sum(axis=1)
        scaled = gradient / size[:, None]
    fine = np.isfinite(scaled).all(axis=1) & (size > 0.0)
    return np.where(fine[:, None], np.where(fine[:, None], scaled, 0.0), 0.0)
