"""Bertsekas' auction: buyers outbid one another for objects, by at least epsilon each time.

A buyer without an object bids for the one that it likes best at current prices, and offers so much that it would still
like it best, up to epsilon:

    bid = p_j + (best surplus - second best surplus) + epsilon.

The object goes to it, and its former owner is without again. When all have one, each is within epsilon of its best, so
that the assignment is within n * epsilon of the largest worth: for whole valuations it is the best once epsilon < 1/n.

With a small epsilon, buyers who compete for fewer objects than they are raise prices by epsilon a time: a price war, of
as many bids as the valuations are epsilons large. Epsilon scaling avoids it: the auction is first held with a large
epsilon, then again with smaller ones, starting from the prices that it has found.

Staying out is worth 0, so valuations below 0 count as 0; with n buyers and m objects, worthless objects or buyers who
value nothing fill up the smaller side, and N = max(n, m) takes the place of n.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.assignment.certificate import AssignmentCertificate, certify_assignment
from walras.market.assignment.efficient import checked_valuations
from walras.market.certificate import Certified
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, finite_number, instance_of, positive_number, whole_number

__all__ = ["BertsekasAuction", "BertsekasOutcome", "BertsekasStatus", "BiddingOrder"]

# A bid must move a price by more than its rounding: epsilon is at least this fraction of the largest valuation.
_LEAST_EPSILON = 64.0 * float(np.finfo(np.float64).eps)
# Unless told otherwise, the worth is within this fraction of the largest valuation.
_DEFAULT_SHORTFALL = 1e-7


class BiddingOrder(Enum):
    """Who bids when; each value says the rule."""

    ONE_AT_A_TIME = "one buyer after the other, each seeing the last bid (Gauss-Seidel); first come, first served"
    ALL_AT_ONCE = "in rounds: all buyers without an object bid, and the highest bid for each gets it (Jacobi)"


class BertsekasStatus(Enum):
    """How good the assignment is; each value tells the reader what it means for them."""

    OPTIMAL = "the best assignment: valuations are whole numbers and N * epsilon is below 1"
    WITHIN_EPSILON = "within N * epsilon of the largest worth"
    STOPPED = "the limit of bids was reached, and buyers are still without an object: raise max_bids or epsilon"


@final
@dataclass(frozen=True, eq=False)
class BertsekasOutcome(Certified):
    """Who owns what after the bidding, and the prices; n buyers and m objects.

    Attributes
    ----------
    assignment
        Object of each buyer, -1 for none, shape (n,).
    prices
        Price of each object, 0 or more, shape (m,): every buyer is within epsilon of what it likes best.
    buyer_surplus
        Worth of each buyer's object less its price, shape (n,).
    welfare
        Worth of the assignment.
    epsilon
        Least increment of the last phase (money).
    bids
        Number of bids, of all phases.
    bids_of_phase
        Number of bids of each phase, one for each epsilon.
    status, certificate
        How good the assignment is, and its residuals: about epsilon as a fraction of the largest valuation.
    """

    assignment: IntArray
    prices: FloatArray
    buyer_surplus: FloatArray
    welfare: float
    epsilon: float
    bids: int
    bids_of_phase: tuple[int, ...]
    status: BertsekasStatus
    certificate: AssignmentCertificate


@final
@dataclass(frozen=True)
class BertsekasAuction:
    """The rules of Bertsekas' auction; `clear` is a pure function of the valuations.

    It is a model of bidding and a way to compute; `AssignmentMarket` is exact and faster.

    Parameters
    ----------
    epsilon
        Least increment of a bid (money, above 0). If not given: 1 / (N + 1) for whole valuations, which gives the best
        assignment, and otherwise so small that the worth is within 1e-7 of the largest valuation.
    scaling_factor
        By how much epsilon falls from one phase to the next, above 1, starting at half the largest valuation; None
        holds one phase only.
    order
        Who bids when.
    max_bids
        The most bids, of all phases (the last round is finished).

    Examples
    --------
    Three buyers fight for two objects that are worth 1000 to each of them.

    >>> from walras.market.assignment import BertsekasAuction
    >>> rivals = [[1000.0, 1000.0, 0.0]] * 3
    >>> BertsekasAuction(epsilon=0.25, scaling_factor=None).clear(rivals).bids > 4000
    True
    >>> BertsekasAuction(epsilon=0.25).clear(rivals).bids < 100
    True
    """

    epsilon: float | None = None
    scaling_factor: float | None = 4.0
    order: BiddingOrder = BiddingOrder.ONE_AT_A_TIME
    max_bids: int = 10_000_000

    def __post_init__(self) -> None:
        if self.epsilon is not None:
            object.__setattr__(self, "epsilon", positive_number("BertsekasAuction.epsilon", self.epsilon))
        if self.scaling_factor is not None:
            factor = finite_number("BertsekasAuction.scaling_factor", self.scaling_factor)
            if factor <= 1.0:
                raise InvalidInputError(f"BertsekasAuction.scaling_factor must be above 1 (or None), got {factor}.")
            object.__setattr__(self, "scaling_factor", factor)
        instance_of("BertsekasAuction.order", self.order, BiddingOrder)
        object.__setattr__(self, "max_bids", whole_number("BertsekasAuction.max_bids", self.max_bids, minimum=1))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds exactly, whatever buyers say; the rest holds up to epsilon."""
        return frozenset({Property.FEASIBLE, Property.WEAKLY_BUDGET_BALANCED})

    def clear(self, valuations: ArrayLike) -> BertsekasOutcome:
        """Hold the auction.

        Parameters
        ----------
        valuations
            Worth of object j to buyer i (money, of either sign), shape (n, m). Staying out is worth 0.

        Returns
        -------
        BertsekasOutcome
            Assignment, prices, surpluses, number of bids, status and certificate.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries, no buyers or no objects; an epsilon so small that a bid may not move a price.

        Notes
        -----
        *Ties*: the first of equally liked objects; of equal bids in a round that of the last buyer. *Cost*: O(N) for a
        bid, and memory O(N^2); without scaling, up to N times the largest valuation over epsilon of them.
        *Source*: Bertsekas 1988; Bertsekas and Castanon 1989.
        """
        valuations = checked_valuations(valuations)
        square = _square(valuations)
        epsilon = self._epsilon_for(valuations, len(square))
        prices = np.zeros(len(square))
        counts: list[int] = []
        play = _bid_in_turn if self.order is BiddingOrder.ONE_AT_A_TIME else _bid_in_rounds
        for increment in self._phases(epsilon, float(np.max(square))):
            phase = play(square, prices, increment, self.max_bids - sum(counts))
            prices = phase.prices
            counts.append(phase.bids)
            if sum(counts) >= self.max_bids:
                break
        finished = increment == epsilon and bool(np.all(phase.owned >= 0))
        return self._outcome(valuations, phase, epsilon, tuple(counts), finished=finished)

    def _epsilon_for(self, valuations: FloatArray, size: int) -> float:
        largest = max(float(np.max(valuations)), 0.0)
        least = _LEAST_EPSILON * largest
        if self.epsilon is None:
            asked = 1.0 / (size + 1) if _is_whole(valuations) else _DEFAULT_SHORTFALL * largest / size
            return max(asked, least) or 1.0
        if self.epsilon < least:
            raise InvalidInputError(
                f"BertsekasAuction.epsilon must be at least {least:.3g} for valuations of up to {largest:g}, or bids "
                f"would not move prices; got {self.epsilon:g}."
            )
        return self.epsilon

    def _phases(self, epsilon: float, largest: float) -> list[float]:
        """Increments of the phases: epsilon is the last, each other one a factor larger, up to half the largest."""
        increments = [epsilon]
        if self.scaling_factor is not None:
            while increments[-1] * self.scaling_factor <= 0.5 * largest:
                increments.append(increments[-1] * self.scaling_factor)
        return increments[::-1]

    def _outcome(
        self, valuations: FloatArray, phase: "_Phase", epsilon: float, counts: tuple[int, ...], *, finished: bool
    ) -> BertsekasOutcome:
        buyers, objects = valuations.shape
        assignment = phase.owned[:buyers].copy()
        assignment[assignment >= objects] = -1
        owners = np.flatnonzero(assignment >= 0)
        idle = owners[valuations[owners, assignment[owners]] <= 0.0]
        assignment[idle] = -1
        owners = np.flatnonzero(assignment >= 0)
        # Only differences of prices matter to the bidding; nobody need pay for the cheapest object.
        prices = (phase.prices - np.min(phase.prices))[:objects]
        surplus = np.zeros(buyers)
        surplus[owners] = valuations[owners, assignment[owners]] - prices[assignment[owners]]
        exact = _is_whole(valuations) and epsilon * max(buyers, objects) < 1.0
        done = BertsekasStatus.OPTIMAL if exact else BertsekasStatus.WITHIN_EPSILON
        return BertsekasOutcome(
            assignment=assignment,
            prices=prices,
            buyer_surplus=surplus,
            welfare=float(np.sum(valuations[owners, assignment[owners]])),
            epsilon=epsilon,
            bids=sum(counts),
            bids_of_phase=counts,
            status=done if finished else BertsekasStatus.STOPPED,
            certificate=certify_assignment(valuations, assignment, prices),
        )


class _Phase(NamedTuple):
    """Object of each buyer (-1 for none) and prices, of shape (N,), and the number of bids."""

    owned: IntArray
    prices: FloatArray
    bids: int


def _bid_in_turn(values: FloatArray, prices: FloatArray, epsilon: float, most: int) -> _Phase:
    prices = prices.copy()
    owned, owner = np.full(len(values), -1, np.int64), np.full(len(values), -1, np.int64)
    waiting = deque(range(len(values)))
    bids = 0
    while waiting and bids < most:
        buyer = waiting.popleft()
        surplus = values[buyer] - prices
        target = int(np.argmax(surplus))
        best = surplus[target]
        surplus[target] = -np.inf
        second = np.max(surplus) if surplus.size > 1 else best
        prices[target] += best - second + epsilon
        if owner[target] >= 0:
            owned[owner[target]] = -1
            waiting.append(int(owner[target]))
        owned[buyer], owner[target] = target, buyer
        bids += 1
    return _Phase(owned, prices, bids)


def _bid_in_rounds(values: FloatArray, prices: FloatArray, epsilon: float, most: int) -> _Phase:
    prices = prices.copy()
    owned, owner = np.full(len(values), -1, np.int64), np.full(len(values), -1, np.int64)
    bids = 0
    while bids < most:
        waiting = np.flatnonzero(owned < 0)
        if not waiting.size:
            break
        surplus = values[waiting] - prices
        targets = np.argmax(surplus, axis=1)
        places = np.arange(waiting.size)
        best = surplus[places, targets]
        surplus[places, targets] = -np.inf
        second = np.max(surplus, axis=1) if len(values) > 1 else best
        offers = prices[targets] + (best - second + epsilon)
        rising = np.argsort(offers, kind="stable")  # of several offers for one object, the last one written stays
        winner = np.full(len(values), -1, np.int64)
        winner[targets[rising]] = rising
        won = np.flatnonzero(winner >= 0)
        losers = owner[won][owner[won] >= 0]
        owned[losers] = -1
        prices[won] = offers[winner[won]]
        owner[won] = waiting[winner[won]]
        owned[owner[won]] = won
        bids += waiting.size
    return _Phase(owned, prices, bids)


def _square(valuations: FloatArray) -> FloatArray:
    """Fill up the smaller side with worthless objects, or buyers who value nothing; staying out is worth 0."""
    size = max(valuations.shape)
    square = np.zeros((size, size))
    square[: valuations.shape[0], : valuations.shape[1]] = np.maximum(valuations, 0.0)
    return square


def _is_whole(valuations: FloatArray) -> bool:
    return bool(np.all(valuations == np.floor(valuations)))
