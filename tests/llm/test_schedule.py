"""The budgets and the temperature of each step."""

import math

import numpy as np
import pytest

from walras.llm import AnnealedBudget, ElasticBudget
from walras.llm.schedule import turn_of
from walras.market import InvalidInputError

SCHEDULE = ElasticBudget(
    lowest=0.3, warm_up=0.25, temperature=0.5, final_temperature=0.02, cooling=0.75, draws=2, seed=3
)
NAN, INF = float("nan"), float("inf")


def test_a_step_has_the_whole_the_smallest_and_budgets_between() -> None:
    steps = np.array([SCHEDULE.budgets_at(step, 0.5) for step in range(400)])
    assert (steps[:, 0] == 1.0).all()
    assert (steps[:, 1] == 0.3).all()
    drawn = steps[:, 2:]
    assert drawn.shape == (400, 2)
    assert ((drawn >= 0.3) & (drawn <= 1.0)).all()
    assert len(np.unique(drawn)) == 800
    assert drawn.mean() == pytest.approx(0.65, abs=0.03)  # four standard errors


def test_the_same_seed_and_step_give_the_same_budgets() -> None:
    again, other = ElasticBudget(lowest=0.3, draws=2, seed=3), ElasticBudget(lowest=0.3, draws=2, seed=4)
    steps = list(range(3, 60))
    mine = [SCHEDULE.budgets_at(step, 0.1) for step in reversed(steps)]
    assert mine == [again.budgets_at(step, 0.9) for step in reversed(steps)]
    assert mine != [other.budgets_at(step, 0.9) for step in reversed(steps)]


def test_budgets_take_turns_where_a_step_has_one() -> None:
    turns = [turn_of(("whole", "smallest", "drawn"), step) for step in range(8)]  # type: ignore[arg-type]
    assert turns == ["whole", "smallest", "whole", "drawn"] * 2
    assert [turn_of((0.4,), step) for step in range(3)] == [0.4] * 3


def test_the_temperature_falls_from_one_end_to_the_other() -> None:
    progress = np.linspace(0.0, 1.0, 101)
    for schedule in (SCHEDULE, AnnealedBudget(0.3, 0.25, 0.5, 0.02, cooling=0.75)):
        temperatures = np.array([schedule.temperature_at(at) for at in progress])
        assert temperatures[progress <= 0.25] == pytest.approx(0.5)
        assert temperatures[progress >= 0.75] == pytest.approx(0.02)
        assert (np.diff(temperatures)[25:75] < 0.0).all()
        assert schedule.temperature_at(0.5) == pytest.approx(math.sqrt(0.5 * 0.02))  # geometric


def test_an_annealed_budget_falls_to_its_target_and_stays() -> None:
    schedule = AnnealedBudget(0.3, warm_up=0.2, reached=0.6)
    budgets = np.array([schedule.budgets_at(0, at)[0] for at in np.linspace(0.0, 1.0, 101)])
    assert (budgets[:21] == 1.0).all()
    assert (np.diff(budgets)[20:60] < 0.0).all()
    assert budgets[60:] == pytest.approx(0.3)
    assert budgets[40] == pytest.approx(0.3 + 0.7 / 8)
    at_once = AnnealedBudget(0.3, warm_up=0.2, reached=0.2)
    assert [at_once.budgets_at(0, at) for at in (0.0, 0.1, 0.2, 1.0)] == [(1.0,), (1.0,), (0.3,), (0.3,)]
    assert AnnealedBudget(0.3, warm_up=0.0, reached=0.0).budgets_at(0, 0.0) == (0.3,)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lowest": 0.0}, "lowest must be above 0"),
        ({"lowest": -0.1}, r"\[0, 1\]"),
        ({"lowest": 1.1}, r"\[0, 1\]"),
        ({"lowest": NAN}, "nan"),
        ({"temperature": 0.0}, "ElasticBudget.temperature"),
        ({"temperature": INF}, "ElasticBudget.temperature"),
        ({"final_temperature": -1.0}, "ElasticBudget.final_temperature"),
        ({"warm_up": -0.1}, "warm_up < cooling"),
        ({"warm_up": 0.8, "cooling": 0.8}, "warm_up < cooling"),
        ({"cooling": 1.1}, "warm_up < cooling"),
        ({"cooling": 0.8, "settled": 0.7}, "cooling <= settled <= 1"),
        ({"settled": 1.1}, "cooling <= settled <= 1"),
        ({"settled": NAN}, "cooling <= settled <= 1"),
        ({"warm_up": NAN}, "warm_up < cooling"),
        ({"draws": -1}, "draws"),
        ({"draws": 1.5}, "draws"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ElasticBudget(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": 0.0}, "AnnealedBudget.target must be above 0"),
        ({"target": 0.5, "warm_up": 0.7, "cooling": 0.8}, "warm_up <= reached"),
        ({"target": 0.5, "reached": 1.2}, "warm_up <= reached"),
        ({"target": 0.5, "cooling": 0.5, "reached": 0.6, "settled": 0.55}, "reached <= settled"),
        ({"target": 0.5, "temperature": NAN}, "AnnealedBudget.temperature"),
    ],
    ids=str,
)
def test_annealing_out_of_range_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        AnnealedBudget(**settings)
