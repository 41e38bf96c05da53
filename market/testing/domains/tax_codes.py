"""Tax codes: people with incomes; `settle(income)` says what each pays, receives and keeps."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from walras.market.properties import Property
from walras.market.testing.domain import Domain, describe_number
from walras.market.testing.quasilinear import Trial
from walras.market.testing.search import PropertyTest
from walras.market.validation import positive_number, whole_number

__all__ = ["Incomes"]

_TOLERANCE = 1e-9


@final
@dataclass(frozen=True)
class Incomes(Domain):
    """People who differ in income only.

    The code's `settle(income)` gets a vector. Its result has `net_income`, `tax` and `transfer`, of shape (n,), and the
    treasury's `balance`. Here *monotone* means that nobody who earns more keeps less, *scale-free* that no amount of
    money is written into the code, and the budget is the treasury's.

    Parameters
    ----------
    unit
        Incomes are drawn around this amount of money, so that they reach the brackets.
    most_people
        Up to so many are drawn; at least one.
    """

    unit: float = 10_000.0
    most_people: int = 4

    def __post_init__(self) -> None:
        positive_number("Incomes.unit", self.unit)
        whole_number("Incomes.most_people", self.most_people, minimum=1)

    def tests(self) -> tuple[PropertyTest, ...]:
        """Give a test for each property of a tax code."""
        plain = st.lists(self._income(), min_size=1, max_size=self.most_people).map(lambda drawn: Trial(tuple(drawn)))
        raises = st.builds(lambda trial, more: Trial(trial.reports, 0, trial.reports[0] + more), plain, self._income())
        orders = plain.flatmap(
            lambda trial: st.permutations(range(len(trial.reports))).map(
                lambda order: Trial(trial.reports, order=tuple(order))
            )
        )
        units = st.builds(lambda trial, by: Trial(trial.reports, factor=by), plain, st.sampled_from([2.0, 0.5]))
        return (
            PropertyTest(Property.CONSERVES, plain, _leaky),
            PropertyTest(Property.WEAKLY_BUDGET_BALANCED, plain, _deficit),
            PropertyTest(Property.STRONGLY_BUDGET_BALANCED, plain, _unbalanced),
            PropertyTest(Property.MONOTONE, raises, _punishing),
            PropertyTest(Property.ANONYMOUS, orders, _partial),
            PropertyTest(Property.SCALE_FREE, units, _tied_to_the_unit),
        )

    def _income(self) -> SearchStrategy[float]:
        tenths = st.integers(0, 50).map(lambda tenth: tenth * self.unit / 10)
        return st.one_of(tenths, st.floats(0.0, 100.0 * self.unit, width=32))


def _settled(code: Any, incomes: tuple[float, ...]) -> Any:
    return code.settle(np.array(incomes))


def _leaky(code: Any, trial: Trial) -> str | None:
    settled = _settled(code, trial.reports)
    lost = float(np.sum(trial.reports) - np.sum(settled.net_income) - settled.balance)
    return f"{describe_number(lost)} of income is neither kept nor in the treasury" if _counts(lost, settled) else None


def _deficit(code: Any, trial: Trial) -> str | None:
    settled = _settled(code, trial.reports)
    short = settled.balance < 0.0 and _counts(float(settled.balance), settled)
    return f"the treasury lacks {describe_number(-float(settled.balance))}" if short else None


def _unbalanced(code: Any, trial: Trial) -> str | None:
    settled = _settled(code, trial.reports)
    balance = float(settled.balance)
    return f"the treasury's balance is {describe_number(balance)}" if _counts(balance, settled) else None


def _punishing(code: Any, trial: Trial) -> str | None:
    before, after = _settled(code, trial.reports), _settled(code, (trial.other_report, *trial.reports[1:]))
    less = float(before.net_income[0] - after.net_income[0])
    if less > 0.0 and _counts(less, after):
        return f"who earns {describe_number(trial.other_report)} keeps {describe_number(less)} less"
    return None


def _partial(code: Any, trial: Trial) -> str | None:
    assert trial.order is not None
    before = _settled(code, trial.reports)
    after = _settled(code, tuple(trial.reports[person] for person in trial.order))
    change = np.asarray(after.net_income) - np.asarray(before.net_income)[list(trial.order)]
    worst = int(np.argmax(np.abs(change)))
    if _counts(float(change[worst]), before):
        return f"person {trial.order[worst]} keeps {describe_number(float(change[worst]))} more at place {worst}"
    return None


def _tied_to_the_unit(code: Any, trial: Trial) -> str | None:
    assert trial.factor is not None
    before = _settled(code, trial.reports)
    after = _settled(code, tuple(income * trial.factor for income in trial.reports))
    change = np.asarray(after.net_income) - trial.factor * np.asarray(before.net_income)
    worst = int(np.argmax(np.abs(change)))
    if _counts(float(change[worst]), after):
        return f"in the other unit person {worst} keeps {describe_number(float(change[worst]))} more"
    return None


def _counts(amount: float, settled: Any) -> bool:
    """Whether an amount of money is more than rounding."""
    passed = float(np.sum(np.abs(settled.net_income)) + np.sum(np.abs(settled.tax)) + np.sum(np.abs(settled.transfer)))
    return abs(amount) > _TOLERANCE * passed
