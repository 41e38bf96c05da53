"""Property tests of direct mechanisms whose agents have quasi-linear utility: value of what they get, less payment.

A domain says what a report is, how to run a mechanism on reports, and what a bundle is worth; the definitions of the
properties are then the same for an auction, a double auction, a position auction or an assignment market, and stand
here once. Reports are private: agent i's *type* is the report that would be true, and utilities are measured with it.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domain import Domain, describe_number
from walras.market.testing.search import PropertyTest
from walras.market.validation import FloatArray

__all__ = ["Outcome", "QuasiLinearDomain", "Trial"]

# A difference below this fraction of the amounts at stake, or below this much money, is rounding: the domains draw
# amounts of about 1 to a million.
TOLERANCE = 1e-7
_LEAST_MONEY = 1e-9


@final
@dataclass(frozen=True, eq=False)
class Outcome:
    """What a mechanism decided, as the kit reads it.

    Attributes
    ----------
    bundles
        What each agent gets, in the form that the domain's `value` understands; one entry per agent.
    amounts
        How much each agent gets, as a number that grows with what it gets (units, clicks, a share), shape (n,).
    payments
        Money that each agent pays; negative if it receives, shape (n,).
    """

    bundles: Sequence[Any]
    amounts: FloatArray
    payments: FloatArray


@final
@dataclass(frozen=True, repr=False)
class Trial:
    """Reports, one per agent, and the one change that a property asks about."""

    reports: tuple[Any, ...]
    agent: int | None = None
    other_report: Any = None
    order: tuple[int, ...] | None = None
    factor: float | None = None

    def __repr__(self) -> str:
        given = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return ", ".join(f"{name} {value!r}" for name, value in given if value is not None)


class QuasiLinearDomain(Domain):
    """Base of the domains of direct mechanisms with money."""

    # Properties without a meaning in the domain, or that its agents' reports cannot show.
    omitted: ClassVar[frozenset[Property]] = frozenset()

    @abstractmethod
    def profiles(self) -> SearchStrategy[tuple[Any, ...]]:
        """Strategy for the agents' types, one entry per agent."""

    @abstractmethod
    def reports(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Strategy for what `agent` might say instead of the truth."""

    @abstractmethod
    def run(self, mechanism: Any, reports: tuple[Any, ...]) -> Outcome:
        """Ask the mechanism."""

    @abstractmethod
    def value(self, report: Any, bundle: Any) -> float:
        """Money that `bundle` is worth to an agent of this type."""

    @abstractmethod
    def scaled(self, report: Any, factor: float) -> Any:
        """Give the report with every amount of money multiplied by `factor`."""

    @abstractmethod
    def best_welfare(self, mechanism: Any, profile: tuple[Any, ...]) -> float:
        """Largest sum of values that a feasible allocation reaches, found without the mechanism."""

    @abstractmethod
    def overuse(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Say how the allocation exceeds what there is, or None."""

    def raised(self, profile: tuple[Any, ...], agent: int) -> SearchStrategy[Any]:
        """Strategy for reports of a higher value than `agent`'s own (needed for `MONOTONE`)."""
        raise NotImplementedError

    def imbalance(self, mechanism: Any, reports: tuple[Any, ...], outcome: Outcome) -> str | None:
        """Say how units sold differ from units bought, or None (needed for `CONSERVES`)."""
        raise NotImplementedError

    def may_envy(self, profile: tuple[Any, ...], agent: int, other: int) -> bool:
        """Whether the two could stand in each other's place (a buyer cannot stand in a seller's)."""
        return True

    def permuted(self, profile: tuple[Any, ...], order: tuple[int, ...]) -> tuple[Any, ...]:
        """Give the profile with agents renamed; `order[k]` is who stands at place k now."""
        return tuple(profile[agent] for agent in order)

    def orders(self, profile: tuple[Any, ...]) -> SearchStrategy[tuple[int, ...]]:
        """Strategy for renamings that leave no tie to be broken by name."""
        return st.permutations(range(len(profile))).map(tuple)

    def is_tied(self, profile: tuple[Any, ...]) -> bool:
        """Whether agents are tied, so that someone must be preferred by name or by lot."""
        return len(set(profile)) < len(profile)

    # -- the definitions -------------------------------------------------------------------------------------------

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give a test for each property of a direct mechanism with money."""
        plain = self.profiles().map(Trial)
        tests = [
            (Property.FEASIBLE, plain, self._infeasible),
            (Property.CONSERVES, plain, self._unbalanced),
            (Property.INDIVIDUALLY_RATIONAL, plain, self._irrational),
            (Property.WEAKLY_BUDGET_BALANCED, plain, self._deficit),
            (Property.STRONGLY_BUDGET_BALANCED, plain, self._surplus_or_deficit),
            (Property.MONOTONE, self._trials(self.raised), self._not_monotone),
            (Property.ANONYMOUS, self._renamings(), self._not_anonymous),
            (Property.SCALE_FREE, self._rescalings(), self._not_scale_free),
            (Property.STRATEGY_PROOF, self._trials(self.reports), self._manipulable),
            (Property.EFFICIENT, plain, self._inefficient),
            (Property.ENVY_FREE, plain, self._envied),
        ]
        return tuple(PropertyTest(*test) for test in tests if test[0] not in self.omitted)

    def _trials(self, change: Callable[[tuple[Any, ...], int], SearchStrategy[Any]]) -> SearchStrategy[Trial]:
        @st.composite
        def trials(draw: st.DrawFn) -> Trial:
            profile = draw(self.profiles())
            agent = draw(st.integers(0, len(profile) - 1))
            return Trial(profile, agent, draw(change(profile, agent)))

        return trials()

    def _renamings(self) -> SearchStrategy[Trial]:
        @st.composite
        def trials(draw: st.DrawFn) -> Trial:
            # Of tied agents someone must be preferred by name or by lot.
            profile = draw(self.profiles().filter(lambda drawn: not self.is_tied(drawn)))
            return Trial(profile, order=draw(self.orders(profile)))

        return trials()

    def _rescalings(self) -> SearchStrategy[Trial]:
        # Powers of two: multiplying by them is exact, so that ties stay ties.
        return st.builds(Trial, self.profiles(), factor=st.sampled_from([2.0, 0.5, 1024.0]))

    def _infeasible(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        least = float(np.min(outcome.amounts)) if len(outcome.amounts) else 0.0
        if not np.isfinite(outcome.amounts).all() or not np.isfinite(outcome.payments).all():
            return "an amount or a payment is not a finite number"
        if least < -TOLERANCE:
            return f"an agent gets {describe_number(least)}"
        return self.overuse(mechanism, trial.reports, outcome)

    def _unbalanced(self, mechanism: Any, trial: Trial) -> str | None:
        return self.imbalance(mechanism, trial.reports, self.run(mechanism, trial.reports))

    def _irrational(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        for agent, report in enumerate(trial.reports):
            value, payment = self.value(report, outcome.bundles[agent]), float(outcome.payments[agent])
            if value - payment < -_margin(value, *outcome.payments):
                return f"agent {agent} gets worth {describe_number(value)} and pays {describe_number(payment)}"
        return None

    def _deficit(self, mechanism: Any, trial: Trial) -> str | None:
        payments = self.run(mechanism, trial.reports).payments
        total = float(np.sum(payments))
        return f"the mechanism loses {describe_number(-total)}" if total < -_margin(*payments) else None

    def _surplus_or_deficit(self, mechanism: Any, trial: Trial) -> str | None:
        payments = self.run(mechanism, trial.reports).payments
        total = float(np.sum(payments))
        return f"the mechanism keeps {describe_number(total)}" if abs(total) > _margin(*payments) else None

    def _not_monotone(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.agent is not None
        before = self.run(mechanism, trial.reports).amounts[trial.agent]
        after = self.run(mechanism, _with(trial.reports, trial.agent, trial.other_report)).amounts[trial.agent]
        if after < before - TOLERANCE * max(1.0, abs(before)):
            return f"agent {trial.agent} reports more and gets {describe_number(after)} not {describe_number(before)}"
        return None

    def _not_anonymous(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.order is not None
        first = self.run(mechanism, trial.reports)
        second = self.run(mechanism, self.permuted(trial.reports, trial.order))
        for place, agent in enumerate(trial.order):
            before = (float(first.amounts[agent]), float(first.payments[agent]))
            after = (float(second.amounts[place]), float(second.payments[place]))
            if any(abs(a - b) > _margin(a, b, *first.payments) for a, b in zip(before, after, strict=True)):
                said = ["gets {} and pays {}".format(*map(describe_number, pair)) for pair in (before, after)]
                return f"agent {agent} {said[0]}; standing at place {place}, it {said[1]}"
        return None

    def _not_scale_free(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.factor is not None
        first = self.run(mechanism, trial.reports)
        second = self.run(mechanism, tuple(self.scaled(report, trial.factor) for report in trial.reports))
        worst = float(np.max(np.abs(second.amounts - first.amounts), initial=0.0))
        if worst > TOLERANCE * max(1.0, float(np.max(np.abs(first.amounts), initial=0.0))):
            return f"with money in another unit an agent's amount changes by {describe_number(worst)}"
        expected = first.payments * trial.factor
        if np.any(np.abs(second.payments - expected) > _margin(*expected)):
            return f"payments become {second.payments.tolist()}, not {expected.tolist()}"
        return None

    def _manipulable(self, mechanism: Any, trial: Trial) -> str | None:
        assert trial.agent is not None
        truth = trial.reports[trial.agent]
        first = self.run(mechanism, trial.reports)
        second = self.run(mechanism, _with(trial.reports, trial.agent, trial.other_report))
        honest = self.value(truth, first.bundles[trial.agent]) - float(first.payments[trial.agent])
        lying = self.value(truth, second.bundles[trial.agent]) - float(second.payments[trial.agent])
        if lying > honest + _margin(honest, lying, *first.payments, *second.payments):
            return (
                f"agent {trial.agent} gains {describe_number(lying - honest)} by reporting {trial.other_report!r} "
                f"instead of {truth!r} (utility {describe_number(lying)} instead of {describe_number(honest)})"
            )
        return None

    def _inefficient(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        pairs = zip(trial.reports, outcome.bundles, strict=True)
        reached = float(sum(self.value(report, bundle) for report, bundle in pairs))
        best = self.best_welfare(mechanism, trial.reports)
        if best > reached + _margin(best, reached, *outcome.payments):
            return f"the values add up to {describe_number(reached)}; {describe_number(best)} is possible"
        return None

    def _envied(self, mechanism: Any, trial: Trial) -> str | None:
        outcome = self.run(mechanism, trial.reports)
        for agent, report in enumerate(trial.reports):
            own = self.value(report, outcome.bundles[agent]) - float(outcome.payments[agent])
            for other in range(len(trial.reports)):
                if other == agent or not self.may_envy(trial.reports, agent, other):
                    continue
                theirs = self.value(report, outcome.bundles[other]) - float(outcome.payments[other])
                if theirs > own + _margin(own, theirs, *outcome.payments):
                    return (
                        f"agent {agent} (utility {describe_number(own)}) would rather have what agent {other} has "
                        f"(utility {describe_number(theirs)})"
                    )
        return None


def _with(reports: tuple[Any, ...], agent: int, report: Any) -> tuple[Any, ...]:
    return (*reports[:agent], report, *reports[agent + 1 :])


def _margin(*amounts: float) -> float:
    """Give the difference that counts as rounding among such amounts of money."""
    return TOLERANCE * max((abs(float(amount)) for amount in amounts), default=0.0) + _LEAST_MONEY
