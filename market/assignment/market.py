"""The assignment market: buyers who want one object each, different objects, and prices that support who owns what.

Buyer i values object j at `v_ij`. The market picks an assignment of the largest worth, finds the lowest and the highest
competitive prices (the corners of their lattice, `walras.market.assignment.lattice`), and charges

    p = k * highest + (1 - k) * lowest,

which is competitive too. At k = 0 each buyer pays the harm that it does to the others: truth is its best report.
"""

from dataclasses import dataclass
from enum import Enum
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.assignment.certificate import AssignmentCertificate, certify_assignment
from walras.market.assignment.efficient import best_pairs, checked_valuations
from walras.market.assignment.lattice import highest_prices, is_only_best, lowest_prices
from walras.market.certificate import Certified
from walras.market.properties import Property
from walras.market.validation import FloatArray, IntArray, fraction

__all__ = ["AssignmentClearing", "AssignmentMarket", "AssignmentStatus"]


class AssignmentStatus(Enum):
    """Whether the assignment is the only best one; each value tells the reader what it means for them."""

    UNIQUE = "every other assignment is worth less"
    TIED = "another assignment is worth as much (up to 1e-12 of the largest valuation); prices support all of them"


@final
@dataclass(frozen=True, eq=False)
class AssignmentClearing(Certified):
    """Who owns what and the prices, for n buyers and m objects.

    Attributes
    ----------
    assignment
        Object of each buyer, -1 for none, shape (n,).
    prices
        Price of each object, shape (m,); 0 for the unsold.
    lowest_prices, highest_prices
        Corners of the lattice of competitive prices, shape (m,): best for every buyer, and for every seller.
    payments
        Money that each buyer pays, shape (n,).
    buyer_surplus
        Worth of each buyer's object less its price, shape (n,).
    welfare
        Worth of the assignment: the sum of valuations of what buyers own.
    status, certificate
        Whether the assignment is the only best one, and the residuals that prove the answer.
    """

    assignment: IntArray
    prices: FloatArray
    lowest_prices: FloatArray
    highest_prices: FloatArray
    payments: FloatArray
    buyer_surplus: FloatArray
    welfare: float
    status: AssignmentStatus
    certificate: AssignmentCertificate


@final
@dataclass(frozen=True)
class AssignmentMarket:
    """The rules of an assignment market; `clear` is a pure function of the valuations.

    Parameters
    ----------
    k
        Where prices lie between the lowest and the highest competitive ones: 0 favours buyers, 1 sellers.

    Examples
    --------
    >>> from walras.market.assignment import AssignmentMarket
    >>> clearing = AssignmentMarket().clear([[10.0, 9.0, 0.0], [9.0, 0.0, 0.0]])
    >>> clearing.assignment.tolist(), clearing.welfare
    ([1, 0], 18.0)
    >>> clearing.lowest_prices.tolist(), clearing.highest_prices.tolist()
    ([1.0, 0.0, 0.0], [9.0, 8.0, 0.0])
    """

    k: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", fraction("AssignmentMarket.k", self.k))

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever buyers say; reports are those of buyers only."""
        held = {
            Property.FEASIBLE,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.ANONYMOUS,
            Property.SCALE_FREE,
            Property.EFFICIENT,
            Property.ENVY_FREE,
            Property.IN_THE_CORE,
            Property.COMPLEMENTARY_SLACKNESS,
        }
        return frozenset(held | {Property.STRATEGY_PROOF} if self.k == 0.0 else held)

    def clear(self, valuations: ArrayLike) -> AssignmentClearing:
        """Assign objects for the largest worth, and price them.

        Parameters
        ----------
        valuations
            Worth of object j to buyer i (money, of either sign), shape (n, m). Staying out is worth 0. A pair that must
            not be formed gets any negative number.

        Returns
        -------
        AssignmentClearing
            Assignment, prices, corners of the lattice, surpluses, status and certificate. Whole valuations are matched
            and priced without rounding while their sums stay below 2^53.

        Raises
        ------
        InvalidInputError
            NaN or infinite entries (a forbidden pair gets a negative number, not minus infinity), no buyers or no
            objects, amounts so large that sums leave float64.

        Notes
        -----
        *Ties*: of equally good assignments the one that the solver finds, the same for the same input; pairs worth 0 or
        less stay apart. Prices do not depend on the choice. *Cost*: O(n m min(n, m)) in the worst case, for the
        assignment as for the corners; on most inputs the corners take a few passes over the valuations.
        *Source*: Shapley and Shubik 1971; Leonard 1983; Demange, Gale and Sotomayor 1986.
        """
        valuations = checked_valuations(valuations)
        assignment = best_pairs(valuations)
        low, high = lowest_prices(valuations, assignment), highest_prices(valuations, assignment)
        high = np.maximum(high, low)  # equal corners, where rounding said otherwise
        prices = np.clip(low + self.k * (high - low), low, high)
        owners = np.flatnonzero(assignment >= 0)
        payments, worth = np.zeros(len(valuations)), np.zeros(len(valuations))
        payments[owners] = prices[assignment[owners]]
        worth[owners] = valuations[owners, assignment[owners]]
        unique = is_only_best(valuations, assignment, prices)
        return AssignmentClearing(
            assignment=assignment,
            prices=prices,
            lowest_prices=low,
            highest_prices=high,
            payments=payments,
            buyer_surplus=worth - payments,
            welfare=float(np.sum(worth)),
            status=AssignmentStatus.UNIQUE if unique else AssignmentStatus.TIED,
            certificate=certify_assignment(valuations, assignment, prices, (low, high)),
        )
