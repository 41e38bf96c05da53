"""Sealed bids: bidders want units of one good; `clear(bids)` gives `allocation` (units) and `payments`."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain
from walras.market.validation import whole_number

__all__ = ["SealedBids"]


@final
@dataclass(frozen=True)
class SealedBids(QuasiLinearDomain):
    """Bidders for `units` units of one good, each with a value for at most `demand` of them.

    The mechanism's `clear(bids)` gets an array of shape (n,) if `demand` is 1, else (n, demand), each row falling: the
    value of the first unit, of the second, and so on. Its result has `allocation`, the units that each bidder gets, and
    `payments`, both of shape (n,). A utility is the value of the units less the payment.

    Parameters
    ----------
    units
        Units for sale.
    demand
        Units that one bidder may want.
    most_bidders
        Up to so many bidders are drawn; at least one.
    """

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.CONSERVES})  # the seller is no bidder

    units: int = 1
    demand: int = 1
    most_bidders: int = 4

    def __post_init__(self) -> None:
        for name in ("units", "demand", "most_bidders"):
            object.__setattr__(self, name, whole_number(f"SealedBids.{name}", getattr(self, name), minimum=1))

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Values of one to `most_bidders` bidders."""
        return st.lists(self._report(), min_size=1, max_size=self.most_bidders).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other bid; often another bidder's."""
        return st.one_of(self._report(), st.sampled_from(profile))

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """The same values, each higher by one amount."""
        return amounts_of_money().map(lambda more: self._plus(profile[agent], more))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear the bids."""
        result = mechanism.clear(np.array(reports, dtype=np.float64))
        units = np.asarray(result.allocation, dtype=np.float64)
        return Outcome(units.tolist(), units, np.asarray(result.payments, dtype=np.float64))

    def value(self, report: Any, bundle: Any) -> float:
        """Sum of the values of the units; a part of a unit is worth that part of its value."""
        marginal = np.atleast_1d(np.asarray(report, dtype=np.float64))
        return float(np.sum(marginal * np.clip(bundle - np.arange(marginal.size), 0.0, 1.0)))

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the values in another unit of money."""
        return report * factor if self.demand == 1 else tuple(value * factor for value in report)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Sum of the highest values, as many as there are units (tried over all sets when few)."""
        marginal = np.array(profile, dtype=np.float64).ravel()
        taken = min(self.units, marginal.size)
        if marginal.size <= 8:
            return max(float(sum(chosen)) for chosen in combinations(marginal.tolist(), taken))
        return float(np.sum(np.sort(marginal)[marginal.size - taken :]))

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare the units given with the units for sale."""
        given = float(np.sum(outcome.amounts))
        return f"{given:g} units are given away, {self.units} were for sale" if given > self.units + 1e-9 else None

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two bidders give one value to some unit."""
        sets = [set(np.atleast_1d(report).tolist()) for report in profile]
        return any(first & second for first, second in combinations(sets, 2))

    def _report(self) -> SearchStrategy[Any]:
        if self.demand == 1:
            return amounts_of_money()
        values = st.lists(amounts_of_money(), min_size=self.demand, max_size=self.demand)
        return values.map(lambda drawn: tuple(sorted(drawn, reverse=True)))

    def _plus(self, report: Any, more: float) -> Any:
        return report + more if self.demand == 1 else tuple(value + more for value in report)
