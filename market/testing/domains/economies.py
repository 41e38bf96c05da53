"""Exchange economies: consumers with endowments report tastes; `solve(economy)` finds prices and an allocation."""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.exchange import CobbDouglas, ExchangeEconomy, Leontief, blocking_coalition
from walras.market.properties import Property
from walras.market.testing.bundles import BundleDomain, BundleOutcome
from walras.market.testing.domain import Domain, describe_number
from walras.market.testing.quasilinear import Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray, whole_number

__all__ = ["Consumer", "Economies", "PriceTaking", "StartedEconomy"]

# Excess demand, as a fraction of the supply, below which markets clear.
_CLEARED = 1e-5


@final
@dataclass(frozen=True)
class Consumer:
    """A consumer with the utility `product of x_j ^ weights_j`; the endowment is public, the weights are private."""

    weights: tuple[float, ...]
    endowment: tuple[float, ...]


@final
@dataclass(frozen=True)
class StartedEconomy:
    """An economy and the prices at which its auctioneer starts."""

    kind: str
    weights: tuple[tuple[float, ...], ...]
    endowments: tuple[tuple[float, ...], ...]
    start: tuple[float, ...]

    def economy(self) -> ExchangeEconomy:
        """Make the economy."""
        utility = {"Cobb-Douglas": CobbDouglas, "Leontief": Leontief}[self.kind]
        return ExchangeEconomy(utility(np.array(self.weights)), np.array(self.endowments))


@final
@dataclass(frozen=True)
class Economies(BundleDomain):
    """Consumers with Cobb-Douglas utilities and endowments.

    The mechanism's `solve(economy)` gets an `ExchangeEconomy`, and for `CONVERGES` also the keyword `start_prices`. Its
    result has `prices` (m,) and `allocation` (n, m). Convergence is asked of Cobb-Douglas economies and of those of
    Leontief consumers who want two goods each, Scarf's among them.

    Parameters
    ----------
    goods
        Number of goods.
    consumers
        Number of consumers.
    """

    goods: int = 2
    consumers: int = 2

    def __post_init__(self) -> None:
        whole_number("Economies.goods", self.goods, minimum=2)
        whole_number("Economies.consumers", self.consumers, minimum=1)

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give the tests of mechanisms for bundles, of the core and of convergence."""
        plain = self.profiles().map(Trial)
        return (
            *(test for test in super().tests() if test.tested is not Property.ENVY_FREE),  # endowments differ
            PropertyTest(Property.IN_THE_CORE, plain, self._blocked),
            PropertyTest(Property.CONVERGES, _started(), _unsettled),
        )

    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Small whole weights, not all 0, and endowments above 0."""
        endowment = st.tuples(*[st.integers(1, 5).map(float)] * self.goods)
        consumer = st.builds(Consumer, self._weights(), endowment)
        return st.lists(consumer, min_size=self.consumers, max_size=self.consumers).map(tuple)

    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Any other weights."""
        return self._weights().map(lambda weights: replace(profile[agent], weights=weights))

    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> BundleOutcome:
        """Solve the economy."""
        endowments = np.array([consumer.endowment for consumer in reports])
        result = mechanism.solve(_economy(reports))
        allocation, prices = (np.asarray(each, dtype=np.float64) for each in (result.allocation, result.prices))
        return BundleOutcome(allocation, endowments.sum(axis=0), prices, endowments)

    def utility(self, report: Any, bundle: FloatArray) -> float:
        """Utility, 1-homogeneous."""
        weights = np.asarray(report.weights)
        return float(np.prod(np.maximum(bundle, 0.0) ** (weights / weights.sum())))

    def gradient(self, report: Any, bundle: FloatArray) -> FloatArray:
        """Marginal utilities."""
        weights, units = np.asarray(report.weights), np.maximum(bundle, 1e-12)
        return np.asarray(self.utility(report, units) * weights / weights.sum() / units)

    def _weights(self) -> SearchStrategy[tuple[float, ...]]:
        return st.tuples(*[st.integers(1, 8).map(float)] * self.goods)

    def _blocked(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        group = blocking_coalition(_economy(trial.reports), outcome.allocation, tolerance=1e-4)
        return None if group is None else f"a group can do better by itself: {group}"


@final
@dataclass(frozen=True)
class PriceTaking(Domain):
    """Demand at given prices: `excess_demand(prices)` gives units demanded less units there are, shape (goods,)."""

    goods: int = 2

    def __post_init__(self) -> None:
        whole_number("PriceTaking.goods", self.goods, minimum=1)

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give the tests of Walras' law and of homogeneity."""
        price = st.one_of(st.integers(1, 10).map(float), st.floats(2.0**-10, 2.0**10, width=32))
        prices = st.tuples(*[price] * self.goods)
        rescaled = st.builds(lambda drawn, by: Trial(drawn, factor=by), prices, st.sampled_from([2.0, 0.5, 10.0]))
        return (
            PropertyTest(Property.WALRAS_LAW, prices.map(Trial), _worth_something),
            PropertyTest(Property.HOMOGENEOUS, rescaled, _has_money_illusion),
        )


def _economy(consumers: tuple[Any, ...]) -> ExchangeEconomy:
    weights = np.array([consumer.weights for consumer in consumers])
    return ExchangeEconomy(CobbDouglas(weights), np.array([consumer.endowment for consumer in consumers]))


def _started() -> SearchStrategy[StartedEconomy]:
    """Three consumers, three goods, one unit each: Cobb-Douglas, or Leontief with two goods wanted by each."""
    mixed = st.tuples(*[st.tuples(*[st.integers(1, 5).map(float)] * 3)] * 3)
    pairs = [tuple(1.0 if good in pair else 0.0 for good in range(3)) for pair in combinations(range(3), 2)]
    paired = st.permutations(pairs).map(tuple)
    kinds = st.one_of(st.tuples(st.just("Cobb-Douglas"), mixed), st.tuples(st.just("Leontief"), paired))
    endowments = tuple(tuple(map(float, row)) for row in np.eye(3))
    starts = st.tuples(*[st.integers(1, 5).map(float)] * 3)
    return st.builds(lambda kind, start: StartedEconomy(kind[0], kind[1], endowments, start), kinds, starts)


def _unsettled(mechanism: Any, trial: StartedEconomy) -> str | None:
    economy = trial.economy()
    prices = np.asarray(mechanism.solve(economy, start_prices=np.array(trial.start)).prices, dtype=np.float64)
    excess = economy.excess_demand(prices) / np.array(trial.endowments).sum(axis=0)
    worst = int(np.argmax(excess))
    if not excess[worst] <= _CLEARED:
        where = f"prices {prices.round(4).tolist()}"
        return f"it stops at {where}, where excess demand for good {worst} is {excess[worst]:.3g} of the supply"
    return None


def _worth_something(mechanism: Any, trial: Trial) -> str | None:
    prices = np.array(trial.reports)
    excess = np.asarray(mechanism.excess_demand(prices), dtype=np.float64)
    value, turnover = float(prices @ excess), float(prices @ np.abs(excess))
    if abs(value) > 1e-9 * turnover:
        return f"the value of excess demand is {describe_number(value)}"
    return None


def _has_money_illusion(mechanism: Any, trial: Trial) -> str | None:
    assert trial.factor is not None
    prices = np.array(trial.reports)
    first, second = (np.asarray(mechanism.excess_demand(each)) for each in (prices, prices * trial.factor))
    change = np.abs(second - first)
    worst = int(np.argmax(change))
    if change[worst] > 1e-9 * float(np.abs(first).max()) + 1e-12:
        return f"excess demand for good {worst} becomes {second[worst]:.6g}, not {first[worst]:.6g}"
    return None
