"""The compute economy's tax codes on a small configuration, stored by hand; anchors that can fail; figures."""

import tomllib
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from walras.agents.compute import synthetic_population
from walras.market import CapacityMarket, FixedSupply, InvalidInputError
from walras.simulations.experiments.compute_economy import (
    EXPERIMENT,
    TAX_CODES,
    USE,
    Config,
    agents_of,
    config_of,
    frictionless_price,
    tax_rules,
)

REPLICATIONS = 3


def config(tax_code: str, **changes: object) -> Config:
    return Config(**({"tax_code": tax_code, "layers": 3, "periods": 60, "dividend_rate": 0.2} | changes))


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """Three cells for each tax code, and one more policy, as a runner stores them."""
    stored: dict[str, list[pd.DataFrame]] = {}
    cells = []
    generators = np.random.SeedSequence(1).spawn(REPLICATIONS)
    points = [config(code) for code in TAX_CODES] + [config("none", policy="zi-c")]
    for point in points:
        for replication, generator in enumerate(generators):
            cell = len(cells)
            cells.append({"cell": cell, "replication": replication, **asdict(point)})
            for name, table in EXPERIMENT.run(point, np.random.default_rng(generator)).items():
                table = table.assign(cell=cell, replication=replication)
                stored.setdefault(name, []).append(
                    table[
                        ["cell", "replication", *[column for column in table if column not in ("cell", "replication")]]
                    ]
                )
    return {name: pd.concat(each, ignore_index=True) for name, each in stored.items()} | {"cells": pd.DataFrame(cells)}


def test_anchors_agree(tables: dict[str, pd.DataFrame]) -> None:
    found = EXPERIMENT.anchors(tables)
    assert len(found) == 4 * len(TAX_CODES) - 3 + 1
    assert [anchor for anchor in found if not anchor.agrees] == []


@pytest.mark.parametrize("change", ["price", "share", "efficiency", "savings", "money"])
def test_anchors_find_what_is_wrong(tables: dict[str, pd.DataFrame], change: str) -> None:
    wrong = {name: table.copy() for name, table in tables.items()}
    if change == "money":
        wrong["paths"].loc[7, "total_cents"] += 1
    else:
        theory = wrong["theory"]
        row = theory.index[theory["quantity"].str.contains(change)][3]
        theory.loc[row, "obtained"] += 2.0 * theory.loc[row, "tolerance"]
    assert [anchor.agrees for anchor in EXPERIMENT.anchors(wrong)].count(False) == 1


def test_a_run_repeats_itself_and_cells_are_paired() -> None:
    first, second = (EXPERIMENT.run(config("wealth"), np.random.default_rng(5)) for _ in range(2))
    other = EXPERIMENT.run(config("none"), np.random.default_rng(5))
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name])
        assert table.dtypes.tolist() == other[name].dtypes.tolist()
    assert first["paths"]["total_cents"].iloc[0] == other["paths"]["total_cents"].iloc[0]
    assert first["paths"]["price"].iloc[0] == other["paths"]["price"].iloc[0]


def test_rebated_taxes_on_surplus_and_wealth_raise_efficiency_and_make_compute_more_equal(
    tables: dict[str, pd.DataFrame],
) -> None:
    outcomes = tables["outcomes"].merge(tables["cells"], on=["cell", "replication"])
    outcomes = outcomes[outcomes["policy"] == "truthful"].set_index(["tax_code", "replication"])
    for code in ("surplus", "wealth", "per unit"):
        gained = (
            outcomes.loc[code, ["efficiency", "gini_compute", "gini_wealth"]]
            - outcomes.loc["none", ["efficiency", "gini_compute", "gini_wealth"]]
        )
        assert (gained["efficiency"] > 0.02).all()
        assert (gained[["gini_compute", "gini_wealth"]] < 0.0).all(axis=None)


@pytest.mark.parametrize("code", [code for code in TAX_CODES if code != "none"])
def test_rates_raise_the_same_revenue_where_nobody_behaves_otherwise(code: str) -> None:
    population = synthetic_population(6, 4, 8, rng=0).assign(wealth_cents=1000)
    chosen = Config(tax_code=code)
    rules = tax_rules(chosen, population)
    valuations, costs = population["valuation"].to_numpy(), population["cost"].to_numpy()
    untaxed = CapacityMarket(FixedSupply(0.5 * float(costs.sum()))).clear(valuations, costs)
    surplus = (valuations - untaxed.price) * untaxed.quantities
    target = 0.1 * untaxed.price * untaxed.quantities.sum()
    match code:
        case "per unit":
            revenue = rules.tax.rate * untaxed.quantities.sum()
        case "ad valorem":
            revenue = rules.tax.rate * untaxed.price / (1.0 + rules.tax.rate) * untaxed.quantities.sum()
        case "use":
            revenue = rules.use_tax.tax_due(untaxed.quantities).sum()
        case "surplus":
            revenue = rules.code.taxes[0].tax_due(surplus).sum()
        case _:
            revenue = rules.code.taxes[0].tax_due(10.0 + 9.0 * surplus).sum()
    assert revenue == pytest.approx(target, rel=1e-4)


@pytest.mark.parametrize("code", [code for code in TAX_CODES if code != USE])
@pytest.mark.parametrize("budget", [0.3, 0.7])
def test_the_frictionless_price_is_that_of_a_large_population(code: str, budget: float) -> None:
    chosen = Config(tax_code=code, budget=budget)
    base = synthetic_population(1000, 40, 80, rng=0, log_spread=0.5)
    shocks = np.random.default_rng(1).standard_normal(len(base))
    shaken = base["valuation"].to_numpy() * np.exp(0.5 * shocks - 0.125)
    supply = FixedSupply(budget * float(base["cost"].sum()))
    tax = tax_rules(chosen, base.assign(wealth_cents=1000)).tax
    price = CapacityMarket(supply, tax=tax).clear(shaken, base["cost"]).price
    assert frictionless_price(chosen) == pytest.approx(price, rel=0.01)
    assert frictionless_price(Config(tax_code=USE)) is None


def test_figures_are_drawn_from_stored_tables(tables: dict[str, pd.DataFrame]) -> None:
    figures = EXPERIMENT.figures(tables)
    assert sorted(figures) == ["efficiency", "inequality"]
    for figure in figures.values():
        figure.canvas.draw()
        assert all(axis.get_xlabel() for axis in figure.axes)
    one = tables["cells"]["cell"] == 0
    alone = {name: table[table["cell"].isin(tables["cells"].loc[one, "cell"])] for name, table in tables.items()}
    assert sorted(EXPERIMENT.figures(alone)) == ["efficiency", "inequality"]


def test_a_recorded_population_takes_the_place_of_a_drawn_one(tmp_path: Path) -> None:
    chosen = config("wealth", population="roles-encoder")
    agents = agents_of(chosen, seed=0)
    assert agents["valuation"].median() == pytest.approx(10.0)
    assert agents["cost"].min() == pytest.approx(1.0)
    assert set(agents["kind"]) == {"head", "neuron_block"}
    agents.to_csv(tmp_path / "mine.csv", index=False)
    mine = replace(chosen, population=str(tmp_path / "mine.csv"))
    first, again = (EXPERIMENT.run(point, np.random.default_rng(0)) for point in (chosen, mine))
    np.testing.assert_allclose(first["paths"]["price"], again["paths"]["price"], rtol=1e-9)
    assert frictionless_price(chosen) is None
    table = first["theory"]
    assert ((table["obtained"] - table["expected"]).abs() <= table["tolerance"]).all()


def test_a_population_that_is_mostly_worthless_is_refused(tmp_path: Path) -> None:
    agents = agents_of(config("none"), seed=0).assign(valuation=0.0)
    agents.to_csv(tmp_path / "idle.csv", index=False)
    with pytest.raises(InvalidInputError, match=r"the median agent of .*idle\.csv values compute at 0"):
        agents_of(config("none", population=str(tmp_path / "idle.csv")), seed=0)


def test_scenarios_are_of_this_experiment() -> None:
    folder = Path(__file__).parents[3] / "simulations" / "scenarios"
    for name in ("compute-economy", "compute-economy-recorded"):
        scenario = tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        assert scenario["experiment"] == EXPERIMENT.name
        for values in product(*scenario["grid"].values()):
            Config(**scenario["config"], **dict(zip(scenario["grid"], values, strict=True)))


def test_a_row_of_cells_is_a_configuration(tables: dict[str, pd.DataFrame]) -> None:
    assert config_of(tables["cells"].iloc[-1]) == config("none", policy="zi-c")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tax_code": "poll"}, "Config.tax_code must be one of"),
        ({"policy": "zip"}, "Config.policy must be one of"),
        ({"population": "bert"}, "Config.population must be one of"),
        ({"budget": 1.0}, "Config.budget must lie inside"),
        ({"tax_burden": 0.5}, "Config.tax_burden must be at most 0.3"),
        ({"median_wealth": 0.0}, "Config.median_wealth must be above 0"),
        ({"talent_spread": 0.0}, "Config.talent_spread must be above 0"),
        ({"wealth_spread": -1.0}, "Config.wealth_spread must be 0 or more"),
        ({"shock_spread": np.nan}, "Config.shock_spread must be finite"),
        ({"persistence": 1.0}, "Config.persistence must be below 1"),
        ({"dividend_rate": 0.0}, "Config.dividend_rate must be above 0"),
        ({"periods": 3}, "Config.periods must be 4 or more"),
        ({"heads": 0}, "Config.heads must be 1 or more"),
    ],
)
def test_refuses_malformed_configurations(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Config(**changes)
