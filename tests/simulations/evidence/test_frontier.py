"""The frontier's cells, its table, and `walras frontier`, on the embedded task and a few steps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from walras.llm import attach, count_flops
from walras.llm.ensemble import ElasticShares, MarketShares
from walras.llm.tasks import Examples, Task, make_roles_task, small_bert
from walras.market import InvalidInputError
from walras.market.errors import MarketError
from walras.simulations import evidence
from walras.simulations.cli import app
from walras.simulations.evidence import EXPERIMENT, METHODS, FrontierConfig, frontier_summary, leads
from walras.simulations.evidence import config as configuration
from walras.simulations.evidence.flops import task_flops

BUDGETS = (1.0, 0.4)


@pytest.fixture(autouse=True)
def small_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """The embedded task with few examples: what is tested does not depend on how many there are."""
    whole = make_roles_task(seed=0)
    few = replace(whole, train=whole.train.head(64), evaluation=whole.evaluation.head(40))
    monkeypatch.setattr(configuration, "load_model_and_task", lambda *_, seed, **__: (small_bert(seed=seed), few))
    return few


def cell(method: str, **fields: object) -> pd.DataFrame:
    settings = {"budgets": BUDGETS, "seeds": 1, "steps": 2, "batch_size": 8, **fields}
    return EXPERIMENT.run(FrontierConfig(method=method, **settings), np.random.default_rng(0))["scores"]


@pytest.mark.parametrize("method", [method for method in METHODS if method != "dense"])
def test_a_cell_has_a_row_per_budget_and_stays_within_it(method: str) -> None:
    scores = cell(method)
    assert tuple(scores["budget"]) == BUDGETS
    assert (scores["used"] <= scores["budget"] + 1e-9).all()
    assert scores["used"].iloc[0] == pytest.approx(1.0)
    assert scores["used"].iloc[1] > 0.25
    assert (scores["real_flops"] <= scores["padded_flops"]).all()
    assert scores["parameters"].is_monotonic_decreasing
    assert scores["score"].between(0.0, 1.0).all()


def test_elastic_training_settles_where_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    bought, shares = [], ElasticShares.shares
    monkeypatch.setattr(ElasticShares, "shares", lambda self: bought.append(found := shares(self)) or found)
    cell("elastic", steps=10, settled=0.5)
    whole = [bool(((step == 0.0) | (step == 1.0)).all()) for step in bought]
    assert whole == [True] + [False] * 4 + [True] * 5  # the warm-up serves everyone
    assert [len(step) for step in bought] == [1] + [3] * 9


@pytest.mark.parametrize("method", ["elastic-whole", "market-whole"])
def test_whole_agents_are_served_while_valuations_learn(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    served, values = [], []
    for shares in (ElasticShares, MarketShares):

        def noted(self, original=shares.shares):
            found = original(self)
            served.append(bool(((found == 0.0) | (found == 1.0)).all()))
            values.append(self.valuations.detach().clone())
            return found

        monkeypatch.setattr(shares, "shares", noted)
    cell(method, budgets=(0.4,), steps=6, search=1.0, settled=1.0)
    assert served == [True] * 6
    assert not values[-2].equal(values[-1])


def test_a_table_of_a_model_without_agents_can_be_kept() -> None:
    from pyarrow import Table, types

    column = Table.from_pandas(cell("small_dense")).column("by_layer")
    assert column.null_count == len(column)
    assert not types.is_null(column.type)


def test_the_dense_method_is_the_whole_model() -> None:
    scores = cell("dense")
    assert len(scores) == 1
    assert scores["real_flops_ratio"].iloc[0] == 1.0


def test_post_hoc_at_the_whole_budget_is_the_dense_model() -> None:
    scores = cell("magnitude-post-hoc")
    assert scores["score"].iloc[0] == scores["dense_score"].iloc[0]


def test_methods_of_a_seed_begin_with_one_dense_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from walras.simulations.evidence import dense

    trained = []
    train = dense.train_together
    monkeypatch.setattr(dense, "train_together", lambda *a, **k: (trained.append(1), train(*a, **k)))
    folder = str(tmp_path / "models")
    first, second = (cell(method, dense_models=folder) for method in ("random-post-hoc", "uniform-post-hoc"))
    assert len(trained) == 1
    assert first["dense_score"].iloc[0] == second["dense_score"].iloc[0]
    cell("random-post-hoc", dense_models=folder, learning_rate=1e-4)  # another dense model
    assert len(trained) == 2


def test_flops_of_a_task_are_those_of_its_lengths(small_task: Task) -> None:
    model = small_bert(seed=0)
    lengths = [5, 9, 17]
    rows = [{**small_task.evaluation.rows[0], "input_ids": [1] * length} for length in lengths]
    task = Task("few", small_task.train, Examples(rows), 2, "accuracy", small_task.collate, small_task.words)
    counted = [count_flops(model, sequence_length=length) for length in lengths]
    flops = task_flops(model, task)
    assert flops.real == pytest.approx(np.mean(counted), rel=1e-9)
    assert flops.padded == pytest.approx(counted[-1], rel=1e-9)


def test_the_summary_compares_with_the_dense_model_of_the_same_seed() -> None:
    def row(method: str, seed: int, score: float) -> dict[str, object]:
        same = {"budget": 0.5, "dense_score": 0.1, "real_flops_ratio": 0.5, "padded_flops_ratio": 0.5}
        return {"method": method, "seed": seed, "score": score, **same}

    scores = pd.DataFrame([row("dense", 1, 0.8), row("dense", 2, 0.4), row("ours", 1, 0.4), row("ours", 2, 0.4)])
    ours = frontier_summary(scores).set_index("method").loc["ours"]
    assert ours["kept"] == pytest.approx((0.5 + 1.0) / 2)
    assert ours["score"] == pytest.approx(0.4)
    assert ours["half_width"] == pytest.approx(0.0)
    assert ours["seeds"] == 2
    without = frontier_summary(scores[scores["method"] == "ours"]).iloc[0]
    assert without["kept"] == pytest.approx(4.0)  # over the model that all began with


def test_leads_are_paired_by_seed_and_point_upwards() -> None:
    def row(method: str, seed: int, score: float, metric: str) -> dict[str, object]:
        return {"method": method, "seed": seed, "score": score, "budget": 0.5, "metric": metric}

    ours, theirs = (0.5, 0.9, 0.7), (0.4, 0.81, 0.59)  # seeds differ by more than methods
    rows = [row("market", seed, score, "accuracy") for seed, score in enumerate(ours)]
    rows += [row("other", seed, score, "accuracy") for seed, score in enumerate(theirs)]
    lead = leads(pd.DataFrame(rows), "market").set_index("method").loc["other"]
    assert lead["lead"] == pytest.approx(0.1)
    assert lead["half_width"] == pytest.approx(4.303 * 0.01 / np.sqrt(3), rel=1e-3)  # Student's t, 2 degrees
    assert lead["ahead"]
    assert not lead["behind"]
    perplexities = pd.DataFrame(rows).assign(metric="perplexity")
    assert leads(perplexities, "market").set_index("method").loc["other", "behind"]


@pytest.mark.parametrize("method", ["market", "small_dense"])
def test_a_row_says_what_the_exported_model_is(method: str, small_task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    from walras.simulations.evidence import experiment

    found = []
    smaller_models = experiment.smaller_models
    monkeypatch.setattr(
        experiment, "smaller_models", lambda cell: (found.append(each) or each for each in smaller_models(cell))
    )
    row = cell(method, budgets=(0.4,)).iloc[0]
    model = found[0].model
    if model is None:
        economy = attach(small_bert(seed=0))
        economy.set_valuations(found[0].open_agents.astype(float))
        model = economy.export(row["used"])
        counts = [tuple(map(int, layer.split("+"))) for layer in row["by_layer"].split()]
        layers = model.bert.encoder.layer
        assert [heads * 32 for heads, _ in counts] == [layer.attention.self.query.out_features for layer in layers]
        assert [blocks * 64 for _, blocks in counts] == [layer.intermediate.dense.out_features for layer in layers]
    flops = task_flops(model, small_task)
    assert row["real_flops"] == pytest.approx(flops.real, rel=1e-9)
    assert row["padded_flops"] == pytest.approx(flops.padded, rel=1e-9)
    assert row["parameters"] == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"method": "nonsense"}, "nonsense"),
        ({"budgets": ()}, "budgets"),
        ({"budgets": (0.5, 0.5)}, "budgets"),
        ({"budgets": (1.5,)}, "budgets"),
        ({"baseline_budgets": (0.5, 0.5)}, "baseline_budgets"),
        ({"baseline_budgets": (0.0,)}, "baseline_budgets"),
        ({"steps": 0}, "steps"),
        ({"epochs": 2.0}, "steps or epochs"),
        ({"search": 0.0}, "search"),
        ({"search": 1.2}, "search"),
        ({"settled": 0.0}, "settled"),
        ({"settled": 1.5}, "settled"),
    ],
)
def test_bad_configurations_are_refused(fields: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        FrontierConfig(**fields)


def test_the_command_prints_the_frontier_and_resumes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["frontier", "--methods", "elastic,random-post-hoc", "--budgets", "1.0,0.4", "--seeds", "2"]
    arguments += ["--baseline-budgets", "0.4"]
    arguments += ["--steps", "2", "--batch-size", "8", "--out", str(out), "--dense-models", str(tmp_path / "dense")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "random-post-hoc" in result.output
    scores = pd.read_parquet(out / "scores.parquet")
    assert len(scores) == 2 * (2 + 1)  # two seeds: ours at both budgets, and the baseline at one
    assert set(scores.loc[scores["method"] == "random-post-hoc", "budget"]) == {0.4}
    assert (out / "figures" / "frontier.png").is_file()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 0, again.output
    pd.testing.assert_frame_equal(pd.read_parquet(out / "scores.parquet"), scores)


def test_the_smoke_preset_keeps_budgets_and_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What must hold at any scale, on few examples."""
    out = tmp_path / "run"
    arguments = ["frontier", "--preset", "smoke", "--out", str(out), "--dense-models", str(tmp_path / "dense")]
    run_cell, done = EXPERIMENT.run, []

    def stops_after_two(config: FrontierConfig, rng: np.random.Generator) -> object:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(config.method)
        return run_cell(config, rng)

    with monkeypatch.context() as patch:
        patch.setitem(EXPERIMENT.__dict__, "run", stops_after_two)
        stopped = CliRunner().invoke(app, arguments)
    assert stopped.exit_code != 0
    assert done == ["dense", "elastic"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    scores = pd.read_parquet(out / "scores.parquet")
    assert len(scores) == 2 * (1 + 3 * 3)
    assert (scores["used"] <= scores["budget"] + 1e-9).all()
    assert set(scores["method"]) == {"dense", "elastic", "magnitude", "random-post-hoc"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--task", "cola"], "needs --model"),
        (["--task", "cola", "--model", "no-such-folder", "--data-dir", "none"], "no-such-folder"),
        (["--methods", ","], "--methods is empty"),
        (["--budgets", "a,b"], "--budgets must be numbers"),
        (["--preset", "large"], "no preset 'large'"),
        (["--steps", "2", "--epochs", "1"], "not both"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real loading
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["frontier", *arguments])
    assert isinstance(result.exception, MarketError)
    assert named in str(result.exception)
    assert not list(tmp_path.iterdir())


def test_the_command_estimates_its_time(tmp_path: Path) -> None:
    arguments = ["frontier", "--methods", "elastic", "--budgets", "0.4", "--steps", "10", "--batch-size", "8"]
    result = CliRunner().invoke(app, [*arguments, "--dry-run", "--json", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    assert '"seconds"' in result.output
    assert not (tmp_path / "run").exists()


def test_whole_agents_take_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    from walras.simulations.evidence import estimate as estimates

    monkeypatch.setattr(estimates, "_seconds_per_step", lambda *_, lowest=None, **__: 1.0 if lowest is None else 3.0)
    config = FrontierConfig(steps=5, batch_size=8, seeds=2)
    found = estimates.estimate(config, ["elastic", "elastic-whole", "market", "market-whole", "taylor-post-hoc"])
    assert list(found.by_method.values()) == [15.0, 15.0, 5.0, 5.0, 0.0]


def test_every_method_of_the_command_exists() -> None:
    from walras.simulations.commands.frontier import ALL_METHODS

    assert set(ALL_METHODS.split(",")) <= set(METHODS)
    assert evidence.EXPERIMENT.name == "frontier"
