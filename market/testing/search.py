"""The search for a counterexample: hypothesis draws trials, and shrinks the first that breaks the property."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any, final

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis.errors import Flaky, NoSuchExample
from hypothesis.strategies import SearchStrategy

from walras.market.errors import InfeasibleError, InvalidInputError
from walras.market.properties import Property
from walras.market.testing.report import Counterexample

__all__ = ["PropertyTest", "search"]


@final
@dataclass(frozen=True)
class PropertyTest:
    """One property, made testable for one kind of mechanism.

    Parameters
    ----------
    tested
        The property.
    trials
        Hypothesis strategy for inputs; simple ones must come first when it shrinks.
    violation
        From the mechanism and a trial to the reason why the property fails there, or None.
    """

    tested: Property
    trials: SearchStrategy[Any]
    violation: Callable[[Any, Any], str | None]


def search(test: PropertyTest, mechanism: object, *, examples: int, seed: int) -> tuple[int, Counterexample | None]:
    """Give the number of inputs tried, and the minimal counterexample among at most `examples` drawn ones.

    An input that the mechanism refuses with `InvalidInputError` or `InfeasibleError` is not counted; any other error
    is itself a counterexample. The same seed gives the same answer in the same program.
    """
    evaluated = 0
    broken: list[Counterexample] = []

    def breaks(trial: object) -> bool:
        nonlocal evaluated
        try:
            reason = _violation(test, mechanism, trial)
        except (InvalidInputError, InfeasibleError):
            return False
        evaluated += 1
        if reason is not None:
            broken[:] = [Counterexample(trial, reason)]
        return reason is not None

    try:
        find(test.trials, breaks, settings=_settings(examples), random=Random(seed))
    except NoSuchExample:
        return evaluated, None
    except Flaky:
        unsteady = replace(broken[-1], reason=f"{broken[-1].reason} (but not each time: the outcome varies)")
        return evaluated, unsteady
    return evaluated, broken[-1]  # the search ends by trying the smallest once more


def _violation(test: PropertyTest, mechanism: object, trial: object) -> str | None:
    try:
        return test.violation(mechanism, trial)
    except (InvalidInputError, InfeasibleError):
        raise
    except Exception as error:  # whatever a mechanism under test raises is a finding about it
        return f"the mechanism raised {type(error).__name__}: {error}"


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
