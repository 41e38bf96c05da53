"""The budget and temperature of each step, and the callback in a real training."""

import math

import numpy as np
import pytest
import torch
from tests.llm.models import bert
from tests.llm.tasks_at_hand import memory_task
from transformers import TrainerCallback

from walras.llm import EconomyConfig, ElasticBudget, ModelEconomy, attach
from walras.llm.appraisal import normal_scores
from walras.llm.training import TrainingSettings, fine_tune
from walras.market import InvalidInputError

SCHEDULE = ElasticBudget(lowest=0.3, warm_up=0.25, temperature=0.5, final_temperature=0.02, cooling=0.75, seed=3)
NAN, INF = float("nan"), float("inf")


# ---------------------------------------------------------------- the schedule


def test_budgets_go_round_in_turns() -> None:
    budgets = [SCHEDULE.budget_at(step) for step in range(400)]
    assert budgets[::2] == [1.0] * 200
    assert budgets[1::4] == [0.3] * 100
    drawn = np.array(budgets[3::4])
    assert ((drawn >= 0.3) & (drawn <= 1.0)).all()
    assert len(set(drawn)) == 100
    assert drawn.mean() == pytest.approx(0.65, abs=0.08)  # four standard errors


def test_the_same_seed_and_step_give_the_same_budget() -> None:
    again = ElasticBudget(lowest=0.3, seed=3)
    other = ElasticBudget(lowest=0.3, seed=4)
    steps = list(range(3, 200, 4))
    assert [SCHEDULE.budget_at(step) for step in reversed(steps)] == [again.budget_at(step) for step in reversed(steps)]
    assert [SCHEDULE.budget_at(step) for step in steps] != [other.budget_at(step) for step in steps]


def test_the_temperature_falls_from_one_end_to_the_other() -> None:
    progress = np.linspace(0.0, 1.0, 101)
    temperatures = np.array([SCHEDULE.temperature_at(at) for at in progress])
    assert temperatures[progress <= 0.25] == pytest.approx(0.5)
    assert temperatures[progress >= 0.75] == pytest.approx(0.02)
    assert (np.diff(temperatures)[25:75] < 0.0).all()
    assert SCHEDULE.temperature_at(0.5) == pytest.approx(math.sqrt(0.5 * 0.02))  # geometric


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
        ({"warm_up": NAN}, "warm_up < cooling"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ElasticBudget(**settings)


# ---------------------------------------------------------------- the callback


class Watcher(TrainerCallback):
    """Notes mode, budget, temperature, valuations and contributions at the middle and the end of each step."""

    def __init__(self, economy: ModelEconomy) -> None:
        self.economy = economy
        self.during: list[dict] = []
        self.between: list[tuple[str | None, float]] = []

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        gate = self.economy.gate
        self.during.append(
            {
                "mode": gate.mode,
                "budget": self.economy.budget,
                "temperature": float(gate.temperature),
                "valuations": self.economy.valuations,
                "contributions": None if gate.mode != "open" else gate.marginal_contributions.double().numpy(),
                "sold": float(gate.costs @ gate.clearing.allocation.detach().double()),
            }
        )

    def on_step_end(self, *_: object, **__: object) -> None:
        self.between.append((self.economy.gate.mode, self.economy.budget))


def trained(schedule: ElasticBudget, *, steps: int = 12) -> tuple[ModelEconomy, Watcher, list[dict[str, float]]]:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.6))
    callback, watcher = economy.callback(schedule), Watcher(economy)
    settings = TrainingSettings(steps=steps, learning_rate=1e-3, batch_size=4)
    fine_tune(model, memory_task(), settings, callbacks=[callback, watcher])
    return economy, watcher, callback.rows


def test_a_training_goes_through_the_schedule() -> None:
    economy, watcher, _ = trained(SCHEDULE)
    warm_up, after = watcher.during[:3], watcher.during[3:]
    assert all(step["mode"] == "open" and (step["valuations"] == 0.0).all() for step in warm_up)
    assert all(step["mode"] is None for step in after)
    for number, step in enumerate(after, start=3):
        assert step["budget"] == SCHEDULE.budget_at(number)
        assert step["temperature"] == SCHEDULE.temperature_at(number / 12)
        assert step["sold"] == pytest.approx(step["budget"], abs=1e-4)
    # Between steps, evaluation sees its own budget, and whole agents.
    assert watcher.between == [(None, pytest.approx(0.6))] * 12
    assert economy.budget == pytest.approx(0.6)
    assert float(economy.gate.temperature) == pytest.approx(0.02)


def test_first_valuations_are_normal_scores_of_contributions_per_cost() -> None:
    economy, watcher, _ = trained(SCHEDULE)
    contributions = sum(step["contributions"] for step in watcher.during[:3])
    expected = normal_scores(contributions / economy.population.costs)
    np.testing.assert_allclose(watcher.during[3]["valuations"], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(economy.valuations - expected).max() > 1e-2  # and learned from there
    assert np.isfinite(economy.valuations).all()


def test_rows_are_logged_after_the_warm_up() -> None:
    _, _, rows = trained(SCHEDULE)
    assert [row["step"] for row in rows] == [float(step) for step in range(4, 13)]
    assert [row["budget"] for row in rows] == [SCHEDULE.budget_at(step) for step in range(3, 12)]
    for row in rows:
        assert set(row) == {"step", "budget", "temperature", "price", "shadow_price"}
        assert np.isfinite([row["temperature"], row["shadow_price"]]).all()
        # With room for all, every price from minus infinity up to the lowest bid clears the market.
        assert np.isfinite(row["price"]) == (row["budget"] < 1.0)
    assert any(row["shadow_price"] != 0.0 for row in rows)


def test_without_a_warm_up_valuations_start_as_they_are() -> None:
    economy, watcher, rows = trained(ElasticBudget(warm_up=0.0), steps=4)
    assert (watcher.during[0]["valuations"] == 0.0).all()
    assert [step["budget"] for step in watcher.during[:2]] == [1.0, 0.4]
    assert len(rows) == 4
    assert (economy.valuations != 0.0).any()


def test_two_trainings_with_one_callback_start_afresh() -> None:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.6))
    callback = economy.callback(SCHEDULE)
    settings = TrainingSettings(steps=4, learning_rate=1e-3, batch_size=4)
    fine_tune(model, memory_task(), settings, callbacks=[callback])
    economy.set_budget(0.7)
    fine_tune(model, memory_task(), settings, callbacks=[callback])
    assert economy.budget == pytest.approx(0.7)
    assert torch.isfinite(economy.gate.raw_valuations).all()
