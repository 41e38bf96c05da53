"""The capacity market: agents want a share of their full use; `clear(valuations, costs)` gives shares and payments."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.capacity import CapacityMarket
from walras.market.demand import Demand, StepDemand
from walras.market.properties import Property
from walras.market.supply import FixedSupply
from walras.market.testing.domains.money import amounts_of_money
from walras.market.testing.quasilinear import TOLERANCE, Outcome, QuasiLinearDomain, Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray

__all__ = ["CapacityBids", "User"]


@final
@dataclass(frozen=True)
class User:
    """An agent that values a unit of the resource at `valuation` (money) and can use up to `cost` units.

    The cost is public; only the valuation can be misreported.
    """

    valuation: float
    cost: float


@final
@dataclass(frozen=True)
class CapacityBids(QuasiLinearDomain):
    """Agents that share one resource.

    The mechanism's `clear(valuations, costs)` gets two vectors. Its result has `allocation` (the share of its full use
    that each agent gets, 0 to 1) and `payments` (money), both of shape (n,).

    Parameters
    ----------
    demand
        The agents' utility: what a share is worth.
    quantity
        Units for sale; None if the quantity is not fixed (efficiency then has no meaning here).
    most_agents
        Up to so many agents are drawn; at least one.
    """

    demand: Demand = field(default_factory=StepDemand)
    quantity: float | None = 2.0
    most_agents: int = 4

    omitted: ClassVar[frozenset[Property]] = frozenset({Property.CONSERVES})

    @classmethod
    def of(cls, market: CapacityMarket) -> "CapacityBids":
        """Give the domain that fits a market."""
        return cls(market.demand, market.supply.quantity if isinstance(market.supply, FixedSupply) else None)

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give the tests of direct mechanisms, and that of a price."""
        trials = self.profiles().map(Trial)
        return (*super().tests(), PropertyTest(Property.COMPLEMENTARY_SLACKNESS, trials, self._slack))

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Agents who could use more than is for sale, so that every market has a price."""
        need = self.quantity or 1.0
        # Whole agents who need more than there is would all go without.
        whole = isinstance(self.demand, StepDemand) and not self.demand.divisible
        costs = st.sampled_from([0.5 * need, 0.75 * need, need] if whole else [1.5 * need, 2.0 * need, 3.0 * need])
        users = st.builds(User, amounts_of_money(), costs)
        return st.lists(users, min_size=1, max_size=self.most_agents).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other valuation; often another agent's."""
        said = st.one_of(amounts_of_money(), st.sampled_from([user.valuation for user in profile]))
        return said.map(lambda valuation: replace(profile[agent], valuation=valuation))

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """A higher valuation."""
        user = profile[agent]
        return amounts_of_money().map(lambda more: replace(user, valuation=user.valuation + more))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Clear the market."""
        valuations = np.array([user.valuation for user in reports])
        result = mechanism.clear(valuations, np.array([user.cost for user in reports]))
        shares = np.asarray(result.allocation, dtype=np.float64)
        users = [(share, user.cost) for share, user in zip(shares.tolist(), reports, strict=True)]
        return Outcome(users, shares, np.asarray(result.payments, dtype=np.float64))

    def value(self, report: Any, bundle: Any) -> float:
        """Utility of the units held, before payment."""
        share, cost = bundle
        return self._worth(report, share * cost / report.cost)

    def scaled(self, report: Any, factor: float) -> Any:
        """Give the valuation in another unit of money."""
        return replace(report, valuation=report.valuation * factor)

    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Largest sum of utilities, by bisection on the shadow price."""
        if self.quantity is None:
            raise NotImplementedError
        low, high = -1e9, 1e9
        costs = np.array([user.cost for user in profile])
        for _ in range(200):
            middle = 0.5 * (low + high)
            if float(np.sum(costs * self._responses(profile, middle))) > self.quantity:
                low = middle
            else:
                high = middle
        # Between the two prices only indifferent agents change: what is left goes to them, at the shadow price.
        shares = self._responses(profile, high)
        left = self.quantity - float(np.sum(costs * shares))
        return sum(map(self._worth, profile, shares.tolist())) + left * high

    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Compare the units used with the units for sale, and shares with 1."""
        if float(np.max(outcome.amounts)) > 1.0 + 1e-9:
            return f"an agent gets {float(np.max(outcome.amounts)):g} of its full use"
        used = sum(share * cost for share, cost in outcome.bundles)
        if self.quantity is not None and used > self.quantity * (1.0 + 1e-9):
            return f"{used:g} units are used, {self.quantity:g} were for sale"
        return None

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether two agents have one valuation."""
        return len({user.valuation for user in profile}) < len(profile)

    def _slack(self, mechanism: Any, trial: Trial) -> str | None:
        """See that shares are best responses to what a unit costs, and that a unit with a price is sold.

        The unit price is read off the payments; who gets nothing is asked at the highest that anyone pays.
        """
        valuations = np.array([user.valuation for user in trial.reports])
        costs = np.array([user.cost for user in trial.reports])
        result = mechanism.clear(valuations, costs)
        shares = np.asarray(result.allocation, dtype=np.float64)
        units = costs * shares
        paid = np.divide(result.payments, units, out=np.full(units.size, np.nan), where=units > 0.0)
        unit_prices = np.where(units > 0.0, paid, np.nanmax(paid) if (units > 0.0).any() else result.price)
        low, high = self.demand.supporting_margins(shares)
        margins = valuations - unit_prices
        off = np.maximum(low - margins, margins - high) - TOLERANCE * np.maximum(
            np.abs(valuations), np.abs(unit_prices)
        )
        worst = int(np.argmax(off))
        if off[worst] > TOLERANCE:
            return (
                f"agent {worst} with the valuation {valuations[worst]:g} gets {shares[worst]:g} of its use at a unit "
                f"price of {unit_prices[worst]:g}"
            )
        if self.quantity is not None and result.price > TOLERANCE and units.sum() < self.quantity * (1.0 - TOLERANCE):
            return f"{self.quantity - units.sum():g} units are unsold at the price {result.price:g}"
        return None

    def _responses(self, profile: tuple[Any, ...], price: float) -> FloatArray:
        margins = np.array([user.valuation for user in profile]) - price
        return np.asarray(self.demand.share(margins), dtype=np.float64)

    def _worth(self, user: User, share: float) -> float:
        worth = self.demand.surplus(np.array([user.valuation]), np.array([min(share, 1.0)]))
        return float(user.cost * worth[0])
