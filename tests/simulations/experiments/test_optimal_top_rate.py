"""The optimal top rate on small populations: anchors that can fail, the search, figures from stored tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.simulations.experiments.stored import points_of_scenario, stored_tables

from walras.agents.labour import QuasiLinearPreferences, labour_outcome, social_welfare
from walras.market import InvalidInputError
from walras.market.taxation import BracketTax, top_tax_rate
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.optimal_top_rate import EXPERIMENT, REVENUE, WELFARE, Config, config_of, run

SMALL = Config(households=4000, tax_rates=9)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return stored_tables(EXPERIMENT, [SMALL, replace(SMALL, pareto=2.0, elasticity=1.0)])


def test_the_experiment_and_its_scenario() -> None:
    assert load_experiment("optimal-top-rate") is EXPERIMENT
    points = {(point.pareto, point.elasticity) for point in points_of_scenario(EXPERIMENT)}
    assert {(1.5, 0.25), (1.5, 0.5), (1.5, 1.0), (2.0, 0.25)} <= points  # the published cases


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 4
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize("aim", [REVENUE, WELFARE])
def test_anchors_find_what_is_wrong(tables: dict[str, pd.DataFrame], aim: str) -> None:
    optima = tables["optima"].copy()
    optima.loc[optima["aim"] == aim, "rate"] += 0.05
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors({**tables, "optima": optima}))


def test_the_rates_found_are_best_among_those_near_them() -> None:
    optima = run(SMALL, np.random.default_rng(3))["optima"].set_index("aim")
    # The same households, by pure functions in place of the economy.
    uniforms = np.maximum(np.random.default_rng(3).random(SMALL.households), 1e-12)
    skills = SMALL.skills.quantile((np.arange(SMALL.households) + uniforms) / SMALL.households)
    taste = QuasiLinearPreferences(elasticity=SMALL.elasticity)

    def tax(rate: float) -> BracketTax:
        return BracketTax([SMALL.threshold], [SMALL.base_rate, round(rate, 6)])

    aims = {
        REVENUE: lambda rate: labour_outcome(skills, taste, tax(rate)).revenue,
        WELFARE: lambda rate: social_welfare(skills, taste, tax(rate), aversion=SMALL.aversion),
    }
    for aim, gain in aims.items():
        best = optima.loc[aim, "rate"]
        assert gain(best) >= max(gain(best - 0.01), gain(best + 0.01))
    assert optima.loc[REVENUE, "rate"] > optima.loc[WELFARE, "rate"]
    assert 0.0 < optima.loc[WELFARE, "weight"] < 1.0


def test_the_curve_is_that_of_the_formula(tables: dict[str, pd.DataFrame]) -> None:
    curve = tables["curve"].merge(tables["cells"], on=["cell", "replication"])
    thin = curve[curve["pareto"] == 2.0]
    assert (thin["revenue"] - thin["theory"]).abs().max() < 0.03
    peaks = curve.loc[curve.groupby("cell")["theory"].idxmax()]
    expected = [top_tax_rate(row.pareto, row.elasticity) for row in peaks.itertuples()]
    assert np.abs(peaks["tax_rate"] - expected).max() <= 0.05 + 1e-9


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figure = EXPERIMENT.figures(tables)["rates"]
    figure.canvas.draw()
    assert len(figure.axes) == 3
    assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)
    assert config_of(tables["cells"].iloc[0]) == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pareto": 1.0}, "Config.pareto must be above 1"),
        ({"elasticity": 0.0}, "Config.elasticity must be above 0"),
        ({"base_rate": 1.0}, "Config.base_rate must be below 1"),
        ({"top_share": 0.5}, "Config.top_share must be above 0 and at most 0.4"),
        ({"households": 99}, "Config.households must be 100 or more"),
        ({"tax_rates": 2}, "Config.tax_rates must be 3 or more"),
    ],
)
def test_refuses_malformed_configurations(change: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
