"""Position auctions: advertisers bid per click; `clear(bids)` gives each its clicks and its bill."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.auctions import PositionAuction
from walras.market.properties import Property
from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain
from walras.market.validation import nonnegative_vector, whole_number

__all__ = ["Positions"]


@final
@dataclass(frozen=True)
class Positions(QuasiLinearDomain):
    """Advertisers who value a click, shown in positions that get different numbers of clicks.

    The mechanism's `clear(bids)` gets the bids per click, shape (n,). Its result has `allocation` (clicks per period)
    and `payments` (money per period) of shape (n,).

    Parameters
    ----------
    click_rates
        Clicks per period of each position, best first.
    most_bidders
        Up to so many bidders are drawn; at least one.
    """

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.CONSERVES})

    click_rates: tuple[float, ...] = (2.0, 1.0)
    most_bidders: int = 4

    def __post_init__(self) -> None:
        nonnegative_vector("Positions.click_rates", self.click_rates, of="position")
        whole_number("Positions.most_bidders", self.most_bidders, minimum=1)

    @classmethod
    def of(cls, auction: PositionAuction) -> "Positions":
        """Give the domain that fits an auction."""
        return cls(tuple(np.asarray(auction.click_rates).tolist()))

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Values per click of one to `most_bidders` bidders."""
        return st.lists(amounts_of_money(), min_size=1, max_size=self.most_bidders).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other bid; often another bidder's."""
        return st.one_of(amounts_of_money(), st.sampled_from(profile))

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """A higher bid."""
        return amounts_of_money().map(lambda more: profile[agent] + more)

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear the bids."""
        result = mechanism.clear(np.array(reports, dtype=np.float64))
        clicks = np.asarray(result.allocation, dtype=np.float64)
        return Outcome(clicks.tolist(), clicks, np.asarray(result.payments, dtype=np.float64))

    def value(self, report: Any, bundle: Any) -> float:
        """Worth of the clicks."""
        return float(report * bundle)

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the value in another unit of money."""
        return report * factor

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Best worth of clicks over all orders of the bidders."""
        places = [*self.click_rates, *[0.0] * len(profile)]
        orders = set(permutations(places, len(profile)))
        return float(max(sum(value * clicks for value, clicks in zip(profile, order, strict=True)) for order in orders))

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """See that each position's clicks go to one bidder."""
        given = sorted((clicks for clicks in outcome.bundles if clicks > 0.0), reverse=True)
        there = sorted((clicks for clicks in self.click_rates if clicks > 0.0), reverse=True)
        if len(given) > len(there) or any(one > other + 1e-9 for one, other in zip(given, there, strict=False)):
            return f"clicks {given} are given, the positions have {there}"
        return None
