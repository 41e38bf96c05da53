"""Market power on few firms: anchors that can fail, mergers in closed form, algorithms, figures."""

import numpy as np
import pandas as pd
import pytest
from tests.simulations.experiments.stored import points_of_scenario, stored_tables

from walras.market import InvalidInputError
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.market_power import (
    CARTEL,
    CONDUCTS,
    COURNOT,
    EXPERIMENT,
    PRICES,
    Config,
    config_of,
    merger_gain,
)

SMALL = Config(most_firms=5, unequal_firms=(2, 3), markets=2, discounts=(0.0, 0.95), sessions=1, patience=5000)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return stored_tables(EXPERIMENT, [SMALL])


def test_the_experiment_and_its_scenario() -> None:
    assert load_experiment("market-power") is EXPERIMENT
    assert points_of_scenario(EXPERIMENT) == [Config()]


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 8
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [
        ("equal", "price", 0.01),
        ("equal", "deadweight_loss", 0.001),
        ("equal", "profit_of_each", 1000.0),
        ("equal", "money_gap", 1),
        ("unequal", "price", 1.0),
        ("unequal", "lerner", 0.001),
        ("sessions", "profit_gain", -1.5),
    ],
)
def test_anchors_can_fail(tables: dict[str, pd.DataFrame], table: str, column: str, change: float) -> None:
    wrong = tables[table].assign(**{column: tables[table][column] + change})
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors({**tables, table: wrong}))


def test_undercutting_does_less_harm_than_quantities(tables: dict[str, pd.DataFrame]) -> None:
    losses = tables["unequal"].pivot_table(index=["cell", "firms"], columns="conduct", values="deadweight_loss")
    assert (losses[PRICES] < losses[COURNOT]).all()
    assert losses[CARTEL].to_numpy() == pytest.approx(0.25)
    assert set(tables["unequal"]["conduct"]) == set(CONDUCTS)


@pytest.mark.parametrize(
    ("firms", "insiders", "gain"),
    [(2, 2, 9.0 / 8.0 - 1.0), (3, 2, 8.0 / 9.0 - 1.0), (5, 4, 0.0), (5, 5, 36.0 / 20.0 - 1.0)],
)
def test_the_gain_of_a_merger(firms: int, insiders: int, gain: float) -> None:
    assert merger_gain(firms, insiders) == pytest.approx(gain, abs=1e-12)


def test_a_merger_of_equal_firms_pays_as_theory_says(tables: dict[str, pd.DataFrame]) -> None:
    profits = tables["equal"][tables["equal"]["cell"] == 0].set_index("firms")["profit_of_each"]
    for insiders in range(2, 6):
        gain = profits[5 - insiders + 1] / (insiders * profits[5]) - 1.0
        assert gain == pytest.approx(merger_gain(5, insiders), abs=1e-9)


def test_algorithms_that_care_for_the_future_gain_more(tables: dict[str, pd.DataFrame]) -> None:
    gains = tables["sessions"].groupby("discount")["profit_gain"].mean()
    assert gains[0.95] > gains[0.0] + 0.2
    paths = tables["responses"]
    assert paths["period"].max() == 12
    before, cut = (paths[paths["period"] == period] for period in (0, 1))
    patient = (cut["discount"] == 0.95).to_numpy()
    assert (cut["deviator"].to_numpy()[patient] < before["deviator"].to_numpy()[patient]).all()


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figures = EXPERIMENT.figures(tables)
    assert list(figures) == ["concentration", "algorithms"]
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axis.get_xlabel() and axis.get_ylabel() for axis in figure.axes)
    assert config_of(tables["cells"].iloc[0]) == SMALL


def test_without_sessions_there_are_typed_empty_tables_and_one_figure() -> None:
    quick = Config(most_firms=3, unequal_firms=(2,), markets=1, periods=200, sessions=0)
    stored = stored_tables(EXPERIMENT, [quick], replications=1)
    assert stored["sessions"]["converged"].dtype == np.bool_
    assert len(stored["responses"]) == 0
    assert list(EXPERIMENT.figures(stored)) == ["concentration"]
    assert [anchor for anchor in EXPERIMENT.anchors(stored) if not anchor.agrees] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"most_firms": 13}, "at most 12 firms"),
        ({"most_firms": 2}, "Config.most_firms must be 3 or more"),
        ({"unequal_firms": ()}, "Config.unequal_firms must be a tuple of one or more"),
        ({"unequal_firms": (1,)}, "Config.unequal_firms must be 2 or more"),
        ({"cost_spread": 60.0}, "Config.cost_spread must be at most 50"),
        ({"discounts": (1.0,)}, "Config.discounts must be below 1"),
        ({"periods": 149}, "Config.periods must be 150 or more"),
        ({"sessions": -1}, "Config.sessions must be 0 or more"),
    ],
)
def test_refuses_malformed_configurations(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
