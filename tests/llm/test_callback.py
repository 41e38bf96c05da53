"""The callback in real trainings: one budget a step in the ordinary Trainer, all of them in ours."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.llm.models import bert
from tests.llm.tasks_at_hand import memory_task
from transformers import TrainerCallback

from walras.llm import EconomyConfig, ElasticBudget, ModelEconomy, attach
from walras.llm.appraisal import normal_scores
from walras.llm.schedule import turn_of
from walras.llm.training import TrainingSettings, fine_tune

SCHEDULE = ElasticBudget(lowest=0.3, warm_up=0.25, temperature=0.5, final_temperature=0.02, cooling=0.75, seed=3)
COLUMNS = {"step", "budget", "temperature", "price", "shadow_price", "sold", "gap"}


class Watcher(TrainerCallback):
    """Notes the market at the middle and the end of each step."""

    def __init__(self, economy: ModelEconomy) -> None:
        self.economy = economy
        self.during: list[dict] = []
        self.between: list[tuple[str | None, float, object]] = []

    def on_pre_optimizer_step(self, *_: object, **__: object) -> None:
        gate = self.economy.gate
        lanes = None if gate.lanes is None else gate.lanes.detach()
        self.during.append(
            {
                "mode": gate.mode,
                "budgets": [] if lanes is None else lanes.tolist(),
                "temperature": float(gate.temperature),
                "valuations": self.economy.valuations,
                "contributions": None if gate.mode != "open" else gate.marginal_contributions.double().numpy(),
                "sold": (gate.clearing.allocation.detach().double() @ gate.costs).flatten().tolist(),
            }
        )

    def on_step_end(self, *_: object, **__: object) -> None:
        self.between.append((self.economy.gate.mode, self.economy.budget, self.economy.gate.lanes))


def trained(
    schedule: ElasticBudget, *, steps: int = 12, together: bool = False, accumulation: int = 1
) -> tuple[ModelEconomy, Watcher, list[dict[str, float]]]:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.6))
    callback, watcher = economy.callback(schedule), Watcher(economy)
    settings = TrainingSettings(steps=steps, learning_rate=1e-3, batch_size=4, accumulation=accumulation)
    callbacks = [watcher] if together else [callback, watcher]
    fine_tune(model, memory_task(), settings, market=callback if together else None, callbacks=callbacks)
    return economy, watcher, callback.rows


@pytest.mark.parametrize("together", [False, True])
def test_a_training_goes_through_the_schedule(*, together: bool) -> None:
    economy, watcher, _ = trained(SCHEDULE, together=together)
    warm_up, after = watcher.during[:3], watcher.during[3:]
    assert all(step["mode"] == "open" and (step["valuations"] == 0.0).all() for step in warm_up)
    assert all(step["mode"] is None for step in after)
    for number, step in enumerate(after, start=3):
        budgets = SCHEDULE.budgets_at(number, number / 12)
        assert step["budgets"] == list(budgets if together else (turn_of(budgets, number),))
        assert step["temperature"] == SCHEDULE.temperature_at(number / 12)
        assert step["sold"] == pytest.approx(step["budgets"], abs=1e-4)
    # Between steps, evaluation sees its own budget, and whole agents.
    assert watcher.between == [(None, pytest.approx(0.6), None)] * 12
    assert economy.budget == pytest.approx(0.6)
    assert float(economy.gate.temperature) == pytest.approx(0.02)


@pytest.mark.parametrize("together", [False, True])
def test_once_settled_bids_stay_and_whole_agents_are_served(*, together: bool) -> None:
    schedule = replace(SCHEDULE, settled=0.75)
    economy, watcher, rows = trained(schedule, together=together)
    settled = watcher.during[9:]
    assert [step["mode"] for step in watcher.during] == ["open"] * 3 + [None] * 6 + ["hard"] * 3
    for number, step in enumerate(settled, start=9):
        budgets = schedule.budgets_at(number, number / 12)
        assert step["budgets"] == list(budgets if together else (turn_of(budgets, number),))
        served = [economy.hard_allocation(budget) @ economy.population.costs for budget in step["budgets"]]
        assert step["sold"] == pytest.approx(served, abs=1e-6)
        np.testing.assert_array_equal(step["valuations"], economy.valuations)
    assert np.abs(watcher.during[8]["valuations"] - economy.valuations).max() > 0.0  # the last step that moved them
    assert watcher.between == [(None, pytest.approx(0.6), None)] * 12
    assert {row["gap"] for row in rows if row["step"] > 9} == {0.0}


def test_first_valuations_are_normal_scores_of_contributions_per_cost() -> None:
    economy, watcher, _ = trained(SCHEDULE)
    contributions = sum(step["contributions"] for step in watcher.during[:3])
    expected = normal_scores(contributions / economy.population.costs)
    np.testing.assert_allclose(watcher.during[3]["valuations"], expected, rtol=1e-5, atol=1e-6)
    assert np.abs(economy.valuations - expected).max() > 1e-2  # and learned from there
    assert np.isfinite(economy.valuations).all()


def test_contributions_are_those_of_all_accumulated_batches() -> None:
    _, whole, _ = trained(ElasticBudget(warm_up=0.5), steps=2)
    model = bert()
    economy = attach(model)
    watcher = Watcher(economy)
    settings = TrainingSettings(steps=2, learning_rate=1e-3, batch_size=2, accumulation=2)
    fine_tune(model, memory_task(), settings, callbacks=[economy.callback(ElasticBudget(warm_up=0.5)), watcher])
    expected = whole.during[0]["contributions"]
    np.testing.assert_allclose(watcher.during[0]["contributions"], expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("together", [False, True])
def test_rows_are_logged_after_the_warm_up(*, together: bool) -> None:
    economy, _, rows = trained(SCHEDULE, together=together)
    logged = [
        (float(step + 1), budget)
        for step in range(3, 12)
        for budget in (
            SCHEDULE.budgets_at(step, step / 12) if together else (turn_of(SCHEDULE.budgets_at(step, step / 12), step),)
        )
    ]
    assert [(row["step"], row["budget"]) for row in rows] == logged
    for row in rows:
        assert set(row) == COLUMNS
        assert np.isfinite([row["temperature"], row["shadow_price"]]).all()
        assert row["sold"] == pytest.approx(row["budget"], abs=1e-4)
        # With room for all, every price from minus infinity up to the lowest bid clears the market.
        assert np.isfinite(row["price"]) == (row["budget"] < 1.0)
        assert (row["gap"] == 0.0) == (row["budget"] == 1.0)
    assert any(row["shadow_price"] != 0.0 for row in rows)
    # Cooled down, the soft market is nearly the hard one: no more is rationed than a few agents at the margin.
    gaps = {row["step"]: row["gap"] for row in rows if row["budget"] == SCHEDULE.lowest}
    assert gaps[max(gaps)] < gaps[min(gaps)] / 2
    assert gaps[max(gaps)] < 3 * economy.population.costs.max()


def test_without_a_warm_up_valuations_start_as_they_are() -> None:
    economy, watcher, rows = trained(ElasticBudget(warm_up=0.0), steps=4)
    assert (watcher.during[0]["valuations"] == 0.0).all()
    assert [step["budgets"] for step in watcher.during[:2]] == [[1.0], [0.4]]
    assert len(rows) == 4
    assert (economy.valuations != 0.0).any()


def test_two_trainings_with_one_callback_start_afresh() -> None:
    model = bert()
    economy = attach(model, EconomyConfig(budget=0.6))
    callback = economy.callback(SCHEDULE)
    settings = TrainingSettings(steps=4, learning_rate=1e-3, batch_size=4)
    fine_tune(model, memory_task(), settings, callbacks=[callback])
    first = list(callback.rows)
    economy.set_budget(0.7)
    fine_tune(model, memory_task(), settings, callbacks=[callback])
    assert economy.budget == pytest.approx(0.7)
    assert len(callback.rows) == len(first)
    assert torch.isfinite(economy.gate.raw_valuations).all()
