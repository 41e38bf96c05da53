"""Fisher markets: buyers with money report what they value; `equilibrium(valuations)` divides the goods."""

from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.errors import InvalidInputError
from walras.market.fisher import CESUtility, CobbDouglasUtility, FisherMarket, FisherUtility, LinearUtility
from walras.market.properties import Property
from walras.market.testing.bundles import TOLERANCE, BundleDomain, BundleOutcome
from walras.market.testing.domain import describe_number
from walras.market.testing.quasilinear import Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray, whole_number

__all__ = ["FisherBids"]


@final
@dataclass(frozen=True)
class FisherBids(BundleDomain):
    """Buyers whose valuations of the goods are private; their number and their money are the mechanism's.

    The mechanism's `equilibrium(valuations)` gets a matrix, one row per buyer. Its result has `allocation` (n, m) and
    `prices` (m,).

    Parameters
    ----------
    utility_kind
        How valuations become utility: linear, Cobb-Douglas, or CES with one rho.
    budgets
        Money of each buyer; without the mechanism it is worth nothing.
    goods
        Number of goods, of which there is `supply` each.
    supply
        Units of each good.
    """

    utility_kind: FisherUtility = field(default_factory=LinearUtility)
    budgets: tuple[float, ...] = (1.0, 1.0)
    goods: int = 2
    supply: float = 1.0

    def __post_init__(self) -> None:
        whole_number("FisherBids.goods", self.goods, minimum=1)
        rho_per_buyer = isinstance(self.utility_kind, CESUtility) and isinstance(self.utility_kind.rho, tuple)
        known = isinstance(self.utility_kind, LinearUtility | CobbDouglasUtility | CESUtility)
        if not known or rho_per_buyer:
            raise InvalidInputError(
                f"FisherBids.utility_kind must be linear, Cobb-Douglas or CES with one rho, got {self.utility_kind!r}."
            )

    @classmethod
    def of(cls, market: FisherMarket) -> "FisherBids":
        """Give the domain that fits a market."""
        supplies = market.supplies if isinstance(market.supplies, tuple) else (market.supplies,)
        if len(set(supplies)) > 1:
            raise InvalidInputError("FisherBids needs equal supplies: measure goods in units of their supply.")
        goods = len(supplies) if isinstance(market.supplies, tuple) else 2
        return cls(market.utility, tuple(np.asarray(market.budgets).tolist()), goods, supplies[0])

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give the tests of mechanisms for bundles, and those of money."""
        plain = self.profiles().map(Trial)
        return (
            *super().tests(),
            PropertyTest(Property.WEAKLY_BUDGET_BALANCED, plain, self._underpaid),
            PropertyTest(Property.SCALE_FREE, plain, self._tied_to_the_unit),
        )

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Rows of small whole valuations, not all 0."""
        return st.lists(self._report(), min_size=len(self.budgets), max_size=len(self.budgets)).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other row; often another buyer's."""
        return st.one_of(self._report(), st.sampled_from(profile))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> BundleOutcome:
        """Ask for the equilibrium."""
        result = mechanism.equilibrium(np.array(reports, dtype=np.float64))
        allocation = np.asarray(result.allocation, dtype=np.float64)
        supplies = np.full(self.goods, float(self.supply))
        prices = np.asarray(result.prices, dtype=np.float64)
        return BundleOutcome(allocation, supplies, prices, np.zeros_like(allocation))

    def utility(self, report: Any, bundle: FloatArray) -> float:
        """Utility, 1-homogeneous."""
        weights, units = np.asarray(report, dtype=np.float64), np.maximum(bundle, 0.0)
        match self.utility_kind:
            case CobbDouglasUtility():
                return float(np.prod(units ** (weights / weights.sum())))
            case CESUtility(rho=rho):
                wanted = weights > 0.0
                if float(rho) < 0.0 and np.any(units[wanted] <= 0.0):  # type: ignore[arg-type]
                    return 0.0
                return float(np.sum(weights[wanted] * units[wanted] ** rho) ** (1.0 / float(rho)))  # type: ignore[arg-type]
        return float(weights @ units)

    def gradient(self, report: Any, bundle: FloatArray) -> FloatArray:
        """Marginal utilities, from the utility's own formula."""
        weights, units = np.asarray(report, dtype=np.float64), np.maximum(bundle, 1e-12)
        match self.utility_kind:
            case CobbDouglasUtility():
                return np.asarray(self.utility(report, units) * weights / weights.sum() / units)
            case CESUtility(rho=rho):
                return np.asarray(weights * (self.utility(report, units) / units) ** (1.0 - float(rho)))  # type: ignore[arg-type]
        return weights

    def orders(self, profile: tuple[Any, ...]) -> SearchStrategy[tuple[int, ...]]:
        """All renamings; with unequal budgets they show that money makes a difference."""
        return st.permutations(range(len(profile))).map(tuple)

    def _underpaid(self, mechanism: Any, trial: Trial) -> str | None:
        prices = self.run(mechanism, trial.reports).prices
        paid = float(prices.min()) * self.supply
        return f"the seller pays {describe_number(-paid)} for a good" if paid < 0.0 else None

    def _tied_to_the_unit(self, mechanism: Any, trial: Trial) -> str | None:
        """Measure money in halves; needs a mechanism that is a dataclass with `budgets`."""
        halves = replace(mechanism, budgets=tuple(2.0 * np.asarray(mechanism.budgets)))
        before, after = self.run(mechanism, trial.reports), self.run(halves, trial.reports)
        if np.abs(after.prices - 2.0 * before.prices).max() > TOLERANCE * after.prices.max():
            return f"prices become {after.prices.tolist()}, not twice {before.prices.tolist()}"
        return None

    def _report(self) -> SearchStrategy[Any]:
        rows = st.lists(st.integers(0, 8).map(float), min_size=self.goods, max_size=self.goods).map(tuple)
        return rows.filter(any)
