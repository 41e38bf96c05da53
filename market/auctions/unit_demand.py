"""The Vickrey-Clarke-Groves auction of different objects to bidders who want one each.

Bidder i values object j at v_ij; the seller keeps object j unless its price reaches r_j. The auction picks the matching
with the largest `sum (v_ij - r_j)` over matched pairs, W, and bidder i pays what its presence costs the others and the
seller (Clarke): `v_i - (W - W_without_i)`, v_i being what it gets. These payments are the lowest competitive prices:
the least p >= r such that each bidder gets an object that it likes best at p, and unsold objects cost r.

They are found without solving n + 1 matchings. Let bidder m(j) own object j. At competitive prices it wants no other
object rather, and a bidder without an object wants none:

    p_k >= p_j + (v_m(j)k - v_m(j)j)    for each sold j and each k,
    p_k >= max(r_k, v_ik)               for each bidder i without an object.

The least solution is a longest path from the seller and those bidders; it exists, because a cycle of positive length
would be a better matching.
"""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.inputs import as_reserve, check_amounts
from walras.market.certificate import Certified, Residuals
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, finite_matrix, nonnegative_vector

__all__ = ["UnitDemandAuction", "UnitDemandCertificate", "UnitDemandOutcome", "UnitDemandStatus"]

_TINY = float(np.finfo(np.float64).tiny)


class UnitDemandStatus(Enum):
    """What became of the objects; each value tells the reader what it means for them."""

    SOLD_OUT = "every object has a new owner"
    UNSOLD = "some objects are worth no more than their reserve to the bidders who are left; the seller keeps them"
    NOTHING_SOLD = "no bidder values an object above its reserve; lower the reserve to sell"


@final
@dataclass(frozen=True)
class UnitDemandCertificate(Residuals):
    """Residuals of a matching and its prices, 0 for an exact answer; money as a fraction of the largest amount.

    Attributes
    ----------
    feasibility
        1 if two bidders own one object or an object does not exist, else 0.
    duality_gap
        How far the matching's gain falls short of `sum (p_j - r_j) + sum_i max(0, max_j v_ij - p_j)`, which bounds the
        gain of every matching from above, per pair.
    competitive_prices
        How far prices are below the reserve, or above it for an unsold object, or a bidder is from what it likes best.
    lowest_prices
        How far prices could be lowered and still be competitive.
    payment_rule
        How far a payment is from the price of the object.
    individual_rationality
        The largest loss of a bidder against staying out.
    """

    feasibility: float
    duality_gap: float
    competitive_prices: float
    lowest_prices: float
    payment_rule: float
    individual_rationality: float


@final
@dataclass(frozen=True, eq=False)
class UnitDemandOutcome(Certified):
    """Who gets which object, and the prices; n bidders and m objects.

    Attributes
    ----------
    assignment
        Object of each bidder, -1 for none, shape (n,).
    prices
        Lowest competitive price of each object, shape (m,); the reserve for those unsold.
    payments
        Money that each bidder pays, shape (n,).
    welfare
        Sum of the values of the objects sold, less their reserves.
    revenue
        Sum of the payments.
    status, certificate
        What became of the objects, and the residuals that prove the answer.
    """

    assignment: IntArray
    prices: FloatArray
    payments: FloatArray
    welfare: float
    revenue: float
    status: UnitDemandStatus
    certificate: UnitDemandCertificate

    @property
    def allocation(self) -> IntArray:
        """Objects that each bidder gets, 0 or 1, shape (n,)."""
        return (self.assignment >= 0).astype(np.int64)

    @property
    def winners(self) -> IntArray:
        """Bidders who get an object, ascending."""
        return np.flatnonzero(self.assignment >= 0)


@final
@dataclass(frozen=True)
class UnitDemandAuction:
    """The rules of a VCG auction of different objects to bidders who want one each.

    Parameters
    ----------
    reserve
        Least price: one for all objects, or one per object.

    Examples
    --------
    A greedy auction would give the first bidder the first object, and nothing to the second.

    >>> from walras.market.auctions import UnitDemandAuction
    >>> outcome = UnitDemandAuction().clear([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
    >>> outcome.assignment.tolist(), outcome.payments.tolist(), outcome.welfare
    ([1, 0], [0.0, 1.0], 18.0)
    """

    reserve: float | tuple[float, ...] | ArrayLike = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "reserve", as_reserve("UnitDemandAuction.reserve", self.reserve, of="object"))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever bidders say."""
        held = {
            Property.FEASIBLE,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.STRATEGY_PROOF,
            Property.ENVY_FREE,
            Property.IN_THE_CORE,
        }
        if not np.any(self.reserve):
            # With reserves, matchings of different values can be equally good: ties that are broken by place.
            held |= {Property.ANONYMOUS, Property.EFFICIENT, Property.SCALE_FREE, Property.COMPLEMENTARY_SLACKNESS}
        return frozenset(held)

    def clear(self, valuations: ArrayLike) -> UnitDemandOutcome:
        """Match bidders and objects, and charge the lowest competitive prices, which are the VCG payments.

        Parameters
        ----------
        valuations
            Worth of object j to bidder i (money, of either sign), shape (n, m).

        Returns
        -------
        UnitDemandOutcome
            Assignment, prices, payments, welfare, revenue, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, no bidders or no objects, a reserve for another number of objects.

        Notes
        -----
        *Ties*: of equally good matchings the one that SciPy's solver finds, the same for the same input; a bidder who
        values an object at no more than its reserve does not get it. Prices do not depend on the choice.
        *Cost*: O(n m min(n, m)) in the worst case. *Source*: Leonard 1983; Demange, Gale and Sotomayor 1986.
        """
        valuations = finite_matrix("valuations", valuations, of=("bidder", "object"))
        check_amounts("valuations", valuations)
        reserves = nonnegative_vector(
            "UnitDemandAuction.reserve", self.reserve, length=valuations.shape[1], of="object"
        )
        check_amounts("UnitDemandAuction.reserve", reserves)
        assignment = _best_matching(valuations - reserves)
        prices = _lowest_prices(valuations, reserves, assignment)
        owners = np.flatnonzero(assignment >= 0)
        payments = np.zeros(len(valuations))
        payments[owners] = prices[assignment[owners]]
        return UnitDemandOutcome(
            assignment=assignment,
            prices=prices,
            payments=payments,
            welfare=float(np.sum((valuations - reserves)[owners, assignment[owners]])),
            revenue=float(np.sum(payments)),
            status=_status(owners.size, prices.size),
            certificate=certify_unit_demand(valuations, reserves, assignment, prices, payments),
        )


def _best_matching(gains: FloatArray) -> IntArray:
    """Object of each bidder in a matching of the largest gain; -1 where there is nothing to gain."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(np.maximum(gains, 0.0), maximize=True)
    assignment = np.full(len(gains), -1)
    gainful = gains[rows, columns] > 0.0
    assignment[rows[gainful]] = columns[gainful]
    return assignment


def _lowest_prices(valuations: FloatArray, reserves: FloatArray, assignment: IntArray) -> FloatArray:
    """Raise prices from their least until no owner would rather have another object."""
    owners, others = np.flatnonzero(assignment >= 0), np.flatnonzero(assignment < 0)
    prices = np.maximum(reserves, _highest(valuations[others]))
    owned = assignment[owners]
    extra = valuations[owners] - valuations[owners, owned][:, None]  # what another object is worth beyond one's own
    for _ in range(owners.size):  # a longest path passes each owned object once
        raised = np.maximum(prices, _highest(prices[owned][:, None] + extra))
        if np.array_equal(raised, prices):
            break
        prices = raised
    return prices


def _highest(rows: FloatArray) -> FloatArray:
    """Give the highest entry of each column; minus infinity where there are no rows."""
    highest: FloatArray = np.max(rows, axis=0, initial=-np.inf)
    return highest


def certify_unit_demand(
    valuations: FloatArray, reserves: FloatArray, assignment: IntArray, prices: FloatArray, payments: FloatArray
) -> UnitDemandCertificate:
    """Compute the residuals of an answer, from the answer alone.

    The prices bound every matching's gain from above (weak duality), and a shortest path over the slacks of the price
    inequalities says how far prices could fall.
    """
    bidders, objects = valuations.shape
    owners = np.flatnonzero(assignment >= 0)
    owned = assignment[owners]
    if np.unique(owned).size != owned.size or np.any(assignment < -1) or np.any(assignment >= objects):
        return UnitDemandCertificate(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    scale = max(float(np.max(np.abs(valuations))), float(np.max(reserves)), _TINY)

    surplus = np.max(valuations - prices, axis=1).clip(min=0.0)
    value, due = np.zeros(bidders), np.zeros(bidders)
    value[owners], due[owners] = valuations[owners, owned], prices[owned]
    bound = float(np.sum(prices - reserves) + np.sum(surplus))
    gain = float(np.sum(valuations[owners, owned] - reserves[owned]))
    unsold = np.setdiff1d(np.arange(objects), owned)
    uncompetitive = max(
        float(np.max(reserves - prices).clip(min=0.0)),
        float(np.max(np.abs(prices - reserves)[unsold], initial=0.0)),
        float(np.max(surplus - (value - due))),
    )
    return UnitDemandCertificate(
        feasibility=0.0,
        duality_gap=abs(bound - gain) / (scale * min(bidders, objects)),
        competitive_prices=uncompetitive / scale,
        lowest_prices=_room_below(valuations, reserves, assignment, prices) / scale,
        payment_rule=float(np.max(np.abs(payments - due))) / scale,
        individual_rationality=float(np.max(payments - value).clip(min=0.0)) / scale,
    )


def _room_below(valuations: FloatArray, reserves: FloatArray, assignment: IntArray, prices: FloatArray) -> float:
    """How far the price that has the most room could fall: the longest of the shortest paths over slacks."""
    from scipy.sparse.csgraph import csgraph_from_dense, dijkstra

    objects = prices.size
    owners, others = np.flatnonzero(assignment >= 0), np.flatnonzero(assignment < 0)
    owned = assignment[owners]
    least = np.maximum(reserves, _highest(valuations[others]))
    slack = np.full((objects + 1, objects + 1), np.inf)  # the last node stands for the seller and bidders without one
    slack[objects, :objects] = prices - least
    slack[owned, :objects] = prices - prices[owned][:, None] - valuations[owners] + valuations[owners, owned][:, None]
    slack[owned, owned] = np.inf
    graph = csgraph_from_dense(np.maximum(slack, 0.0), null_value=np.inf)
    distances = dijkstra(graph, indices=[objects])[0]
    return float(np.max(distances[:objects]))


def _status(sold: int, objects: int) -> UnitDemandStatus:
    if sold == 0:
        return UnitDemandStatus.NOTHING_SOLD
    return UnitDemandStatus.SOLD_OUT if sold == objects else UnitDemandStatus.UNSOLD
