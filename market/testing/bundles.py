"""Property tests of mechanisms that give bundles of divisible goods to agents who have no other use for money.

Utilities have no common unit here, so that welfare cannot be added up: efficiency is Pareto's. A reallocation that
makes everyone better off exists, for concave utilities, exactly if one exists to first order; that is a linear program,
which shares nothing with the solvers that are tested.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domain import Domain, describe_number
from walras.market.testing.quasilinear import Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray

__all__ = ["BundleDomain", "BundleOutcome"]

# Relative difference of utilities, quantities or money that counts as rounding: solvers stop at about 1e-9.
TOLERANCE = 1e-5


@final
@dataclass(frozen=True, eq=False)
class BundleOutcome:
    """What a mechanism decided, as the kit reads it.

    Attributes
    ----------
    allocation
        Units of each good that each agent gets, shape (n, m).
    supplies
        Units of each good that there are, shape (m,).
    prices
        Money per unit of each good, shape (m,).
    outside
        What each agent would have without the mechanism, shape (n, m).
    """

    allocation: FloatArray
    supplies: FloatArray
    prices: FloatArray
    outside: FloatArray


class BundleDomain(Domain):
    """Base of the domains of bundles. A report is what the agent says of its tastes."""

    @abstractmethod
    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Strategy for the agents' tastes, one entry per agent."""

    @abstractmethod
    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Strategy for what `agent` might say instead of the truth."""

    @abstractmethod
    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> BundleOutcome:
        """Ask the mechanism."""

    @abstractmethod
    def utility(self, report: Any, bundle: FloatArray) -> float:
        """Utility of a bundle, 0 or more, and twice as much for twice the bundle."""

    @abstractmethod
    def gradient(self, report: Any, bundle: FloatArray) -> FloatArray:
        """Marginal utilities, shape (m,)."""

    def orders(self, profile: tuple[Any, ...]) -> SearchStrategy[tuple[int, ...]]:
        """Strategy for renamings of agents who differ in nothing but their reports."""
        return st.permutations(range(len(profile))).map(tuple)

    # -- the definitions -------------------------------------------------------------------------------------------

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give a test for each property of a mechanism for bundles."""
        plain = self.profiles().map(Trial)
        return (
            PropertyTest(Property.FEASIBLE, plain, self._infeasible),
            PropertyTest(Property.CONSERVES, plain, self._left_over),
            PropertyTest(Property.INDIVIDUALLY_RATIONAL, plain, self._irrational),
            PropertyTest(Property.ANONYMOUS, self._renamings(), self._not_anonymous),
            PropertyTest(Property.STRATEGY_PROOF, self._lies(), self._manipulable),
            PropertyTest(Property.ENVY_FREE, plain, self._envied),
            PropertyTest(Property.PARETO_EFFICIENT, plain, self._improvable),
            PropertyTest(Property.COMPLEMENTARY_SLACKNESS, plain, self._slack),
        )

    def _lies(self) -> SearchStrategy[Trial]:
        @st.composite
        def trials(draw: st.DrawFn) -> Trial:
            profile = draw(self.profiles())
            agent = draw(st.integers(0, len(profile) - 1))
            return Trial(profile, agent, draw(self.reports(profile, agent)))

        return trials()

    def _renamings(self) -> SearchStrategy[Trial]:
        @st.composite
        def trials(draw: st.DrawFn) -> Trial:
            profile = draw(self.profiles())
            return Trial(profile, order=draw(self.orders(profile)))

        return trials()

    def _infeasible(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        if not np.isfinite(outcome.allocation).all() or not np.isfinite(outcome.prices).all():
            return "a quantity or a price is not a finite number"
        if float(outcome.allocation.min()) < -TOLERANCE * float(outcome.supplies.max()):
            return f"an agent gets {describe_number(float(outcome.allocation.min()))} of a good"
        excess = outcome.allocation.sum(axis=0) - outcome.supplies
        worst = int(np.argmax(excess / outcome.supplies))
        if excess[worst] > TOLERANCE * outcome.supplies[worst]:
            return f"of good {worst}, {describe_number(float(excess[worst]))} more is given than there is"
        return None

    def _left_over(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        priced = outcome.prices > TOLERANCE * outcome.prices.max(initial=0.0)  # of a free good some may be left
        left = np.where(priced, outcome.supplies - outcome.allocation.sum(axis=0), 0.0)
        worst = int(np.argmax(np.abs(left) / outcome.supplies))
        if abs(left[worst]) > TOLERANCE * outcome.supplies[worst]:
            return f"of good {worst}, {describe_number(float(left[worst]))} is left over"
        return None

    def _irrational(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        for agent, report in enumerate(trial.reports):
            before, after = (self.utility(report, held[agent]) for held in (outcome.outside, outcome.allocation))
            if after < before - TOLERANCE * before:
                reached = (describe_number(after), describe_number(before))
                return f"agent {agent} has utility {reached[0]}, and {reached[1]} without trade"
        return None

    def _not_anonymous(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.order is not None
        first = self.run(mechanism, trial.reports)
        second = self.run(mechanism, tuple(trial.reports[agent] for agent in trial.order))
        for place, agent in enumerate(trial.order):
            before = self.utility(trial.reports[agent], first.allocation[agent])
            after = self.utility(trial.reports[agent], second.allocation[place])
            if abs(after - before) > TOLERANCE * max(before, after):
                reached = (describe_number(before), describe_number(after))
                return f"agent {agent} has utility {reached[0]}; at place {place}, {reached[1]}"
        return None

    def _manipulable(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.agent is not None
        truth = trial.reports[trial.agent]
        lie = (*trial.reports[: trial.agent], trial.other_report, *trial.reports[trial.agent + 1 :])
        honest = self.utility(truth, self.run(mechanism, trial.reports).allocation[trial.agent])
        lying = self.utility(truth, self.run(mechanism, lie).allocation[trial.agent])
        if lying > honest + TOLERANCE * max(honest, lying):
            return (
                f"agent {trial.agent} reaches utility {describe_number(lying)} instead of {describe_number(honest)} by "
                f"reporting {trial.other_report!r} instead of {truth!r}"
            )
        return None

    def _envied(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        for agent, report in enumerate(trial.reports):
            utilities = [self.utility(report, bundle) for bundle in outcome.allocation]
            other = int(np.argmax(utilities))
            if utilities[other] > utilities[agent] + TOLERANCE * utilities[other]:
                return (
                    f"agent {agent} (utility {describe_number(utilities[agent])}) would rather have what agent {other} "
                    f"has (utility {describe_number(utilities[other])})"
                )
        return None

    def _improvable(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        gain = _largest_common_gain(
            outcome,
            np.array([self.utility(*pair) for pair in zip(trial.reports, outcome.allocation, strict=True)]),
            np.array([self.gradient(*pair) for pair in zip(trial.reports, outcome.allocation, strict=True)]),
        )
        if gain > 1e-3:  # a first-order bound: the optimum itself is flat
            return f"a reallocation raises everyone's utility, at a rate of {describe_number(gain)} of it"
        return None

    def _slack(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        dearest = float(outcome.prices.max(initial=0.0))
        if float(outcome.prices.min(initial=0.0)) < -TOLERANCE * dearest:
            return f"good {int(np.argmin(outcome.prices))} has the price {describe_number(float(outcome.prices.min()))}"
        left = outcome.supplies - outcome.allocation.sum(axis=0)
        wasted = (left > TOLERANCE * outcome.supplies) & (outcome.prices > TOLERANCE * dearest)
        if wasted.any():
            return f"good {int(np.flatnonzero(wasted)[0])} has a price, and some of it is left over"
        for agent, report in enumerate(trial.reports):
            marginal = self.gradient(report, outcome.allocation[agent])
            value_for_money = marginal / np.maximum(outcome.prices, 1e-12 * dearest)
            bought = outcome.allocation[agent] > 1e-3 * outcome.supplies
            if bought.any() and value_for_money[bought].min() < (1.0 - 1e-3) * value_for_money.max():
                return f"agent {agent} buys a good although another gives more utility for its price"
        return None


def _largest_common_gain(outcome: BundleOutcome, utilities: FloatArray, gradients: FloatArray) -> float:
    """Largest rate, as a fraction of each agent's utility, at which small trades can raise all utilities at once."""
    from scipy.optimize import linprog

    agents, goods = outcome.allocation.shape
    if not (utilities > 0.0).all() or not np.isfinite(gradients).all():
        return 0.0  # at a corner of zero utility the first order says nothing
    # Variables: trades d (agents x goods), each within what is held and at most the supply, and the common rate t.
    rates = gradients / utilities[:, None]
    improves = np.zeros((agents, agents * goods + 1))
    for agent in range(agents):
        improves[agent, agent * goods : (agent + 1) * goods] = -rates[agent]
    improves[:, -1] = 1.0
    conserves = np.hstack([np.tile(np.eye(goods), agents), np.zeros((goods, 1))])
    unused = np.maximum(outcome.supplies - outcome.allocation.sum(axis=0), 0.0)
    held = np.maximum(outcome.allocation, 0.0).ravel()
    bounds = [*((-units, None) for units in held), (None, 1.0)]
    solved = linprog(
        c=np.append(np.zeros(agents * goods), -1.0),
        A_ub=np.vstack([improves, conserves]),
        b_ub=np.concatenate([np.zeros(agents), unused]),
        bounds=bounds,
        method="highs",
    )
    return -float(solved.fun) if solved.status == 0 and solved.fun is not None else 0.0
