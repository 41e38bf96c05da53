"""The Vickrey-Clarke-Groves auction of packages.

A seller has `supply_g` units of each good g. Bidders want packages: bid b of bidder i names units q_b and a value v_b,
and at most one bid of a bidder is accepted (XOR). With the seller's own values c per unit, the auction accepts the bids
that maximise

    W = sum over accepted b of (v_b - c . q_b)

(`walras.market.auctions.winner_determination`). Let W_-i be the maximum without bidder i. The bidder who wins with bid
b pays what its presence costs the others and the seller (Clarke),

    payment_i = v_b - (W - W_-i),

at least c . q_b and at most v_b. The truth is the best bid, whatever others bid. But goods that are complements can
make revenue small, even 0, and the payments need not be prices of goods.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from walras.market.auctions.inputs import check_amounts
from walras.market.auctions.package_bids import PackageBid, PackageTable, tabulate
from walras.market.auctions.package_outcome import PackageCertificate, PackageOutcome, PackageStatus, certify_packages
from walras.market.auctions.winner_determination import Winners, determine_winners, price_bound, shadow_prices
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.validation import FloatArray, nonnegative_vector, whole_number

__all__ = ["CombinatorialAuction"]

_PROVED = 1e-9  # a gap below this fraction of the welfare is rounding
_MOST_UNITS = 1_000_000  # the search knows quantities to within a millionth
_UNPROVED = PackageCertificate(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


@final
@dataclass(frozen=True)
class CombinatorialAuction:
    """The rules of a VCG auction of packages. It only says them: `clear` is a pure function of the bids.

    Parameters
    ----------
    supply
        Units of each good, whole numbers of 0 or more, shape (g,).
    seller_values
        What a unit of each good is worth to the seller (money per unit), one for all or shape (g,): the least price.
    node_limit
        Nodes after which the search for the best packages stops; None for no limit. If it stops early the status says
        so.

    Examples
    --------
    Two apples. A offers 5 for one, B 2 for one, C 6 for both.

    >>> from walras.market.auctions import CombinatorialAuction, PackageBid
    >>> bids = [[PackageBid([1], 5.0)], [PackageBid([1], 2.0)], [PackageBid([2], 6.0)]]
    >>> outcome = CombinatorialAuction(supply=[2]).clear(bids)
    >>> outcome.allocation.ravel().tolist(), outcome.payments.tolist()
    ([1, 1, 0], [4.0, 1.0, 0.0])
    """

    supply: tuple[int, ...] | ArrayLike
    seller_values: float | tuple[float, ...] | ArrayLike = 0.0
    node_limit: int | None = None

    def __post_init__(self) -> None:
        supply = nonnegative_vector("CombinatorialAuction.supply", self.supply, of="good")
        if np.any(supply != np.round(supply)) or np.any(supply > _MOST_UNITS):
            raise InvalidInputError(
                f"CombinatorialAuction.supply must be whole numbers up to {_MOST_UNITS}, got {supply.tolist()}."
            )
        values = nonnegative_vector(
            "CombinatorialAuction.seller_values", self.seller_values, length=supply.size, of="good"
        )
        check_amounts("CombinatorialAuction.seller_values", values)
        object.__setattr__(self, "supply", tuple(int(units) for units in supply))
        object.__setattr__(self, "seller_values", tuple(values.tolist()))
        if self.node_limit is not None:
            limit = whole_number("CombinatorialAuction.node_limit", self.node_limit, minimum=1)
            object.__setattr__(self, "node_limit", limit)

    @property
    def declared_properties(self) -> frozenset[Property]:
        """What holds under these rules, whatever bidders bid; nothing but feasibility if the search may stop early."""
        if self.node_limit is not None:
            return frozenset({Property.FEASIBLE})
        held = {
            Property.FEASIBLE,
            Property.INDIVIDUALLY_RATIONAL,
            Property.WEAKLY_BUDGET_BALANCED,
            Property.ANONYMOUS,
            Property.STRATEGY_PROOF,
        }
        if not np.any(self.seller_values):
            held |= {Property.EFFICIENT, Property.SCALE_FREE}
        return frozenset(held)

    def clear(self, bids: Iterable[Sequence[PackageBid]]) -> PackageOutcome:
        """Accept the best packages, and charge Clarke's payments.

        Parameters
        ----------
        bids
            For each bidder the packages that it wants, of which it gets one at most; a bidder may make no bid.

        Returns
        -------
        PackageOutcome
            Units, packages, payments, welfare, shadow prices, status and certificate.

        Raises
        ------
        InvalidInputError
            No bidders, anything but sequences of `PackageBid`, packages of another number of goods, a package that one
            bidder names twice.

        Notes
        -----
        *Ties*: of equally good sets of bids the one that the search finds, the same for the same input; a bid that
        adds nothing to W is not accepted. Utilities do not depend on the choice. *Cost*: an integer program for each
        winner and one more, each NP-hard in the worst case. *Source*: Vickrey 1961; Clarke 1971; Groves 1973; winner
        determination, Cramton, Shoham and Steinberg 2006.
        """
        supply = np.array(self.supply, dtype=np.float64)
        table = tabulate(bids, supply.size)
        check_amounts("values of bids", table.values)
        with np.errstate(over="ignore"):
            gains = table.values - table.units @ np.array(self.seller_values)
        everyone = self._best(table, gains, supply)
        without = np.full(table.count, everyone.gain)
        bounds = np.full(table.count, everyone.search_bound)
        for bidder in table.bidders[everyone.accepted]:
            best = self._best(table, gains, supply, absent=int(bidder))
            without[bidder], bounds[bidder] = best.gain, best.search_bound
        return self._outcome(table, gains, supply, everyone, without, bounds)

    def _best(self, table: PackageTable, gains: FloatArray, supply: FloatArray, absent: int | None = None) -> Winners:
        present = np.ones(gains.size, dtype=np.bool_) if absent is None else table.bidders != absent
        return determine_winners(table, gains, supply, present, self.node_limit)

    def _outcome(
        self,
        table: PackageTable,
        gains: FloatArray,
        supply: FloatArray,
        everyone: Winners,
        without: FloatArray,
        bounds: FloatArray,
    ) -> PackageOutcome:
        won = np.flatnonzero(everyone.accepted)
        winners = table.bidders[won]
        packages, payments = np.full(table.count, -1), np.zeros(table.count)
        packages[winners] = table.ranks[won]
        allocation = np.zeros((table.count, supply.size), dtype=np.int64)
        allocation[winners] = table.units[won]
        for bidder, row in zip(winners, won, strict=True):
            others = float(np.sum(gains, where=everyone.accepted & (table.bidders != bidder)))
            loss = max(without[bidder] - others, 0.0)  # of the others and the seller, by the bidder's presence
            payments[bidder] = loss + (table.values[row] - gains[row])
        seller_values = np.array(self.seller_values)
        outcome = PackageOutcome(
            allocation=allocation,
            packages=packages,
            payments=payments,
            welfare=everyone.gain,
            welfare_without=without,
            shadow_prices=shadow_prices(table, gains, supply) + seller_values,
            revenue=float(np.sum(payments)),
            status=PackageStatus.NOT_PROVED,
            certificate=_UNPROVED,
        )
        certificate = certify_packages(table, supply, seller_values, outcome, everyone.search_bound, bounds)
        status = _status(table, gains, supply, outcome, seller_values, certificate)
        return replace(outcome, status=status, certificate=certificate)


def _status(
    table: PackageTable,
    gains: FloatArray,
    supply: FloatArray,
    outcome: PackageOutcome,
    seller_values: FloatArray,
    certificate: PackageCertificate,
) -> PackageStatus:
    if max(certificate.optimality, certificate.optimality_without) > _PROVED:
        return PackageStatus.NOT_PROVED
    if not outcome.winners.size:
        return PackageStatus.NOTHING_SOLD
    bound = price_bound(table, gains, supply, outcome.shadow_prices - seller_values)
    by_prices = bound - outcome.welfare <= _PROVED * outcome.welfare
    return PackageStatus.PROVED_BY_PRICES if by_prices else PackageStatus.PROVED_BY_SEARCH
