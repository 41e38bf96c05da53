"""Tax incidence and the Laffer curve on small markets: anchors that can fail, closed forms, figures."""

import numpy as np
import pandas as pd
import pytest
from tests.simulations.experiments.stored import points_of_scenario, stored_tables

from walras.market import InvalidInputError
from walras.simulations.experiments import load_experiment
from walras.simulations.experiments.tax_incidence import (
    BUYERS,
    CALL,
    DOUBLE,
    EXPERIMENT,
    FALLING,
    FIXED,
    SELLERS,
    Config,
    buyers_share,
    config_of,
)

SMALL = Config(
    demand_elasticities=(0.5, 2.0),
    traders=1000,
    zero_intelligence_traders=20,
    labour_elasticities=(0.5,),
    households=200,
    tax_rates=5,
    periods=12,
)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return stored_tables(EXPERIMENT, [SMALL], replications=4)


def test_the_experiment_and_its_scenario() -> None:
    assert load_experiment("tax-incidence") is EXPERIMENT
    assert points_of_scenario(EXPERIMENT) == [Config()]


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 2 * 2 + 2 + 2 * 2
    # Twenty traders who quote at random are too few for the formula; the scenario has sixty.
    assert [anchor for anchor in found if not anchor.agrees and "zero-intelligence" not in anchor.statement] == []


@pytest.mark.parametrize(
    ("table", "column", "wrong"),
    [
        ("market", "buyers_share", 0.1),
        ("market", "loss", 0.01),
        ("market", "consumer_price", np.linspace(0.0, 0.1, 32)),
        ("peaks", "rate", 0.01),
        ("revenue", "revenue", 0.2),
    ],
)
def test_anchors_can_fail(tables: dict[str, pd.DataFrame], table: str, column: str, wrong: float) -> None:
    changed = tables[table].assign(**{column: tables[table][column] + wrong})
    found = EXPERIMENT.anchors({**tables, table: changed})
    assert any(not anchor.agrees and "zero-intelligence" not in anchor.statement for anchor in found)


def test_the_law_moves_the_tag_and_nothing_else(tables: dict[str, pd.DataFrame]) -> None:
    call = tables["market"][tables["market"]["institution"] == CALL].set_index(["cell", "demand_elasticity"])
    buyers, sellers = (call[call["levied_on"] == side] for side in (BUYERS, SELLERS))
    for column in ("consumer_price", "producer_price", "quantity", "loss"):
        np.testing.assert_allclose(buyers[column], sellers[column], atol=1e-12)
    np.testing.assert_allclose(sellers["tag_price"] - buyers["tag_price"], SMALL.tax, atol=1e-12)
    assert (buyers["quantity"] < buyers["free_quantity"]).all()


def test_a_tax_lowers_trade_of_random_quotes_too(tables: dict[str, pd.DataFrame]) -> None:
    double = tables["market"][tables["market"]["institution"] == DOUBLE]
    assert double["quantity"].mean() < double["free_quantity"].mean()
    np.testing.assert_allclose(double["consumer_price"] - double["producer_price"], SMALL.tax, atol=1e-12)


def test_where_the_wage_rises_with_the_tax_the_peak_comes_later(tables: dict[str, pd.DataFrame]) -> None:
    peaks = tables["peaks"].groupby("wages")["rate"].mean()
    assert peaks[FIXED] == pytest.approx(1.0 / 1.5, abs=1e-3)
    assert peaks[FALLING] == pytest.approx(0.8, abs=1e-3)  # 0.6 e / (1 + 0.4 e) = 1/4


@pytest.mark.parametrize(("demand", "supply", "share"), [(1.0, 1.0, 0.5), (0.25, 1.0, 0.8), (4.0, 1.0, 0.2)])
def test_the_less_elastic_side_bears_more(demand: float, supply: float, share: float) -> None:
    assert buyers_share(demand, supply) == pytest.approx(share)


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figures = EXPERIMENT.figures(tables)
    assert list(figures) == ["incidence", "laffer"]
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axis.get_xlabel() for axis in figure.axes)
    assert config_of(tables["cells"].iloc[0]) == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"demand_elasticities": ()}, "Config.demand_elasticities must be a tuple of one or more"),
        ({"labour_elasticities": (0.0,)}, "Config.labour_elasticities must be above 0"),
        ({"supply_elasticity": -1.0}, "Config.supply_elasticity must be above 0"),
        ({"tax": 0.6}, "Config.tax must be above 0 and at most 0.5"),
        ({"traders": 9}, "Config.traders must be 10 or more"),
        ({"labour_share": 1.5}, r"Config.labour_share must lie in \[0, 1\]"),
        ({"tax_rates": 2}, "Config.tax_rates must be 3 or more"),
    ],
)
def test_refuses_malformed_configurations(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**change)
