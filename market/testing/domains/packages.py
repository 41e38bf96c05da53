"""Packages: bidders value sets of goods; `clear(bids)` sells each good at most once."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.auctions import CombinatorialAuction, PackageBid
from walras.market.errors import InvalidInputError
from walras.market.properties import Property
from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain
from walras.market.validation import whole_number

__all__ = ["Packages"]


@final
@dataclass(frozen=True)
class Packages(QuasiLinearDomain):
    """Bidders for single, different goods, which may be worth more, or less, together.

    A report holds a value for each set of goods, in the order of the binary numbers: with two goods, for the first, for
    the second, for both. The mechanism's `clear(bids)` gets for each bidder a list of `PackageBid`, the sets of value 0
    left out. Its result has `allocation` (units, shape (n, goods)) and `payments` (n,).

    Parameters
    ----------
    goods
        Number of goods, of which there is one each.
    most_bidders
        Up to so many bidders are drawn; at least one.
    """

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.CONSERVES, Property.MONOTONE})

    goods: int = 2
    most_bidders: int = 3

    def __post_init__(self) -> None:
        whole_number("Packages.goods", self.goods, minimum=1)
        whole_number("Packages.most_bidders", self.most_bidders, minimum=1)

    @classmethod
    def of(cls, auction: CombinatorialAuction) -> "Packages":
        """Give the domain that fits an auction of single goods."""
        supply = np.asarray(auction.supply).tolist()
        if set(supply) != {1}:
            raise InvalidInputError(f"Packages needs one unit of each good, got {supply}.")
        return cls(len(supply))

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Values of all sets of goods for one to `most_bidders` bidders."""
        return st.lists(self._report(), min_size=1, max_size=self.most_bidders).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other values; often another bidder's."""
        return st.one_of(self._report(), st.sampled_from(profile))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear the bids."""
        result = mechanism.clear([self._bids(report) for report in reports])
        units = np.asarray(result.allocation, dtype=np.float64)
        sets = [int(sum(2**good for good in np.flatnonzero(row))) for row in units]
        return Outcome(sets, units.sum(axis=1), np.asarray(result.payments, dtype=np.float64))

    def value(self, report: Any, bundle: Any) -> float:
        """Worth of exactly this set of goods."""
        return float(report[bundle - 1]) if bundle else 0.0

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the values in another unit of money."""
        return tuple(value * factor for value in report)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Best sum over all ways to give each good to one bidder or to nobody."""
        best = 0.0
        for owners in product(range(-1, len(profile)), repeat=self.goods):
            sets = [0] * len(profile)
            for good, owner in enumerate(owners):
                if owner >= 0:
                    sets[owner] += 2**good
            best = max(best, sum(self.value(*pair) for pair in zip(profile, sets, strict=True)))
        return best

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """See that each good has one owner at most."""
        owners = [sum(bundle >> good & 1 for bundle in outcome.bundles) for good in range(self.goods)]
        return f"good {int(np.argmax(owners))} has {max(owners)} owners" if max(owners) > 1 else None

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two ways to give the goods away reach the same sum."""
        sums = sorted(
            (
                sum(self.value(*pair) for pair in zip(profile, sets, strict=True))
                for sets in product(range(2**self.goods), repeat=len(profile))
                if all(sum(bundle >> good & 1 for bundle in sets) <= 1 for good in range(self.goods))
            ),
            reverse=True,
        )
        return len(sums) > 1 and sums[0] - sums[1] <= 1e-6 * max(1.0, sums[0])

    def _report(self) -> SearchStrategy[Any]:
        sets = 2**self.goods - 1
        return st.lists(amounts_of_money(), min_size=sets, max_size=sets).map(tuple)

    def _bids(self, report: Any) -> list[PackageBid]:
        return [
            PackageBid(tuple(bundle >> good & 1 for good in range(self.goods)), value)
            for bundle, value in enumerate(report, start=1)
            if value > 0.0
        ]
