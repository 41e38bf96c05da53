"""Scarf's cycle on a small configuration, stored by hand; anchors that can fail; figures."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from walras.market import InvalidInputError
from walras.market.exchange import CES, ExchangeEconomy, Leontief, tatonnement_eigenvalues
from walras.simulations.experiments.scarf import (
    BARTER,
    EXPERIMENT,
    FLOW,
    FORESIGHT,
    MONEY,
    OWNERSHIP,
    PROCESSES,
    STEPS,
    TASTES,
    WANTS,
    Config,
    damping_rates,
    orbit_period,
)

SMALL = Config(consumers=4, rounds=120, horizon=70.0)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Two cells, as a runner stores them."""
    stored: dict[str, list[pd.DataFrame]] = {}
    generators = np.random.SeedSequence(1).spawn(2)
    for cell, generator in enumerate(generators):
        for name, table in EXPERIMENT.run(SMALL, np.random.default_rng(generator)).items():
            table.insert(0, "replication", cell)
            table.insert(0, "cell", cell)
            stored.setdefault(name, []).append(table)
    cells = pd.DataFrame([{"cell": cell, "replication": cell, **asdict(SMALL)} for cell in range(2)])
    return {name: pd.concat(each, ignore_index=True) for name, each in stored.items()} | {"cells": cells}


def test_anchors_agree(tables):
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 14
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize("change", ["path", "period", "rate", "price", "waste", "cure"])
def test_anchors_find_what_is_wrong(tables, change):
    wrong = {name: table.copy() for name, table in tables.items()}
    paths, rates = wrong["paths"], wrong["rates"]
    if change == "path":
        paths.loc[(paths["process"] == FLOW) & (paths["time"] > 60.0), "product"] *= 1.0 + 1e-6
    elif change == "period":
        rates.loc[rates["quantity"] == "period", "measured"] += 0.02
    elif change == "rate":
        rates.loc[rates["quantity"] == OWNERSHIP, "measured"] *= 1.02
    elif change == "price":
        wrong["equilibria"].loc[0, "price"] += 1e-6
    elif change == "waste":
        wrong["bilateral"]["waste"] += 0.01
    else:
        paths.loc[paths["process"] == FORESIGHT, "distance"] += 0.02
    assert not all(anchor.agrees for anchor in EXPERIMENT.anchors(wrong))


def test_theory_is_that_of_the_eigenvalues():
    owning = ExchangeEconomy(
        Leontief(WANTS), (1 - SMALL.ownership) * np.eye(3) + SMALL.ownership * np.roll(np.eye(3), 2, axis=1)
    )
    replacing = ExchangeEconomy(CES.with_elasticity(WANTS, SMALL.elasticity), np.eye(3))
    scarf = ExchangeEconomy(Leontief(WANTS), np.eye(3))
    rates = damping_rates(SMALL)
    value = tatonnement_eigenvalues(scarf, np.ones(3))[1]
    assert orbit_period() == pytest.approx(2 * np.pi / value.imag)
    for name, economy in ((FLOW, scarf), (OWNERSHIP, owning), (TASTES, replacing)):
        assert rates[name] == pytest.approx(-tatonnement_eigenvalues(economy, np.ones(3)).real.max(), abs=1e-7)
    assert rates[STEPS] == pytest.approx(-np.log(abs(1 + SMALL.step * value)) / SMALL.step)
    ahead = SMALL.foresight_step * value
    assert rates[FORESIGHT] == pytest.approx(-np.log(abs(1 + ahead * (1 + ahead))) / SMALL.foresight_step)


def test_tables_are_as_described(tables):
    paths, bilateral = tables["paths"], tables["bilateral"]
    assert set(paths["process"]) == set(PROCESSES)
    np.testing.assert_allclose(paths[["p1", "p2", "p3"]].sum(axis=1), 1.0)
    starts = paths.groupby(["cell", "process"])[["p1", "p2", "p3"]].first()
    for _, same in starts.groupby("cell"):
        assert np.ptp(same.to_numpy(), axis=0).max() < 1e-12
    assert set(bilateral["goods"]) == {BARTER, MONEY}
    assert (bilateral.groupby(["cell", "goods"])["waste"].last().unstack()[BARTER] > 0.1).all()
    first = EXPERIMENT.run(Config(consumers=1, rounds=3), np.random.default_rng(5))
    second = EXPERIMENT.run(Config(consumers=1, rounds=3), np.random.default_rng(5))
    for name in first:
        pd.testing.assert_frame_equal(first[name], second[name])


def test_the_figure_is_drawn_from_stored_tables(tables, tmp_path):
    figures = EXPERIMENT.figures(tables)
    assert sorted(figures) == ["cycle"]
    figures["cycle"].savefig(tmp_path / "cycle.png", dpi=40)
    one = {name: table[table["cell"] == 0] for name, table in tables.items()}
    EXPERIMENT.figures(one)["cycle"].savefig(tmp_path / "one.png", dpi=40)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"start_distance": 0.8}, "start_distance must be at most 0.7"),
        ({"start_distance": 0.0}, "start_distance must be above 0"),
        ({"horizon": 30.0}, "horizon must be above 30"),
        ({"step": 0.0}, "step must be above 0"),
        ({"foresight_step": -1.0}, "foresight_step must be above 0"),
        ({"ownership": 1.0}, r"ownership must lie inside \(0, 1\)"),
        ({"elasticity": 0.0}, "elasticity must be above 0"),
        ({"consumers": 0}, "consumers must be 1 or more"),
        ({"spread": 0.5}, "spread must lie inside"),
        ({"rounds": 0}, "rounds must be 1 or more"),
    ],
)
def test_bad_configurations_are_refused(fields, message):
    with pytest.raises(InvalidInputError, match=message):
        Config(**fields)
