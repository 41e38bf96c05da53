"""Prices against quantities on a small configuration, stored by hand; anchors that can fail; figures."""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.simulations.experiments.prices_against_quantities import (
    ARRAYS,
    CAP,
    EXPERIMENT,
    TAX,
    Config,
    config_of,
    industry_of,
    loss_unit,
)

SMALL = Config(firms=4, periods=20, draws=4000)


def stored(ratios: tuple[float, ...], replications: int = 3) -> dict[str, pd.DataFrame]:
    tables: dict[str, list[pd.DataFrame]] = {}
    cells = []
    generators = np.random.SeedSequence(1).spawn(replications)
    for ratio in ratios:
        for replication, generator in enumerate(generators):
            config = replace(SMALL, slope_ratio=ratio)
            for name, table in EXPERIMENT.run(config, np.random.default_rng(generator)).items():
                table.insert(0, "replication", replication)
                table.insert(0, "cell", len(cells))
                tables.setdefault(name, []).append(table)
            cells.append({"cell": len(cells), "replication": replication, **asdict(config)})
    joined = {name: pd.concat(each, ignore_index=True) for name, each in tables.items()}
    return joined | {"cells": pd.DataFrame(cells)}


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return stored((0.5, 1.0, 2.0))


def test_anchors_agree(tables):
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 3 * 4 + 3
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize("change", ["less", "loss", "cent"])
def test_anchors_find_what_is_wrong(tables, change):
    wrong = {name: table.copy() for name, table in tables.items()}
    losses, simulated = wrong["losses"], wrong["losses"]["engine"] == ARRAYS
    if change == "less":
        losses.loc[simulated & (losses["instrument"] == TAX), "less_than_cap"] += 1.0
    elif change == "loss":
        losses.loc[simulated & (losses["instrument"] == CAP), "loss"] *= 1.5
    else:
        wrong["periods"].loc[3, "total_cents"] += 1
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors(wrong))


def test_the_same_generator_gives_the_same_tables_and_all_instruments_the_same_shocks():
    first, second = (EXPERIMENT.run(SMALL, np.random.default_rng(3)) for _ in range(2))
    for name in first:
        pd.testing.assert_frame_equal(first[name], second[name])
    best = first["periods"].assign(best=first["periods"]["welfare"] + first["periods"]["loss"])
    spread = best.groupby("period")["best"].agg(lambda each: each.max() - each.min())
    assert (spread < 1e-6).all()


def test_the_industry_is_the_one_that_is_asked_for():
    for firms in (1, 7, 20):
        industry = industry_of(replace(SMALL, firms=firms))
        assert industry.firms == firms
        assert industry.slope == pytest.approx(1.0)
        assert industry.intercept == pytest.approx(100.0, rel=0.06)
    assert loss_unit(SMALL) == pytest.approx(industry_of(SMALL).shock_variance / 2.0)
    assert config_of(pd.Series(asdict(SMALL))) == SMALL


def test_figures_are_drawn_from_stored_tables(tables, tmp_path):
    figures = EXPERIMENT.figures(tables)
    assert sorted(figures) == ["losses", "outcomes"]
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=40)
    one = stored((1.0,), replications=1)
    for figure in EXPERIMENT.figures(one).values():
        figure.savefig(tmp_path / "one.png", dpi=40)
    assert all(anchor.agrees or "loss" in anchor.statement for anchor in EXPERIMENT.anchors(one))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"slope_ratio": -0.1}, "slope_ratio must be 0 or more"),
        ({"slope_ratio": 3.1}, "slope_ratio must be at most 3"),
        ({"firms": 0}, "firms must be 1 or more"),
        ({"intercept": 0.0}, "intercept must be above 0"),
        ({"common_deviation": -1.0}, "common_deviation"),
        ({"own_deviation": 50.0}, "intercept / 16"),
        ({"common_deviation": 0.0, "own_deviation": 0.0}, "intercept / 16"),
        ({"periods": 1}, "periods must be 2 or more"),
        ({"draws": 1}, "draws must be 2 or more"),
    ],
)
def test_bad_configurations_are_refused(fields, message):
    with pytest.raises(InvalidInputError, match=message):
        Config(**fields)
