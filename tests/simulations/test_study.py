"""A whole study, from rows to report."""

import json
import re

import pandas as pd
import pytest

from walras.llm.tasks import make_roles_task
from walras.market import InvalidInputError
from walras.simulations import StudyConfig
from walras.simulations.study_report import frontier_table


@pytest.fixture(scope="module")
def rows(finished_study):
    return pd.read_parquet(finished_study.path / "frontier.parquet")


def test_every_stage_leaves_its_rows_and_the_manifest_says_complete(finished_study):
    names = {path.name for path in finished_study.path.iterdir()}
    tables = {f"{name}.parquet" for name in ("isolation", "economy", "checks", "training", "frontier", "agents")}
    assert tables | {"manifest.json", "report.html", "figures"} == names
    manifest = json.loads((finished_study.path / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["config"]["budgets"] == [1.0, 0.5]
    assert manifest["facts"]["training"]["steps"] == 8
    assert manifest["packages"]["torch"]


def test_every_method_has_a_row_for_every_budget(rows):
    counted = rows.groupby("method")["budget"].nunique().to_dict()
    assert counted == {"dense": 1, "market": 2, "magnitude": 2, "random": 2}
    assert (rows["method"] == "random").sum() == 10
    assert rows["score"].between(0.0, 1.0).all()


def test_no_method_uses_more_than_its_budget_and_all_use_nearly_all_of_it(rows, finished_study):
    agents = pd.read_parquet(finished_study.path / "agents.parquet")
    dearest = agents["cost"].max()
    assert (rows["used"] <= rows["budget"] + 1e-12).all()
    assert (rows["used"] > rows["budget"] - dearest).all()


def test_counted_flops_are_the_dense_ones_less_those_of_the_closed_agents(rows, finished_study):
    agents = pd.read_parquet(finished_study.path / "agents.parquet")
    dense = rows.loc[rows["method"] == "dense", "flops"].iloc[0]
    for budget, group in agents.groupby("budget"):
        closed = group.loc[~group["served"], "cost_flops"].sum()
        counted = rows.loc[(rows["method"] == "market") & (rows["budget"] == budget), "flops"].iloc[0]
        assert counted == dense - closed


def test_at_the_whole_budget_pruning_changes_nothing(rows):
    whole = rows[(rows["budget"] == 1.0) & (rows["method"] != "market")]
    assert whole["score"].nunique() == 1
    assert (rows.loc[rows["budget"] == 1.0, "flops_ratio"] == 1.0).all()


def test_the_explicit_engine_serves_the_same_agents_as_the_model(finished_study):
    assert finished_study.manifest["facts"]["allocation_difference"] == 0


def test_market_and_dense_model_are_timed(rows):
    timed = rows[rows["method"].isin(["market", "dense"])]
    assert (timed["latency_ms"] > 0).all()
    assert (timed["latency_ms_lower_quartile"] <= timed["latency_ms"]).all()
    assert (timed["latency_ms"] <= timed["latency_ms_upper_quartile"]).all()
    assert timed.loc[timed["method"] == "dense", "speed_up"].iloc[0] == 1.0


def test_report_carries_its_figures_and_names_every_budget(finished_study):
    page = (finished_study.path / "report.html").read_text()
    figures = list((finished_study.path / "figures").glob("*.png"))
    assert len(figures) == 6
    assert page.count("data:image/png;base64,") == len(figures)
    assert not re.search(r'(src|href)="https?:', page), "the page must not need the network"
    assert "the very same agents at every budget" in page


def test_table_shows_numbers_not_nan(rows):
    table = frontier_table(rows)
    assert table["budget"].tolist() == ["dense", "1", "0.5"]
    assert not table.map(lambda cell: "nan" in cell).any(axis=None)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"budgets": ()}, "budgets is empty"),
        ({"budgets": (0.5, 0.5)}, "must differ"),
        ({"budgets": (1.5,)}, "1.5"),
        ({"budgets": (0.0,)}, "above 0"),
        ({"budgets": (float("nan"),)}, "nan"),
        ({"steps": 5, "epochs": 1.0}, "not both"),
        ({"steps": 0}, "steps"),
        ({"epochs": -1.0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_bad_configurations_are_refused(changes, complaint):
    with pytest.raises(InvalidInputError, match=complaint):
        StudyConfig(**changes)


def test_epochs_are_turned_into_steps():
    task = make_roles_task(train=100, evaluation=1)
    assert StudyConfig(epochs=3.0, batch_size=10).training_settings(task).steps == 30
    assert StudyConfig(steps=7).training_settings(task).steps == 7
