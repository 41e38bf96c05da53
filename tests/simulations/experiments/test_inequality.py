"""Inequality under wealth taxes: tables of a cell, anchors that can fail, figures from stored tables alone."""

import dataclasses
import tomllib
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.inequality import EXPERIMENT, Config, run, stationary_law

SCENARIO = Path(__file__).parents[3] / "simulations" / "scenarios" / "inequality.toml"
SMALL = Config(agents=400, periods=600, tax_rate=0.02)


def stored(configs, replications=2):
    """Tables of all cells, as the runner stores them."""
    cells, tables = [], {}
    for config in configs:
        for replication in range(replications):
            number = len(cells)
            cells.append({"cell": number, "replication": replication, **dataclasses.asdict(config)})
            for name, table in run(config, np.random.default_rng(replication)).items():
                keys = pd.DataFrame({"cell": number, "replication": replication}, index=table.index)
                tables.setdefault(name, []).append(pd.concat([keys, table], axis=1))
    return {"cells": pd.DataFrame(cells), **{name: pd.concat(parts) for name, parts in tables.items()}}


@pytest.fixture(scope="module")
def tables():
    points = product([0.0, 0.01, 0.05], [0.0, 2.0])
    return stored([Config(agents=500, periods=2600, tax_rate=rate, exemption=exemption) for rate, exemption in points])


def test_the_experiment_is_registered():
    assert load_experiment("inequality") is EXPERIMENT


def test_a_cell_has_the_same_tables_whatever_the_configuration():
    untaxed = run(dataclasses.replace(SMALL, tax_rate=0.0), np.random.default_rng(0))
    taxed = run(dataclasses.replace(SMALL, exemption=1.0, periods=250), np.random.default_rng(0))
    assert list(untaxed) == list(taxed) == ["paths", "lorenz", "stationary"]
    for name, table in untaxed.items():
        assert table.dtypes.to_dict() == taxed[name].dtypes.to_dict()
        assert not {"cell", "replication"} & set(table.columns)
    assert len(untaxed["stationary"]) == 1
    assert untaxed["stationary"].filter(like="_share_law").isna().all(axis=None)


def test_the_same_generator_gives_the_same_tables():
    first, again = (run(SMALL, np.random.default_rng(5)) for _ in range(2))
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, again[name], check_exact=True)
    other = run(SMALL, np.random.default_rng(6))
    assert first["stationary"]["gini"].iloc[0] != other["stationary"]["gini"].iloc[0]


def test_paths_start_and_end_where_they_must():
    paths = run(SMALL, np.random.default_rng(0))["paths"]
    assert paths["period"].iloc[0] == 1
    assert paths["period"].iloc[-1] == 600
    assert paths["period"].is_unique
    # After the first round half of the agents have 1.2 of the mean and half 0.8, before tax: a Gini of 0.1.
    assert paths["gini"].iloc[0] == pytest.approx(0.098, abs=1e-6)


def test_lorenz_curves_run_from_0_to_1_and_match_the_gini(tables):
    for _, curve in tables["lorenz"].groupby("cell"):
        assert curve["holding_share"].iloc[0] == 0.0
        assert curve["holding_share"].iloc[-1] == pytest.approx(1.0)
        assert np.all(np.diff(curve["holding_share"]) >= 0.0)
    first = tables["lorenz"][tables["lorenz"]["cell"] == 4]
    under = np.trapezoid(first["holding_share"], first["population_share"])
    gini = tables["stationary"].set_index("cell")["gini"].loc[4]
    assert 1.0 - 2.0 * under == pytest.approx(gini, abs=2e-3)


def test_higher_rates_and_lower_exemptions_leave_less_inequality(tables):
    rows = tables["stationary"].join(tables["cells"].set_index("cell")[["tax_rate", "exemption"]], on="cell")
    ginis = rows.groupby(["exemption", "tax_rate"])["gini"].mean()
    assert ginis[0.0].is_monotonic_decreasing
    assert ginis[2.0].is_monotonic_decreasing
    assert ginis[0.0, 0.05] < ginis[2.0, 0.05]
    assert (rows["revenue"] - rows["revenue_law"]).abs().max() < 5e-4


def test_anchors_hold_on_a_small_grid_and_have_known_sources(tables):
    anchors = EXPERIMENT.anchors(tables)
    assert [anchor for anchor in anchors if not anchor.agrees] == []
    assert len(anchors) == 8  # two of condensation, four Gini coefficients, two variances
    assert len({anchor.statement for anchor in anchors}) == len(anchors)


@pytest.mark.parametrize(
    ("table", "column", "factor"), [("stationary", "gini", 1.1), ("stationary", "variance_kept", 0.9)]
)
def test_anchors_can_fail(tables, table, column, factor):
    wrong = {**tables, table: tables[table].assign(**{column: tables[table][column] * factor})}
    assert any(not anchor.agrees for anchor in EXPERIMENT.anchors(wrong))


def test_a_run_that_is_too_short_claims_nothing():
    short = stored([dataclasses.replace(SMALL, tax_rate=rate, periods=200) for rate in (0.0, 0.001)], 1)
    assert list(EXPERIMENT.anchors(short)) == []


def test_other_parameters_are_other_points():
    one, other = SMALL, dataclasses.replace(SMALL, fraction_at_stake=0.1)
    assert len(EXPERIMENT.anchors(stored([one, other], 1))) == 4


def test_figures_are_made_from_stored_tables_alone(tables, tmp_path):
    for name, table in tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    again = {name: pd.read_parquet(tmp_path / f"{name}.parquet") for name in tables}
    figures = EXPERIMENT.figures(again)
    assert list(figures) == ["paths", "rates"]
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    assert len(figures["rates"].axes) == 3


def test_figures_of_a_single_cell_are_made_too():
    for config in (SMALL, dataclasses.replace(SMALL, tax_rate=0.0)):
        for figure in EXPERIMENT.figures(stored([config], 1)).values():
            figure.draw_without_rendering()


def test_the_law_of_a_configuration():
    assert stationary_law(dataclasses.replace(SMALL, tax_rate=0.0)) is None
    law = stationary_law(dataclasses.replace(SMALL, exemption=1.0))
    assert law.revenue < 0.02 * 0.5
    assert law.gini > stationary_law(SMALL).gini


def test_the_scenario_is_one_of_this_experiment():
    scenario = tomllib.loads(SCENARIO.read_text(encoding="utf-8"))
    assert scenario["experiment"] == EXPERIMENT.name
    for values in product(*scenario["grid"].values()):
        EXPERIMENT.config(**scenario["config"], **dict(zip(scenario["grid"], values, strict=True)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agents": 99}, "Config.agents must be 100 or more, got 99"),
        ({"mean_wealth": 99.0}, "Config.mean_wealth must be 100 or more, got 99.0"),
        ({"mean_wealth": 0.0}, "Config.mean_wealth must be above 0"),
        ({"fraction_at_stake": 0.0}, "Config.fraction_at_stake must be above 0"),
        ({"fraction_at_stake": 1.5}, r"Config.fraction_at_stake must lie in \[0, 1\]"),
        ({"tax_rate": -0.1}, r"Config.tax_rate must lie in \[0, 1\], got -0.1"),
        ({"exemption": -1.0}, "Config.exemption must be 0 or more"),
        ({"periods": 100}, "Config.periods must be 200 or more, got 100"),
    ],
)
def test_bad_configurations(change, message):
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
