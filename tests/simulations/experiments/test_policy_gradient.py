"""A schedule by gradient ascent on a small population: anchors that can fail, welfare by the engine, figures."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.simulations.experiments.stored import points_of_scenario, stored_tables

from walras.agents.labour import QuasiLinearPreferences, social_welfare
from walras.market import InvalidInputError
from walras.market.taxation import BracketTax
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.policy_gradient import EXPERIMENT, GRADIENT, Config

SMALL = Config(households=500, grid_points=16)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return stored_tables(EXPERIMENT, [SMALL, replace(SMALL, elasticity=0.25)], replications=1)


def test_the_experiment_and_its_scenario() -> None:
    assert load_experiment("policy-gradient") is EXPERIMENT
    assert {point.elasticity for point in points_of_scenario(EXPERIMENT)} == {0.25, 0.5}


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 3
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize(("column", "factor"), [("top_rate", 0.9), ("welfare", 0.99), ("evaluations", 20)])
def test_anchors_find_what_is_wrong(tables: dict[str, pd.DataFrame], column: str, factor: float) -> None:
    optima = tables["optima"].copy()
    optima.loc[optima["way"] == GRADIENT, column] *= factor
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors({**tables, "optima": optima}))


def test_welfare_is_the_engines_and_falls_on_all_sides_of_the_schedule(tables: dict[str, pd.DataFrame]) -> None:
    rates = tables["schedules"].query("cell == 0 and way == @GRADIENT")["rate"].to_numpy()
    found = tables["optima"].query("cell == 0 and way == @GRADIENT")["welfare"].item()
    generator = np.random.default_rng(np.random.SeedSequence(1).spawn(1)[0])
    places = (np.arange(SMALL.households) + generator.random(SMALL.households)) / SMALL.households
    skills = SMALL.skills.quantile(places)
    taste = QuasiLinearPreferences(elasticity=SMALL.elasticity)

    def welfare(schedule: np.ndarray) -> float:
        return social_welfare(skills, taste, BracketTax(SMALL.thresholds, schedule), aversion=SMALL.aversion)

    assert welfare(rates) == pytest.approx(found, rel=1e-9)
    for bracket, sign in [(bracket, sign) for bracket in range(3) for sign in (-1.0, 1.0)]:
        moved = rates.copy()
        moved[bracket] += 0.05 * sign
        if (np.diff(moved) >= 0.0).all():
            assert welfare(moved) < found


def test_the_grid_tries_each_rising_schedule_once(tables: dict[str, pd.DataFrame]) -> None:
    assert set(tables["optima"].query("way != @GRADIENT")["evaluations"]) == {16 * 17 * 18 // 6}


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figure = EXPERIMENT.figures(tables)["ascent"]
    figure.canvas.draw()
    assert len(figure.axes) == 3
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pareto": 1.0}, "Config.pareto must be above 1"),
        ({"aversion": 0.0}, "Config.aversion must be above 0"),
        ({"bracket_tops": (0.9, 0.4)}, "Config.bracket_tops must rise"),
        ({"bracket_tops": (0.3,)}, "Config.bracket_tops must end at 0.5 or more"),
        ({"households": 99}, "Config.households must be 100 or more"),
        ({"steps": 0}, "Config.steps must be 1 or more"),
    ],
)
def test_refuses_malformed_configurations(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
