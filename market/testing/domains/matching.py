"""Assignment: buyers want one of several different objects; `clear(valuations)` matches and prices them."""

from dataclasses import dataclass
from itertools import permutations
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import Outcome, QuasiLinearDomain, Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import whole_number

__all__ = ["Matching"]

_TOLERANCE = 1e-7


@final
@dataclass(frozen=True)
class Matching(QuasiLinearDomain):
    """Buyers who want at most one of `objects` different objects.

    The mechanism's `clear(valuations)` gets a matrix, one row per buyer and one column per object. Its result has
    `assignment`, the object that each buyer gets (-1 for none), and `prices`, one per object, which the owner pays.

    Parameters
    ----------
    objects
        Number of objects.
    most_buyers
        Up to so many buyers are drawn; at least one.
    """

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.CONSERVES, Property.MONOTONE})

    objects: int = 2
    most_buyers: int = 3

    def __post_init__(self) -> None:
        for name in ("objects", "most_buyers"):
            object.__setattr__(self, name, whole_number(f"Matching.{name}", getattr(self, name), minimum=1))

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give the tests of direct mechanisms, and those of competitive prices."""
        trials = self.profiles().map(Trial)
        return (
            *super().tests(),
            PropertyTest(Property.IN_THE_CORE, trials, self._blocked),
            PropertyTest(Property.COMPLEMENTARY_SLACKNESS, trials, self._slack),
        )

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Rows of valuations of one to `most_buyers` buyers."""
        return st.lists(self._report(), min_size=1, max_size=self.most_buyers).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other row; often another buyer's."""
        return st.one_of(self._report(), st.sampled_from(profile))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear the valuations."""
        result = mechanism.clear(np.array(reports, dtype=np.float64))
        assignment, prices = np.asarray(result.assignment), np.asarray(result.prices, dtype=np.float64)
        payments = np.where(assignment >= 0, prices[np.maximum(assignment, 0)], 0.0)
        return Outcome(assignment.tolist(), (assignment >= 0).astype(np.float64), payments)

    def value(self, report: Any, bundle: Any) -> float:
        """Worth of the object; nothing is worth 0."""
        return float(report[bundle]) if bundle >= 0 else 0.0

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the row in another unit of money."""
        return tuple(value * factor for value in report)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Best sum over all ways to match, tried one by one."""
        places = [*range(self.objects), *[-1] * len(profile)]
        matchings = set(permutations(places, len(profile)))
        return max(sum(self.value(*pair) for pair in zip(profile, matching, strict=True)) for matching in matchings)

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """See that no object has two owners."""
        owned = [thing for thing in outcome.bundles if thing >= 0]
        return "an object has two owners" if len(set(owned)) < len(owned) else None

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two ways to match reach the same sum, here: whether differences of values coincide anywhere."""
        sums = sorted(self._welfare_of_all(profile), reverse=True)
        return len(sums) > 1 and sums[0] - sums[1] <= 1e-6 * max(1.0, abs(sums[0]))

    def _welfare_of_all(self, profile: tuple[Any, ...]) -> list[float]:
        places = [*range(self.objects), *[-1] * len(profile)]
        matchings = set(permutations(places, len(profile)))
        return [sum(self.value(*pair) for pair in zip(profile, matching, strict=True)) for matching in matchings]

    def _report(self) -> SearchStrategy[Any]:
        return st.lists(amounts_of_money(), min_size=self.objects, max_size=self.objects).map(tuple)

    def _blocked(self, mechanism: Any, trial: Trial) -> str | None:
        result = mechanism.clear(np.array(trial.reports, dtype=np.float64))
        prices = np.asarray(result.prices, dtype=np.float64)
        for buyer, (report, thing) in enumerate(zip(trial.reports, np.asarray(result.assignment), strict=True)):
            own = float(report[thing] - prices[thing]) if thing >= 0 else 0.0
            gains = np.array(report) - prices - own
            best = int(np.argmax(gains))
            if gains[best] > _TOLERANCE * max(abs(own), *map(abs, report), *map(abs, prices)):
                return f"buyer {buyer} and the owner of object {best} could share {gains[best]:g} more between them"
        return None

    def _slack(self, mechanism: Any, trial: Trial) -> str | None:
        result = mechanism.clear(np.array(trial.reports, dtype=np.float64))
        prices = np.asarray(result.prices, dtype=np.float64)
        scale = max(1e-300, float(np.max(np.abs(trial.reports))), float(np.max(np.abs(prices))))
        if float(np.min(prices)) < -_TOLERANCE * scale:
            return f"object {int(np.argmin(prices))} has the price {float(np.min(prices)):g}"
        unsold = set(range(self.objects)) - set(np.asarray(result.assignment).tolist())
        priced = [thing for thing in unsold if prices[thing] > _TOLERANCE * scale]
        return f"object {priced[0]} is unsold at the price {prices[priced[0]]:g}" if priced else None
